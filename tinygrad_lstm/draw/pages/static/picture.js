// The graph as SVG: drawing, folding, moving about, and walking along the wires.

const READABLE = 0.62;

class Picture {
  constructor(root, events) {
    this.root = root;
    this.events = events;
    this.closed = new Set();
    this.direction = "LR";
    this.camera = new Camera(root);
  }

  show(model, direction, closed) {
    this.model = model;
    this.direction = direction;
    this.closed = closed;
    this.draw();
    this.camera.fit(this.places.size);
  }

  // Levels of boxes closed, from the innermost, until the rest can be read. A loop stays open, and so does what would
  // hide nearly everything in a box or two.
  static closing(model, direction, { width, height }) {
    const depth = [];
    const holds = model.boxes.map((box) => box.role === "loop");
    model.boxes.forEach((box) => depth.push(box.parent >= 0 ? depth[box.parent] + 1 : 0));
    [...model.boxes.keys()]
      .reverse()
      .forEach((k) => holds[k] && model.boxes[k].parent >= 0 && (holds[model.boxes[k].parent] = true));
    let closed = new Set();
    for (let level = Math.max(...depth, 0); level >= 0; level--) {
      const { w, h } = arrange(model, direction, closed).size;
      if (Math.min(width / w, height / h) >= READABLE) break;
      const next = depth.map((_, k) => k).filter((k) => depth[k] >= level && !holds[k]);
      const shown = next.filter((k) => !next.includes(model.boxes[k].parent)).length;
      if (shown < 4 && shown <= Math.max(1, closed.size)) continue;
      closed = new Set(next);
    }
    return closed;
  }

  draw() {
    const focused = document.activeElement?.closest?.("[data-token]")?.dataset;
    this.places = arrange(this.model, this.direction, this.closed);
    this.nodes = new Map();
    this.root.replaceChildren(this.arrowheads());
    const boxes = svg("g");
    this.places.boxes.forEach((place, k) => place && boxes.append(this.box(k, place)));
    const wires = svg("g", { "aria-hidden": "true" });
    this.wires = this.places.wires.map((wire) => this.wire(wire, wires));
    const nodes = svg("g");
    for (const [key, token] of this.places.tokens) {
      const node = this.node(key, token);
      this.nodes.set(key, node);
      nodes.append(node.group);
    }
    this.root.append(boxes, wires, nodes);
    // The focus stays where it was, or goes to what stands there now.
    const key = focused && (this.nodes.has(focused.token) ? focused.token : this.tokenOf(Number(focused.item)));
    this.roam(key ?? this.nodes.keys().next().value, key !== undefined);
  }

  arrowheads() {
    const size = { markerWidth: 7, markerHeight: 7, markerUnits: "userSpaceOnUse", orient: "auto" };
    const tip = svg("path", { d: "M0 0.6L8 4L0 7.4z", class: "tip" });
    return svg("defs", {}, svg("marker", { id: "tip", viewBox: "0 0 8 8", refX: 8, refY: 4, ...size }, tip));
  }

  box(k, { x, y, w, h }) {
    const { name } = this.model.boxes[k];
    const label = svg("text", { x: x + 8, y: y + 17 }, `▾ ${shortened(name)}`);
    const header = svg("g", { class: "header", role: "button", tabindex: "-1", "aria-expanded": "true" }, label);
    header.setAttribute("aria-label", `${name}: fold`);
    header.dataset.fold = k;
    return svg("g", { class: `box ${this.look(k)}` }, svg("rect", { x, y, width: w, height: h, rx: 8 }), header);
  }

  // A layer is painted where it is one thing: not inside of a gate, and not round a loop or gates.
  look(k) {
    const { boxes } = this.model;
    const { role } = boxes[k];
    if (role !== "layer" && role !== "gate") return role;
    for (let up = boxes[k].parent; up >= 0; up = boxes[up].parent) {
      if (["layer", "gate"].includes(boxes[up].role) && this.look(up)) return "";
    }
    const within = this.inside(k);
    const round = boxes.some((box, j) => j !== k && within.has(j) && ["gate", "loop", "cell"].includes(box.role));
    return role === "layer" && round ? "" : role;
  }

