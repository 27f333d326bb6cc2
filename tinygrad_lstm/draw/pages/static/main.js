// The page: its parts, and what holds them together.

const byId = (id) => document.getElementById(id);
const models = DATA.views.map((view) => new Model(view));
const picture = new Picture(byId("picture"), { changed: () => refresh() });
const player = new Player((moved) => {
  if (moved && player.item >= 0 && shownView === "graph") picture.centre(picture.tokenOf(player.item));
  refresh();
});
let current = models[0];
let shownView = "graph";
let chosen = -1;
let hovered = -1;
let direction = byId("stage").clientWidth < byId("stage").clientHeight ? "TB" : "LR";

function refresh() {
  picture.update(player.done);
  picture.light(chosen, player.item);
  describe();
  if (shownView === "textbook") textbook();
  if (shownView === "table") table(byId("table"), current, player.done, player.item);
}

function describe() {
  const results = current.items.findIndex((item) => item.kind === "result");
  const k = [hovered, chosen, player.item, results, 0].find((n) => n >= 0);
  panel(byId("panel"), current, k, player.done, choose, toggle, picture.closed);
}

function choose(k) {
  chosen = k;
  if (k >= 0 && shownView === "graph") {
    picture.reveal(k);
    picture.draw();
    picture.roam(picture.tokenOf(k), false);
    picture.centre(picture.tokenOf(k));
  }
  refresh();
}

function toggle(box) {
  picture.fold(box);
  byId("fold").textContent = picture.closed.size ? "Unfold all" : "Fold all";
}

// The textbook's picture of a cell, where there is one.
const groups = new Map();
for (const group of document.querySelectorAll("#textbook g.node")) {
  groups.set(group.querySelector("title")?.textContent, group);
}
const parts = DATA.parts.filter(([name, items]) => items.length && groups.has(name));
for (const [name, items] of parts) {
  const group = groups.get(name);
  group.classList.add("part");
  group.setAttribute("role", "button");
  group.setAttribute("tabindex", "0");
  const pick = () => {
    chosen = items.at(-1);
    refresh();
  };
  group.addEventListener("click", pick);
  group.addEventListener("keydown", (event) => event.key === "Enter" && pick());
  group.addEventListener("pointerenter", () => hover(items.at(-1)));
  group.addEventListener("pointerleave", () => hover(-1));
}
byId("textbook").querySelector("svg")?.setAttribute("role", "group");

// The part that an item belongs to. No part stands for a parameter, nor for two wires that join: the one belongs to what
// reads it, the other to what comes in there.
const belongs = new Map(parts.flatMap(([name, items]) => items.map((k) => [k, name])));
if (parts.length) {
  for (let k = models[0].items.length - 1; k >= 0; k--) {
    const near = [...models[0].items[k].reads, ...models[0].readers[k]].find((other) => belongs.has(other));
    if (!belongs.has(k) && near !== undefined) belongs.set(k, belongs.get(near));
  }
}

function textbook() {
  for (const [name, items] of parts) {
    const last = items.at(-1);
    const group = groups.get(name);
    const value = current.seen(last, "v", player.done);
    group.classList.toggle("empty", !value);
    group.classList.toggle("chosen", belongs.get(player.item) === name || items.includes(chosen));
    live(group, last);
    group.setAttribute("aria-label", `${current.name(last)}${value ? `, ${briefly(value)}` : ""}`);
  }
}

// The value and the gradient of a part, as strips below its shape.
function live(group, k) {
  group.querySelector(".live")?.remove();
  const outline = group.querySelector("polygon, ellipse");
  const shape = (outline ?? group).getBBox();
  // Below what is inside of the cell, and there left of where a wire may enter, since names stand right of it; beside
  // the circles outside; and below names.
  const wide = 34;
  const circle = group.matches(".input, .output");
  const x = circle ? shape.x - wide - 5 : shape.x + shape.width / 2 - (outline ? wide + 8 : wide / 2);
  const y = circle ? shape.y + shape.height / 2 - 7 : shape.y + shape.height + 2;
  const strips = ["v", "g"].flatMap((which, row) => {
    const value = current.seen(k, which, player.done);
    return value ? [strip(value, current.scale(k, which), x, y + 7 * row, wide, 6)] : [];
  });
  group.append(svg("g", { class: "live", "aria-hidden": "true" }, ...strips));
}

function hover(k) {
  if (k === hovered) return;
  hovered = k;
  picture.light(k >= 0 ? k : chosen, player.item);
  describe();
}

// Which view: the textbook's picture, one of the graphs, or a table of the graph that was seen last.
const view = byId("view");
if (parts.length) view.append(html("option", { value: "textbook" }, "The textbook's picture"));
models.forEach((model, k) => view.append(html("option", { value: k }, model.view.title)));
view.append(html("option", { value: "table" }, "A table"));
view.addEventListener("change", () => look(view.value));

function look(value) {
  shownView = value === "textbook" || value === "table" ? value : "graph";
  for (const [id, kind] of [
    ["picture", "graph"],
    ["textbook", "textbook"],
    ["table", "table"],
  ])
    byId(id).toggleAttribute("hidden", shownView !== kind);
  byId("legend").hidden = shownView === "table";
  for (const id of ["nearer", "farther", "fit", "turn", "fold"]) byId(id).hidden = shownView !== "graph";
  const next = value === "textbook" ? models[0] : value === "table" ? current : models[Number(value)];
  if (next !== current || player.model === null) {
    current = next;
    chosen = hovered = -1;
    byId("about").textContent = current.view.about;
    player.show(current);
    picture.show(current, direction, Picture.closing(current, direction, byId("stage").getBoundingClientRect()));
    byId("fold").textContent = picture.closed.size ? "Unfold all" : "Fold all";
  } else if (shownView === "graph") {
    picture.show(current, direction, picture.closed);
  }
  player.stand((k) => (shownView === "textbook" ? belongs.get(k) : undefined));
  refresh();
}

