// The audit sample before and after: as it was labelled, and as the job labels it by now.

import { askJson, guarded } from "/page/ask.js";
import { BUSY, LOOK_MS } from "/page/try.js";

const OUTCOMES = ["improved", "worsened", "unchanged", "unknown"];
const SAID = { unknown: "nobody drew what is right" };
const find = (id) => document.getElementById(id);

export class Compare {
  constructor(tell, draw) {
    Object.assign(this, { tell, draw });
    find("comparing").hidden = false;
    find("compare").addEventListener("click", () => this.begin());
  }

  async begin() {
    if (!await this.draw.save()) return;
    await guarded(this.tell, async () => {
      find("pairs").replaceChildren();
      let compared = await askJson("/api/compare", { each: Number(find("each").value) });
      this.took(compared);
      while (BUSY.includes(compared.state)) {
        await new Promise((done) => setTimeout(done, LOOK_MS));
        compared = await askJson("/api/compare");
        this.took(compared);
      }
    });
  }

  took({ state, said, tried, wanted, counts, labels }) {
    const lines = Object.entries(counts).map(([category, of]) => {
      const known = of.before_iou === null ? ""
        : `; IoU ${of.before_iou.toFixed(2)} before, ${of.after_iou.toFixed(2)} after`;
      return `${category}: ${OUTCOMES.map((one) => `${of[one]} ${one}`).join(", ")}${known}`;
    });
    const far = BUSY.includes(state) ? `${tried} of ${wanted} images so far` : `${tried} images compared`;
    find("changed").textContent = state === "failed" ? said : [far, ...lines].join(". ");
    find("changed").className = state === "failed" ? "rejected" : "";
    const shown = new Set([...find("pairs").children].map((one) => one.dataset.label));
    find("pairs").append(...labels.filter((one) => !shown.has(`${one.label}`)).map(pair));
  }
}

function pair(one) {
  const item = document.createElement("li");
  item.dataset.label = one.label;
  for (const when of ["before", "after"]) {
    const picture = new Image();
    picture.alt = `${one.category} in ${one.image}, ${when}`;
    picture.src = `/api/compare/${one.label}/${when}`;
    item.append(picture);
  }
  const text = document.createElement("p");
  const scores = `score ${one.before_score.toFixed(2)}, then ${one.after_score.toFixed(2)}`;
  const ious = one.before_iou === null ? "" : `; IoU ${one.before_iou.toFixed(2)}, then ${one.after_iou.toFixed(2)}`;
  text.textContent = `${one.image}, ${one.category}: ${SAID[one.outcome] ?? one.outcome}; ${scores}${ious}`;
  item.append(text);
  return item;
}
