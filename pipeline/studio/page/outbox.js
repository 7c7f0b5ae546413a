// Verdicts on their way to storage. One is let go only when the server has written it: until then it
// is kept by the browser, over a reload and over a server that was killed.

import { askJson } from "/page/ask.js";

const RETRY_MS = 2000;
const BATCH = 50;
// What is wrong with the verdicts themselves, and stays so; after any other answer they are sent again.
const REFUSALS = [400, 413, 422];

export class Outbox {
  // name: of the commit, so that no other's verdicts are sent; told(): on every change.
  constructor(name, told) {
    this.key = `verdicts ${name}`;
    this.told = told;
    this.fault = null; // why nothing is written
    this.refusal = null; // why the last one was refused
    this.sending = false;
    this.refused = []; // kept like the others, and tried once more when the page is loaded again
    this.waiting = JSON.parse(localStorage.getItem(this.key) ?? "[]");
    this.send();
  }

  add(verdict, reviewer) {
    this.waiting.push({ verdict, reviewer });
    this.keep();
    this.send();
  }

  get says() {
    return this.fault ?? (this.refused.length ? this.refusal : "");
  }

  // Send what was refused once more, under this name where its own is none: wrong(name).
  rename(reviewer, wrong) {
    for (const one of this.refused.splice(0)) {
      this.waiting.push(wrong(one.reviewer) ? { ...one, reviewer } : one);
    }
    this.keep();
    this.send();
  }

  // Wait until all is written or the server does not take it: a queue made before would show again
  // what was judged just now.
  async tried() {
    while (this.waiting.length && !this.fault) await new Promise((done) => setTimeout(done, 20));
  }

  keep() {
    try {
      localStorage.setItem(this.key, JSON.stringify([...this.refused, ...this.waiting]));
    } catch (error) {
      // A browser keeps some 5 MB; what is more is on its way all the same, if not over a reload.
      if (error.name !== "QuotaExceededError") throw error;
    }
    this.told(this);
  }

  // One request at a time, with all that came up meanwhile: the next batch. One that is refused is
  // sent again verdict by verdict, so that a wrong one holds up no other.
  async send() {
    if (this.sending) return;
    this.sending = true;
    for (let alone = 0; this.waiting.length; alone--) {
      const batch = this.batch(alone > 0 ? 1 : BATCH);
      try {
        const { reviewer } = batch[0];
        await askJson("/api/verdicts", { reviewer, verdicts: batch.map((one) => one.verdict) });
        this.fault = null;
        this.settle(batch);
      } catch (error) {
        if (!REFUSALS.includes(error.status)) {
          this.fault = error.message;
          this.told(this);
          await new Promise((done) => setTimeout(done, RETRY_MS));
        } else if (batch.length > 1) {
          alone = batch.length + 1;
        } else {
          this.fault = null;
          this.refusal = error.message;
          this.refused.push(...batch);
          this.settle(batch);
        }
      }
    }
    this.sending = false;
  }

  // The first that wait, of one reviewer.
  batch(most) {
    const { reviewer } = this.waiting[0];
    const end = this.waiting.findIndex((one) => one.reviewer !== reviewer);
    return this.waiting.slice(0, Math.min(end < 0 ? most : end, most));
  }

  settle(batch) {
    this.waiting = this.waiting.filter((one) => !batch.includes(one));
    this.keep();
  }
}
