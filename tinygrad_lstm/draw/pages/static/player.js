// The player: how many of the events have happened, and when the next one does.

class Player {
  constructor(changed) {
    this.changed = changed;
    this.model = null;
    this.done = 0;
    this.timer = null;
    this.parts = Object.fromEntries(
      ["first", "back", "play", "next", "last", "progress", "speed", "times", "said", "player"].map((id) => [
        id,
        document.getElementById(id),
      ]),
    );
    const { first, back, play, next, last, progress, speed } = this.parts;
    first.addEventListener("click", () => this.go(0));
    back.addEventListener("click", () => this.move(-1));
    next.addEventListener("click", () => this.move(1));
    last.addEventListener("click", () => this.go(Infinity));
    play.addEventListener("click", () => this.toggle());
    progress.addEventListener("input", () => this.go(this.stops[Number(progress.value)]));
    speed.addEventListener("change", () => this.timer !== null && this.start());
  }

  show(model) {
    this.stop();
    this.model = model;
    this.done = 0;
    this.parts.player.classList.toggle("idle", !model.playable);
    for (const id of ["first", "back", "play", "next", "last", "progress", "speed"])
      this.parts[id].disabled = !model.playable;
    this.sliders();
  }

  // Where the player may stand: before all events, after each, or after each run of them that one part of the picture
  // stands for; and at the end, where all is told.
  stand(partOf) {
    const { events } = this.model;
    this.stops = [0];
    events.forEach(([k, frame, backwards], at) => {
      const [other, otherFrame, otherWay] = events[at + 1] ?? [];
      const part = partOf(k);
      const goesOn = part !== undefined && other !== undefined && part === partOf(other);
      if (!goesOn || frame !== otherFrame || backwards !== otherWay) this.stops.push(at + 1);
    });
    this.stops.push(this.end);
    this.parts.progress.max = this.stops.length - 1;
    this.done = this.stops.find((stop) => stop >= this.done);
    this.tell();
  }

  get end() {
    return this.model.events.length + 1;
  }

  // The number of the stop that the player is at.
  get place() {
    return this.stops.indexOf(this.done);
  }

  // A slider for each loop: which of its steps the values are those of.
  sliders() {
    const { model } = this;
    this.outputs = model.loops.map((loop, k) => {
      const output = html("output");
      const slider = html("input", {
        type: "range",
        min: 0,
        max: Math.max(0, loop.times.length - 1),
        value: this.model.at[k],
      });
      slider.addEventListener("input", () => {
        this.stop();
        this.model.at[k] = Number(slider.value);
        this.tell();
        this.changed(false);
      });
      return { slider, output, loop };
    });
    const rows = this.outputs.map(({ slider, output }, k) =>
      html("label", { class: "slide" }, html("span", {}, model.loopName(k)), slider, output),
    );
    this.parts.times.replaceChildren(
      ...(this.model.playable ? rows.filter((_, k) => this.model.loops[k].steps > 1) : []),
    );
  }

  // The events that happened last; none at the beginning, and none at the end, where all is there.
  get now() {
    const { place, done } = this;
    return done > 0 && done < this.end ? this.model.events.slice(this.stops[place - 1], done) : [];
  }

  // What they are about: the value that they lead to, and on the way back the gradient that they start from.
  get item() {
    const { now } = this;
    return now.length ? (now[0][2] ? now[0] : now.at(-1))[0] : -1;
  }

  move(by, playing = false) {
    this.go(this.stops[Math.max(0, Math.min(this.place + by, this.stops.length - 1))], playing);
  }

  go(done, playing = false) {
    if (!playing) this.stop();
    this.done = Math.max(0, Math.min(done, this.end));
    const event = this.model.events[Math.min(this.done, this.end - 1) - 1];
    if (event) this.model.show(event[0], event[1]);
    this.tell();
    this.changed(true);
  }

  toggle() {
    if (!this.model.playable) return;
    if (this.timer !== null) {
      this.stop();
      this.tell();
      return;
    }
    if (this.done >= this.end) this.go(0);
    this.start();
  }

  start() {
    clearInterval(this.timer);
    this.timer = setInterval(() => {
      this.move(1, true);
      if (this.done >= this.end) {
        this.stop();
        this.tell();
      }
    }, Number(this.parts.speed.value));
    this.tell();
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
  }

  tell() {
    const { play, progress, said } = this.parts;
    const playing = this.timer !== null;
    play.querySelector("span").textContent = playing ? "Stop" : "Play";
    play.querySelector("path").setAttribute("d", playing ? "M3 2h4v12H3zM9 2h4v12H9z" : "M4 2v12l9-6z");
    // A screen reader that was told each step of a running player would never come to an end.
    said.setAttribute("aria-live", playing ? "off" : "polite");
    progress.value = this.place;
    this.outputs.forEach(({ slider, output, loop }, k) => {
      const at = this.model.at[k];
      slider.value = at;
      output.textContent = `t = ${loop.times[at]} of 0 … ${loop.steps - 1}`;
      slider.setAttribute("aria-valuetext", output.textContent);
    });
    const [strong, rest] = this.sentence();
    progress.setAttribute("aria-valuetext", strong);
    said.replaceChildren(html("b", {}, strong), " ", ...rest);
  }

  sentence() {
    const { model, done, place } = this;
    if (!model.playable) return ["Structure only.", typeset(model.view.note)];
    const start = "Inputs and parameters have their values. Press Play, or n for one step.";
    if (done === 0) return ["At the beginning.", [start, model.differentiated ? "" : ` ${model.view.note}`]];
    if (done === this.end) return ["All is computed.", typeset(model.view.note)];
    const turn = this.stops.indexOf(model.turn);
    const [, , backwards] = this.now[0];
    if (backwards) return [`Backward ${place - turn} of ${this.stops.length - 2 - turn}:`, this.backwards()];
    const k = this.item;
    const { said, names } = model.items[k];
    const how = names.length && said ? `${model.name(k)} = ${said}` : said || model.name(k);
    return [`Forward ${place} of ${turn}:`, typeset(`${how} is ${briefly(model.seen(k, "v", done))}`)];
  }

  // The gradient with the rule that it follows from, and whose gradients come of it in the same part of the picture.
  backwards() {
    const { model, item, now, done } = this;
    const value = briefly(model.seen(item, "g", done));
    const rule = because(model, item);
    const told = typeset(`the gradient of ${model.items[item].called}`);
    told.push(...(rule.length ? [" = ", ...rule, ` = ${value}`] : [` is ${value}: the way back begins here`]));
    const others = now.slice(1).map(([k]) => model.items[k]);
    const given = others.filter(({ kind }) => kind === "parameter");
    const named = [...new Set((given.length ? given : others).map(({ called }) => called))];
    if (named.length) told.push("; from it come those of ", ...typeset(named.join(", ")));
    return told;
  }
}
