// What is said about one node, and the table of all of them.

const KINDS = {
  input: "input",
  parameter: "parameter",
  state: "state",
  data: "data",
  constant: "number",
  pointwise: "elementwise operation",
  op: "operation",
  view: "another view of a value",
  result: "result",
  carry: "what a step of the loop takes from the one before",
  slice: "what each step of the loop reads",
};

function panel(root, model, k, done, choose, fold, closed) {
  const item = model.items[k];
  const kind = item.names.length ? `${item.name}, ${KINDS[item.kind]}` : KINDS[item.kind];
  const rows = [];
  const add = (term, ...content) => rows.push(html("dt", {}, term), html("dd", {}, ...content));
  if (item.said) add("Expression", html("code", {}, ...typeset(item.said)));
  add("Type", html("code", {}, item.type));
  const scopes = enclosing(model, k);
  if (scopes.length) {
    const buttons = scopes.map((box) =>
      html(
        "button",
        { type: "button", "aria-expanded": String(!closed.has(box)), onclick: () => fold(box) },
        `${closed.has(box) ? "▸" : "▾"} ${model.boxes[box].name}`,
      ),
    );
    add("Scopes", html("span", { class: "links" }, ...buttons));
  }
  if (item.line)
    add("Line", item.code ? html("code", {}, item.code) : "", html("span", { class: "kind" }, ` ${item.line}`));
  if (item.reads.length) add("Reads", links(model, [...new Set(item.reads)], choose));
  if (model.readers[k].length) add("Read by", links(model, [...new Set(model.readers[k])], choose));
  root.replaceChildren(
    html("h2", {}, ...typeset(model.name(k))),
    html("p", { class: "kind" }, kind),
    html("dl", {}, ...rows),
    ...measured(model, k, "v", done, "Value"),
    ...measured(model, k, "g", done, "Gradient"),
  );
  root.dataset.item = k;
}

function enclosing(model, k) {
  const found = [];
  const site = model.sites.find(([item]) => item === k);
  for (let box = site ? site[1] : -1; box >= 0; box = model.boxes[box].parent) found.unshift(box);
  return found;
}

function links(model, items, choose) {
  const buttons = items.slice(0, 12).map((k) => {
    const item = model.items[k];
    const short = !item.names.length && item.said && item.said.length <= 24;
    const text = ["parameter", "state"].includes(item.kind) ? item.word : short ? item.said : model.name(k);
    return html("button", { type: "button", onclick: () => choose(k) }, ...typeset(text));
  });
  if (items.length > 12) buttons.push(html("span", {}, `and ${items.length - 12} more`));
  return html("span", { class: "links" }, ...buttons);
}

function measured(model, k, which, done, title) {
  if (!model.playable) return [];
  const item = model.items[k];
  const heading = html("h3", {}, title);
  const value = model.seen(k, which, done);
  if (!value) {
    const never = which === "g" && !item.g.some((n) => n >= 0);
    const free = item.kind === "constant" ? "A number has none." : "The results do not depend on it by floats.";
    const why = model.differentiated ? free : model.view.note;
    return [heading, html("p", { class: "kind" }, never ? why : "Not computed yet.")];
  }
  const found = limits(value);
  const shape = value.shape.length ? value.shape.join(" × ") : "one number";
  const parts = [heading];
  const rule = which === "g" ? because(model, k) : [];
  if (rule.length) parts.push(html("p", { class: "rule" }, "= ", ...rule));
  if (value.grid.flat().length) {
    const map = heatMap(value, model.scale(k, which), `${title}, ${shape}`);
    map.dataset.which = which;
    parts.push(html("div", { class: "sized", tabindex: "0", role: "group", "aria-label": title }, map));
  }
  const range =
    found && value.shape.length ? `, ${digits(found[0])} to ${digits(found[1])}, mean ${digits(found[2])}` : "";
  parts.push(
    html("p", { class: "range" }, `${shape}${range}${value.blocks ? "; each cell is the mean of a block" : ""}`),
  );
  return parts;
}

function table(root, model, done, now) {
  const head = html("tr");
  const told = model.differentiated ? ["v", "g"] : ["v"];
  for (const name of ["Value", "Expression", "Type", "Now", "Gradient now"].slice(0, 3 + told.length))
    head.append(html("th", { scope: "col" }, name));
  const body = html("tbody");
  for (const k of sequence(model.program)) {
    const item = model.items[k];
    const cells = told.map((which) => {
      const value = model.seen(k, which, done);
      return html("td", {}, value ? briefly(value) : "–");
    });
    const row = html("tr", k === now ? { class: "now" } : {}, html("th", { scope: "row" }, ...typeset(model.name(k))));
    row.append(
      html("td", {}, item.said ? html("code", {}, ...typeset(item.said)) : KINDS[item.kind]),
      html("td", {}, html("code", {}, item.type)),
      ...cells,
    );
    body.append(row);
  }
  const note = model.differentiated ? "" : `. ${model.view.note}`;
  const caption = html("caption", {}, `All values in the order of computation${note}`);
  root.replaceChildren(html("table", {}, caption, html("thead", {}, head), body));
}

// The items of a program in order; the first entry of each loop is the loop itself.
function sequence(program) {
  return program.flatMap((entry) => (Array.isArray(entry) ? sequence(entry[1]) : [entry]));
}
