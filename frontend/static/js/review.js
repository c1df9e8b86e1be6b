// A label given on a page of its own, by a reviewer or for gold: the keyboard of the labelling page,
// and an ordinary submit that leads to the next page. `data-partial` allows criteria left open.

import * as answering from "./answering.js";
import { elapsed, restart } from "./clock.js";
import { formOf } from "./fields.js";
import { DEFAULTS, listen } from "./keys.js";

const stage = document.getElementById("stage");
const slot = stage.querySelector(".slot");
const form = formOf(slot);
const open = slot.querySelector(".crit") !== null;

function complain(text) {
  const problem = slot.querySelector(".problem");
  problem.hidden = !text;
  problem.textContent = text;
}

function isComplete() {
  const missing = "partial" in stage.dataset ? null : answering.missing(slot);
  if (!missing) return true;
  answering.pointOut(slot, missing);
  complain(missing.text);
  return false;
}

function act(name, event) {
  if (name === "leave") return leave(event.target);
  if (name === "keys") return document.getElementById("keys")?.showModal();
  if (name === "submit") return form.requestSubmit(form.querySelector("button.primary"));
  return answering.act(slot, name, event);
}

function leave(box) {
  box.blur();
  if (slot.contains(box)) answering.refocus(slot);
}

// A button that carries a key is pressed by it, where the key has no other meaning.
function press(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.closest("textarea, select, input[type=text]") || document.querySelector("dialog[open]")) return;
  const button = document.querySelector(`button[data-key="${CSS.escape(event.key)}"]`);
  if (!button) return;
  event.preventDefault();
  button.click();
}

function begin() {
  form.noValidate = true;
  answering.prepare(slot);
  restart();
  const bound = document.getElementById("key-bindings");
  listen(act, bound ? JSON.parse(bound.textContent) : DEFAULTS);
  document.addEventListener("keydown", press);
  form.addEventListener("submit", (event) => {
    if (!event.submitter?.name && !isComplete()) event.preventDefault();
    else if (form.elements.seconds) form.elements.seconds.value = (elapsed() / 1000).toFixed(1);
  });
  slot.addEventListener("click", (event) => answering.clicked(slot, event.target));
  slot.addEventListener("change", (event) => {
    if (event.target.matches("textarea")) return;
    answering.changed(slot, event.target);
    complain("");
  });
  slot.addEventListener("focusin", (event) => answering.entered(slot, event.target));
  const keys = document.getElementById("show-keys");
  if (keys) {
    keys.hidden = false;
    keys.addEventListener("click", () => act("keys"));
  }
}

if (open) begin();
