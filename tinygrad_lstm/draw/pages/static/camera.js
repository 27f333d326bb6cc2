// Which part of the picture is seen: the viewBox of an SVG.

// The height of the buttons that lie over the picture.
const BUTTONS = 46;

class Camera {
  constructor(root) {
    this.root = root;
    this.frame = { x: 0, y: 0, w: 100, h: 100 };
    this.scale = 1;
    // A window of another size shows more or less, not the same smaller or larger.
    new ResizeObserver(() => this.look(this.frame.x, this.frame.y, this.scale)).observe(root);
  }

  get room() {
    const { width, height } = this.root.getBoundingClientRect();
    return { width: width || 1, height: height || 1 };
  }

  // See what begins at a point, at so many pixels for a unit.
  look(x, y, scale) {
    const { width, height } = this.room;
    this.scale = scale;
    this.frame = { x, y, w: width / scale, h: height / scale };
    this.root.setAttribute("viewBox", [x, y, this.frame.w, this.frame.h].map((n) => n.toFixed(2)).join(" "));
  }

  fit({ x, y, w, h }) {
    const { width, height } = this.room;
    const scale = Math.min(1.6, width / w, Math.max(1, height - BUTTONS) / h);
    this.look(x - (width / scale - w) / 2, y - ((height + BUTTONS) / scale - h) / 2, scale);
  }

  // Nearer or farther by a factor; what is at the given place of the window stays there.
  zoom(factor, clientX, clientY) {
    const { left, top, width, height } = this.root.getBoundingClientRect();
    if (this.scale * factor < 0.05 || this.scale * factor > 6) return;
    const [u, v] = clientX === undefined ? [0.5, 0.5] : [(clientX - left) / width, (clientY - top) / height];
    const { x, y, w, h } = this.frame;
    this.look(x + u * w * (1 - 1 / factor), y + v * h * (1 - 1 / factor), this.scale * factor);
  }

  pan(dx, dy) {
    this.look(this.frame.x - dx / this.scale, this.frame.y - dy / this.scale, this.scale);
  }

  // Bring a point into sight, with some room round it.
  centre(px, py) {
    const { x, y, w, h } = this.frame;
    const seen = px > x + w * 0.08 && px < x + w * 0.92 && py > y + h * 0.14 && py < y + h * 0.9;
    if (!seen) this.look(px - w / 2, py - h / 2, this.scale);
  }
}
