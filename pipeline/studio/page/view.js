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

  // Tint the mask and draw its edge, some screen pixels thick however large the image.
  tint() {
    const { mask, width, height } = this;
    if (!mask) return this.paint();
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(this.colour.slice(at, at + 2), 16));
    const pixels = new ImageData(width, height);
    const edge = Math.max(1, Math.round(1.5 / this.scale()));
    for (let y = 0, k = 0; y < height; y++) {
      for (let x = 0; x < width; x++, k++) {
        if (!mask[k]) continue;
        const inside = x >= edge && y >= edge && x + edge < width && y + edge < height
          && mask[k - edge] && mask[k + edge] && mask[k - edge * width] && mask[k + edge * width];
        pixels.data.set([red, green, blue, inside ? 90 : 255], 4 * k);
      }
    }
    this.over.width = width;
    this.over.height = height;
    this.over.getContext("2d").putImageData(pixels, 0, 0);
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
