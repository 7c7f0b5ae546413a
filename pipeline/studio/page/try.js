// Try the job on a few images: masks as they come, thresholds that are moved without the model.

import { askJson, guarded } from "/page/ask.js";

export const LOOK_MS = 400;
export const BUSY = ["waiting", "studying", "labelling"];
const SAID = {
  waiting: "waiting for the try before", studying: "loading the networks, studying the references",
  stopped: "another try was begun",
};
const find = (id) => document.getElementById(id);

export class Try {
  constructor(tell, draw, show) {
    Object.assign(this, { tell, draw, show, looking: 0 });
    this.form = find("moved");
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("input", () => this.move());
    find("begin").addEventListener("click", () => this.begin());
    find("keep").addEventListener("click", () => this.keep());
    find("estimate").addEventListener("input", () => this.reckon());
  }

  async begin() {
    if (!await this.draw.save()) return;
    await guarded(this.tell, async () => {
      find("tried").replaceChildren();
      this.took(await askJson("/api/trial", {}));
      this.chosen = false;
      await this.look();
    });
  }

  // The thresholds as they stand in the form.
  get moved() {
    return Object.fromEntries([...this.form.elements]
      .filter((one) => one.name && one.value !== "").map((one) => [one.name, Number(one.value)]));
  }

  get query() {
    return new URLSearchParams(this.moved).toString();
  }

  async move() {
    if (!this.form.checkValidity() || !this.trial) return;
    await guarded(this.tell, () => this.look());
  }

  // Look until the try is over; one look after the other, the last that was begun.
  async look() {
    const looking = ++this.looking;
    do {
      const trial = await askJson(this.chosen ? `/api/trial?${this.query}` : "/api/trial/chosen");
      if (looking !== this.looking) return;
      this.took(trial);
      if (BUSY.includes(trial.state)) await new Promise((done) => setTimeout(done, LOOK_MS));
    } while (looking === this.looking && BUSY.includes(this.trial.state));
  }

  took(trial) {
    this.trial = trial;
    // What the job says itself, once it is known: with the first image.
    if (!this.chosen && trial.images.length) {
      for (const [name, value] of Object.entries(trial.moved)) {
        this.form.elements[name].value = value ?? "";
      }
      this.chosen = true;
    }
    const done = `${trial.images.length} of ${trial.wanted} images`;
    find("trying").textContent = trial.state === "failed" ? trial.said : SAID[trial.state]
      ?? (trial.state === "done" ? `${done} tried: ${this.counted()}` : `${done} so far`);
    find("trying").className = trial.state === "failed" ? "rejected" : "";
    this.reckon();
    const tiles = find("tried");
    trial.images.forEach((image, place) => {
      if (!tiles.children[place]) tiles.append(this.tile(image));
      this.fill(tiles.children[place], image, place);
    });
  }

  counted() {
    return this.trial.categories.map(({ name }, number) => {
      const with_ = this.trial.images.filter((one) => one.labels[number]?.status === "labelled");
      return `${name} in ${with_.length}`;
    }).join(", ");
  }

  tile(image) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.title = `draw on ${image.id}`;
    button.append(new Image());
    button.addEventListener("click", () => {
      this.show("draw");
      this.draw.goTo(image.id);
    });
    item.append(button, document.createElement("p"));
    return item;
  }

  fill(item, image, place) {
    const picture = item.querySelector("img");
    const source = `/api/trial/images/${place}?${this.query}`;
    if (image.rejected) picture.remove();
    else if (picture.getAttribute("src") !== source) picture.src = source;
    const said = image.rejected ? [image.rejected] : image.labels.map((label, number) => {
      const swatch = document.createElement("span");
      swatch.className = "swatch";
      swatch.style.background = this.trial.categories[number].colour;
      const line = document.createElement("span");
      const numbers = [`score ${label.score.toFixed(2)}`];
      if (label.presence !== null) numbers.push(`presence ${label.presence.toFixed(2)}`);
      if (label.probability !== null) numbers.push(`probability ${label.probability.toFixed(2)}`);
      const empty = label.status === "empty" ? "no " : "";
      line.append(swatch, `${empty}${label.category}: ${numbers.join(", ")}; `);
      return line;
    });
    if (!image.rejected) picture.alt = image.labels.map((one) => `${one.category} ${one.status}`).join(", ");
    item.querySelector("p").replaceChildren(`${image.id} `, ...said);
  }

  // What the whole collection takes: here, as it was measured; on GPUs, as their speed is given.
  reckon() {
    const { seconds, total } = this.trial ?? {};
    find("estimate").hidden = !seconds || !total;
    if (!seconds || !total) return;
    find("here").textContent = `${(1 / seconds).toFixed(1)} images/s here: some ${total} images take `
      + lasting(total * seconds);
    const [gpus, pace] = find("estimate").querySelectorAll("input");
    const there = Number(gpus.value) * Number(pace.value);
    find("there").textContent = there > 0 ? `they take ${lasting(total / there)}` : "(as benchmarks.gpu measures)";
  }

  async keep() {
    if (!this.form.reportValidity() || !this.trial) return;
    await guarded(this.tell, async () => {
      const unsaved = this.draw.drawn.filter((one) => one.kept === undefined);
      this.draw.took(await askJson("/api/trial/keep", this.moved), unsaved);
      find("trying").textContent = `written into ${this.draw.job.path}; labels go to ${this.draw.job.output}`;
    });
  }
}

export function lasting(seconds) {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} minutes` : `${(seconds / 3600).toFixed(1)} hours`;
}