  wire({ points, note, back, from, to, of }, group) {
    const [x, y, ...rest] = points;
    const curves = [];
    for (let k = 0; k < rest.length; k += 6)
      curves.push(
        `C${rest
          .slice(k, k + 6)
          .map((n) => n.toFixed(1))
          .join(" ")}`,
      );
    const path = svg("path", {
      d: `M${x} ${y}${curves.join("")}`,
      class: back ? "wire back" : "wire",
      "marker-end": "url(#tip)",
    });
    group.append(path);
    const [endX, endY] = points.slice(-2);
    if (note && Math.hypot(endX - x, endY - y) > 64) {
      // The middle of the middle curve.
      const middle = 6 * Math.floor((points.length - 2) / 12);
      const [a, b, c, d, e, f, g, i] = points.slice(middle, middle + 8);
      const place = { x: (a + 3 * c + 3 * e + g) / 8, y: (b + 3 * d + 3 * f + i) / 8 - 3 };
      group.append(svg("text", { ...place, class: "note", "text-anchor": "middle" }, note));
    }
    return { path, from, to, of };
  }

  // The item that a token stands for: its own, or of a closed box what is computed last in it.
  item(token) {
    if (token.site !== undefined) return this.model.sites[token.site][0];
    const inside = this.inside(token.box);
    return Math.max(...this.model.sites.filter(([, box]) => inside.has(box)).map(([item]) => item), 0);
  }

  inside(k) {
    const found = new Set([k]);
    this.model.boxes.forEach((box, j) => found.has(box.parent) && found.add(j));
    return found;
  }

  // Whether a box holds something that the stage before has not.
  holdsFresh(k) {
    const inside = this.inside(k);
    return this.model.sites.some(([item, box]) => inside.has(box) && this.model.items[item].fresh);
  }

