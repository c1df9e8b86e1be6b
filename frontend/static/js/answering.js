// Which criterion is active, and what its kind makes of keys, clicks and choices.

import { cardsOf, goTo, nameOf } from "./fields.js";
import * as grouping from "./grouping.js";
import * as pairing from "./pairing.js";
import * as ranking from "./ranking.js";
import * as reasons from "./reasons.js";
import * as scoring from "./scoring.js";
import * as stepping from "./stepping.js";

const KINDS = {
  pairwise: pairing,
  listwise: ranking,
  groups: grouping,
  rating: scoring,
  binary: scoring,
};

const critsOf = (slot) => [...slot.querySelectorAll(".crit")];
const active = (slot) => slot.querySelector(".crit.on") ?? critsOf(slot)[0];
const kindOf = (crit) => KINDS[crit.dataset.kind];

// Make a criterion the one that keys answer, and bring the focus to where it is answered.
export function activate(slot, crit, { focus = true } = {}) {
  for (const each of critsOf(slot)) {
    each.classList.toggle("on", each === crit);
    each.querySelector(".name").setAttribute("aria-pressed", each === crit);
  }
  if (crit.dataset.kind !== "groups") grouping.leave(slot);
  reasons.show(slot, crit);
  paint(slot);
  if (focus) kindOf(crit).focus(slot, crit);
}

export function prepare(slot) {
  const comparing = active(slot).dataset.kind === "pairwise";
  for (const card of cardsOf(slot)) if (!comparing) card.tabIndex = -1;
  activate(slot, critsOf(slot)[0]);
}

export function paint(slot) {
  const now = active(slot);
  for (const crit of critsOf(slot)) {
    kindOf(crit).paint(slot, crit, crit === now);
    crit.classList.toggle("done", !kindOf(crit).problem(slot, crit, ""));
  }
}

// True where the key was meant for the form.
export function act(slot, name, event) {
  const crit = active(slot);
  const on = (other) => activate(slot, other);
  if (/^\d$/.test(name)) return kindOf(crit).digit(slot, crit, Number(name), on);
  if (name.startsWith("criterion ")) return hop(slot, crit, name, event);
  if (name === "reason") return reasons.openReason(slot, crit);
  if (name === "confidence") return reasons.cycleConfidence(slot, crit);
  if (name === "edit") return reasons.openEdit(slot);
  if (native(event)) return false;
  return stepping.act(slot, name) || kindOf(crit).act(slot, crit, name, on);
}

// Radio buttons that were reached by Tab keep their arrow keys.
function native(event) {
  return event.key.startsWith("Arrow") && event.target.matches(".completion input, .foot input, .group input");
}

// Tab goes from criterion to criterion; before the first and after the last it is as everywhere.
function hop(slot, crit, name, event) {
  if (!event.target.matches(".completion, .crit input, body")) return false;
  const crits = critsOf(slot);
  const other = crits[crits.indexOf(crit) + (name === "criterion after" ? 1 : -1)];
  if (!other) return false;
  activate(slot, other);
  kindOf(other).begin?.(slot);
  return true;
}

// A choice was made, by key, click or touch.
export function changed(slot, input) {
  if (input.matches(".steps-of input")) stepping.changed(input);
  else if (input.name) {
    const crit = critsOf(slot).find((each) => owns(each, input));
    if (crit && !input.closest(".reasons")) kindOf(crit).changed(slot, crit, input);
  }
  paint(slot);
}

function owns(crit, input) {
  if (crit.contains(input)) return true;
  return input.closest("[data-for]")?.dataset.for === crit.dataset.criterion;
}

// The focus or a click came to a criterion, a cell or a card.
export function entered(slot, target) {
  const place = target.closest(".crit, [data-for]");
  const key = place?.dataset.criterion ?? place?.dataset.for;
  const crit = critsOf(slot).find((each) => each.dataset.criterion === key);
  const card = target.closest(".completion");
  if (card && !["pairwise", "groups"].includes(active(slot).dataset.kind)) {
    for (const each of cardsOf(slot)) each.classList.toggle("at", each === card);
  }
  if (crit && crit !== active(slot)) activate(slot, crit, { focus: false });
  else if (card) paint(slot);
}

export function clicked(slot, target) {
  const name = target.closest(".crit .name");
  if (name) {
    activate(slot, name.closest(".crit"));
    return;
  }
  const card = target.closest(".completion");
  const crit = active(slot);
  if (!card || crit.dataset.kind === "pairwise" || getSelection().type === "Range") return;
  if (target.closest("a, button, summary, textarea, select, audio, video, iframe, input, label")) return;
  if (crit.dataset.kind === "groups") grouping.pick(slot, crit, card);
  else goTo(slot, card, { scroll: false });
  paint(slot);
}

// What is missing, with the criterion it is missing on; null where the form is complete.
export function missing(slot) {
  const crits = critsOf(slot);
  for (const crit of crits) {
    const text = kindOf(crit).problem(slot, crit, nameOf(crit));
    if (text) return { crit, text };
  }
  const judged = crits.some((crit) => !crit.querySelector("input[value='cannot judge']:checked"));
  const step = judged && stepping.problem(slot);
  if (step) return { crit: active(slot), text: step };
  for (const crit of crits) {
    const text = reasons.problem(slot, crit);
    if (text) return { crit, text, reason: true };
  }
  return null;
}

export const refocus = (slot) => kindOf(active(slot)).focus(slot, active(slot));

export function pointOut(slot, { crit, reason }) {
  activate(slot, crit);
  kindOf(crit).reveal?.(slot, crit);
  if (reason) reasons.openReason(slot, crit);
}
