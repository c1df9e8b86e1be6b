// What stands beside the answer of the active criterion: how sure, why, and the improved text.

import { give, nameOf, valueOf } from "./fields.js";
import { announce, word } from "./words.js";

const besideOf = (slot, crit) =>
  slot.querySelector(`.reasons[data-for="${CSS.escape(crit.dataset.criterion)}"]`);

export function show(slot, crit) {
  for (const each of slot.querySelectorAll("[data-for]")) {
    const on = each.dataset.for === crit.dataset.criterion;
    if (!each.matches(".score")) each.classList.toggle("on", on);
  }
}

export function openReason(slot, crit) {
  const why = besideOf(slot, crit)?.querySelector(".why");
  if (!why) return false;
  why.open = true;
  why.querySelector("textarea").focus();
  return true;
}

export function cycleConfidence(slot, crit) {
  const name = `confidence-${crit.dataset.criterion}`;
  const inputs = [...(besideOf(slot, crit)?.querySelectorAll(".sure input") ?? [])];
  if (!inputs.length) return false;
  const next = inputs[inputs.findIndex((input) => input.checked) + 1];
  give(slot, name, next?.value ?? "");
  announce(word("confidence", { what: next?.closest("label").textContent.trim() ?? "–" }));
  return true;
}

// Why a written reason is due here and missing; empty where none is.
export function problem(slot, crit) {
  const beside = besideOf(slot, crit);
  const key = crit.dataset.criterion;
  if (!beside?.querySelector(".why") || valueOf(slot, `rationale-${key}`).trim()) return "";
  const { due, levels } = beside.dataset;
  const name = nameOf(crit);
  if (due === "always") return word("dueAlways", { name });
  if (due === "drawn") return word("dueDrawn", { name });
  if (due !== "strong or unsure") return "";
  const value = valueOf(slot, `answer-${key}`);
  const strong = Number(levels) > 1 && /^[ab]\d$/.test(value) && value.slice(1) === levels;
  const sure = valueOf(slot, `confidence-${key}`);
  const unsure = value === "cannot judge" || (sure && Number(sure) <= 2);
  return strong || unsure ? word("dueStrong", { name }) : "";
}

export function openEdit(slot) {
  const edit = slot.querySelector(".completion.picked .edit");
  if (!edit) {
    if (slot.querySelector(".edit")) announce(word("editWhich"));
    return false;
  }
  edit.open = true;
  edit.querySelector("textarea").focus();
  return true;
}
