// Run the job: start the command, and look how far its output is, whoever started it.

import { askJson, guarded } from "/page/ask.js";

const LOOK_MS = 1000;
const find = (id) => document.getElementById(id);

export class Run {
  constructor(tell, draw) {
    Object.assign(this, { tell, draw, looking: 0, seen: false });
    find("start").addEventListener("click", () => this.start());
    find("stop").addEventListener("click", () => guarded(this.tell, async () => this.took(await askJson("/api/run/stop", {}))));
    find("look").addEventListener("click", () => this.review());
  }

  // Look at a run that goes on, perhaps from before the page was opened.
  async open() {
    if (this.draw.job.version) await guarded(this.tell, () => this.look());
  }

  async start() {
    if (!await this.draw.save()) return;
    await guarded(this.tell, async () => {
      this.took(await askJson("/api/run", {}));
      await this.look();
    });
  }

  async look() {
    const looking = ++this.looking;
    do {
      this.took(await askJson("/api/run"));
      if (!this.run.over) await new Promise((done) => setTimeout(done, LOOK_MS));
    } while (looking === this.looking && !this.run.over);
    // What was seen at work and is done is there to be looked at, unless somebody draws meanwhile.
    if (this.seen && this.run.done && !find("run").hidden && !this.draw.unsaved) await this.review();
  }

  took(run) {
    this.run = run;
    this.seen ||= run.alive || run.state === "at work";
    find("command").textContent = run.command;
    find("start").disabled = !run.over;
    find("stop").hidden = !run.alive;
    find("look").hidden = !run.done;
    find("running").textContent = this.said();
    find("running").className = this.failed ? "rejected" : "";
    const bar = find("labelled");
    bar.hidden = !run.images && run.over;
    if (run.total) bar.max = run.total;
    if (run.images && run.total) bar.value = run.images;
    else if (run.done) bar.value = bar.max;
    else bar.removeAttribute("value");
    find("log").hidden = !run.log || (run.over && run.done);
    find("log").textContent = run.log;
  }

  get failed() {
    return this.run.code !== null && this.run.code !== 0;
  }

  said() {
    const { alive, state, says, images, total, shards, shards_finished: finished, counts, output } = this.run;
    if (counts && this.run.done) {
      return `done: ${counts.images} images, ${counts.labelled} masks, ${counts.rejected} images rejected; ${output}`;
    }
    const far = images === undefined ? "" : `${images}${total ? ` of ${total}` : ""} images, `
      + `${finished} of ${shards} shards`;
    if (alive && state !== "at work") return `starting${far && `; ${far}`}`;
    if (this.failed) return `ended with exit code ${this.run.code}${far && `; ${far}`}`;
    if (state === "unknown") return "nothing is labelled yet";
    return [says, far].filter(Boolean).join("; ");
  }

  async review() {
    await guarded(this.tell, async () => {
      await askJson("/api/work", {});
      location.reload(); // what was not saved is in the job by now, and the review is of its labels
    });
  }
}
