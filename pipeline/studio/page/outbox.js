// Verdicts on their way to storage. One is let go only when the server has written it: until then it
// is kept by the browser, over a reload and over a server that was killed.

import { askJson } from "/page/ask.js";

const RETRY_MS = 2000;

export class Outbox {
  // name: of the commit, so that no other's verdicts are sent; told(): on every change.
  constructor(name, told) {
    this.key = `verdicts ${name}`;
    this.told = told;
    this.fault = null;
    this.sending = false;
    this.waiting = JSON.parse(localStorage.getItem(this.key) ?? "[]");
    this.send();
  }

  add(verdict, reviewer) {
    this.waiting.push({ verdict, reviewer });
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
      localStorage.setItem(this.key, JSON.stringify(this.waiting));
    } catch (error) {
      // A browser keeps some 5 MB; what is more is on its way all the same, if not over a reload.
      if (error.name !== "QuotaExceededError") throw error;
    }
    this.told(this);
  }

  // One request at a time, with all that came up meanwhile: the next batch.
  async send() {
    if (this.sending) return;
    this.sending = true;
    while (this.waiting.length) {
      const { reviewer } = this.waiting[0];
      const end = this.waiting.findIndex((one) => one.reviewer !== reviewer);
      const batch = this.waiting.slice(0, Math.min(end < 0 ? Infinity : end, 50));
      try {
        await askJson("/api/verdicts", { reviewer, verdicts: batch.map((one) => one.verdict) });
        this.waiting.splice(0, batch.length);
        this.fault = null;
        this.keep();
      } catch (error) {
        this.fault = error.message;
        this.told(this);
        await new Promise((done) => setTimeout(done, RETRY_MS));
      }
    }
    this.sending = false;
  }
}
