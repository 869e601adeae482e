// What a flame graph computes, without a document: which frames a zoom shows, what a search
// matches, how a label is cut, and how the state is written in a URL.
//
// What may live here: functions of plain values. What must not: nodes, events, the window; the
// other files have them. All stand within one function, so nothing here is a global name.
//
// A frame has `name`, `symbol` (of its mark, or nothing), `depth`, `start`, `end` and `width`, all counts being numbers, or all BigInt where
// the whole is too large for numbers to be exact. A row is an array of frames from left to right,
// `rows` has one for each depth. Frames of a row do not overlap, and one above another lies within.

const MIN_LETTERS = 3;

// -- where frames are ----------------------------------------------------------------------------

// The index of the first frame of a row that begins at a moment or later.
function firstFrom(row, moment) {
  let low = 0;
  let high = row.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (row[middle].start < moment) low = middle + 1;
    else high = middle;
  }
  return low;
}

function contains(outer, inner) {
  return outer.start <= inner.start && inner.end <= outer.end;
}

// The frame of a row that another one stands above, or undefined.
function frameBelow(row, frame) {
  if (row === undefined) return undefined;
  const next = firstFrom(row, frame.start);
  const candidates = [row[next], row[next - 1]];
  return candidates.find((candidate) => candidate !== undefined && contains(candidate, frame));
}

// For each row the range [first, stop) of indices that are shown while a frame is zoomed: what
// stands above the frame, and below it the one frame that carries it.
function shownRanges(rows, zoomed) {
  return rows.map((row, depth) => {
    if (depth < zoomed.depth) {
      const carrier = row.indexOf(frameBelow(row, zoomed));
      return [carrier, carrier + 1];
    }
    return [firstFrom(row, zoomed.start), firstFrom(row, zoomed.end)];
  });
}

// Where a frame is drawn while another one fills the whole width, as shares of that.
function placeOf(frame, view) {
  return {
    left: share(frame.start - view.start, view.width),
    width: share(frame.width, view.width),
  };
}

function share(some, all) {
  return Number(some) / Number(all);
}

// The names from the root to a frame, as a folded stack has them.
function stackOf(rows, frame) {
  const names = [];
  for (let each = frame; each !== undefined && each.depth > 0; ) {
    names.unshift(each.name);
    each = frameBelow(rows[each.depth - 1], each);
  }
  return names.join(";");
}

// -- search --------------------------------------------------------------------------------------

// The pattern of what was typed, or why it is none; nothing typed is neither.
function compile(expression, ignoreCase) {
  if (expression === "") return { pattern: null, complaint: null };
  try {
    return { pattern: new RegExp(expression, ignoreCase ? "i" : ""), complaint: null };
  } catch (error) {
    return { pattern: null, complaint: error.message };
  }
}

// A frame is found by its name, and if it is marked, by its symbol too.
function isMatch(pattern, { symbol, name }) {
  return pattern.test(name) || (symbol !== "" && pattern.test(symbol));
}

// From left to right, and then from the root.
function inOrder(frames) {
  return [...frames].sort((one, other) =>
    one.start === other.start ? one.depth - other.depth : one.start < other.start ? -1 : 1,
  );
}

// The share of the zoomed frame that matches, each moment counted once; the matches are in order.
function matchedShare(matches, zoomed) {
  let sum = zoomed.start - zoomed.start;
  let counted = zoomed.start;
  for (const match of matches) {
    const start = match.start > counted ? match.start : counted;
    const end = match.end < zoomed.end ? match.end : zoomed.end;
    if (end <= start) continue;
    sum += end - start;
    counted = end;
  }
  return share(sum, zoomed.width);
}

function percent(part, digits) {
  return `${(100 * part).toFixed(digits)}%`;
}

// -- labels --------------------------------------------------------------------------------------

// A text, cut at the given side to what has room; `measure` tells the width of a text.
function cutText(text, room, measure, side) {
  if (room < MIN_LETTERS * measure("0")) return "";
  if (measure(text) <= room) return text;
  const cut = side === "left" ? keepEnd : keepStart;
  let fits = 0;
  let beyond = text.length;
  while (beyond - fits > 1) {
    const middle = (fits + beyond) >> 1;
    if (measure(cut(text, middle)) <= room) fits = middle;
    else beyond = middle;
  }
  return cut(text, fits);
}

// The name of a frame as it has room; behind its symbol, if it is marked, or else that alone.
function labelOf({ symbol, name }, room, measure, side) {
  if (!symbol) return cutText(name, room, measure, side);
  const text = cutText(name, room - measure(`${symbol} `), measure, side);
  if (text !== "") return `${symbol} ${text}`;
  return measure(symbol) <= room ? symbol : "";
}

// Half of a character that takes two units is no character: it is left away.
function keepStart(text, units) {
  return `${text.slice(0, units).replace(/[\ud800-\udbff]$/, "")}..`;
}

function keepEnd(text, units) {
  return `..${text.slice(text.length - units).replace(/^[\udc00-\udfff]/, "")}`;
}

// -- state ---------------------------------------------------------------------------------------

// The hash of a URL holds `zoom=DEPTH,START,WIDTH`, `search=EXPRESSION` and `case=ignore`, each
// where it is not as at first; names begin with the prefix, and other entries are left alone. A
// search that is not there is null.
function readState(hash, prefix) {
  const state = { zoom: null, search: null, ignoreCase: false };
  for (const entry of entriesOf(hash)) {
    const [name, value] = splitEntry(entry);
    if (name === `${prefix}zoom` && /^\d+,\d+,\d+$/.test(value)) state.zoom = value;
    if (name === `${prefix}search` && value !== null) state.search = value;
    if (name === `${prefix}case`) state.ignoreCase = value === "ignore";
  }
  return state;
}

function writeState(hash, prefix, state, firstSearch = "") {
  const own = ["zoom", "search", "case"].map((name) => prefix + name);
  const entries = entriesOf(hash).filter((entry) => !own.includes(splitEntry(entry)[0]));
  if (state.zoom) entries.push(`${prefix}zoom=${state.zoom}`);
  if (state.search !== firstSearch) entries.push(`${prefix}search=${encode(state.search)}`);
  if (state.search && state.ignoreCase) entries.push(`${prefix}case=ignore`);
  return entries.length ? `#${entries.join("&")}` : "";
}

// Half of a character that takes two units cannot be written in a URL.
function encode(text) {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, "\ufffd"));
}

function entriesOf(hash) {
  return hash.replace(/^#/, "").split("&").filter(Boolean);
}

function splitEntry(entry) {
  const [name, ...rest] = entry.split("=");
  try {
    return [name, decodeURIComponent(rest.join("="))];
  } catch {
    return [name, null];
  }
}

function keyOf(frame) {
  return `${frame.depth},${frame.start},${frame.width}`;
}

// The frame that a key means, or undefined where the graph has changed since.
function frameOfKey(rows, key) {
  const [depth, start] = key.split(",");
  const row = rows[Number(depth)] ?? [];
  return row.find((frame) => String(frame.start) === start && keyOf(frame) === key);
}
