// Best–worst scaling: small groups, one after the other; a digit chooses the best, another the worst.

import { cardsOf, give, offers, shownCards, valueOf } from "./fields.js";
import { announce, word } from "./words.js";

const answer = (crit) => `answer-${crit.dataset.criterion}`;
const groupsOf = (crit) => [...crit.querySelectorAll(".group")];
const current = (crit) => crit.querySelector(".group.on");
const field = (crit, end, group) => `${end}-${crit.dataset.criterion}-${group.dataset.group}`;

function chosen(slot, crit, group) {
  return ["best", "worst"].map((end) => valueOf(slot, field(crit, end, group)));
}

export function focus(slot) {
  shownCards(slot)[0].focus({ preventScroll: true, focusVisible: false });
}

function show(slot, crit, group) {
  for (const each of groupsOf(crit)) each.classList.toggle("on", each === group);
  paint(slot, crit, true);
  focus(slot);
  scrollTo({ top: 0 });
  announce(group.querySelector("legend").textContent);
}

export function digit(slot, crit, number) {
  const group = current(crit);
  const place = group.dataset.places.split(",")[number - 1];
  if (place === undefined) return false;
  choose(slot, crit, group, place);
  return true;
}

// The first choice is the best, the second the worst; the same once more takes it back.
function choose(slot, crit, group, place) {
  const [best, worst] = chosen(slot, crit, group);
  if (best === place) give(slot, field(crit, "best", group), "");
  else if (worst === place) give(slot, field(crit, "worst", group), "");
  else if (!best) give(slot, field(crit, "best", group), place);
  else give(slot, field(crit, "worst", group), place);
  if (chosen(slot, crit, group).every(Boolean)) onward(slot, crit, group);
}

function onward(slot, crit, group) {
  const groups = groupsOf(crit);
  const after = groups.slice(groups.indexOf(group) + 1);
  const open = after.find((each) => !chosen(slot, crit, each).every(Boolean));
  if (open) show(slot, crit, open);
}

export function act(slot, crit, name) {
  if (name === "both good" || name === "cannot judge") {
    return offers(slot, answer(crit), name) && give(slot, answer(crit), name);
  }
  if (name === "unrank") {
    for (const end of ["worst", "best"]) give(slot, field(crit, end, current(crit)), "");
    return true;
  }
  const by = { left: -1, previous: -1, right: 1, next: 1 }[name];
  const groups = groupsOf(crit);
  const group = by && groups[groups.indexOf(current(crit)) + by];
  if (group) show(slot, crit, group);
  return Boolean(by);
}

// One completion is never both ends of its group.
export function changed(slot, crit, input) {
  const group = input.closest(".group");
  if (!group) {
    announce(input.closest("label").textContent.trim());
    return;
  }
  const plain = crit.querySelector(".as-ranked input");
  if (plain) plain.checked = true;
  const [best, worst] = chosen(slot, crit, group);
  if (best && best === worst) {
    const other = input.name.startsWith("best-") ? "worst" : "best";
    for (const each of group.querySelectorAll(`[name^="${other}-"]`)) each.checked = false;
  }
  const letter = input.checked && input.closest("label").textContent.trim();
  if (letter) announce(word(input.name.startsWith("best-") ? "best" : "worst", { letter }));
}

export function paint(slot, crit, isActive) {
  const groups = groupsOf(crit);
  const done = groups.filter((group) => chosen(slot, crit, group).every(Boolean)).length;
  crit.querySelector(".sum").textContent = `${done} / ${groups.length}`;
  if (!isActive) return;
  const group = current(crit);
  const [best, worst] = chosen(slot, crit, group);
  const places = group.dataset.places.split(",");
  for (const card of cardsOf(slot)) {
    const { place } = card.dataset;
    card.hidden = !places.includes(place);
    card.querySelector(".tag").dataset.digit = places.indexOf(place) + 1;
    card.classList.toggle("best", place === best);
    card.classList.toggle("worst", place === worst);
  }
}

export function problem(slot, crit, name) {
  if (valueOf(slot, answer(crit))) return "";
  const n = groupsOf(crit).indexOf(openOne(slot, crit)) + 1;
  return n ? word("groupFirst", { name, n }) : "";
}

const openOne = (slot, crit) =>
  groupsOf(crit).find((group) => !chosen(slot, crit, group).every(Boolean));

export function reveal(slot, crit) {
  const open = openOne(slot, crit);
  if (open) show(slot, crit, open);
}

// Leaving this criterion for one of another kind: every completion is in sight again.
export function leave(slot) {
  for (const card of cardsOf(slot)) {
    card.hidden = false;
    card.classList.remove("best", "worst");
    delete card.querySelector(".tag").dataset.digit;
  }
}

export function pick(slot, crit, card) {
  choose(slot, crit, current(crit), card.dataset.place);
}
