// The page: what was opened, and the work on it.

import { askJson } from "/page/ask.js";
import { Draw } from "/page/draw.js";
import { Review } from "/page/review.js";
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
  if (!work.clicks) document.querySelectorAll(".sam").forEach((one) => one.remove());
  find("parts").hidden = !work.draw;
  find("parts").querySelector("[data-part=review]").hidden = !work.review;
  find("parts").addEventListener("click", ({ target }) => target.dataset.part && show(target.dataset.part));
  if (work.review) {
    const output = await askJson("/api/output");
    find("output").textContent = output.random_weights
      ? `${output.output} (untrained weights: these masks mean nothing)` : output.output;
    await new Review({ ...output, clicks: work.clicks }, tell).start();
    find("stage").focus();
  }
  if (work.draw) {
    const draw = new Draw(tell, work.clicks);
    new Try(tell, draw, show);
    await draw.open();
  }
} catch (error) {
  tell(error.message);
}
