// A ranking: the keys set the rank of the completion that has the focus, for the active criterion.

import { at, cardsOf, give, goTo, letterOf, neighbour, offers, valueOf } from "./fields.js";
import { announce, word } from "./words.js";

const CANNOT = "cannot judge";
const keyOf = (crit) => crit.dataset.criterion;
const field = (crit, card) => `rank-${keyOf(crit)}-${card.dataset.place}`;
const answer = (crit) => `answer-${keyOf(crit)}`;
const rankOf = (slot, crit, card) => Number(valueOf(slot, field(crit, card)));

export function focus(slot) {
  goTo(slot, at(slot), { scroll: false });
}

// Another ranking begins with the first completion.
export function begin(slot) {
  goTo(slot, cardsOf(slot)[0]);
}

export function digit(slot, crit, number) {
  return number > 0 && rank(slot, crit, String(number));
}

function rank(slot, crit, value) {
  const card = at(slot);
  if (!give(slot, field(crit, card), value)) return false;
  goTo(slot, (value && neighbour(slot, 1)) || card);
  return true;
}

export function act(slot, crit, name) {
  if (name === "tie") return tie(slot, crit);
  if (name === "unrank") return rank(slot, crit, "");
  if (name === CANNOT || name === "both good") {
    return offers(slot, answer(crit), name) && give(slot, answer(crit), name);
  }
  const by = { left: -1, previous: -1, up: -1, right: 1, next: 1, down: 1 }[name];
  const card = by && neighbour(slot, by);
  if (card) goTo(slot, card);
  return Boolean(by);
}

// The rank of the nearest ranked completion before it.
function tie(slot, crit) {
  const cards = cardsOf(slot);
  const before = cards.slice(0, cards.indexOf(at(slot))).reverse();
  const value = before.map((card) => rankOf(slot, crit, card)).find(Boolean);
  return Boolean(value) && rank(slot, crit, String(value));
}

// A kind of tie gives everybody the same rank; another rank takes the kind of tie away.
export function changed(slot, crit, input) {
  const ranks = cardsOf(slot).map((card) => rankOf(slot, crit, card));
  const kind = valueOf(slot, answer(crit));
  if (input.name === answer(crit)) {
    if (kind && kind !== CANNOT) silently(slot, crit, "1");
    announce(input.closest("label").textContent.trim());
    return;
  }
  const tied = new Set(ranks).size === 1 && ranks[0];
  if (kind && !(tied && kind !== CANNOT)) untie(slot, crit);
  const card = input.closest(".completion");
  const n = rankOf(slot, crit, card);
  const letter = letterOf(card);
  announce(n ? word("ranked", { letter, n }) : `${letter} ${word("unranked")}`);
}

function silently(slot, crit, value) {
  for (const card of cardsOf(slot)) {
    for (const each of card.querySelectorAll(`[name="${CSS.escape(field(crit, card))}"]`)) {
      if (each.tagName === "SELECT") each.value = value;
      else each.checked = each.value === value;
    }
  }
}

function untie(slot, crit) {
  const plain = crit.querySelector(".as-ranked input");
  if (plain) plain.checked = true;
}

export function paint(slot, crit, isActive) {
  const kind = valueOf(slot, answer(crit));
  crit.querySelector(".sum").textContent = kind === CANNOT ? "" : summary(slot, crit);
  if (!isActive) return;
  const jumps = slot.querySelectorAll(".jumps b");
  cardsOf(slot).forEach((card, place) => {
    const number = rankOf(slot, crit, card);
    card.classList.toggle("picked", !kind && number === 1);
    const said = number ? word("rankIs", { n: number }) : word("unranked");
    card.setAttribute("aria-description", said);
    if (jumps[place]) jumps[place].textContent = number || "";
  });
}

// "A > C = B, D unranked"
function summary(slot, crit) {
  const byRank = new Map();
  for (const card of cardsOf(slot)) {
    const place = rankOf(slot, crit, card) || Infinity;
    byRank.set(place, [...(byRank.get(place) ?? []), letterOf(card)]);
  }
  const left = byRank.get(Infinity);
  byRank.delete(Infinity);
  const order = [...byRank].sort(([a], [b]) => a - b).map(([, letters]) => letters.join(" = "));
  if (!order.length) return "";
  return order.join(" > ") + (left ? `, ${left.join(", ")} ${word("unranked")}` : "");
}

export function problem(slot, crit, name) {
  const kind = valueOf(slot, answer(crit));
  const ranks = cardsOf(slot).map((card) => rankOf(slot, crit, card));
  if (kind) return "";
  if (!ranks.some(Boolean)) return word("rankFirst", { name });
  if (new Set(ranks).size > 1 || ranks.length === 1) return "";
  const kinds = crit.querySelectorAll(".side input:not([value='cannot judge'])");
  return word(kinds.length > 1 ? "whichTie" : "noTie", { name });
}
