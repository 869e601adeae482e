// The behaviour of one flame graph: details, zoom, search, keys, the URL.
//
// The script touches nothing outside its own <svg>, except the scrolling of the window. If the
// document has nothing else in it, it also uses the address, the history and the keys for searching.
// It has no global name and no id, so a page can have several graphs.

const FIELD_WIDTH = 330;
const FIELD_TOP = 2;
const NARROW = 240; // pixels of a field that has no room for words
const PAUSE = 150; // milliseconds without a key before a search begins
const FOUND_ROOM = 60; // pixels in which a frame that was asked for can be read
const HELP_WIDTH = 340;

const part = (name) => root.querySelector(`.${name}`);
const heading = part("heading");
const subtitle = part("subtitle");
const bar = part("bar");
const details = part("details");
const matched = part("matched");
const resetButton = part("reset");
const searchButton = part("search");
const helpButton = part("help");
const isAlone = document.documentElement === root && root.dataset.embedded === undefined;

const firstSearch = root.dataset.search ?? "";

// What the keys do. A graph in a page does not take those of the browser.
const KEYS = [
  ["Click, Enter", "zoom to the frame"],
  ["Esc", "show the whole graph"],
  ["Arrows", "go from frame to frame"],
  ["Home, End", "go to the root, to the zoomed frame"],
  ["Ctrl+F", isAlone ? "search names" : null],
  ["F3, Shift+F3", isAlone ? "next, previous match" : null],
  ["c, s", "copy the name, the stack"],
  ["?", "show or close this list"],
];

let focused = whole;
let pointed = null;
let expression = "";
let ignoreCase = false;
let matches = [];
let current = null;

// -- texts around the frames ---------------------------------------------------------------------

// For each element its text, which is cut to fit, and the tail behind it, which is not.
const parts = new Map(
  [heading, subtitle, details, matched]
    .filter(Boolean)
    .map((element) => [element, [element.textContent, ""]]),
);
const untouched = details.textContent;

function write(element, text, tail = "") {
  parts.set(element, [text, tail]);
  fitTexts();
}

function fitTexts() {
  const put = (element, room) => {
    const [text, tail] = parts.get(element);
    const head = cutText(text, room - measure(tail), measure, "right");
    if (element.textContent !== head + tail) element.replaceChildren(...isolated(head, tail));
  };
  const beside = (width) => (width ? width + 2 * MARGIN : 0);
  const left = beside(zoomed === whole ? 0 : measure(resetButton.textContent));
  const right = beside(field.isOpen ? fieldWidth() : buttonsWidth());
  const enlarged = heading.getAttribute("font-size") / root.getAttribute("font-size");
  put(heading, (pixels - 2 * Math.max(left, right)) / enlarged);
  if (subtitle) put(subtitle, pixels);
  put(matched, pixels / 2);
  put(details, pixels - beside(matched.textContent && measure(matched.textContent)));
}

// The width of the buttons on the right.
function buttonsWidth() {
  const beyond = -parseFloat(searchButton.getAttribute("dx")) - MARGIN;
  return measure(searchButton.textContent) + beyond;
}

// A name that runs from right to left would reverse the text beside it, so both are kept apart.
function isolated(head, tail) {
  if (tail === "") return [head];
  return [head, tail].map((text) => {
    const span = document.createElementNS(SVG, "tspan");
    span.textContent = text;
    return span;
  });
}

function showDetails(frame) {
  pointed = frame;
  details.removeAttribute("aria-live");
  if (frame) write(details, frame.name, numbersOf(frame));
  else write(details, untouched);
}

// What the title has behind the name; above a zoomed frame, also the part of that frame.
function numbersOf(frame) {
  const numbers = frame.title.slice(frame.name.length);
  if (zoomed === whole || frame.depth < zoomed.depth) return numbers;
  const part = percent(share(frame.width, zoomed.width), 2);
  return `${numbers.slice(0, -1)}; ${part} of the zoomed frame)`;
}

// The bar stays in sight while a tall graph is scrolled. The search field moves into sight when it is
// opened, but not while somebody types: browsers scroll back to where it was.
const barTop = Number(/,([\d.]+)/.exec(bar.getAttribute("transform"))[1]);