gestures(picture, { choose, hover, toggle });
byId("nearer").addEventListener("click", () => picture.camera.zoom(1.3));
byId("farther").addEventListener("click", () => picture.camera.zoom(1 / 1.3));
byId("fit").addEventListener("click", () => picture.camera.fit(picture.places.size));
byId("turn").addEventListener("click", () => {
  direction = direction === "LR" ? "TB" : "LR";
  picture.show(current, direction, picture.closed);
  refresh();
});
byId("fold").addEventListener("click", () => foldAll(picture.closed.size === 0));

function foldAll(close) {
  // A box round all the others, such as a loop or a module, would hide the whole picture.
  const parents = new Set(current.boxes.map((box) => box.parent));
  const leaves = current.boxes.map((_, k) => k).filter((k) => !parents.has(k));
  const outer = leaves.map((k) => (current.boxes[k].parent >= 0 && singly(k) ? current.boxes[k].parent : k));
  picture.closed = new Set(close ? outer : []);
  byId("fold").textContent = close ? "Unfold all" : "Fold all";
  picture.draw();
  picture.camera.fit(picture.places.size);
  refresh();
}

// Whether a box is the only one in its parent, as the layer in a gate is.
function singly(k) {
  return current.boxes.filter((box) => box.parent === current.boxes[k].parent).length === 1;
}

// Search.
const search = byId("search");
const found = byId("found");
search.addEventListener("input", () => {
  const words = search.value.trim().toLowerCase();
  const hits = words ? current.items.map((_, k) => k).filter((k) => searched(current.items[k]).includes(words)) : [];
  found.replaceChildren(
    ...hits.slice(0, 20).map((k) => {
      const item = current.items[k];
      const text = html("small", {}, [item.said, item.scope].filter(Boolean).join(" · "));
      const name = item.names.length ? `${item.names.join(", ")} (${item.name})` : item.name;
      return html("li", {}, html("button", { type: "button", onclick: () => pick(k) }, name, text));
    }),
  );
  found.hidden = !hits.length;
  byId("search-said").textContent = words ? `${hits.length} found` : "";
  for (const node of picture.nodes.values()) node.group.classList.toggle("match", hits.includes(node.item));
});
search.addEventListener("keydown", (event) => {
  if (event.key === "Enter") found.querySelector("button")?.click();
  if (event.key === "ArrowDown") found.querySelector("button")?.focus();
  if (event.key === "Escape") close();
});
found.addEventListener("keydown", (event) => {
  const line = event.target.closest("li");
  const next = { ArrowDown: line?.nextSibling, ArrowUp: line?.previousSibling }[event.key];
  if (event.key === "Escape") close();
  if (event.key.startsWith("Arrow")) event.preventDefault();
  (next?.firstChild ?? (event.key === "ArrowUp" ? search : null))?.focus();
});
document.addEventListener("pointerdown", (event) => !event.target.closest(".search") && (found.hidden = true));

const searched = (item) =>
  [item.name, item.word, ...item.names, item.said, item.scope, item.op].join(" ").toLowerCase();

function close() {
  search.value = "";
  search.dispatchEvent(new Event("input"));
  search.focus();
}

function pick(k) {
  found.hidden = true;
  if (shownView !== "graph") {
    view.value = String(models.indexOf(current));
    look(view.value);
  }
  choose(k);
  picture.roam(picture.tokenOf(k));
}

// Light and dark.
const dark = matchMedia("(prefers-color-scheme: dark)");
function paint(wanted) {
  document.documentElement.dataset.theme = wanted ? "dark" : "light";
  byId("theme").textContent = wanted ? "Light" : "Dark";
}
byId("theme").addEventListener("click", () => paint(document.documentElement.dataset.theme !== "dark"));
dark.addEventListener("change", () => paint(dark.matches));
const begin = document.documentElement.dataset.begin;
paint(begin ? begin === "dark" : dark.matches);

// Keys, wherever the focus is.
byId("ask").addEventListener("click", () => byId("help").showModal());
const keys = {
  " ": () => player.toggle(),
  n: () => player.move(1),
  p: () => player.move(-1),
  ArrowRight: () => player.move(1),
  ArrowLeft: () => player.move(-1),
  Home: () => player.go(0),
  End: () => player.go(Infinity),
  "+": () => picture.camera.zoom(1.3),
  "-": () => picture.camera.zoom(1 / 1.3),
  0: () => picture.camera.fit(picture.places.size),
  "/": () => search.focus(),
  "?": () => byId("help").showModal(),
  Escape: () => choose(-1),
  u: () => foldAll(false),
  f: () => {
    const focused = document.activeElement.closest?.("[data-item]")?.dataset.item;
    const box = enclosing(current, focused === undefined ? Math.max(chosen, 0) : Number(focused))
      .filter((k) => !picture.closed.has(k))
      .at(-1);
    if (box !== undefined) toggle(box);
  },
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || byId("help").open) return;
  const typing = event.target.matches("input[type=search], select");
  const own = event.target.matches("button, [role=button]") && event.key === " ";
  const sliding = event.target.matches("input[type=range]") && !["n", "p", "f", "u", " ", "/", "?"].includes(event.key);
  if (typing || own || sliding || !(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});

view.value = parts.length ? "textbook" : "0";
look(view.value);
