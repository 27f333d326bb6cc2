// Pointers and keys on the graph.

function gestures(picture, { choose, hover, toggle }) {
  const { root } = picture;
  const pointers = new Map();
  let moved = 0;
  const spread = () => {
    const [a, b] = [...pointers.values()];
    return { gap: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  };

  root.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (pointers.size === 1) moved = 0;
  });
  root.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) {
      hover(Number(event.target.closest("[data-item]")?.dataset.item ?? -1));
      return;
    }
    const earlier = pointers.size === 2 ? spread() : null;
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    moved += Math.hypot(event.clientX - last.x, event.clientY - last.y);
    if (moved < 5) return;
    if (!root.classList.contains("moved")) {
      // From here on it is no click: a release outside of the picture ends the move as well.
      root.classList.add("moved");
      root.setPointerCapture(event.pointerId);
    }
    if (!earlier) {
      picture.camera.pan(event.clientX - last.x, event.clientY - last.y);
      return;
    }
    const now = spread();
    picture.camera.pan(now.x - earlier.x, now.y - earlier.y);
    if (earlier.gap > 0) picture.camera.zoom(now.gap / earlier.gap, now.x, now.y);
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    root.addEventListener(kind, (event) => {
      pointers.delete(event.pointerId);
      if (!pointers.size) root.classList.remove("moved");
    });
  }
  root.addEventListener("pointerleave", () => hover(-1));
  root.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      picture.camera.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.clientX, event.clientY);
    },
    { passive: false },
  );
  root.addEventListener("click", (event) => {
    if (moved >= 5) return;
    const header = event.target.closest("[data-fold]");
    const node = event.target.closest("[data-token]");
    if (header) toggle(Number(header.dataset.fold));
    else if (node) open(node.dataset.token);
    else choose(-1);
  });

  function open(key) {
    const { token, item } = picture.nodes.get(key);
    if (token.box !== undefined) toggle(token.box);
    else {
      picture.roam(key);
      choose(item);
    }
  }

  root.addEventListener("keydown", (event) => {
    const key = event.target.closest?.("[data-token]")?.dataset.token;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Enter" || event.key === " ") {
      const header = event.target.closest?.("[data-fold]");
      if (header) toggle(Number(header.dataset.fold));
      else if (key) open(key);
    } else if (key && event.key.startsWith("Arrow")) {
      const next = picture.neighbour(key, event.key);
      if (next) {
        picture.roam(next);
        picture.centre(next);
        hover(picture.nodes.get(next).item);
      }
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  });
  root.addEventListener("focusin", (event) => {
    const key = event.target.closest("[data-token]")?.dataset.token;
    if (key && event.target.matches(":focus-visible")) {
      picture.centre(key);
      hover(picture.nodes.get(key).item);
    }
  });
}
