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
    back.addEventListener("click", () => this.go(this.done - 1));
    next.addEventListener("click", () => this.go(this.done + 1));
    last.addEventListener("click", () => this.go(Infinity));
    play.addEventListener("click", () => this.toggle());
    progress.addEventListener("input", () => this.go(Number(progress.value)));
    speed.addEventListener("change", () => this.timer !== null && this.start());
  }

  show(model) {
    this.stop();
    this.model = model;
    this.done = model.events.length;
    this.parts.player.classList.toggle("idle", !model.playable);
    for (const id of ["first", "back", "play", "next", "last", "progress", "speed"])
      this.parts[id].disabled = !model.playable;
    this.parts.progress.max = model.events.length;
    this.sliders();
    this.tell();
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

  // The event that happened last; none at the beginning, and none at the end, where all is there.
  get now() {
    return this.done > 0 && this.done < this.model.events.length ? this.model.events[this.done - 1] : null;
  }

  get item() {
    return this.now ? this.now[0] : -1;
  }

  go(done, playing = false) {
    if (!playing) this.stop();
    this.done = Math.max(0, Math.min(done, this.model.events.length));
    const event = this.done ? this.model.events[this.done - 1] : null;
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
    if (this.done >= this.model.events.length) this.go(0);
    this.start();
  }

  start() {
    clearInterval(this.timer);
    this.timer = setInterval(() => {
      this.go(this.done + 1, true);
      if (this.done >= this.model.events.length) {
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
    progress.value = this.done;
    this.outputs.forEach(({ slider, output, loop }, k) => {
      const at = this.model.at[k];
      slider.value = at;
      output.textContent = `t = ${loop.times[at]} of 0 … ${loop.steps - 1}`;
      slider.setAttribute("aria-valuetext", output.textContent);
    });
    const [strong, rest] = this.sentence();
    progress.setAttribute("aria-valuetext", strong);
    said.replaceChildren(html("b", {}, strong), " ", ...typeset(rest));
    said.title = rest;
  }

  sentence() {
    const { model, done } = this;
    if (!model.playable) return ["Structure only.", model.view.note];
    const back = model.events.length - model.turn;
    if (done === 0) return ["At the beginning.", "Inputs and parameters have their values."];
    if (done === model.events.length) return ["All is computed.", model.view.note];
    const [k, , backwards] = model.events[done - 1];
    const item = model.items[k];
    const value = model.seen(k, backwards ? "g" : "v", done);
    const what = model.name(k);
    if (backwards)
      return [
        `Backward ${done - model.turn} of ${back}:`,
        `the gradient of ${item.names.length ? what : item.said || what} is ${briefly(value)}`,
      ];
    const how = item.names.length && item.said ? `${what} = ${item.said}` : item.said || what;
    return [`Forward ${done} of ${model.turn}:`, `${how} is ${briefly(value)}`];
  }
}
