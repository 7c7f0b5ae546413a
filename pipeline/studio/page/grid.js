// Many labels at once: those that are wrong are marked, Enter accepts the others and goes on.

const PAGE = 24;
const MARKS = ["accepted", "rejected", "absent"];
const SHOWN = { accepted: "accept", rejected: "reject", absent: "not there" };
const KEYS = { a: "accepted", r: "rejected", n: "absent" };
const find = (id) => document.getElementById(id);

export class Grid {
  // review: what has the queue, writes verdicts and tells what is wrong.
  constructor(review) {
    this.review = review;
    this.tiles = find("tiles");
    this.pages = []; // what was written, for undo: [place, labels] each
    find("accept-rest").addEventListener("click", () => review.guarded(() => this.next()));
    this.tiles.addEventListener("click", ({ target }) => {
      const tile = target.closest("button");
      if (tile) this.choose(tile, MARKS[(MARKS.indexOf(tile.dataset.mark) + 1) % MARKS.length]);
    });
  }

  async open(place) {
    const { queue } = this.review;
    const places = [...Array(PAGE).keys()].map((k) => place + k).filter((k) => k < queue.total);
    const labels = await Promise.all(places.map((k) => queue.label(k)));
    if (queue !== this.review.queue) return;
    this.labels = labels;
    this.since = performance.now();
    this.tiles.replaceChildren(...labels.map((label) => this.tile(label)));
    find("accept-rest").disabled = !labels.length;
    this.tiles.querySelector("button")?.focus();
    // The next page's pictures are on their way before they are asked for.
    for (let k = place + PAGE; k < Math.min(place + 2 * PAGE, queue.total); k++) {
      queue.label(k).then(({ label }) => { new Image().src = address(label); }).catch(() => {});
    }
  }

  tile(label) {
    const button = document.createElement("button");
    const picture = new Image();
    picture.src = address(label.label);
    picture.alt = `${label.category} in ${label.image_id}`;
    picture.addEventListener("error", () => picture.replaceWith(`${label.image_id}: cannot be shown`));
    button.append(picture, document.createElement("span"));
    button.title = `${label.image_id}: ${label.category}, score ${label.score.toFixed(2)}`;
    this.mark(button, this.review.verdictOf(label) ?? "accepted");
    const item = document.createElement("li");
    item.append(button);
    return item;
  }

  // Mark by hand: that is a verdict, whether or not there is a picture.
  choose(tile, mark) {
    tile.dataset.chosen = "";
    this.mark(tile, mark);
  }

  mark(tile, mark) {
    tile.dataset.mark = mark;
    tile.querySelector("span").textContent = SHOWN[mark] ?? mark;
    tile.querySelector("span").className = mark;
  }

  // Returns what is still under way, so that a refusal is told.
  key(event) {
    const tiles = [...this.tiles.querySelectorAll("button")];
    const at = Math.max(0, tiles.indexOf(document.activeElement));
    const wide = tiles.filter((one) => one.offsetTop === tiles[0].offsetTop).length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: wide, ArrowUp: -wide }[event.key];
    const key = event.key.toLowerCase();
    let work;
    if (step) tiles[Math.max(0, Math.min(at + step, tiles.length - 1))]?.focus();
    else if (key in KEYS && tiles.length) this.choose(tiles[at], KEYS[key]);
    else if (event.key === "Enter") work = this.next();
    else if (key === "u") work = this.undo();
    else if (key === "v") work = this.review.toggleGrid();
    else return;
    event.preventDefault();
    return work;
  }

  // Write what the page says, and show the next. A label whose picture nobody can have seen has no
  // verdict but one by hand.
  async next() {
    const { review, labels } = this;
    if (!labels.length) return;
    const seconds = (performance.now() - this.since) / 1000 / labels.length;
    const tiles = [...this.tiles.querySelectorAll("button")];
    const marks = tiles.map((tile) => tile.dataset.mark);
    const meant = labels.filter((label, k) => review.verdictOf(label) !== marks[k]);
    const said = meant.filter((label) => isSeen(tiles[labels.indexOf(label)]));
    const unseen = meant.length - said.length;
    labels.forEach((label, k) => {
      if (said.includes(label)) review.note(label, marks[k], { seconds });
    });
    this.pages.push([review.place, said]);
    find("unseen").textContent = unseen
      ? `${unseen} of the page before without a picture, and without a verdict` : "";
    await review.go(review.place + labels.length);
  }

  // Take back all that the page before said, and show it again.
  async undo() {
    const last = this.pages.at(-1);
    if (!last) return;
    for (const label of last[1]) this.review.withdraw(label);
    this.pages.pop();
    find("unseen").textContent = "";
    await this.review.go(last[0]);
  }
}

function isSeen(tile) {
  const picture = tile.querySelector("img");
  return "chosen" in tile.dataset || Boolean(picture?.complete && picture.naturalWidth);
}

const address = (label) => `/api/labels/${label}/tile`;