  node(key, token) {
    const { x, y, w, h } = token;
    const k = this.item(token);
    const item = this.model.items[k];
    const closed = token.box !== undefined;
    const box = closed ? this.model.boxes[token.box] : null;
    const fresh = closed ? this.holdsFresh(token.box) : item.fresh;
    const group = svg("g", {
      class: `${closed ? `node box folded ${this.look(token.box)}` : `node ${item.kind}`}${fresh ? " fresh" : ""}`,
      role: "button",
      tabindex: "-1",
      transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`,
    });
    group.dataset.token = key;
    group.dataset.item = k;
    const round = closed ? 8 : ["pointwise", "input", "result"].includes(item.kind) ? 13 : 3;
    group.append(svg("rect", { class: "frame", x: -w / 2, y: -h / 2, width: w, height: h, rx: round }));
    if (closed) {
      group.setAttribute("aria-expanded", "false");
      group.append(svg("text", { y: -h / 2 + 18 }, `▸ ${shortened(box.name)}`));
    } else if (item.kind === "constant") {
      group.append(line({ y: 4 }, item.word));
    } else {
      group.append(line({ y: -h / 2 + 15 }, item.word));
      if (item.names.length) group.append(line({ class: "names", y: -h / 2 + 30 }, item.names.join(", ")));
    }
    const strips = svg("g", { "aria-hidden": "true" });
    group.append(strips);
    return { group, token, item: k, strips, state: "" };
  }

  // Show what the player has filled in.
  update(done) {
    for (const node of this.nodes.values()) {
      const item = this.model.items[node.item];
      const value = this.model.seen(node.item, "v", done);
      const gradient = this.model.seen(node.item, "g", done);
      const frame = this.model.frame(node.item);
      const state = `${value && item.v[frame]} ${gradient && item.g[frame]}`;
      if (state === node.state) continue;
      node.state = state;
      const name =
        node.token.box !== undefined
          ? `${this.model.boxes[node.token.box].name}, folded`
          : [...new Set([this.model.name(node.item), item.name])].join(", ");
      const said = [name, item.type];
      if (value) said.push(`value ${briefly(value)}`);
      if (gradient) said.push(`gradient ${briefly(gradient)}`);
      if (item.fresh) said.push("new in this stage");
      node.group.setAttribute("aria-label", said.join(", "));
      if (item.kind !== "constant" && this.model.playable)
        node.strips.replaceChildren(...this.strips(node, item, value, gradient));
    }
  }

  strips({ token, item: k }, item, value, gradient) {
    const { w, h } = token;
    const scalar = !item.type.includes(",") && /\[1?\]/.test(item.type);
    const rows = [
      ["v", value, h / 2 - 17, 7],
      ["g", gradient, h / 2 - 8.5, 5.5],
    ];
    const found = [];
    for (const [which, shown, y, high] of rows) {
      if (which === "g" && !item.g.some((n) => n >= 0)) continue;
      if (scalar) {
        const text = shown ? digits(flat(shown)[0], 3) : "·";
        const place = { y: which === "g" ? h / 2 - 3.5 : h / 2 - 13, class: "number" };
        found.push(svg("text", place, which === "g" ? `∂ ${text}` : text));
      } else if (shown) {
        found.push(strip(shown, this.model.scale(k, which), -w / 2 + 7, y, w - 14, high));
      } else {
        const place = { x: -w / 2 + 7, y, width: w - 14, height: high, class: "empty" };
        found.push(svg("g", { class: "strip" }, svg("rect", place)));
      }
    }
    return found;
  }

  // Light what a chosen item depends on and what depends on it; `now` is the item that the player is at.
  light(chosen, now) {
    const before = chosen >= 0 ? this.model.before(chosen) : new Set();
    const after = chosen >= 0 ? this.model.after(chosen) : new Set();
    this.root.classList.toggle("lit", chosen >= 0);
    const inside = (node, test) => {
      if (node.token.box === undefined) return test(node.item);
      const boxes = this.inside(node.token.box);
      return this.model.sites.some(([item, box]) => boxes.has(box) && test(item));
    };
    for (const node of this.nodes.values()) {
      const marks = node.group.classList;
      marks.toggle(
        "chosen",
        inside(node, (k) => k === chosen),
      );
      marks.toggle(
        "before",
        inside(node, (k) => before.has(k)),
      );
      marks.toggle("after", inside(node, (k) => after.has(k)) && !marks.contains("before"));
      marks.toggle(
        "now",
        inside(node, (k) => k === now),
      );
    }
    for (const { path, of } of this.wires) {
      const ends = of.map((k) => this.model.wires[k].slice(0, 2).map((s) => this.model.sites[s][0]));
      path.classList.toggle(
        "before",
        ends.some(([a, b]) => before.has(a) && (before.has(b) || b === chosen)),
      );
      path.classList.toggle(
        "after",
        ends.some(([a, b]) => after.has(b) && (after.has(a) || a === chosen)),
      );
    }
  }

  tokenOf(k) {
    for (const [key, node] of this.nodes) if (node.token.site !== undefined && node.item === k) return key;
    const boxes = new Set(this.model.sites.filter(([item]) => item === k).map(([, box]) => box));
    for (const [key, node] of this.nodes) {
      if (node.token.box !== undefined && [...this.inside(node.token.box)].some((b) => boxes.has(b))) return key;
    }
    return undefined;
  }

  fold(k) {
    if (this.closed.has(k)) this.closed.delete(k);
    else this.closed.add(k);
    this.draw();
    this.events.changed();
  }

  // Open all boxes round an item.
  reveal(k) {
    const site = this.model.sites.find(([item]) => item === k);
    for (let box = site ? site[1] : -1; box >= 0; box = this.model.boxes[box].parent) this.closed.delete(box);
  }

  // One node alone is reached by the Tab key; arrow keys go on from there.
  roam(key, focus = true) {
    for (const [k, node] of this.nodes) node.group.setAttribute("tabindex", k === key ? "0" : "-1");
    if (focus) this.nodes.get(key)?.group.focus({ preventScroll: true });
  }

  neighbour(key, arrow) {
    const here = this.nodes.get(key).token;
    const flow = this.direction === "LR" ? ["ArrowLeft", "ArrowRight"] : ["ArrowUp", "ArrowDown"];
    const candidates = [];
    if (flow.includes(arrow)) {
      const [mine, other] = arrow === flow[1] ? ["from", "to"] : ["to", "from"];
      for (const wire of this.wires) if (wire[mine] === key) candidates.push(wire[other]);
    } else {
      const ahead = arrow === "ArrowDown" || arrow === "ArrowRight" ? 1 : -1;
      const [along, aside] = this.direction === "LR" ? ["y", "x"] : ["x", "y"];
      for (const [k, { token }] of this.nodes) {
        if ((token[along] - here[along]) * ahead > 8 && Math.abs(token[aside] - here[aside]) < 140) candidates.push(k);
      }
    }
    const distance = (k) => {
      const there = this.nodes.get(k).token;
      return Math.hypot(there.x - here.x, there.y - here.y);
    };
    return candidates.sort((a, b) => distance(a) - distance(b))[0];
  }

  centre(key) {
    const token = this.nodes.get(key)?.token;
    if (token) this.camera.centre(token.x, token.y);
  }
}

function shortened(name) {
  return name.length > 34 ? `${name.slice(0, 33)}…` : name;
}