function stayInSight() {
  const { top, height } = root.getBoundingClientRect();
  const scale = height / fullHeight || 1;
  const visible = (window.innerHeight - top) / scale - (fullHeight - barTop);
  placeBar(visible > 0 ? Math.min(barTop, visible) : barTop);
  if (document.activeElement !== field.input) {
    field.box.setAttribute("y", Math.max(0, Math.min(barTop, -top / scale)) + FIELD_TOP);
  }
}

function placeBar(place) {
  bar.setAttribute("transform", `translate(0,${place})`);
  bar.classList.toggle("floating", place < barTop);
}

// Scroll as little as possible to make a frame visible, and not under the bar.
function bringInSight(frame) {
  frame.node.scrollIntoView({ block: "nearest" });
  stayInSight(); // at once: the scroll event comes later
  if (!bar.classList.contains("floating")) return;
  const hidden = frame.node.getBoundingClientRect().bottom - bar.getBoundingClientRect().top;
  if (hidden > 0) window.scrollBy(0, hidden);
  stayInSight();
}

// -- zoom ----------------------------------------------------------------------------------------

function zoom(frame) {
  if (frame === zoomed) return;
  showZoomed(frame);
  remember("pushState");
}

function showZoomed(frame) {
  zoomed = frame;
  paint();
  if (!isShown(focused)) moveFocus(zoomed);
  placeField();
  showMatches();
  showDetails(pointed !== null && isShown(pointed) ? pointed : null);
  describe(focused);
}

// -- search --------------------------------------------------------------------------------------

const field = makeField();

