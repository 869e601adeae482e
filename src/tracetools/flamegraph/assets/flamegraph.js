// The behaviour of one flame graph: details, zoom, search, labels that fit, keys.
//
// What may live here: what happens after the document was read. What must not: any text pasted by
// the writer of the document, and anything outside the one <svg> that this script stands in (the
// window's resize, and in a document of its own its search keys, excepted). It declares no global
// name and needs no id, so that several graphs can stand in one page.
//
// Counts are BigInt: a graph of nanoseconds stays exact, however long the recording was.
(() => {
  "use strict";

  const MARGIN = 10;
  const LABEL_PADDING = 3;
  const MIN_LETTERS = 3;

  const root = document.currentScript.ownerSVGElement;
  const sheet = root.querySelector(".frames");
  const part = (name) => root.querySelector(`.${name}`);
  const heading = part("heading");
  const details = part("details");
  const matched = part("matched");
  const resetButton = part("reset");
  const searchButton = part("search");
  const fluid = root.classList.contains("fluid");

  // -- the frames, as the document has them ------------------------------------------------------

  const rows = Array.from(root.querySelectorAll(".row"), (row, depth) =>
    Array.from(row.children, (node) => readFrame(node, depth)),
  );
  const frames = rows.flat();
  const frameOfNode = new Map(frames.map((frame) => [frame.node, frame]));
  const whole = frames[0];

  let zoomed = whole;
  let focused = whole;
  let expression = null;

  function readFrame(node, depth) {
    const [title, rect, label] = node.children;
    const start = BigInt(node.dataset.x);
    const width = BigInt(node.dataset.w);
    return {
      node,
      rect,
      label,
      depth,
      start,
      width,
      end: start + width,
      title: title.textContent,
      name: title.textContent.slice(0, Number(node.dataset.n)),
      shown: true,
      matches: false,
    };
  }

  const contains = (outer, inner) => outer.start <= inner.start && inner.end <= outer.end;
  const share = (some, all) => Number(some) / Number(all);

  // -- labels ------------------------------------------------------------------------------------

  const measure = makeMeasure();

  // Text is measured on a canvas: asking the document itself would lay it out anew each time.
  function makeMeasure() {
    const style = getComputedStyle(root);
    const canvas = document.createElementNS("http://www.w3.org/1999/xhtml", "canvas");
    const context = canvas.getContext("2d");
    context.font = `${style.fontSize} ${style.fontFamily}`;
    const width = (text) => context.measureText(text).width;
    const letter = width("0");
    const monospaced = width("i") === letter && width("W") === letter;
    const plain = /^[ -~]*$/;
    return (text) => (monospaced && plain.test(text) ? text.length * letter : width(text));
  }

  function fit(text, pixels) {
    if (pixels < MIN_LETTERS * measure("0")) return "";
    if (measure(text) <= pixels) return text;
    let fits = 0;
    let beyond = text.length;
    while (beyond - fits > 1) {
      const middle = (fits + beyond) >> 1;
      if (measure(`${text.slice(0, middle)}..`) <= pixels) fits = middle;
      else beyond = middle;
    }
    // Half of a character that takes two units is no character.
    return `${text.slice(0, fits).replace(/[\ud800-\udbff]$/, "")}..`;
  }

  // -- drawing -----------------------------------------------------------------------------------

  const sheetWidth = () => sheet.width.baseVal.value;

  function fillWindow() {
    if (!fluid) return;
    root.removeAttribute("viewBox");
    root.setAttribute("width", "100%");
    const width = root.getBoundingClientRect().width - 2 * MARGIN;
    sheet.setAttribute("width", Math.max(1, width));
  }

  function place(frame) {
    if (frame.depth < zoomed.depth && contains(frame, zoomed)) {
      return { left: 0, width: 1, dimmed: true };
    }
    if (frame.depth < zoomed.depth || !contains(zoomed, frame)) return null;
    return {
      left: share(frame.start - zoomed.start, zoomed.width),
      width: share(frame.width, zoomed.width),
      dimmed: false,
    };
  }

  function paintFrame(frame, pixels) {
    const where = place(frame);
    frame.shown = where !== null;
    frame.node.classList.toggle("hidden", !frame.shown);
    if (!frame.shown) return;
    frame.node.classList.toggle("dimmed", where.dimmed);
    frame.rect.setAttribute("x", `${100 * where.left}%`);
    frame.rect.setAttribute("width", `${100 * where.width}%`);
    frame.label.setAttribute("x", `${100 * where.left}%`);
    frame.label.textContent = fit(frame.name, pixels * where.width - 2 * LABEL_PADDING);
  }

  function paint() {
    const pixels = sheetWidth();
    for (const frame of frames) paintFrame(frame, pixels);
    root.classList.toggle("zoomed", zoomed !== whole);
    fitTexts();
  }

  // -- texts around the frames -------------------------------------------------------------------

  const fullText = new Map([
    [heading, heading.textContent],
    [details, ""],
    [matched, ""],
  ]);

  function write(element, text) {
    fullText.set(element, text);
    fitTexts();
  }

  function fitTexts() {
    const room = sheetWidth();
    const beside = (button) => button.getComputedTextLength() + 2 * MARGIN;
    const side = Math.max(beside(resetButton), beside(searchButton));
    const enlarged = parseFloat(getComputedStyle(heading).fontSize) / fontSize();
    heading.textContent = fit(fullText.get(heading), (room - 2 * side) / enlarged);
    matched.textContent = fit(fullText.get(matched), room / 2);
    const taken = matched.textContent ? measure(matched.textContent) + 2 * MARGIN : 0;
    details.textContent = fit(fullText.get(details), room - taken);
  }

  const fontSize = () => parseFloat(getComputedStyle(root).fontSize);
  const showDetails = (frame) => write(details, frame ? frame.title : "");

  // -- zoom --------------------------------------------------------------------------------------

  function zoom(frame) {
    zoomed = frame;
    paint();
    showMatched();
  }

  // -- search ------------------------------------------------------------------------------------

  function askExpression() {
    const answer = prompt("Search names for a regular expression (empty: clear)", expression ?? "");
    if (answer !== null) search(answer);
  }

  function search(text) {
    let pattern = null;
    try {
      if (text !== "") pattern = new RegExp(text);
    } catch (error) {
      complain(error.message);
      return;
    }
    expression = pattern && text;
    for (const frame of frames) {
      frame.matches = pattern !== null && pattern.test(frame.name);
      frame.node.classList.toggle("match", frame.matches);
    }
    searchButton.textContent = pattern ? "Clear search" : "Search";
    showMatched();
  }

  function complain(message) {
    matched.classList.add("complaint");
    write(matched, message);
  }

  function showMatched() {
    const percent = () => (100 * share(matchedWidth(), zoomed.width)).toFixed(1);
    matched.classList.remove("complaint");
    write(matched, expression === null ? "" : `Matched: ${percent()}%`);
  }

  // The time of what matches within the zoomed frame, each moment counted once.
  function matchedWidth() {
    const clipped = frames
      .filter((frame) => frame.matches && frame.shown)
      .map((frame) => (frame.depth < zoomed.depth ? zoomed : frame))
      .sort((one, other) => Number(one.start > other.start) - Number(one.start < other.start));
    let sum = 0n;
    let counted = zoomed.start;
    for (const { start, end } of clipped) {
      if (end <= counted) continue;
      sum += end - (start > counted ? start : counted);
      counted = end;
    }
    return sum;
  }

  // -- pointer and keys --------------------------------------------------------------------------

  const frameAt = (event) => frameOfNode.get(event.target.closest(".row > g"));

  // One frame at a time can be reached by Tab; the arrows go on from there.
  function focus(frame) {
    focused.node.setAttribute("tabindex", "-1");
    focused = frame;
    frame.node.setAttribute("tabindex", "0");
    frame.node.focus();
  }

  const neighbour = {
    ArrowUp: (frame) =>
      (rows[frame.depth + 1] ?? []).find((other) => other.shown && contains(frame, other)),
    ArrowDown: (frame) => (rows[frame.depth - 1] ?? []).find((other) => contains(other, frame)),
    ArrowLeft: (frame) =>
      rows[frame.depth].filter((other) => other.shown && other.end <= frame.start).pop(),
    ArrowRight: (frame) =>
      rows[frame.depth].find((other) => other.shown && other.start >= frame.end),
  };

  function onFrameKey(event) {
    const frame = frameAt(event);
    if (frame === undefined) return;
    if (event.key === "Enter" || event.key === " ") zoom(frame);
    else if (event.key === "Escape") zoom(whole);
    else if (event.key in neighbour) focus(neighbour[event.key](frame) ?? frame);
    else return;
    event.preventDefault();
  }

  function onSearchKey(event) {
    const find = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey;
    if (!(event.key === "F3" || (find && event.key.toLowerCase() === "f"))) return;
    event.preventDefault();
    askExpression();
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

  function listen() {
    makeButton(resetButton, "Reset zoom", () => zoom(whole));
    makeButton(searchButton, "Search", () => (expression === null ? askExpression() : search("")));
    sheet.addEventListener("click", (event) => {
      const frame = frameAt(event);
      if (frame !== undefined) zoom(frame);
    });
    for (const type of ["mouseover", "focusin"]) {
      sheet.addEventListener(type, (event) => showDetails(frameAt(event)));
    }
    for (const type of ["mouseleave", "focusout"]) {
      sheet.addEventListener(type, () => showDetails(null));
    }
    sheet.addEventListener("keydown", onFrameKey);
    window.addEventListener("resize", () => {
      fillWindow();
      paint();
    });
    // In a page that holds more than the graph, its reader's own search keys stay what they are.
    if (document.documentElement === root) window.addEventListener("keydown", onSearchKey);
  }

  matched.setAttribute("role", "status");
  for (const frame of frames) frame.node.setAttribute("tabindex", frame === whole ? "0" : "-1");
  root.classList.add("live");
  listen();
  fillWindow();
  paint();
})();
