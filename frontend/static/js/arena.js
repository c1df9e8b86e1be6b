// The arena's keys: an arrow moves to a vote, the same arrow again or Enter gives it. Without
// scripts the buttons do it. Time on the answers is measured without idle time.

import { elapsed, restart } from "./clock.js";

const typing = (target) => target.closest("input, textarea, select, [contenteditable]");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey) {
    const form = event.key === "Enter" && event.target.closest("form:has(textarea)");
    if (form) form.requestSubmit();
    return;
  }
  if (event.altKey || event.shiftKey || event.repeat || typing(event.target)) return;
  const button = document.querySelector(`#battle [data-key="${CSS.escape(event.key)}"]`);
  if (!button || (event.key === "Enter" && event.target.closest("a, button"))) return;
  event.preventDefault();
  if (button.localName === "a" || document.activeElement === button) button.click();
  else button.focus();
});

document.addEventListener("submit", (event) => {
  const field = event.target.elements.seconds;
  if (field) field.value = (elapsed() / 1000).toFixed(1);
});

// The answers have come: the clock starts, and who cannot see the page is told.
document.addEventListener("htmx:afterSwap", () => {
  const say = document.querySelector("#battle[data-say]")?.dataset.say;
  if (!say) return;
  restart();
  document.querySelector("#announce").textContent = say;
});