function make(tag, attributes = {}, ...children) {
  const element = document.createElementNS(XHTML, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function makeField() {
  const input = make("input", {
    type: "text",
    class: "expression",
    "aria-label": "Search names for a regular expression",
    placeholder: "regular expression",
    autocomplete: "off",
    spellcheck: "false",
  });
  const anyCase = make("input", { type: "checkbox", class: "any-case" });
  const caseLabel = make("label", { title: "Ignore case" }, anyCase, make("span", {}, "ignore case"));
  const button = (text, name, action) => {
    const made = make("button", { type: "button", title: name, "aria-label": name }, text);
    made.addEventListener("click", action);
    return made;
  };
  const said = make("output", { class: "said", "aria-live": "polite" });
  const line = make(
    "div",
    { class: "line" },
    input,
    button("\u2039", "Previous match", () => step(-1)),
    button("\u203a", "Next match", () => step(1)),
    caseLabel,
    button("\u00d7", "Clear search", closeField),
  );
  const box = document.createElementNS(SVG, "foreignObject");
  box.setAttribute("class", "field");
  box.setAttribute("height", 3 * parseFloat(root.getAttribute("font-size")) + 6);
  box.append(make("form", {}, line, said));
  return { box, input, anyCase, said, isOpen: false };
}

function fieldWidth() {
  const taken = zoomed === whole ? 0 : measure(resetButton.textContent) + MARGIN;
  return Math.max(1, Math.min(FIELD_WIDTH, pixels - taken));
}

function placeField() {
  field.box.classList.toggle("narrow", fieldWidth() < NARROW);
  field.box.setAttribute("width", fieldWidth());
  field.box.setAttribute("x", pixels + MARGIN - fieldWidth());
}

function openField() {
  field.isOpen = true;
  placeField();
  if (!field.box.isConnected) bar.before(field.box);
  root.classList.add("asking");
  fitTexts();
}

function askExpression() {
  openField();
  field.input.blur();
  stayInSight();
  field.input.focus({ preventScroll: true });
  field.input.select();
}

function closeField() {
  field.isOpen = false;
  field.box.remove();
  root.classList.remove("asking");
  search("", ignoreCase);
  searchButton.focus({ preventScroll: true });
}

let waiting = 0;

function searchSoon() {
  clearTimeout(waiting);
  waiting = setTimeout(searchTyped, PAUSE);
}

function searchTyped() {
  clearTimeout(waiting);
  waiting = 0;
  if (field.input.value !== expression || field.anyCase.checked !== ignoreCase) {
    search(field.input.value, field.anyCase.checked);
  }
}

function search(text, anyCase) {
  showSearch(text, anyCase);
  remember("replaceState");
}

function showSearch(text, anyCase) {
  expression = text;
  ignoreCase = anyCase;
  if (field.input.value !== text) field.input.value = text;
  field.anyCase.checked = anyCase;
  const { pattern, complaint } = compile(text, anyCase);
  current?.mark("current", false);
  for (const match of matches) match.mark("match", false);
  matches = pattern ? inOrder(frames.filter((frame) => isMatch(pattern, frame))) : [];
  for (const match of matches) match.mark("match", true);
  root.classList.toggle("searching", pattern !== null);
  field.said.classList.toggle("complaint", complaint !== null);
  current = null;
  if (complaint === null) showMatches();
  else {
    field.said.textContent = complaint;
    write(matched, "");
  }
}

const shownMatches = () => matches.filter(isShown);

function showMatches() {
  const within = shownMatches();
  const isOn = root.classList.contains("searching");
  const found = `Matched: ${percent(matchedShare(within, zoomed), 1)}`;
  const position = within.includes(current) ? `${within.indexOf(current) + 1} of ` : "";
  const outside = matches.length - within.length;
  const more = outside ? `, ${outside} outside the zoomed frame` : "";
  const count = `${position}${within.length} ${within.length === 1 ? "match" : "matches"}${more}`;
  if (!field.said.classList.contains("complaint")) field.said.textContent = isOn ? count : "";
  write(matched, isOn ? found : "");
}

// Go to the next match, or with -1 to the previous one; after the last comes the first.
function step(direction) {
  searchTyped();
  const within = shownMatches();
  if (within.length === 0) return;
  const from = within.indexOf(current);
  const next = from < 0 && direction < 0 ? within.length - 1 : from + direction;
  goToMatch(within[(next + within.length) % within.length]);
}

function goToMatch(match) {
  current?.mark("current", false);
  current = match;
  current.mark("current", true);
  bringInSight(current);
  moveFocus(current);
  showMatches();
  showDetails(current);
}

// Search, and show the widest match: zoom to it if there would be no room for its label. Return how
// many frames match.
function find(text, anyCase) {
  openField();
  search(text, anyCase);
  if (matches.length === 0) return 0;
  const widest = matches.reduce((one, other) => (other.width > one.width ? other : one));
  const room = pixels * share(widest.width, zoomed.width);
  if (!isShown(widest) || room < FOUND_ROOM) zoom(room < FOUND_ROOM ? widest : whole);
  goToMatch(widest);
  return matches.length;
}

// -- help ----------------------------------------------------------------------------------------

const helpBox = makeHelp();

function makeHelp() {
  const list = make("dl");
  for (const [keys, what] of KEYS) {
    if (what !== null) list.append(make("dt", {}, keys), make("dd", {}, what));
  }
  const close = make("button", { type: "button", title: "Close", "aria-label": "Close" }, "\u00d7");
  close.addEventListener("click", closeHelp);
  const inside = make("div", { role: "dialog", "aria-label": "Keys", tabindex: "-1" }, close, list);
  const box = document.createElementNS(SVG, "foreignObject");
  box.setAttribute("class", "keys");
  box.append(inside);
  box.addEventListener("keydown", onHelpKey);
  return box;
}

function toggleHelp() {
  if (helpBox.isConnected) closeHelp();
  else openHelp();
}

function openHelp() {
  helpBox.setAttribute("width", Math.max(1, Math.min(HELP_WIDTH, pixels)));
  helpBox.setAttribute("x", MARGIN + Math.max(0, pixels - HELP_WIDTH));
  helpBox.setAttribute("height", 1);
  helpBox.setAttribute("y", Math.max(0, Math.min(barTop, -root.getBoundingClientRect().top)) + 3 * MARGIN);
  root.append(helpBox);
  helpBox.firstElementChild.focus({ preventScroll: true });
}

function closeHelp() {
  helpBox.remove();
  helpButton.focus({ preventScroll: true });
}

function onHelpKey(event) {
  event.stopPropagation();
  if (event.key === "Escape" || event.key === "?") closeHelp();
}

// -- the address ---------------------------------------------------------------------------------

// A graph within a page uses the address only if the page gives it a name for it.
function prefix() {
  if (isAlone) return "";
  return root.dataset.state ? `${root.dataset.state}.` : null;
}

function remember(method) {
  if (prefix() === null) return;
  const state = { zoom: zoomed === whole ? null : keyOf(zoomed), search: expression, ignoreCase };
  const hash = writeState(location.hash, prefix(), state, firstSearch);
  if (hash === location.hash) return;
  try {
    history[method](history.state, "", hash || location.pathname + location.search);
  } catch {
    // Some frames and files have no history that may be changed; the graph works without it.
  }
}

// Without a search in the address the search stays as it is, so that going back only zooms out.
function recall() {
  const state = readState(prefix() === null ? "" : location.hash, prefix() ?? "");
  const frame = (state.zoom && frameOfKey(rows, state.zoom)) || whole;
  if (frame !== zoomed) showZoomed(frame);
  if (state.search !== null) recallSearch(state.search, state.ignoreCase);
  remember("replaceState");
}

function recallSearch(text, anyCase) {
  if (text === expression && anyCase === ignoreCase) return;
  if (text !== "") openField();
  showSearch(text, anyCase);
}

// -- copying -------------------------------------------------------------------------------------

async function copy(text, what) {
  const done = (await copyByClipboard(text)) || copyByCommand(text);
  details.setAttribute("aria-live", "polite");
  write(details, done ? `copied the ${what}` : `the browser does not let the ${what} be copied`);
}

async function copyByClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

function copyByCommand(text) {
  const fill = (event) => {
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
  };
  document.addEventListener("copy", fill, { once: true });
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    document.removeEventListener("copy", fill);
  }
}

// -- pointer and keys ----------------------------------------------------------------------------

const frameAt = (event) => frameOfNode.get(event.target.closest(".row > g"));

// One frame at a time can be reached by Tab; the arrow keys go on from there.
function moveFocus(frame) {
  focused.node.removeAttribute("tabindex");
  focused = frame;
  focused.node.setAttribute("tabindex", "0");
  describe(frame);
}

// Screen readers take the title as the name, but it does not have the part of the zoomed frame.
function describe(frame) {
  frame.node.setAttribute("aria-label", frame.name + numbersOf(frame));
}

function focus(frame) {
  moveFocus(frame);
  frame.node.focus({ preventScroll: true });
}

function goToFrame(frame) {
  focus(frame);
  bringInSight(frame);
}

function above(frame) {
  const row = rows[frame.depth + 1] ?? [];
  const first = row[firstFrom(row, frame.start > zoomed.start ? frame.start : zoomed.start)];
  return first && contains(frame, first) && isShown(first) ? first : undefined;
}

const below = (frame) => frameBelow(rows[frame.depth - 1], frame);

function beside(frame, direction) {
  const row = rows[frame.depth];
  const other = row[firstFrom(row, frame.start) + direction];
  return other && isShown(other) ? other : undefined;
}

const isIcicle = root.classList.contains("inverted");
const goTo = {
  ArrowUp: isIcicle ? below : above,
  ArrowDown: isIcicle ? above : below,
  ArrowLeft: (frame) => beside(frame, -1),
  ArrowRight: (frame) => beside(frame, 1),
  Home: () => whole,
  End: () => zoomed,
};

function onFrameKey(event) {
  const frame = frameAt(event);
  if (frame === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Enter" || event.key === " ") zoom(frame);
  else if (event.key === "Escape") zoom(whole);
  else if (event.key === "?") toggleHelp();
  else if (event.key in goTo) goToFrame(goTo[event.key](frame) ?? frame);
  else if (!copyOnKey(event.key, pointed ?? frame)) return;
  event.preventDefault();
  event.stopPropagation();
}

function copyOnKey(key, frame) {
  if (key === "c") copy(frame.name, "name");
  else if (key === "s") copy(stackOf(rows, frame) || frame.name, "stack");
  else return false;
  return true;
}

// Alone in its document, the graph also has the keys for searching and those of the pointed frame.
function onPageKey(event) {
  const command = event.ctrlKey || event.metaKey;
  if (event.key === "F3" || (command && !event.shiftKey && event.key.toLowerCase() === "f")) {
    event.preventDefault();
    if (event.key === "F3" && matches.length) step(event.shiftKey ? -1 : 1);
    else askExpression();
  } else if (!command && !event.altKey && event.target.closest(".field") === null) {
    if (event.key === "Escape") zoom(whole);
    else if (event.key === "?") toggleHelp();
    else if (pointed !== null) copyOnKey(event.key, pointed);
  }
}

function onFieldKey(event) {
  event.stopPropagation();
  const find = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "f";
  if (event.key === "Escape") closeField();
  else if (event.key === "Enter" && event.target === field.input) step(event.shiftKey ? -1 : 1);
  else if (event.key === "F3") step(event.shiftKey ? -1 : 1);
  else if (find && isAlone) askExpression();
  else return;
  event.preventDefault();
}

function makeButton(element, text, action) {
  element.textContent = text;
  element.setAttribute("role", "button");
  element.setAttribute("tabindex", "0");
  element.addEventListener("click", action);
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    action();
  });
}

