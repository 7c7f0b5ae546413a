// An image with a mask over it on a canvas, as large as fits; and where on the image a pointer is.

export class View {
  constructor(canvas) {
    this.canvas = canvas;
    this.over = new OffscreenCanvas(1, 1);
    this.marks = () => {}; // what else to paint, in pixels of the image
    this.hidden = false;
    new ResizeObserver(() => this.paint()).observe(canvas);
  }

  // picture: an ImageBitmap or null, perhaps smaller than size; mask: a byte a pixel of size.
  show(picture, [height, width], mask, colour) {
    Object.assign(this, { picture, height, width, mask, colour });
    this.tint();
  }

  clear() {
    this.picture = this.mask = undefined;
    this.paint();
  }

  // Tint the mask and draw its edge, some screen pixels thick however large the image; after a
  // stroke only where it went.
  tint([left, top, right, bottom] = [0, 0, this.width, this.height]) {
    const { mask, width, height } = this;
    if (!mask) return this.paint();
    if (this.over.width !== width || this.over.height !== height) {
      Object.assign(this.over, { width, height });
      [left, top, right, bottom] = [0, 0, width, height];
    }
    const edge = Math.max(1, Math.round(1.5 / this.scale()));
    left = Math.max(0, left - edge);
    top = Math.max(0, top - edge);
    right = Math.min(width, right + edge);
    bottom = Math.min(height, bottom + edge);
    if (left >= right || top >= bottom) return this.paint();
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(this.colour.slice(at, at + 2), 16));
    const pixels = new ImageData(right - left, bottom - top);
    for (let y = top, to = 0; y < bottom; y++) {
      for (let x = left, k = y * width + left; x < right; x++, k++, to += 4) {
        if (!mask[k]) continue;
        const inside = x >= edge && y >= edge && x + edge < width && y + edge < height
          && mask[k - edge] && mask[k + edge] && mask[k - edge * width] && mask[k + edge * width];
        pixels.data[to] = red;
        pixels.data[to + 1] = green;
        pixels.data[to + 2] = blue;
        pixels.data[to + 3] = inside ? 90 : 255;
      }
    }
    this.over.getContext("2d").putImageData(pixels, left, top);
    this.paint();
  }

  scale() {
    const { clientWidth, clientHeight } = this.canvas;
    return Math.min(clientWidth / this.width, clientHeight / this.height) || 1;
  }

  paint() {
    const dense = window.devicePixelRatio || 1;
    this.canvas.width = this.canvas.clientWidth * dense;
    this.canvas.height = this.canvas.clientHeight * dense;
    if (!this.mask) return;
    const pen = this.canvas.getContext("2d");
    const scale = this.scale() * dense;
    pen.translate((this.canvas.width - this.width * scale) / 2,
      (this.canvas.height - this.height * scale) / 2);
    pen.scale(scale, scale);
    pen.imageSmoothingEnabled = scale < 3; // pixels are to be seen where they are judged one by one
    if (this.picture) pen.drawImage(this.picture, 0, 0, this.width, this.height);
    if (!this.hidden) pen.drawImage(this.over, 0, 0);
    this.marks(pen, 1 / this.scale());
  }

  // Where an event is, in pixels of the image.
  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = this.scale();
    return [
      (event.clientX - box.left - (box.width - this.width * scale) / 2) / scale,
      (event.clientY - box.top - (box.height - this.height * scale) / 2) / scale,
    ];
  }
}
