// The frames, rows and labels of one flame graph, and how a zoom is drawn. `root` is its <svg>.

const MARGIN = 10;
const LABEL_PADDING = 3;
const SVG = "http://www.w3.org/2000/svg";
const XHTML = "http://www.w3.org/1999/xhtml";

// How much a row may be stretched. Percentages in the document have four decimals, and drawn numbers
// have 24 bits: at sixteen times both are still right to a fiftieth of a pixel.
const MAX_STRETCH = 16;
// Where a row of hidden frames is, in widths of the sheet.
const OUT_OF_SIGHT = 2;

const sheet = root.querySelector(".frames");
const fluid = root.classList.contains("fluid");
const fullHeight = parseFloat(root.getAttribute("height"));
const cutSide = root.dataset.cut;

// -- frames --------------------------------------------------------------------------------------

const toCount = chooseCounts();
const rows = Array.from(root.querySelectorAll(".row"), (row, depth) =>
  Array.from(row.children, (node) => new Frame(node, depth)),
);
const frames = rows.flat();
const frameOfNode = new Map(frames.map((frame) => [frame.node, frame]));
const whole = rows[0][0];
const marked = frames.filter((frame) => frame.symbol);

// Numbers are exact up to 2^53 and much faster; a longer recording of nanoseconds needs BigInt.
function chooseCounts() {
  const total = root.querySelector(".row > g").getAttribute("data-w");
  return Number.isSafeInteger(Number(total)) ? Number : BigInt;
}

function Frame(node, depth) {
  this.node = node;
  this.depth = depth;
  this.start = toCount(node.getAttribute("data-x"));
  this.width = toCount(node.getAttribute("data-w"));
  this.end = this.start + this.width;
  this.text = null;
  this.symbol = node.getAttribute("data-m") ?? "";
  this.label = node.children[2] ?? null;
}

Object.defineProperties(Frame.prototype, {
  title: {
    get() {
      return this.node.firstElementChild.textContent;
    },
  },
  name: {
    get() {
      this.text ??= this.title.slice(0, Number(this.node.getAttribute("data-n")));
      return this.text;
    },
  },
});

// Place a frame as it is while `view` is the whole, `shift` widths of the sheet to the right.
Frame.prototype.place = function (view, shift) {
  const { left, width } = placeOf(this, view);
  const rect = this.node.children[1];
  rect.setAttribute("x", `${100 * (left + shift)}%`);
  rect.setAttribute("width", `${100 * width}%`);
};

// Set or remove a class of a frame and of its label.
Frame.prototype.mark = function (name, isOn) {
  this.node.classList.toggle(name, isOn);
  this.label?.classList.toggle(name, isOn);
};

// -- rows ----------------------------------------------------------------------------------------

let zoomed = whole;
let shown = rows.map((row) => [0, row.length]);
let pixels = 0;
let carriers = [];

const isShown = (frame) => {
  const [first, stop] = shown[frame.depth];
  const row = rows[frame.depth];
  return first < stop && row[first].start <= frame.start && frame.end <= row[stop - 1].end;
};

// A graph that fills its window is drawn pixel by pixel. On paper the view box scales it.
function fillWindow() {
  if (fluid) {
    root.setAttribute("width", "100%");
    root.setAttribute("preserveAspectRatio", "xMidYMin");
    const width = root.clientWidth || root.getBoundingClientRect().width;
    root.setAttribute("viewBox", `0 0 ${Math.max(1, width)} ${fullHeight}`);
    sheet.setAttribute("width", Math.max(1, width - 2 * MARGIN));
  }
  pixels = sheet.width.baseVal.value;
}

