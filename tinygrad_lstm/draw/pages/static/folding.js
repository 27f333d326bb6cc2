// Places of what is visible when some boxes are closed.
//
// Graphviz laid the open graph out once. A closed box shrinks to a small one at its middle; the room that becomes free
// is then taken out of each axis by itself, which keeps the order of everything else and lets nothing overlap.

const PAD = 11;
const BORDER = 9;

function folded(name) {
  return { w: Math.max(64, 7 * Math.min(name.length, 34) + 30), h: 46 };
}

// Parts of `taken` that no interval of `kept` covers, sorted.
function difference(taken, kept) {
  const cuts = [...kept].sort((a, b) => a[0] - b[0]);
  const found = [];
  for (const [from, to] of union(taken)) {
    let start = from;
    for (const [a, b] of cuts) {
      if (b <= start) continue;
      if (a >= to) break;
      if (a > start) found.push([start, a]);
      start = Math.max(start, b);
    }
    if (start < to) found.push([start, to]);
  }
  return found;
}

function union(intervals) {
  const found = [];
  for (const [a, b] of [...intervals].sort((p, q) => p[0] - q[0])) {
    const last = found.at(-1);
    if (last && a <= last[1]) last[1] = Math.max(last[1], b);
    else found.push([a, b]);
  }
  return found;
}

function closing(free) {
  return (x) => free.reduce((at, [a, b]) => at - Math.max(0, Math.min(b, x) - a), x);
}

function arrange(graph, direction, closed) {
  const layout = graph.layouts[direction];
  // The outermost closed box round each box, itself included. A box comes after its parent.
  const stands = [];
  graph.boxes.forEach((box, k) => {
    const outer = box.parent >= 0 ? stands[box.parent] : -1;
    stands.push(outer >= 0 ? outer : closed.has(k) ? k : -1);
  });
  const standing = graph.sites.map(([, box]) => (box >= 0 ? stands[box] : -1));
  const small = new Map();
  const taken = [[], []];
  const kept = [[], []];
  const keep = (axis, middle, size) => kept[axis].push([middle - size / 2 - PAD, middle + size / 2 + PAD]);
  layout.boxes.forEach(([x, y, w, h], k) => {
    if (stands[k] === k) {
      const size = folded(graph.boxes[k].name);
      const at = { x: x + w / 2, y: y + h / 2, w: Math.min(size.w, w), h: Math.min(size.h, h) };
      small.set(k, at);
      taken[0].push([x, x + w]);
      taken[1].push([y, y + h]);
      keep(0, at.x, at.w);
      keep(1, at.y, at.h);
    } else if (stands[k] < 0) {
      kept[0].push([x, x + Math.min(w, 7 * graph.boxes[k].name.length + 34)], [x + w - BORDER, x + w]);
      kept[1].push([y, y + 26], [y + h - BORDER, y + h]);
    }
  });
  layout.sites.forEach(([x, y, w, h], k) => {
    if (standing[k] < 0) {
      keep(0, x, w);
      keep(1, y, h);
    }
  });
  const [across, down] = [0, 1].map((axis) => closing(difference(taken[axis], kept[axis])));
  const tokens = new Map();
  layout.sites.forEach(([x, y, w, h], k) => {
    if (standing[k] < 0) tokens.set(`s${k}`, { site: k, x: across(x), y: down(y), w, h });
  });
  for (const [k, at] of small) tokens.set(`b${k}`, { box: k, x: across(at.x), y: down(at.y), w: at.w, h: at.h });
  const boxes = layout.boxes.map(([x, y, w, h], k) => {
    if (stands[k] >= 0) return null;
    const [left, top] = [across(x), down(y)];
    return { x: left, y: top, w: across(x + w) - left, h: down(y + h) - top };
  });
  return {
    tokens,
    boxes,
    wires: wired(graph, layout, standing, tokens, across, down, direction),
    size: extent(tokens, boxes),
  };
}

function wired(graph, layout, standing, tokens, across, down, direction) {
  const found = new Map();
  graph.wires.forEach(([source, target, note, back], k) => {
    const [from, to] = [source, target].map((s) => (standing[s] < 0 ? `s${s}` : `b${standing[s]}`));
    if (from === to) return;
    const own = from[0] === "s" && to[0] === "s";
    const key = own ? k : `${from} ${to} ${back}`;
    if (found.has(key)) {
      found.get(key).of.push(k);
      return;
    }
    const points = own
      ? layout.wires[k].map((n, j) => (j % 2 ? down(n) : across(n)))
      : curve(tokens.get(from), tokens.get(to), direction, back);
    found.set(key, { points, from, to, note: own ? note : "", back: Boolean(back), of: [k] });
  });
  return [...found.values()];
}

function curve(a, b, direction, back) {
  if (back) {
    // Out of the side that no other wire uses, and round whatever lies between.
    const lift = 34 + 0.16 * Math.hypot(a.x - b.x, a.y - b.y);
    if (direction === "LR") {
      const [y1, y2] = [a.y - a.h / 2, b.y - b.h / 2];
      const top = Math.min(y1, y2) - lift;
      return [a.x, y1, a.x, top, b.x, top, b.x, y2];
    }
    const [x1, x2] = [a.x + a.w / 2, b.x + b.w / 2];
    const side = Math.max(x1, x2) + lift;
    return [x1, a.y, side, a.y, side, b.y, x2, b.y];
  }
  if (direction === "LR") {
    const [x1, x2] = [a.x + a.w / 2, b.x - b.w / 2];
    const bend = Math.max(24, Math.abs(x2 - x1) / 2);
    return [x1, a.y, x1 + bend, a.y, x2 - bend, b.y, x2, b.y];
  }
  const [y1, y2] = [a.y + a.h / 2, b.y - b.h / 2];
  const bend = Math.max(24, Math.abs(y2 - y1) / 2);
  return [a.x, y1, a.x, y1 + bend, b.x, y2 - bend, b.x, y2];
}

function extent(tokens, boxes) {
  const frames = [...tokens.values()].map((t) => ({ x: t.x - t.w / 2, y: t.y - t.h / 2, w: t.w, h: t.h }));
  frames.push(...boxes.filter(Boolean));
  const left = Math.min(...frames.map((f) => f.x)) - 12;
  const top = Math.min(...frames.map((f) => f.y)) - 12;
  const right = Math.max(...frames.map((f) => f.x + f.w)) + 12;
  const bottom = Math.max(...frames.map((f) => f.y + f.h)) + 12;
  return { x: left, y: top, w: right - left, h: bottom - top };
}
