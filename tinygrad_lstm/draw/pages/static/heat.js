// Numbers as text and as colours.

const SVG = "http://www.w3.org/2000/svg";

function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function html(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

// Text in which h_{t−1} and C_t stand with their subscripts, for HTML or inside of an SVG text.
function typeset(text, lowered = (below) => html("sub", {}, below)) {
  return text
    .split(/(?<=(?:^|[^\p{L}\p{M}])\p{L}\p{M}?)_(\{[^{}]{1,8}\}|[\p{L}\p{N}](?![\p{L}\p{Nd}_]))/u)
    .map((part, k) => (k % 2 ? lowered(part.replace(/[{}]/g, "")) : part));
}

// The rule that a gradient follows from, as a formula; none where the way back begins.
function because(model, k) {
  const terms = model.rule(k);
  if (terms.every(({ needs }) => model.items[needs].kind === "result")) return [];
  const shown = terms.flatMap(({ pieces }, at) => [
    ...(at ? [" + "] : []),
    ...pieces.flatMap((piece) =>
      typeof piece === "string"
        ? typeset(piece)
        : [html("span", { class: "arriving" }, "gradient of ", ...typeset(model.items[piece].called))],
    ),
  ]);
  return shown;
}

// A line of SVG text; after a subscript the line goes back up.
function line(attributes, text) {
  const parts = [];
  for (const part of typeset(text, (below) => svg("tspan", { dy: 3, "font-size": "80%" }, below))) {
    const after = typeof parts.at(-1) === "object";
    if (part) parts.push(after && typeof part === "string" ? svg("tspan", { dy: -3 }, part) : part);
  }
  return svg("text", attributes, ...parts);
}

function digits(x, count = 4) {
  if (typeof x !== "number") return String(x);
  const text = Number.isInteger(x) && Math.abs(x) < 1e6 ? String(x) : String(Number(x.toPrecision(count)));
  return text.replace("e-", "e−").replace(/^-/, "−");
}

// From blue over near-white to orange, which all readers tell apart; what is no number is grey.
const MINUS = [33, 102, 172];
const ZERO = [244, 241, 236];
const PLUS = [204, 92, 10];

function colour(x, most) {
  if (typeof x !== "number") return [128, 128, 128];
  const share = most > 0 ? Math.min(1, Math.abs(x) / most) : 0;
  const end = x < 0 ? MINUS : PLUS;
  return ZERO.map((c, k) => Math.round(c + (end[k] - c) * share));
}

const css = (rgb) => `rgb(${rgb.join(",")})`;

function ink(rgb) {
  const [r, g, b] = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 ? "#000" : "#fff";
}

function flat(value) {
  return value.grid.flat();
}

function limits(value) {
  if (value.range) return value.range;
  const numbers = flat(value).filter((x) => typeof x === "number");
  if (!numbers.length) return null;
  return [Math.min(...numbers), Math.max(...numbers), numbers.reduce((a, b) => a + b, 0) / numbers.length];
}

// A value in a few words.
function briefly(value) {
  const numbers = flat(value);
  if (!value.blocks && numbers.length <= 4) return numbers.map((x) => digits(x)).join(", ") || "empty";
  const found = limits(value);
  const odd = numbers.filter((x) => typeof x !== "number").length;
  const said = found ? `${digits(found[0])} to ${digits(found[1])}, mean ${digits(found[2])}` : "";
  return [said, odd ? `${odd} of ${numbers.length} are no finite numbers` : ""].filter(Boolean).join("; ");
}

// A table of the numbers; a large one shows colours alone, and each number as its tip.
function heatMap(value, most, caption) {
  const dense = flat(value).length > 64 || (value.grid[0]?.length ?? 0) > 10;
  const table = html("table", { class: dense ? "heat dense" : "heat", "aria-label": caption });
  for (const row of value.grid) {
    const line = html("tr");
    for (const x of row) {
      const cell = html("td", { title: digits(x, 6), "data-value": String(x) }, dense ? "" : digits(x, 3));
      const rgb = colour(x, most);
      cell.style.backgroundColor = css(rgb);
      cell.style.color = ink(rgb);
      line.append(cell);
    }
    table.append(line);
  }
  return table;
}

// A strip of colours inside of a node: at most two rows, and as many columns as can be told apart.
function strip(value, most, x, y, w, h) {
  const group = svg("g", { class: "strip" });
  const rows = Math.min(2, value.grid.length);
  const columns = Math.min(Math.floor(w / 3), value.grid[0]?.length ?? 0);
  for (let r = 0; r < rows; r++) {
    const row = value.grid[Math.floor((r * value.grid.length) / rows)];
    for (let c = 0; c < columns; c++) {
      const fill = css(colour(row[Math.floor((c * row.length) / columns)], most));
      const place = { x: x + (w * c) / columns, y: y + (h * r) / rows, width: w / columns, height: h / rows };
      group.append(svg("rect", { ...place, fill }));
    }
  }
  group.append(svg("rect", { x, y, width: w, height: h, class: "edge" }));
  return group;
}
