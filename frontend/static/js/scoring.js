// Scores: a level or a thumb for every completion on every criterion that asks for one. The keys
// act on one cell: the active criterion of the completion that has the focus.

import { at, cardsOf, give, goTo, letterOf, nameOf, neighbour, offers, valueOf } from "./fields.js";
import { announce, word } from "./words.js";

const CANNOT = "cannot judge";
const field = (crit, card) => `score-${crit.dataset.criterion}-${card.dataset.place}`;
const answer = (crit) => `answer-${crit.dataset.criterion}`;
const scored = (slot) => [...slot.querySelectorAll(".crit.rating, .crit.binary")];

export function focus(slot) {
  goTo(slot, at(slot), { scroll: false });
}

export function digit(slot, crit, number, activate) {
  const levels = [...at(slot).querySelectorAll(`[name="${CSS.escape(field(crit, at(slot)))}"]`)]
    .map((input) => input.value)
    .filter((value) => value !== "none");
  const single = levels.every((level) => /^\d$/.test(level)) && crit.dataset.kind === "rating";
  const value = single ? String(number) : levels[number - 1];
  return value !== undefined && put(slot, crit, value, activate);
}

// Give the level and move on: through the criteria of one completion, then to the next.
function put(slot, crit, value, activate) {
  const card = at(slot);
  if (!offers(slot, field(crit, card), value)) return false;
  give(slot, field(crit, card), value);
  const crits = scored(slot);
  const below = crits[crits.indexOf(crit) + 1];
  const beside = neighbour(slot, 1);
  if (below) {
    activate(below);
  } else if (beside) {
    goTo(slot, beside);
    activate(crits[0]);
  }
  return true;
}

export function act(slot, crit, name, activate) {
  const thumbs = crit.dataset.kind === "binary";
  if (thumbs && (name === "right" || name === "yes")) return put(slot, crit, "1", activate);
  if (thumbs && (name === "left" || name === "no")) return put(slot, crit, "0", activate);
  if (name === "unrank") return put(slot, crit, "none", activate);
  if (name === CANNOT) return offers(slot, answer(crit), name) && give(slot, answer(crit), name);
  const rows = scored(slot);
  const row = { up: -1, down: 1 }[name];
  const other = row && rows[rows.indexOf(crit) + row];
  if (other) activate(other);
  const by = { left: -1, previous: -1, right: 1, next: 1 }[name] ?? (rows.length > 1 ? 0 : row);
  const card = by && neighbour(slot, by);
  if (card) goTo(slot, card);
  return Boolean(by || row);
}

export function changed(slot, crit, input) {
  const plain = crit.querySelector(".as-ranked input");
  if (input.name === answer(crit)) {
    announce(input.closest("label").textContent.trim());
    return;
  }
  if (plain) plain.checked = true;
  const what = input.getAttribute("aria-label") ?? input.closest("label").textContent.trim();
  const letter = letterOf(input.closest(".completion"));
  announce(word("scored", { name: nameOf(crit), letter, what }));
}

export function paint(slot, crit, isActive) {
  const values = cardsOf(slot).map((card) => short(slot, crit, card));
  const known = values.some((value) => value !== "·");
  const sum = crit.querySelector(".sum");
  sum.textContent = known && valueOf(slot, answer(crit)) !== CANNOT ? values.join(" ") : "";
  for (const cell of slot.querySelectorAll(`.score[data-for="${crit.dataset.criterion}"]`)) {
    cell.classList.toggle("at", isActive && cell.closest(".completion") === at(slot));
    const level = cell.querySelector("input:checked")?.closest("label").title;
    cell.querySelector(".level-name").textContent = level ?? "";
  }
  if (!isActive) return;
  cardsOf(slot).forEach((card, place) => {
    card.classList.remove("picked");
    card.setAttribute("aria-description", `${nameOf(crit)}: ${values[place]}`);
  });
}

function short(slot, crit, card) {
  const value = valueOf(slot, field(crit, card));
  if (!value) return "·";
  if (value === "none") return "–";
  return crit.dataset.kind === "binary" ? { 0: "✗", 1: "✓" }[value] : value;
}

export function problem(slot, crit, name) {
  if (valueOf(slot, answer(crit))) return "";
  const open = openOne(slot, crit);
  return open ? word("scoreFirst", { name, letter: letterOf(open) }) : "";
}

const openOne = (slot, crit) => cardsOf(slot).find((card) => !valueOf(slot, field(crit, card)));

export function reveal(slot, crit) {
  const open = openOne(slot, crit);
  if (open) goTo(slot, open);
}
