// Review by keyboard: one label on screen, a key for each verdict, the next label after it.

import { askJson, guarded } from "/page/ask.js";
import { Outbox } from "/page/outbox.js";
import { Grid } from "/page/grid.js";
import { Queue } from "/page/queue.js";
import { askSam, Repair, TOOLS } from "/page/repair.js";
import { maskOf } from "/page/runs.js";
import { View } from "/page/view.js";

const find = (id) => document.getElementById(id);
export const WORDS = {
  accepted: "accepted", rejected: "rejected", absent: "not there", corrected: "corrected",
};
const KEYS = {
  a: "accepted", Enter: "accepted", r: "rejected", n: "absent", ArrowRight: "next", " ": "next",
  ArrowLeft: "previous", u: "undo", h: "hide", e: "repair", t: "teach", v: "grid",
};
const REPAIR_KEYS = {
  ...TOOLS, "[": "smaller", "]": "larger", z: "back", s: "save", Enter: "save", Escape: "leave",
  ArrowRight: "right", ArrowLeft: "left", ArrowUp: "up", ArrowDown: "down", " ": "press", h: "hide",
};

export class Review {
  constructor(output, tell) {
    this.output = output;
    // Shows a fault; in place of none, that verdicts cannot be written.
    this.tell = (fault) => tell(fault || (this.outbox?.says ?? ""));
    this.view = new View(find("canvas"));
    this.form = find("wanted");
    this.said = new Map(); // label -> verdict given in this page
    this.done = []; // [place, label], for undo
    this.taught = () => {}; // the job file is another
    this.seed = Math.floor(Math.random() * 2 ** 32);
    for (const { id, name } of output.categories) {
      this.form.elements.category.append(new Option(name, id));
    }
    const { reviewer } = this.form.elements;
    reviewer.value = localStorage.getItem("reviewer") ?? output.reviewer;
    reviewer.addEventListener("change", () => this.guarded(() => this.rename()));
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("change", ({ target }) => target === reviewer || this.start());
    document.addEventListener("keydown", (event) => this.key(event));
    for (const place of ["actions", "repair"]) {
      find(place).addEventListener("click", ({ target }) => {
        const button = target.closest("button");
        if (button) this.act(button.dataset.does);
      });
    }
    this.grid = new Grid(this);
    find("to-one").addEventListener("click", () => this.act("grid"));
    this.outbox = new Outbox(output.fingerprint + output.output, () => this.progress());
  }

  // Who is at work. A name that the server would refuse is nobody's: no verdict is given under it.
  named() {
    const { reviewer } = this.form.elements;
    if (!reviewer.validity.valid) throw new Error(`no reviewer's name: ${reviewer.title}`);
    return reviewer.value || this.output.reviewer;
  }

  rename() {
    const name = this.named();
    const { value, pattern } = this.form.elements.reviewer;
    localStorage.setItem("reviewer", value);
    this.outbox.rename(name, (other) => !new RegExp(`^(?:${pattern})$`, "u").test(other));
  }

  wanted() {
    const { category, show, state, order, least, most, audit } = this.form.elements;
    return {
      category_id: category.value ? Number(category.value) : null,
      show: show.value, state: state.value, order: order.value,
      least_score: Number(least.value), most_score: Number(most.value),
      audit: Number(audit.value), seed: this.seed,
    };
  }

  async start() {
    await this.guarded(async () => {
      if (this.repair) this.endRepair();
      await this.outbox.tried();
      const queue = new Queue(this.wanted());
      await queue.open();
      this.queue = queue;
      this.done = [];
      await this.go(0);
    });
  }

  async go(place) {
    this.place = Math.max(0, Math.min(place, this.queue.total));
    const { place: here, queue } = this;
    this.current = null;
    this.busy(true); // a verdict given now would be on a label that nobody has seen
    this.progress();
    if (!find("grid").hidden) {
      await this.grid.open(here);
      return this.busy(false);
    }
    if (here >= queue.total) return this.end();
    const shown = await queue.at(here);
    if (here !== this.place || queue !== this.queue) return; // another key was faster
    this.current = shown;
    this.since = performance.now();
    const { label, mask, picture, instead } = shown;
    this.view.show(picture, mask.size, maskOf(mask.runs, mask.size), this.colour(label.category_id));
    find("instead").textContent = instead;
    find("instead").hidden = !instead;
    this.describe(label);
    this.busy(false);
  }

  busy(is) {
    find("review").setAttribute("aria-busy", is);
  }

  colour(id) {
    return this.output.categories.find((category) => category.id === id).colour;
  }

  describe(label) {
    const { category, image_id: image, score, stability, area_px: area, height, width } = label;
    find("category").textContent = label.status === "empty" ? `no ${category}` : category;
    find("about").textContent = `${image}: score ${score.toFixed(2)}, stability `
      + `${stability.toFixed(2)}, ${area} px of ${width} x ${height}`;
    const verdict = this.verdictOf(label);
    const by = this.said.has(label.label) ? "you" : label.reviewer;
    find("said").textContent = verdict ? `${WORDS[verdict]} by ${by}` : "no verdict yet";
    find("said").className = verdict ?? "";
    const what = label.status === "empty" ? `no mask of ${category}` : `mask of ${category}`;
    find("canvas").setAttribute("aria-label", `image ${image} with ${what}, ${find("said").textContent}`);
  }

  // What counts of a label: said in this page, or before.
  verdictOf(label) {
    return this.said.has(label.label) ? this.said.get(label.label) : label.verdict;
  }

