// A graph, its values, and the order in which the player meets them.
"use strict";

const DATA = JSON.parse(document.getElementById("data").textContent);
const GIVEN = new Set(["input", "parameter", "state", "data", "constant"]);

class Model {
  constructor(view) {
    this.view = view;
    Object.assign(this, view.graph);
    this.chains = this.loops.map((_, k) => this.chain(k));
    // Which of its recorded steps each loop shows.
    this.at = this.loops.map(() => 0);
    // An event is [item, frame, backwards]: the player fills in a value, or on the way back a gradient.
    this.events = [];
    this.filled = this.items.map(() => ({ v: [], g: [] }));
    this.playable = this.values.length > 0;
    if (this.playable) {
      this.list(this.program, 0, false);
      this.turn = this.events.length;
      this.list(this.program, 0, true);
    }
    this.readers = this.items.map(() => []);
    this.items.forEach((item, k) => item.reads.forEach((x) => this.readers[x].push(k)));
    this.scales = new Map();
  }

  chain(loop) {
    const found = [];
    for (let k = loop; k >= 0; k = this.loops[k].parent) found.unshift(k);
    return found;
  }

  list(program, frame, backwards) {
    for (const entry of backwards ? [...program].reverse() : program) {
      if (!Array.isArray(entry)) {
        this.plan(entry, frame, backwards);
        continue;
      }
      const loop = this.loops[entry[0]];
      const order = loop.times.map((_, k) => k);
      if (loop.reverse !== backwards) order.reverse();
      for (const k of order) this.list(entry[1], frame * order.length + k, backwards);
    }
  }

  plan(k, frame, backwards) {
    const item = this.items[k];
    if (item.kind === "result") {
      // A result repeats what it reads: it is filled in together with that, and its gradient where the way back begins.
      const source = this.filled[item.reads[0]].v[0] ?? 0;
      this.filled[k][backwards ? "g" : "v"][frame] = backwards ? this.turn + 1 : source;
      return;
    }
    if (backwards && (item.g[frame] ?? -1) < 0) return;
    if (backwards || !GIVEN.has(item.kind)) this.events.push([k, frame, backwards]);
    this.filled[k][backwards ? "g" : "v"][frame] = GIVEN.has(item.kind) && !backwards ? 0 : this.events.length;
  }

  // The frame of an item at the steps that the loops show: they count like the digits of a number.
  frame(k) {
    const chain = this.chains[this.items[k].loop] ?? [];
    return chain.reduce((sum, loop) => sum * this.loops[loop].times.length + this.at[loop], 0);
  }

  // Let the loops show the steps of this frame.
  show(k, frame) {
    for (const loop of [...(this.chains[this.items[k].loop] ?? [])].reverse()) {
      const count = this.loops[loop].times.length;
      this.at[loop] = frame % count;
      frame = Math.floor(frame / count);
    }
  }

  // What is to be seen of an item's value ("v") or gradient ("g") when the player has done `done` events.
  seen(k, which, done) {
    const frame = this.frame(k);
    if (!this.playable || !(done >= (this.filled[k][which][frame] ?? Infinity))) return null;
    return this.values[this.items[k][which][frame]] ?? null;
  }

  // The largest magnitude over all steps, so that the colours of two steps can be compared.
  scale(k, which) {
    const key = `${which}${k}`;
    if (!this.scales.has(key)) {
      let most = 0;
      for (const n of new Set(this.items[k][which])) {
        for (const row of this.values[n]?.grid ?? []) for (const x of row) if (Math.abs(x) > most) most = Math.abs(x);
      }
      this.scales.set(key, most);
    }
    return this.scales.get(key);
  }

  // Several loops in one page are told apart by the scopes in them.
  loopName(k) {
    const own = this.boxes.findIndex((box) => box.loop === k);
    const inside = this.boxes.filter((box) => box.parent === own && box.loop < 0).map((box) => box.name);
    const { label } = this.loops[k];
    return this.loops.length > 1 && inside.length ? `${inside.slice(0, 2).join(", ")}, ${label}` : label;
  }

  // Whether there is a gradient anywhere.
  get differentiated() {
    return this.playable && this.events.length > this.turn;
  }

  // The terms whose sum is the gradient of an item at the steps that the loops show: text, and numbers of items.
  rule(k) {
    const { rule, loop } = this.items[k];
    const counts = ([when, needs]) => {
      if (when && this.atEnd(loop) !== (when === "last")) return false;
      const { g, loop: other } = this.items[needs];
      return other === loop ? (g[this.frame(needs)] ?? -1) >= 0 : g.some((n) => n >= 0);
    };
    return rule.filter(counts).map(([, needs, ...pieces]) => ({ needs, pieces }));
  }

  // Whether a loop shows the step that it does last.
  atEnd(k) {
    const { times, steps, reverse } = this.loops[k];
    return times[this.at[k]] === (reverse ? 0 : steps - 1);
  }

  reached(k, next) {
    const found = new Set();
    const waiting = [k];
    while (waiting.length) {
      for (const x of next(waiting.pop())) {
        if (!found.has(x)) {
          found.add(x);
          waiting.push(x);
        }
      }
    }
    return found;
  }

  before(k) {
    return this.reached(k, (x) => this.items[x].reads);
  }

  after(k) {
    return this.reached(k, (x) => this.readers[x]);
  }

  // What to call an item.
  name(k) {
    const item = this.items[k];
    if (item.names.length) return item.names.join(", ");
    return item.kind === "result" && !item.name.startsWith("result") ? `result ${item.name}` : item.name;
  }
}