// Draw what a zoom shows.
function paint() {
  shown = shownRanges(rows, zoomed);
  rows.forEach((row, depth) => {
    const [first, stop] = shown[depth];
    const visible = row.slice(first, stop);
    const view = depth < zoomed.depth ? visible[0] : zoomed;
    layers[depth].stretch(view, visible);
    layers[depth].write(view, visible);
  });
  // A frame beside the sheet is out of sight, but half of its outline is not.
  for (const frame of marked) frame.mark("beside", !isShown(frame));
  for (const frame of carriers) frame.mark("dimmed", false);
  carriers = shown.slice(0, zoomed.depth).map(([first], depth) => rows[depth][first]);
  for (const frame of carriers) frame.mark("dimmed", true);
  root.classList.toggle("zoomed", zoomed !== whole);
}

// A row is drawn in two layers. Its frames are stretched together: a zoom changes one attribute, not
// one of each frame, and what it leaves out lies beside the sheet. Its labels are not stretched but
// written anew; only few frames have room for one.
function Layer(node, row) {
  const top = Number(/,([\d.]+)/.exec(node.getAttribute("transform"))[1]);
  const labels = document.createElementNS(SVG, "g");
  let placed = [];
  let labelled = row.filter((frame) => frame.label !== null);

  labels.setAttribute("class", "labels");
  labels.setAttribute("aria-hidden", "true");
  labels.setAttribute("transform", `translate(${LABEL_PADDING},${top})`);
  labels.append(...labelled.map((frame) => frame.label));
  node.after(labels);

  this.stretch = (view, visible) => {
    for (const frame of placed) frame.place(whole, 0);
    const stretch = 1 / share(view.width, whole.width);
    placed = stretch > MAX_STRETCH ? visible : [];
    for (const frame of placed) frame.place(view, OUT_OF_SIGHT);
    if (placed.length) transform(1, OUT_OF_SIGHT);
    else transform(stretch, share(view.start, whole.width) * stretch);
  };

  function transform(stretch, left) {
    node.setAttribute("transform", `matrix(${stretch},0,0,1,${-left * pixels},${top})`);
  }

  this.write = (view, visible) => {
    const before = new Set(labelled);
    labelled = visible.filter((frame) => writeLabel(frame, placeOf(frame, view), labels));
    for (const frame of labelled) before.delete(frame);
    for (const frame of before) removeLabel(frame);
  };
}

// -- labels --------------------------------------------------------------------------------------

const measure = makeMeasure();
const leastRoom = MIN_LETTERS * measure("0");
const baseline = findBaseline();
const layers = rows.map((row) => new Layer(row[0].node.parentNode, row));

// Text is measured on a canvas. The document itself would do its layout anew each time.
function makeMeasure() {
  const style = getComputedStyle(root);
  const context = document.createElementNS(XHTML, "canvas").getContext("2d");
  context.font = `${style.fontSize} ${style.fontFamily}`;
  const width = (text) => context.measureText(text).width;
  const letter = width("0");
  const monospaced = width("i") === letter && width("W") === letter;
  const plain = /^[ -~]*$/;
  return (text) => (monospaced && plain.test(text) ? text.length * letter : width(text));
}

function findBaseline() {
  const height = Number(whole.node.children[1].getAttribute("height"));
  return (height / 2 + 0.35 * parseFloat(root.getAttribute("font-size"))).toFixed(2);
}

// Write the label of a frame at this position, if it fits; return whether it does.
function writeLabel(frame, { left, width }, parent) {
  const room = pixels * width - 2 * LABEL_PADDING;
  const text = room < leastRoom && !frame.symbol ? "" : labelOf(frame, room, measure, cutSide);
  if (text === "") return false;
  frame.label ??= makeLabel(frame, parent);
  frame.label.setAttribute("x", `${100 * left}%`);
  if (frame.label.textContent !== text) frame.label.textContent = text;
  return true;
}

function makeLabel(frame, parent) {
  const label = document.createElementNS(SVG, "text");
  label.setAttribute("y", baseline);
  label.setAttribute("class", frame.node.getAttribute("class") ?? "");
  parent.append(label);
  return label;
}

function removeLabel(frame) {
  frame.label?.remove();
  frame.label = null;
}

