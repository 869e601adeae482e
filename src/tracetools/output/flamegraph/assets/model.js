// Pure functions of a flame graph: which frames a zoom shows, what a search matches, how a label is
// cut, and how the state is written in a URL.
//
// A frame has `name`, `symbol` (of its mark, or an empty text), `depth`, `start`, `end` and `width`.
// All counts are numbers, or all are BigInt where the whole is too large for exact numbers. A row is
// an array of frames from left to right, and `rows` has one for each depth. Frames of a row do not
// overlap, and each lies within one of the row below.

const MIN_LETTERS = 3;

// -- where frames are ----------------------------------------------------------------------------

// The index of the first frame of a row that starts at `moment` or later.
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

// The frame of a row that is below another frame, or undefined.
function frameBelow(row, frame) {
  if (row === undefined) return undefined;
  const next = firstFrom(row, frame.start);
  const candidates = [row[next], row[next - 1]];
  return candidates.find((candidate) => candidate !== undefined && contains(candidate, frame));
}

// For each row the range [first, stop) of indices that are shown while a frame is zoomed: all frames
// above it, and in each row below the one frame that carries it.
function shownRanges(rows, zoomed) {
  return rows.map((row, depth) => {
    if (depth < zoomed.depth) {
      const carrier = row.indexOf(frameBelow(row, zoomed));
      return [carrier, carrier + 1];
    }
    return [firstFrom(row, zoomed.start), firstFrom(row, zoomed.end)];
  });
}

// Where a frame is drawn while `view` fills the whole width, as parts of that width.
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

// The pattern of an expression, or why it is none; an empty expression has neither.
function compile(expression, ignoreCase) {
  if (expression === "") return { pattern: null, complaint: null };
  try {
    return { pattern: new RegExp(expression, ignoreCase ? "i" : ""), complaint: null };
  } catch (error) {
    return { pattern: null, complaint: error.message };
  }
}

// A frame matches by its name, or by the symbol of its mark.
function isMatch(pattern, { symbol, name }) {
  return pattern.test(name) || (symbol !== "" && pattern.test(symbol));
}

// Sorted from left to right, and then from the root.
function inOrder(frames) {
  return [...frames].sort((one, other) =>
    one.start === other.start ? one.depth - other.depth : one.start < other.start ? -1 : 1,
  );
}

// The part of the zoomed frame that matches, each moment counted once. The matches are in order.
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

// A text, cut at the given side so that it fits; `measure` returns the width of a text.
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

// The label of a frame that fits: its symbol, if it is marked, and as much of its name as fits.
function labelOf({ symbol, name }, room, measure, side) {
  if (!symbol) return cutText(name, room, measure, side);
  const text = cutText(name, room - measure(`${symbol} `), measure, side);
  if (text !== "") return `${symbol} ${text}`;
  return measure(symbol) <= room ? symbol : "";
}

// Half of a surrogate pair is no character, so it is left out.
function keepStart(text, units) {
  return `${text.slice(0, units).replace(/[\ud800-\udbff]$/, "")}..`;
}

function keepEnd(text, units) {
  return `..${text.slice(text.length - units).replace(/^[\udc00-\udfff]/, "")}`;
}

// -- state ---------------------------------------------------------------------------------------

// The hash of a URL has the entries `zoom=DEPTH,START,WIDTH`, `search=EXPRESSION` and `case=ignore`,
// each only where it is not the default. Their names begin with the prefix; other entries are kept.
// A missing search is null.
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

// Half of a surrogate pair cannot be written in a URL.
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

// The frame of a key, or undefined if the graph has changed since.
function frameOfKey(rows, key) {
  const [depth, start] = key.split(",");
  const row = rows[Number(depth)] ?? [];
  return row.find((frame) => String(frame.start) === start && keyOf(frame) === key);
}