  // Show many labels at once, or one.
  async toggleGrid() {
    const many = find("grid").hidden;
    find("grid").hidden = !many;
    for (const one of ["stage", "label", "actions"]) find(one).hidden = many;
    await this.go(this.place);
    if (!many) find("stage").focus();
  }

  end() {
    this.view.clear();
    find("category").textContent = this.queue.total ? "the end of the queue" : "no such label";
    find("about").textContent = find("said").textContent = "";
    find("instead").hidden = true;
    find("canvas").setAttribute("aria-label", "no label");
    this.busy(false);
  }

  progress() {
    const { total = 0 } = this.queue ?? {};
    const waiting = this.outbox?.waiting.length ?? 0;
    const where = total ? `${Math.min((this.place ?? 0) + 1, total)} of ${total}` : "none";
    const refused = this.outbox?.refused.length ?? 0;
    const kept = (waiting ? `, ${waiting} on their way to storage` : "") + (refused ? `, ${refused} refused` : "");
    find("progress").textContent = `${where}, ${this.done.length} said${kept}`;
    this.tell("");
  }

  key(event) {
    if (find("review").hidden) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("input, select, textarea")) return;
    if (!find("grid").hidden) return this.guarded(() => this.grid.key(event));
    const on = event.target.closest?.("button") && (event.key === "Enter" || event.key === " ");
    const keys = this.repair ? REPAIR_KEYS : KEYS;
    const does = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!does || on) return; // a button's own keys press it
    event.preventDefault();
    this.act(does);
  }

  async act(does) {
    await this.guarded(async () => {
      if (!this.queue) return;
      if (does === "hide") this.hide();
      else if (this.repair) await this.mend(does);
      else if (does === "repair") this.startRepair();
      else if (does === "grid") await this.toggleGrid();
      else if (does === "next") await this.go(this.place + 1);
      else if (does === "previous") await this.go(this.place - 1);
      else if (does === "undo") await this.undo();
      else if (does === "teach") await this.teach();
      else await this.say(does);
    });
  }

  hide() {
    this.view.hidden = !this.view.hidden;
    this.view.paint();
  }

  startRepair() {
    if (!this.current) return;
    const { label, mask } = this.current;
    const ask = this.output.clicks
      ? (asked) => askSam(`/api/labels/${label.label}/click`, asked, mask.size, this.tell) : null;
    this.repair = new Repair(this.view, () => this.describeRepair(), ask);
    find("repair").hidden = false;
    find("actions").hidden = true;
    this.describeRepair();
  }

  endRepair() {
    this.repair.end();
    this.repair = null;
    find("repair").hidden = true;
    find("actions").hidden = false;
  }

  async mend(does) {
    const steps = { right: [1, 0], left: [-1, 0], up: [0, -1], down: [0, 1] };
    if (does in steps) this.repair.step(...steps[does]);
    else if (does === "press") this.repair.press();
    else if (does === "smaller") this.repair.resize(1 / 1.25);
    else if (does === "larger") this.repair.resize(1.25);
    else if (does === "back") this.repair.undo();
    else if (does === "leave") {
      this.endRepair();
      await this.go(this.place);
    } else if (does === "save") {
      this.named(); // before the mask is let go
      await this.repair.asking; // a mask under way is part of it
      const { runs } = this.repair;
      this.endRepair();
      await this.say("corrected", { runs });
    } else this.repair.use(does);
  }

  describeRepair() {
    const { tool, radius } = this.repair;
    let area = 0;
    for (let k = 0; k < this.view.mask.length; k++) area += this.view.mask[k];
    find("said").textContent = `repairing with the ${tool}, radius ${radius.toFixed(1)} px; ${area} px`;
    for (const button of find("repair").querySelectorAll("button")) {
      button.setAttribute("aria-pressed", button.dataset.does === tool);
    }
  }

  async say(verdict, more = {}) {
    if (!this.current) return; // not yet on screen: nothing was seen to judge
    this.note(this.current.label, verdict, more);
    await this.go(this.place + 1);
  }

  note(label, verdict, more) {
    this.write(label, verdict, more);
    this.done.push([this.place, label]);
  }

  withdraw(label) {
    this.write(label, "withdrawn");
    this.done = this.done.filter(([, done]) => done !== label);
  }

  async undo() {
    const last = this.done.at(-1);
    if (!last) return;
    const [place, label] = last;
    this.write(label, "withdrawn");
    this.done.pop();
    await this.go(place);
  }

  // Let the job learn from the label on screen, or from the one judged last where that has no verdict.
  async teach() {
    const here = this.current?.label;
    if (!this.output.teaches) return;
    const label = here && this.verdictOf(here) ? here : this.done.at(-1)?.[1];
    if (!label) return this.tell("say first whether a label is right");
    await this.outbox.tried();
    const { said, job } = await askJson(`/api/labels/${label.label}/teach`, {});
    this.taught(job);
    find("said").textContent = `${said}; vrp label ${job.path} makes ${job.output}`;
  }

  write({ label, image_id, category_id }, verdict, more = {}) {
    const reviewer = this.named();
    const seconds = (performance.now() - (this.since ?? performance.now())) / 1000;
    this.said.set(label, verdict === "withdrawn" ? null : verdict);
    this.queue.forget({ label });
    this.outbox.add({ image_id, category_id, verdict, seconds, ...more }, reviewer);
  }

  async guarded(work) {
    const refused = await guarded(this.tell, work);
    if (refused?.status === 404) await this.start(); // the server was started again
  }
}
