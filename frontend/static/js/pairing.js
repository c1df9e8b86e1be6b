// Two completions beside each other: one scale from the left to the right.

import { cardsOf, letterOf, valueOf } from "./fields.js";
import { announce, word } from "./words.js";

const scaleOf = (crit) => [...crit.querySelectorAll(".seg input")];
const TIES = { up: "both bad", down: "tie", "both good": "both good", "cannot judge": "cannot judge" };

export function focus(slot, crit) {
  const input = crit.querySelector("input:checked") ?? scaleOf(crit)[0];
  input.focus({ preventScroll: true, focusVisible: false });
}

function choose(crit, input) {
  if (!input) return false;
  input.checked = true;
  input.focus({ preventScroll: true, focusVisible: false });
  input.dispatchEvent(new Event("change", { bubbles: true }));
  return true;
}

export function digit(slot, crit, number) {
  return choose(crit, scaleOf(crit)[number - 1]);
}

export function act(slot, crit, name) {
  if (name === "left" || name === "right") return step(crit, name === "left" ? -1 : 1);
  const value = TIES[name];
  return Boolean(value) && choose(crit, crit.querySelector(`input[value="${value}"]`));
}

// Towards one side: its weakest level first, then stronger.
function step(crit, direction) {
  const side = direction < 0 ? "a" : "b";
  const ours = scaleOf(crit).filter((input) => input.value.startsWith(side));
  const now = ours.findIndex((input) => input.checked);
  const inward = direction < 0 ? ours.length - 1 : 0;
  const next = now < 0 ? inward : Math.min(Math.max(now + direction, 0), ours.length - 1);
  return choose(crit, ours[next]);
}

export function paint(slot, crit, isActive) {
  if (!isActive) return;
  const value = valueOf(slot, `answer-${crit.dataset.criterion}`);
  for (const card of cardsOf(slot)) {
    const side = letterOf(card).toLowerCase();
    card.classList.toggle("picked", value.startsWith(side) && /\d$/.test(value));
  }
}

export function problem(slot, crit, name) {
  return valueOf(slot, `answer-${crit.dataset.criterion}`) ? "" : word("answerFirst", { name });
}

export function changed(slot, crit, input) {
  announce(input.closest("label").textContent.replace(/\s+/g, " ").trim());
}
