// The page: what was opened, and the work on it.

import { askJson } from "/page/ask.js";
import { Review } from "/page/review.js";

const fault = document.getElementById("fault");

function tell(message) {
  fault.textContent = message;
  fault.hidden = !message;
}

// The token has done its work; it is to be in no bookmark and no picture of the screen.
history.replaceState(null, "", "/");
try {
  const output = await askJson("/api/output");
  document.getElementById("output").textContent = output.random_weights
    ? `${output.output} (untrained weights: these masks mean nothing)` : output.output;
  await new Review(output, tell).start();
  document.getElementById("stage").focus();
} catch (error) {
  tell(error.message);
}