function name() {
  sheet.setAttribute("role", "tree");
  sheet.setAttribute("aria-label", heading.textContent);
  matched.setAttribute("role", "status");
  for (const row of rows) row[0].node.parentNode.setAttribute("role", "group");
  for (const frame of frames) {
    frame.node.setAttribute("role", "treeitem");
    frame.node.setAttribute("aria-level", frame.depth + 1);
  }
  sheet.setAttribute("tabindex", "-1"); // else it is a stop of Tab, since it has listeners
  moveFocus(whole);
}

// The button disappears, so the focus moves to a frame.
function reset() {
  zoom(whole);
  focus(focused);
}

function listen() {
  makeButton(resetButton, "Reset zoom", reset);
  makeButton(searchButton, "Search", askExpression);
  makeButton(helpButton, "?", toggleHelp);
  helpButton.setAttribute("aria-label", "Help: keys");
  field.input.addEventListener("input", searchSoon);
  field.anyCase.addEventListener("change", searchTyped);
  field.box.addEventListener("keydown", onFieldKey);
  field.box.addEventListener("submit", (event) => event.preventDefault());
  sheet.addEventListener("click", (event) => {
    const frame = frameAt(event);
    if (frame === undefined) return;
    focus(frame);
    zoom(frame);
  });
  sheet.addEventListener("mouseover", (event) => showDetails(frameAt(event) ?? null));
  sheet.addEventListener("focusin", (event) => showDetails(frameAt(event) ?? null));
  sheet.addEventListener("mouseleave", () => showDetails(null));
  sheet.addEventListener("focusout", () => showDetails(null));
  sheet.addEventListener("keydown", onFrameKey);
  root.addEventListener("tracetools:search", ({ detail }) => {
    detail.found = find(String(detail.expression), Boolean(detail.ignoreCase));
  });
  window.addEventListener("popstate", () => recall());
  window.addEventListener("scroll", stayInSight, { passive: true, capture: true });
  window.addEventListener("beforeprint", () => placeBar(barTop));
  window.addEventListener("afterprint", stayInSight);
  window.addEventListener("resize", fitWindow);
  new ResizeObserver(fitWindow).observe(root.parentElement ?? root);
  if (isAlone) window.addEventListener("keydown", onPageKey);
}

function fitWindow() {
  const before = pixels;
  fillWindow();
  if (pixels !== before) {
    paint();
    placeField();
    fitTexts();
  }
  stayInSight();
}

name();
root.classList.add("live");
listen();
fitWindow();
recallSearch(firstSearch, false);
recall();
// The root of a flame is its lowest row, which a small window does not show by itself.
if (isAlone && !isIcicle) bringInSight(zoomed);
