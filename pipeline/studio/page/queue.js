// The labels that were asked for, a page at a time, with the pictures of the next ones fetched ahead.

import { ask, askJson, Refused } from "/page/ask.js";

const PAGE = 50;
const AHEAD = 2;

export class Queue {
  constructor(wanted) {
    this.wanted = wanted;
    this.pages = new Map();
    this.shown = new Map(); // label -> what is on screen of it
  }

  async open() {
    const { queue, total } = await askJson("/api/queues", this.wanted);
    Object.assign(this, { number: queue, total });
  }

  async label(place) {
    const page = Math.floor(place / PAGE);
    if (!this.pages.has(page)) {
      const address = `/api/queues/${this.number}?start=${page * PAGE}&count=${PAGE}`;
      this.pages.set(page, askJson(address).then((answer) => answer.labels));
      this.pages.get(page).catch(() => this.pages.delete(page));
    }
    return (await this.pages.get(page))[place % PAGE];
  }

  // A label with its mask and picture; picture is null where there is none, `instead` says why.
  async at(place) {
    const label = await this.label(place);
    for (let next = place + 1; next <= place + AHEAD && next < this.total; next++) {
      this.label(next).then((one) => this.load(one)).catch(() => {});
    }
    return { label, ...(await this.load(label)) };
  }

  load(label) {
    if (!this.shown.has(label.label)) {
      const loading = loadShown(label.label);
      this.shown.set(label.label, loading);
      loading.catch(() => this.shown.delete(label.label));
      const oldest = this.shown.keys().next().value;
      if (this.shown.size > 2 * AHEAD + 3) this.shown.delete(oldest);
    }
    return this.shown.get(label.label);
  }

  forget(label) {
    this.shown.delete(label.label);
  }
}

async function loadShown(label) {
  const address = `/api/labels/${label}`;
  const [mask, picture] = await Promise.all([askJson(`${address}/mask`), loadPicture(`${address}/image`)]);
  return { mask, ...picture };
}

export async function loadPicture(address) {
  try {
    const blob = await (await ask(address)).blob();
    return { picture: await createImageBitmap(blob), instead: "" };
  } catch (error) {
    if (error instanceof Refused && error.status === 0) throw error;
    return { picture: null, instead: error.message };
  }
}
