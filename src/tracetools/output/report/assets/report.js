// The behaviour of a report: views behind tabs, frames of libraries, the table's order and filter,
// names that search the graph. The page can be read without it. `makeGraph` is that of the graphs.

const HASH_KEY = "lens";
const WIDE = matchMedia("(min-width: 1600px)");
const lenses = Array.from(document.querySelectorAll(".lens"));

function make(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// -- graphs --------------------------------------------------------------------------------------

const keyOfLens = (lens) => lens.dataset.lens;
const headingOf = (lens) => lens.querySelector("h2").textContent;
const graphOf = (lens) => lens.querySelector(".graph");

// The two texts of a graph, of which one is drawn: frames of libraries folded, and all frames. Those
// of a graph that was never shown are in the page as text.
const variants = new Map(lenses.map((lens) => [lens, variantsOf(lens)]));
let isWhole = false;

function variantsOf(lens) {
  const inert = graphOf(lens).querySelector("noscript");
  const whole = lens.querySelector("script.whole");
  return {
    folded: inert?.textContent ?? null,
    whole: whole?.textContent ?? null,
    drawn: null,
  };
}

// Draw a graph, unless it is drawn already.
function draw(lens) {
  const variant = variants.get(lens);
  const wanted = isWhole && variant.whole !== null ? "whole" : "folded";
  if (variant.drawn === wanted) return;
  const graph = graphOf(lens);
  variant.folded ??= graph.innerHTML;
  if (variant.drawn !== null || graph.querySelector("svg") === null || wanted === "whole") {
    graph.innerHTML = variant[wanted];
  }
  variant.drawn = wanted;
  makeGraph(graph.querySelector("svg"));
}

// -- views: one lens each, and in a wide window busy and idle side by side -------------------------

const views = lenses.map((lens) => ({ key: keyOfLens(lens), name: headingOf(lens), lenses: [lens] }));
const pair = lenses.filter((lens) => ["busy", "idle"].includes(keyOfLens(lens)));
if (pair.length === 2) {
  views.unshift({ key: "both", name: "Busy and idle", lenses: pair, isWide: true });
}
for (const view of views) view.tab = makeTab(view);

let chosen = null;
const isOffered = (view) => !view.isWide || WIDE.matches;
const offered = () => views.filter(isOffered);
const firstView = () => offered()[0];

function makeTab(view) {
  const tab = make("button", { type: "button", role: "tab", id: `tab-${view.key}` }, view.name);
  tab.setAttribute("aria-controls", view.lenses.map((lens) => lens.id).join(" "));
  tab.addEventListener("click", () => choose(view));
  tab.addEventListener("keydown", (event) => moveTab(event, view));
  return tab;
}

function show(view) {
  chosen = view;
  for (const lens of lenses) lens.hidden = !view.lenses.includes(lens);
  for (const each of views) {
    each.tab.hidden = !isOffered(each);
    each.tab.setAttribute("aria-selected", String(each === view));
    each.tab.tabIndex = each === view ? 0 : -1;
  }
  document.documentElement.classList.toggle("paired", view.isWide === true);
  view.lenses.forEach(draw);
  sayLens(view);
}

// The title has the lens after the program.
const titles = document.title.split(", ");
const place = lenses.length ? titles.indexOf(headingOf(lenses[0]).toLowerCase()) : -1;

function sayLens(view) {
  if (place < 0) return;
  titles[place] = view.name.toLowerCase();
  document.title = titles.join(", ");
}

function choose(view) {
  show(view);
  rememberLens(view.key);
}

function moveTab(event, view) {
  const all = offered();
  const index = all.indexOf(view);
  const next = {
    ArrowLeft: all.at(index - 1),
    ArrowRight: all[(index + 1) % all.length],
    Home: all[0],
    End: all.at(-1),
  }[event.key];
  if (next === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  choose(next);
  next.tab.focus();
}

function makeTabsLive() {
  const list = make("div", { class: "tabs", role: "tablist", "aria-label": "Lens" });
  list.append(...views.map((view) => view.tab));
  for (const lens of lenses) {
    lens.setAttribute("role", "tabpanel");
    lens.setAttribute("aria-labelledby", lens.querySelector("h2").id);
  }
  const bar = make("div", { class: "choice" }, list);
  if (lenses.some((lens) => variants.get(lens).whole !== null)) bar.append(makeSwitch());
  lenses[0].before(bar);
  showRememberedLens();
  addEventListener("hashchange", showRememberedLens);
  WIDE.addEventListener("change", () => show(isOffered(chosen) ? chosen : firstView()));
}

// -- frames of libraries ---------------------------------------------------------------------------

function makeSwitch() {
  const box = make("input", { type: "checkbox", id: "whole" });
  box.addEventListener("change", () => showWhole(box.checked));
  return make("label", { class: "switch" }, box, " Show library frames");
}

function showWhole(isOn) {
  isWhole = isOn;
  const box = document.getElementById("whole");
  if (box) box.checked = isOn;
  chosen.lenses.forEach(draw);
}

// -- the address: one entry is the lens; the others are kept ---------------------------------------

const entries = () => location.hash.slice(1).split("&").filter(Boolean);
const isOurs = (entry) => entry.startsWith(`${HASH_KEY}=`);

function rememberLens(key) {
  const kept = entries().filter((entry) => !isOurs(entry));
  try {
    history.replaceState(history.state, "", `#${[`${HASH_KEY}=${key}`, ...kept].join("&")}`);
  } catch {
    // A page without an address of its own, such as one in a notebook, remembers nothing.
  }
}

function showRememberedLens() {
  const entry = entries().find(isOurs);
  const key = entry === undefined ? undefined : entry.slice(HASH_KEY.length + 1);
  show(offered().find((view) => view.key === key) ?? firstView());
}

// -- the table -----------------------------------------------------------------------------------

const table = document.querySelector(".figures table");
const headers = table ? Array.from(table.tHead.rows[0].cells) : [];
const tableRows = table ? Array.from(table.tBodies[0].rows) : [];

const nameOf = (row) => row.cells[0].dataset.frame;
const compare = (left, right) => (left < right ? -1 : left > right ? 1 : 0);
// Whole numbers may be of any size. A cell without one is the smallest.
const valueOf = (row, column) => BigInt(row.cells[column].dataset.value ?? -1);

function sortBy(column) {
  const header = headers[column];
  const first = column === 0 ? "ascending" : "descending";
  const other = column === 0 ? "descending" : "ascending";
  const direction = header.getAttribute("aria-sort") === first ? other : first;
  const sign = direction === "ascending" ? 1 : -1;
  const keyOf = column === 0 ? nameOf : (row) => valueOf(row, column);
  const keyed = tableRows.map((row) => [keyOf(row), row]);
  keyed.sort(([left], [right]) => sign * compare(left, right));
  table.tBodies[0].append(...keyed.map(([, row]) => row));
  for (const each of headers) each.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", direction);
}

function filterRows(text, output) {
  const wanted = text.trim().toLowerCase();
  for (const row of tableRows) row.hidden = !nameOf(row).toLowerCase().includes(wanted);
  const left = tableRows.filter((row) => !row.hidden).length;
  output.textContent = wanted ? `${left} of ${tableRows.length}` : "";
}

function makeTableLive() {
  headers.forEach((header, column) => {
    const button = make("button", { type: "button" }, ...header.childNodes);
    button.addEventListener("click", () => sortBy(column));
    header.append(button);
  });
  const field = make("input", { type: "search", placeholder: "Filter by name" });
  field.setAttribute("aria-label", "Filter by name");
  const output = make("output", {});
  field.addEventListener("input", () => filterRows(field.value, output));
  table.parentElement.before(make("div", { class: "filter" }, field, output));
}

// -- names of frames, wherever they stand ----------------------------------------------------------

function search(lens, name) {
  const expression = `^${name.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")}$`;
  const detail = { expression, ignoreCase: false, found: 0 };
  graphOf(lens).querySelector("svg").dispatchEvent(new CustomEvent("tracetools:search", { detail }));
  return detail.found > 0;
}

// Search the graph of a lens, or the first one shown; if a frame is folded, among all frames.
function searchGraph(name, key) {
  const lens = lensFor(key);
  if (lens === undefined) return;
  if (!search(lens, name) && !isWhole && variants.get(lens).whole !== null) {
    showWhole(true);
    search(lens, name);
  }
  lens.scrollIntoView({ block: "nearest" });
}

function lensFor(key) {
  const wanted = lenses.find((lens) => keyOfLens(lens) === key);
  if (wanted === undefined) return chosen?.lenses[0];
  if (!chosen.lenses.includes(wanted)) choose(views.find((view) => view.key === key));
  return wanted;
}

function makeNamesLive() {
  for (const node of document.querySelectorAll("[data-frame]")) {
    const button = make("button", { type: "button" }, ...node.childNodes);
    const key = node.closest("[data-graph]")?.dataset.graph;
    button.title = "Show it in the graph";
    button.addEventListener("click", () => searchGraph(node.dataset.frame, key));
    node.append(button);
  }
}

document.documentElement.classList.add("live");
if (lenses.length > 0) makeTabsLive();
if (table) makeTableLive();
makeNamesLive();
