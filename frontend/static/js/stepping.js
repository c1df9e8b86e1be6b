// The first wrong step of each completion: the keys walk through the steps and mark one.

import { cardsOf, letterOf, valueOf } from "./fields.js";
import { announce, word } from "./words.js";

const inputsOf = (slot) => [...slot.querySelectorAll(".steps-of input")];
const boxOf = (input) => input.closest("li, .no-wrong");

export function act(slot, name) {
  const inputs = inputsOf(slot);
  const by = { "step back": -1, "step on": 1, mark: 0 }[name];
  if (by === undefined || !inputs.length) return false;
  const now = inputs.findIndex((input) => boxOf(input).classList.contains("at-step"));
  if (name === "mark") mark(slot, inputs, Math.max(now, 0));
  else walk(slot, inputs, now < 0 ? 0 : now + by);
  return true;
}

function walk(slot, inputs, number) {
  const input = inputs[number];
  if (!input) return;
  for (const each of inputs) boxOf(each).classList.toggle("at-step", each === input);
  boxOf(input).scrollIntoView({ block: "nearest" });
  const n = input.value === "none" ? boxOf(input).textContent.trim() : Number(input.value) + 1;
  announce(word("stepAt", { letter: letterOf(input.closest(".completion")), n }));
}

// Mark it, and go on with the next completion.
function mark(slot, inputs, number) {
  const input = inputs[number];
  input.checked = true;
  input.dispatchEvent(new Event("change", { bubbles: true }));
  const onward = inputs.findIndex((each, place) => place > number && each.name !== input.name);
  if (onward >= 0) walk(slot, inputs, onward);
}

export function changed(input) {
  const letter = letterOf(input.closest(".completion"));
  const text = boxOf(input).textContent.trim();
  if (input.value === "none") announce(`${letter}: ${text}`);
  else announce(word("stepMarked", { letter, n: Number(input.value) + 1 }));
}

export function problem(slot) {
  if (!slot.querySelector(".steps-of")) return "";
  const open = cardsOf(slot).find((card) => !valueOf(slot, `step-${card.dataset.place}`));
  return open ? word("stepFirst", { letter: letterOf(open) }) : "";
}
