// The script's computations, run by `node --test`; test_assets.py starts it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const path = new URL("../../../../src/tracetools/output/flamegraph/assets/model.js", import.meta.url);
const names = [
  "firstFrom", "frameBelow", "shownRanges", "placeOf", "stackOf", "compile", "isMatch", "inOrder",
  "matchedShare", "cutText", "labelOf", "readState", "writeState", "keyOf", "frameOfKey",
];
const model = new Function(
  `"use strict"; ${readFileSync(path, "utf8")}; return { ${names.join(", ")} };`,
)();

const frame = (depth, start, width, name, count = Number) => ({
  depth, start: count(start), width: count(width), end: count(start + width), name,
});
const makeRows = (count) => [
  [frame(0, 0, 10, "all", count)],
  [frame(1, 0, 6, "a", count), frame(1, 7, 3, "b", count)],
  [frame(2, 1, 2, "c", count), frame(2, 3, 3, "d", count), frame(2, 8, 2, "e", count)],
];
const letters = (text) => text.length;

for (const count of [Number, BigInt]) {
  const rows = makeRows(count);
  const [[all], [a, b], [c, d, e]] = rows;

  test(`a row is searched by halves (${count.name})`, () => {
    const indices = [0, 1, 2, 3, 4, 8, 9].map((moment) => model.firstFrom(rows[2], count(moment)));
    assert.deepEqual(indices, [0, 0, 1, 1, 2, 2, 3]);
    assert.equal(model.firstFrom([], count(1)), 0);
  });

  test(`a frame stands on the one below (${count.name})`, () => {
    assert.equal(model.frameBelow(rows[1], d), a);
    assert.equal(model.frameBelow(rows[1], e), b);
    assert.equal(model.frameBelow(rows[-1], all), undefined);
    assert.equal(model.stackOf(rows, d), "a;d");
    assert.equal(model.stackOf(rows, all), "");
  });

  test(`a zoom shows what is above and what carries it (${count.name})`, () => {
    assert.deepEqual(model.shownRanges(rows, all), [[0, 1], [0, 2], [0, 3]]);
    assert.deepEqual(model.shownRanges(rows, a), [[0, 1], [0, 1], [0, 2]]);
    assert.deepEqual(model.shownRanges(rows, e), [[0, 1], [1, 2], [2, 3]]);
    assert.deepEqual(model.placeOf(d, a), { left: 0.5, width: 0.5 });
    assert.deepEqual(model.placeOf(a, a), { left: 0, width: 1 });
  });

  test(`what matches is counted once (${count.name})`, () => {
    assert.equal(model.matchedShare(model.inOrder([d, e, a, c]), all), 0.8);
    assert.equal(model.matchedShare(model.inOrder([e]), all), 0.2);
    assert.equal(model.matchedShare(model.inOrder([all, e]), b), 1);
    assert.equal(model.matchedShare([], all), 0);
    assert.deepEqual(model.inOrder([d, c, a, all]), [all, a, c, d]);
  });

  test(`a key means its frame or none (${count.name})`, () => {
    assert.equal(model.keyOf(d), "2,3,3");
    assert.equal(model.frameOfKey(rows, "2,3,3"), d);
    for (const stale of ["2,3,4", "9,0,1", "", "x", "-1,0,0", "1,8,2"]) {
      assert.equal(model.frameOfKey(rows, stale), undefined);
    }
  });
}

test("an expression is a pattern, a complaint, or nothing", () => {
  assert.equal(model.compile("A", true).pattern.test("a"), true);
  assert.equal(model.compile("A", false).pattern.test("a"), false);
  assert.match(model.compile("(", false).complaint, /Unterminated/);
  assert.deepEqual(model.compile("", false), { pattern: null, complaint: null });
});

test("labels are cut on either side", () => {
  const cut = (text, room, side = "right") => model.cutText(text, room, letters, side);
  assert.equal(cut("abcdef", 6), "abcdef");
  assert.equal(cut("abcdef", 5), "abc..");
  assert.equal(cut("abcdef", 5, "left"), "..def");
  assert.equal(cut("abcdef", 2), "");
  assert.equal(cut("\u{1f600}\u{1f600}\u{1f600}", 5), "\u{1f600}..");
  assert.equal(cut("\u{1f600}\u{1f600}\u{1f600}", 5, "left"), "..\u{1f600}");
});

test("a mark stays before a label that is cut, and alone where nothing else has room", () => {
  const label = (room, side, symbol = "!") =>
    model.labelOf({ symbol, name: "abcdef" }, room, letters, side);
  assert.equal(label(8, "right"), "! abcdef");
  assert.equal(label(7, "right"), "! abc..");
  assert.equal(label(7, "left"), "! ..def");
  assert.equal(label(4, "right"), "!");
  assert.equal(label(1, "right"), "!");
  assert.equal(label(0, "right"), "");
  assert.equal(label(6, "right", ""), "abcdef");
  assert.equal(label(2, "right", ""), "");
});

test("a frame is found by its name, and by its mark if it has one", () => {
  const found = (pattern, symbol) => model.isMatch(pattern, { symbol, name: "abc" });
  assert.equal(found(/^a/, "!"), true);
  assert.equal(found(/!/, "!"), true);
  assert.equal(found(/!/, ""), false);
  assert.equal(found(/^$/, ""), false);
});

test("state goes into the address and comes back, beside what others keep there", () => {
  const state = { zoom: "1,2,3", search: "a&b=%#\u00e9", ignoreCase: true };
  const hash = model.writeState("#lens=busy&x.zoom=0,0,1&x.case=ignore", "x.", state);
  assert.match(hash, /^#lens=busy&x\.zoom=1,2,3&/);
  assert.deepEqual(model.readState(hash, "x."), state);
  assert.deepEqual(model.readState(hash, ""), { zoom: null, search: null, ignoreCase: false });
  assert.equal(
    model.writeState(hash, "x.", { zoom: null, search: "", ignoreCase: true }),
    "#lens=busy",
  );
  assert.equal(model.writeState("", "", { zoom: null, search: "" }), "");
  assert.equal(model.writeState("", "", { zoom: null, search: "" }, "first"), "#search=");
  assert.equal(model.writeState("", "", { zoom: null, search: "first" }, "first"), "");
  assert.equal(model.writeState("", "", { zoom: null, search: "\ud800" }), "#search=%EF%BF%BD");
});

test("a broken address is no state", () => {
  for (const hash of ["#zoom=1,2", "#zoom", "#search=%zz", "#=&=", "#&&"]) {
    assert.deepEqual(model.readState(hash, ""), { zoom: null, search: null, ignoreCase: false });
  }
});
