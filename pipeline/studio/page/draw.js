// Draw references: choose an image, name a category, draw on it, add it; then save the job file.

import { askJson, guarded } from "/page/ask.js";
import { Marks } from "/page/marks.js";
import { loadPicture } from "/page/queue.js";
import { askSam } from "/page/repair.js";
import { View } from "/page/view.js";

const PAGE = 60;
const INK = "#00c8ff";
const SAID = { box: "a box", points: "points", scribbles: "scribbles", runs: "a mask", mask: "a mask" };
const find = (id) => document.getElementById(id);

export class Draw {
  constructor(tell, clicks) {
    Object.assign(this, { tell, clicks, start: 0, image: null, marks: null, drawn: [] });
    this.view = new View(find("sheet"));
    this.form = find("mark");
    find("earlier").addEventListener("click", () => this.browse(this.start - PAGE));
    find("later").addEventListener("click", () => this.browse(this.start + PAGE));
    find("clear").addEventListener("click", () => this.begin());
    find("save").addEventListener("click", () => this.save());
    this.form.elements.tool.addEventListener("change", () => this.begin());
    this.form.elements.width.addEventListener("change", () => this.begin());
    this.form.elements.brush.addEventListener("change", ({ target }) => this.marks?.mask?.use(target.value));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.add();
    });
  }

  async open() {
    await guarded(this.tell, async () => {
      this.took(await askJson("/api/job"));
      await this.browse(0);
    });
  }

  // Take what the job file holds; what is drawn and not saved stays.
  took(job, unsaved = []) {
    this.job = job;
    this.drawn = [...job.references.map((one, kept) => ({ ...one, kept })), ...unsaved];
    find("output").textContent ||= job.path;
    this.list();
  }

  async browse(start) {
    await guarded(this.tell, async () => {
      const { total, ids } = await askJson(`/api/images?start=${Math.max(0, start)}&count=${PAGE}`);
      this.start = Math.max(0, start);
      this.ids = ids;
      find("where").textContent = `${this.start + 1} to ${this.start + ids.length} of ${total} images`;
      find("earlier").disabled = this.start === 0;
      find("later").disabled = this.start + ids.length >= total;
      find("thumbs").replaceChildren(...ids.map((id, place) => this.thumb(id, this.start + place)));
    });
  }

  thumb(id, image) {
    const button = document.createElement("button");
    const picture = new Image();
    picture.loading = "lazy";
    picture.alt = picture.title = id;
    picture.src = `/api/images/${image}/small`;
    picture.addEventListener("error", () => { button.textContent = `${id}: cannot be shown`; });
    button.append(picture);
    button.addEventListener("click", () => this.choose(image, id));
    const item = document.createElement("li");
    item.append(button);
    return item;
  }

  async choose(image, id) {
    await guarded(this.tell, async () => {
      const address = `/api/images/${image}`;
      const [{ size }, { picture, instead }] = await Promise.all([
        askJson(address), loadPicture(`${address}/picture`),
      ]);
      if (instead) throw new Error(instead);
      Object.assign(this, { image, id, size, picture });
      this.form.elements.width.value = Math.max(1, Math.round(Math.max(...size) / 60));
      find("drawing").hidden = false;
      find("sheet").setAttribute("aria-label", `image ${id}`);
      this.begin();
      this.form.elements.category.focus();
    });
  }

  // Begin the drawing anew, with the tool that is chosen.
  begin() {
    if (this.image === null) return;
    this.marks?.end();
    const [height, width] = this.size;
    this.view.show(this.picture, this.size, new Uint8Array(height * width), INK);
    const { tool, brush, width: wide } = this.form.elements;
    const { image, size } = this;
    const ask = this.clicks
      ? (asked) => askSam(`/api/images/${image}/click`, asked, size, this.tell) : null;
    this.marks = new Marks(this.view, tool.value, Number(wide.value) || 8, ask);
    find("with").hidden = tool.value !== "mask";
    this.marks.mask?.use(brush.value);
  }

  add() {
    const annotation = this.marks?.annotation;
    const category = this.form.elements.category.value.trim();
    if (!annotation) return this.tell("nothing is drawn yet: drag on the image, or click for points");
    if (!category) return this.tell("the category has no name yet");
    this.tell("");
    this.drawn.push({ image: this.image, category, annotation, name: this.id, type: annotation.type });
    this.list();
    this.begin();
  }

  list() {
    find("names").replaceChildren(...[...new Set(this.drawn.map((one) => one.category))].map((name) => {
      const option = document.createElement("option");
      option.value = name;
      return option;
    }));
    find("references").replaceChildren(...this.drawn.map((one) => {
      const item = document.createElement("li");
      item.append(`${one.category}: ${SAID[one.type] ?? one.type} on ${one.name} `);
      const drop = document.createElement("button");
      drop.textContent = "drop";
      drop.setAttribute("aria-label", `drop ${item.textContent}`);
      drop.addEventListener("click", () => {
        this.drawn = this.drawn.filter((other) => other !== one);
        this.list();
      });
      item.append(drop);
      return item;
    }));
    find("saved").textContent = this.unsaved ? "not saved yet" : `vrp plan ${this.job.path}`;
  }

  get unsaved() {
    return this.drawn.length !== this.job.references.length
      || this.drawn.some((one, place) => one.kept !== place);
  }

  // Write the job file; true where it is what the page shows.
  async save() {
    await guarded(this.tell, async () => {
      const references = this.drawn.map(({ kept, image, category, annotation }) =>
        kept === undefined ? { image, category, annotation } : { kept });
      this.took(await askJson("/api/job", { version: this.job.version, references }));
      find("saved").textContent = `saved; next: vrp plan ${this.job.path}, then vrp label ${this.job.path}`;
    });
    return !this.unsaved;
  }

  // Go to an image of another part of the page.
  async goTo(id) {
    await guarded(this.tell, async () => {
      const { image } = await askJson(`/api/images/named?id=${encodeURIComponent(id)}`);
      await this.choose(image, id);
    });
  }
}
