// The behaviour of a report: tabs, the table's order and filter, names that search the graph. The page
// can be read without it.
(() => {
  "use strict";

  const HASH_KEY = "lens";
  const lenses = Array.from(document.querySelectorAll(".lens"));
  const make = (name, attributes, ...children) => {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  };

  // -- tabs --------------------------------------------------------------------------------------

  const tabs = lenses.map((lens, index) => {
    const tab = make("button", { type: "button", role: "tab", id: `tab-${index + 1}` });
    tab.setAttribute("aria-controls", lens.id);
    tab.textContent = lens.querySelector("h2").textContent;
    tab.addEventListener("click", () => choose(index));
    tab.addEventListener("keydown", (event) => moveTab(event, index));
    lens.setAttribute("role", "tabpanel");
    lens.setAttribute("aria-labelledby", tab.id);
    return tab;
  });

  function show(chosen) {
    lenses.forEach((lens, index) => {
      lens.hidden = index !== chosen;
      tabs[index].setAttribute("aria-selected", String(index === chosen));
      tabs[index].tabIndex = index === chosen ? 0 : -1;
    });
  }

  function choose(index) {
    show(index);
    rememberLens(lenses[index].dataset.lens);
  }

  function moveTab(event, index) {
    const last = tabs.length - 1;
    const next = {
      ArrowLeft: index === 0 ? last : index - 1,
      ArrowRight: index === last ? 0 : index + 1,
      Home: 0,
      End: last,
    }[event.key];
    if (next === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    choose(next);
    tabs[next].focus();
  }

  // -- the address: one entry is the lens; the others are kept --------------------------------------

  const entries = () => location.hash.slice(1).split("&").filter(Boolean);
  const isOurs = (entry) => entry.startsWith(`${HASH_KEY}=`);

  function rememberLens(lens) {
    const kept = entries().filter((entry) => !isOurs(entry));
    try {
      history.replaceState(history.state, "", `#${[`${HASH_KEY}=${lens}`, ...kept].join("&")}`);
    } catch {
      // A page without an address of its own, such as one in a notebook, remembers nothing.
    }
  }

  function showRememberedLens() {
    const entry = entries().find(isOurs);
    const lens = entry === undefined ? undefined : entry.slice(HASH_KEY.length + 1);
    const index = lenses.findIndex((one) => one.dataset.lens === lens);
    show(Math.max(0, index));
  }

  // -- the table ---------------------------------------------------------------------------------

  const table = document.querySelector(".figures table");
  const headers = table ? Array.from(table.tHead.rows[0].cells) : [];
  const rows = table ? Array.from(table.tBodies[0].rows) : [];

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
    const keyed = rows.map((row) => [keyOf(row), row]);
    keyed.sort(([left], [right]) => sign * compare(left, right));
    table.tBodies[0].append(...keyed.map(([, row]) => row));
    for (const each of headers) each.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", direction);
  }

  function filterRows(text, output) {
    const wanted = text.trim().toLowerCase();
    for (const row of rows) row.hidden = !nameOf(row).toLowerCase().includes(wanted);
    const left = rows.filter((row) => !row.hidden).length;
    output.textContent = wanted ? `${left} of ${rows.length}` : "";
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

  // -- names of frames, wherever they stand ------------------------------------------------------

  function searchGraph(name) {
    const lens = lenses.find((one) => !one.hidden);
    const graph = lens && lens.querySelector("svg");
    if (!graph) return;
    const expression = `^${name.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")}$`;
    const detail = { expression, ignoreCase: false };
    graph.dispatchEvent(new CustomEvent("tracetools:search", { detail }));
    lens.scrollIntoView({ block: "nearest" });
  }

  function makeNamesLive() {
    for (const node of document.querySelectorAll("[data-frame]")) {
      const button = make("button", { type: "button" }, ...node.childNodes);
      button.title = "Search the graph for it";
      button.addEventListener("click", () => searchGraph(node.dataset.frame));
      node.append(button);
    }
  }

  document.documentElement.classList.add("live");
  if (lenses.length > 0) {
    lenses[0].before(make("div", { class: "tabs", role: "tablist" }, ...tabs));
    lenses[0].parentElement.firstElementChild.setAttribute("aria-label", "Lens");
    showRememberedLens();
    addEventListener("hashchange", showRememberedLens);
  }
  if (table) makeTableLive();
  makeNamesLive();
})();
