// What is drawn on an image as a reference: points, a box, scribbles, or a mask by brush.

import { Repair } from "/page/repair.js";

export class Marks {
  // tool: points, box, scribbles or mask; ask(…): SAM's mask of clicks, or null.
  constructor(view, tool, widthPx, ask) {
    Object.assign(this, { view, tool, widthPx, strokes: [], box: null, from: null });
    this.listening = new AbortController();
    if (tool === "mask") {
      this.mask = new Repair(view, () => {}, ask);
      this.mask.radius = widthPx / 2;
      return;
    }
    const { signal } = this.listening;
    const on = (name, does) => view.canvas.addEventListener(name, does, { signal });
    on("pointerdown", (event) => this.down(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.up(event));
    view.marks = (pen, thin) => this.paint(pen, thin);
    view.paint();
  }

  end() {
    this.listening.abort();
    this.mask?.end();
    this.view.marks = () => {};
  }

  // The annotation as a job file names it, or null while nothing is drawn.
  get annotation() {
    switch (this.tool) {
      case "points":
        return this.strokes.length ? { type: "points", points: this.strokes.map(([at]) => at) } : null;
      case "scribbles":
        return this.strokes.length
          ? { type: "scribbles", strokes: this.strokes, width_px: this.widthPx } : null;
      case "box":
        return this.box && { type: "box", xyxy: this.box };
      default:
        return this.view.mask.includes(1) ? { type: "runs", runs: this.mask.runs } : null;
    }
  }

  // A place on the image, to a tenth of a pixel.
  at(event) {
    const [x, y] = this.view.at(event);
    const within = (value, most) => Math.round(10 * Math.max(0, Math.min(value, most))) / 10;
    return [within(x, this.view.width - 0.1), within(y, this.view.height - 0.1)];
  }

  down(event) {
    event.preventDefault();
    this.view.canvas.setPointerCapture(event.pointerId);
    this.from = this.at(event);
    if (this.tool !== "box") this.strokes.push([this.from]);
    this.view.paint();
  }

  move(event) {
    if (!this.from) return;
    const at = this.at(event);
    if (this.tool === "scribbles") this.strokes.at(-1).push(at);
    if (this.tool === "box") this.box = boxOf(this.from, at);
    this.view.paint();
  }

  up(event) {
    this.move(event);
    this.from = null;
  }

  paint(pen, thin) {
    pen.lineCap = pen.lineJoin = "round";
    for (const [ink, more] of [["#000", 2], [this.view.colour, 0]]) {
      pen.strokeStyle = pen.fillStyle = ink;
      pen.beginPath();
      if (this.box) {
        const [left, top, right, bottom] = this.box;
        pen.rect(left, top, right - left, bottom - top);
      }
      for (const [[x, y], ...rest] of this.strokes) {
        pen.moveTo(x, y);
        pen.lineTo(x, y);
        for (const at of rest) pen.lineTo(...at);
      }
      const wide = this.tool === "scribbles" ? this.widthPx : (this.tool === "points" ? 8 : 2) * thin;
      pen.lineWidth = wide + more * thin;
      pen.stroke();
    }
  }
}

function boxOf([x0, y0], [x1, y1]) {
  const box = [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)];
  return box[0] < box[2] && box[1] < box[3] ? box : null;
}
