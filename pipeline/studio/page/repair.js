// A mask mended by brush, eraser and box, with the pointer or with a cursor moved by keys.

import { askJson } from "/page/ask.js";
import { maskOf, runsOf } from "/page/runs.js";

const STROKES_KEPT = 20; // to undo; each keeps a copy of the mask
export const TOOLS = { b: "brush", x: "eraser", g: "box", c: "click", f: "frame" };
const BOXES = ["box", "frame"];

export class Repair {
  // changed(): the mask or the tool is another; ask({points, on, box}): SAM's mask, or null.
  constructor(view, changed, ask = null) {
    Object.assign(this, { view, changed, ask, tool: "brush", before: [], from: null, cursor: null });
    this.asked = { points: [], on: [] };
    this.radius = Math.max(1, Math.round(Math.max(view.width, view.height) / 60));
    view.mask = view.mask.slice();
    view.hidden = false;
    view.marks = (pen, thin) => this.mark(pen, thin);
    this.listening = new AbortController();
    const { signal } = this.listening;
    const on = (name, does) => view.canvas.addEventListener(name, does, { signal });
    on("pointerdown", (event) => this.down(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.up(event));
    on("pointercancel", () => { this.from = null; });
    view.paint();
  }

  end() {
    this.listening.abort();
    this.view.marks = () => {};
  }

  get runs() {
    return runsOf(this.view.mask, [this.view.height, this.view.width]);
  }

  use(tool) {
    if (!this.ask && ["click", "frame"].includes(tool)) return;
    this.tool = tool;
    this.asked = { points: [], on: [] };
    this.changed();
    this.view.paint();
  }

  resize(factor) {
    this.radius = Math.max(0.5, Math.min(this.radius * factor, 1000));
    this.changed();
    this.view.paint();
  }

  down(event) {
    event.preventDefault();
    this.view.canvas.setPointerCapture(event.pointerId);
    this.begin(this.view.at(event), event.altKey || event.button === 2);
  }

  move(event) {
    this.cursor = this.view.at(event);
    if (this.from && ["brush", "eraser"].includes(this.tool)) {
      this.line(this.from, this.cursor);
      this.from = this.cursor;
    }
    this.view.paint();
  }

  up(event) {
    if (this.from && BOXES.includes(this.tool)) this.corner(this.view.at(event), event.altKey);
    this.from = null;
    this.changed();
    this.view.paint();
  }

  begin(at, off = false) {
    this.before.push(this.view.mask.slice());
    if (this.before.length > STROKES_KEPT) this.before.shift();
    this.from = at;
    this.cursor = at;
    if (this.tool === "click") {
      this.asked.points.push(at);
      this.asked.on.push(!off);
      this.fromSam();
    } else if (!BOXES.includes(this.tool)) this.line(at, at);
  }

  // The second corner of a box: filled, emptied, or given to SAM.
  corner(at, erase) {
    if (this.tool === "box") return this.fill(this.from, at, erase);
    const [xs, ys] = [0, 1].map((axis) => [this.from[axis], at[axis]].sort((a, b) => a - b));
    this.asked = { ...this.asked, box: [xs[0], ys[0], xs[1], ys[1]] };
    this.fromSam();
  }

  async fromSam() {
    const { view } = this;
    const asked = this.asked;
    this.asking = this.ask(asked);
    const mask = await this.asking;
    if (!mask || asked !== this.asked || this.listening.signal.aborted) return;
    view.mask = mask;
    view.tint();
    this.changed();
  }

  undo() {
    const mask = this.before.pop();
    if (!mask) return;
    this.view.mask = mask;
    this.asked = { points: [], on: [] };
    this.view.tint();
    this.changed();
  }

  // Move the cursor by a part of the brush; Space paints there, or sets a corner of a box.
  step(right, down) {
    const { width, height } = this.view;
    const [x, y] = this.cursor ?? [width / 2, height / 2];
    const far = Math.max(1, this.radius);
    this.cursor = [
      Math.max(0, Math.min(x + right * far, width)), Math.max(0, Math.min(y + down * far, height)),
    ];
    this.view.paint();
  }

  press() {
    const at = this.cursor ?? [this.view.width / 2, this.view.height / 2];
    if (BOXES.includes(this.tool) && this.from) {
      this.corner(at, false);
      this.from = null;
    } else {
      this.begin(at);
      if (!BOXES.includes(this.tool)) this.from = null;
    }
    this.changed();
    this.view.paint();
  }

  // Paint a line with a round brush: a pixel is in it if its middle is.
  line([x0, y0], [x1, y1]) {
    const { mask, width, height } = this.view;
    const { radius } = this;
    const value = this.tool === "eraser" ? 0 : 1;
    const left = Math.max(0, Math.floor(Math.min(x0, x1) - radius));
    const right = Math.min(width, Math.ceil(Math.max(x0, x1) + radius));
    const top = Math.max(0, Math.floor(Math.min(y0, y1) - radius));
    const bottom = Math.min(height, Math.ceil(Math.max(y0, y1) + radius));
    const [dx, dy] = [x1 - x0, y1 - y0];
    const long = dx * dx + dy * dy;
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) {
        const [px, py] = [x + 0.5 - x0, y + 0.5 - y0];
        const share = long ? Math.max(0, Math.min((px * dx + py * dy) / long, 1)) : 0;
        const [ex, ey] = [px - share * dx, py - share * dy];
        if (ex * ex + ey * ey <= radius * radius) mask[y * width + x] = value;
      }
    }
    this.view.tint([left, top, right, bottom]);
  }

  fill([x0, y0], [x1, y1], erase) {
    const { mask, width, height } = this.view;
    const [left, right] = [x0, x1].sort((a, b) => a - b).map((x) => Math.round(Math.max(0, Math.min(x, width))));
    const [top, bottom] = [y0, y1].sort((a, b) => a - b).map((y) => Math.round(Math.max(0, Math.min(y, height))));
    for (let y = top; y < bottom; y++) mask.fill(erase ? 0 : 1, y * width + left, y * width + right);
    this.view.tint([left, top, right, bottom]);
  }

  // The cursor: the brush's own outline, or a box under way.
  mark(pen, thin) {
    if (!this.cursor) return;
    const [x, y] = this.cursor;
    pen.beginPath();
    if (BOXES.includes(this.tool)) {
      const [left, top] = this.from ?? [x - 8 * thin, y - 8 * thin];
      pen.rect(left, top, x - left, y - top);
    } else {
      pen.arc(x, y, this.radius, 0, 2 * Math.PI);
    }
    for (const [ink, wide] of [["#000", 3], ["#fff", 1.5]]) {
      pen.strokeStyle = ink;
      pen.lineWidth = wide * thin;
      pen.stroke();
    }
  }
}

// SAM's mask of clicks, or null with the reason told.
export async function askSam(address, asked, size, tell) {
  try {
    const { runs } = await askJson(address, asked);
    tell("");
    return maskOf(runs, size);
  } catch (error) {
    tell(error.message);
    return null;
  }
}
