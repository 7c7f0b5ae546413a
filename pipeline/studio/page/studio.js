// The page: what was opened, and the work on it.

import { askJson } from "/page/ask.js";
import { Compare } from "/page/compare.js";
import { Draw } from "/page/draw.js";
import { Review } from "/page/review.js";
import { Run } from "/page/run.js";
import { Try } from "/page/try.js";

const find = (id) => document.getElementById(id);

function tell(message) {
  find("fault").textContent = message;
  find("fault").hidden = !message;
}

function show(part) {
  for (const main of document.querySelectorAll("main")) main.hidden = main.id !== part;
  for (const button of find("parts").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", button.dataset.part === part);
  }
}

// The token has done its work; it is to be in no bookmark and no picture of the screen.
history.replaceState(null, "", "/");
try {
  const work = await askJson("/api/work");
  show(work.review ? "review" : "draw");
  if (!work.draw) find("actions").querySelector("[data-does=teach]").remove();
  if (!work.clicks) document.querySelectorAll(".sam").forEach((one) => one.remove());
  find("parts").hidden = !work.draw;
  find("parts").querySelector("[data-part=review]").hidden = !work.review;
  find("parts").addEventListener("click", ({ target }) => target.dataset.part && show(target.dataset.part));
  let review;
  if (work.review) {
    const output = await askJson("/api/output");
    find("output").textContent = output.random_weights
      ? `${output.output} (untrained weights: these masks mean nothing)` : output.output;
    review = new Review({ ...output, clicks: work.clicks, teaches: work.draw }, tell);
    await review.start();
    find("stage").focus();
  }
  if (work.draw) {
    const draw = new Draw(tell, work.clicks);
    new Try(tell, draw, show);
    if (work.review) new Compare(tell, draw);
    await draw.open();
    if (review) review.taught = (job) => draw.took(job, draw.drawn.filter((one) => one.kept === undefined));
    find("parts").querySelector("[data-part=run]").hidden = !work.run;
    if (work.run) await new Run(tell, draw).open();
  }
} catch (error) {
  tell(error.message);
}
