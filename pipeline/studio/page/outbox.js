// Verdicts on their way to storage. One is let go only when the server has written it: until then it
// is kept by the browser, over a reload, over a tab that is closed and a server that was killed.

import { askJson } from "/page/ask.js";

const RETRY_MS = 2000;
const BATCH = 50;
// What is wrong with the verdicts themselves, and stays so; after any other answer they are sent again.
const REFUSALS = [400, 413, 422];

export class Outbox {
  // name: of the commit, so that no other's verdicts are sent; told(): on every change.
  constructor(name, told) {
    this.name = name;
    // Of this tab alone: it writes all that it keeps at once, and another's would be gone.
    this.key = `verdicts tab-${Math.random().toString(36).slice(2)} ${name}`;
    this.told = told;
    this.fault = null; // why nothing is written
    this.refusal = null; // why the last one was refused
    this.sending = false;
    this.refused = []; // kept like the others, and tried once more when the page is loaded again
    this.waiting = [];
    this.adopted = this.adopt();
  }

  add(verdict, reviewer) {
    this.waiting.push({ verdict, reviewer, said: Date.now(), late: false });
    this.keep();
    this.send();
  }

  // Take over what tabs left behind that are no more, and of those that live now once they are not.
  // A tab holds the lock of its key as long as it lives; where a browser has no locks (over http from
  // another machine) a living tab's verdicts may be sent twice, which changes nothing.
  async adopt() {
    const { locks } = navigator;
    locks?.request(this.key, () => new Promise(() => {}));
    const left = Object.keys(localStorage).filter((key) => key !== this.key
      && key.startsWith("verdicts ") && key.endsWith(` ${this.name}`));
    for (const key of left) {
      const taken = locks ? await locks.request(key, { ifAvailable: true }, (lock) => lock && this.take(key))
        : this.take(key);
      if (!taken) locks.request(key, () => this.take(key));
    }
  }

  take(key) {
    const left = JSON.parse(localStorage.getItem(key) ?? "[]").map((one) => ({ ...one, late: true }));
    localStorage.removeItem(key);
    this.waiting = [...left, ...this.waiting].sort((one, other) => (one.said ?? 0) - (other.said ?? 0));
    this.keep();
    this.send();
    return true;
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
    await this.adopted;
    while (this.waiting.length && !this.fault) await new Promise((done) => setTimeout(done, 20));
  }

  keep() {
    const all = [...this.refused, ...this.waiting];
    try {
      if (all.length) localStorage.setItem(this.key, JSON.stringify(all));
      else localStorage.removeItem(this.key);
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
        await askJson("/api/verdicts", { reviewer, verdicts: batch.map(withAge) });
        this.fault = null;
        this.settle(batch);
      } catch (error) {
        if (!REFUSALS.includes(error.status)) {
          this.fault = error.message;
          for (const one of this.waiting) one.late = true;
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

// A verdict as it is sent: one that comes late says how long ago it was given, so that it does not
// count before what was said meanwhile. Of others the order of their coming is surer than any clock.
function withAge({ verdict, said, late }) {
  const age = late && said ? (Date.now() - said) / 1000 : 0;
  return { ...verdict, seconds_ago: Math.max(0, Math.min(age, 1e9)) };
}
