// The labelling page. The slot after the one on the screen is already here, so a submit swaps at
// once; the server hears of it in the background. Without this script the form is a plain POST.

import * as answering from "./answering.js";
import { elapsed, restart } from "./clock.js";
import { Draft } from "./draft.js";
import { formOf, sentOf } from "./fields.js";
import { DEFAULTS, listen } from "./keys.js";
import { Outbox, post } from "./outbox.js";
import { announce, word } from "./words.js";

const stage = document.getElementById("stage");
const urls = stage.dataset;
const queue = []; // slots that wait behind the one on the screen
const sent = new Map(); // slots on their way, by key, until the server has acknowledged them
let clientId = null; // one per submit: made here, so that sending it again stores nothing new

const current = () => stage.querySelector(".slot");

function show(state, text) {
  const status = stage.querySelector(".status");
  if (!status || status.textContent === text) return;
  status.dataset.state = state;
  status.textContent = text;
}

const draft = new Draft(urls.draft, show);
const outbox = new Outbox(`${urls.person}.${urls.project}`, {
  acknowledged(letter, html) {
    sent.delete(letter.key);
    receive(html);
  },
  refused(letter, html) {
    const slot = sent.get(letter.key);
    sent.delete(letter.key);
    count(-1);
    if (slot) bringBack(slot, html);
    else announce(word("refused"));
  },
  changed(waiting, failing) {
    if (failing) show("failed", word("offline", { n: waiting }));
    else if (!waiting) settle();
  },
});

// ---- slots ----

function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.querySelector(".slot");
}

function receive(html) {
  const slot = parse(html);
  if (!slot) return;
  const key = slot.dataset.slot;
  const known = [current(), ...queue, ...sent.values()].some((each) => each?.dataset.slot === key);
  if (known) return;
  if (current()) queue.push(slot);
  else display(slot);
}

async function fetchNext() {
  if (!urls.next) return; // a label that is changed has none after it
  try {
    const response = await post(urls.next, tokenOf());
    if (response.ok) receive(await response.text());
  } catch {
    // Offline: the next submit's reply, or a reload, brings it.
  }
}

function tokenOf() {
  const field = document.querySelector("input[name=csrfmiddlewaretoken]");
  return new URLSearchParams({ csrfmiddlewaretoken: field.value });
}

function display(slot) {
  if (slot) stage.replaceChildren(slot);
  else stage.replaceChildren(document.getElementById("empty").content.cloneNode(true));
  if (slot) prepare(slot);
  scrollTo(0, 0);
}

function prepare(slot) {
  const form = formOf(slot);
  form.noValidate = true;
  clientId = crypto.randomUUID?.() ?? form.elements.client_id.value;
  form.elements.client_id.value = clientId;
  draft.restore(slot);
  answering.prepare(slot);
  dockSize.disconnect();
  dockSize.observe(slot.querySelector(".dock"));
  restart(Number(slot.dataset.active ?? 0));
}

function bringBack(slot, html) {
  const before = current();
  if (before) setAside(before);
  display(slot);
  complain(slot, new DOMParser().parseFromString(html, "text/html").body.textContent.trim());
}

function setAside(slot) {
  slot.dataset.active = elapsed();
  queue.unshift(slot);
}

// ---- the form ----

function entered(slot) {
  complain(slot, "");
  draft.changed(slot);
}

function complain(slot, text) {
  const problem = slot.querySelector(".problem");
  problem.hidden = !text;
  problem.textContent = text;
}

function isComplete(slot) {
  const missing = answering.missing(slot);
  if (!missing) return true;
  answering.pointOut(slot, missing);
  complain(slot, missing.text);
  return false;
}

function count(by) {
  const done = document.getElementById("done");
  if (!done) return;
  done.textContent = Number(done.textContent) + by;
  const bar = document.getElementById("progress");
  if (bar) bar.value = Number(done.textContent);
}

// ---- acts ----

function submit() {
  const slot = current();
  if (!slot || !isComplete(slot)) return;
  const form = formOf(slot);
  form.elements.seconds.value = (elapsed() / 1000).toFixed(1);
  const key = slot.dataset.slot;
  slot.dataset.active = elapsed();
  const fields = sentOf(form);
  draft.forget(slot);
  sent.set(key, slot);
  count(1);
  slot.remove();
  if (queue.length) display(queue.shift());
  else wait();
  announce(word("submitted"));
  outbox.add({ key, url: urls.submit, fields });
}

function wait() {
  const text = document.createElement("p");
  text.className = "status";
  text.setAttribute("role", "status");
  text.textContent = word("fetching");
  const box = document.createElement("div");
  box.className = "waiting";
  box.append(text);
  stage.replaceChildren(box);
}

// With nothing queued and nothing on its way, there is nothing left: the server knows why.
async function settle() {
  if (current()) return;
  display(queue.shift());
  if (current() || !urls.next) return;
  const response = await fetch(location.pathname).catch(() => null);
  if (!response?.ok || current()) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const slot = page.querySelector("#stage .slot");
  if (slot) display(document.adoptNode(slot));
  else stage.replaceChildren(...page.querySelectorAll("#stage > *"));
}

async function undo() {
  if (!urls.undo) return;
  await outbox.flush();
  if (outbox.waiting) {
    show("failed", word("undoOffline"));
    return;
  }
  const response = await post(urls.undo, tokenOf()).catch(() => null);
  const slot = response?.ok ? parse(await response.text()) : null;
  if (!slot) {
    show("idle", word("nothingToUndo"));
    announce(word("nothingToUndo"));
    return;
  }
  const before = current();
  if (before) setAside(before);
  count(-1);
  display(slot);
  announce(word("takenBack"));
}

// `detail` is the form of the dialog: why it is passed on.
async function skip(detail) {
  const slot = current();
  if (!slot) return;
  const response = await post(urls.skip, new URLSearchParams(detail)).catch(() => null);
  if (!response?.ok) {
    complain(slot, word("notSkipped"));
    return;
  }
  draft.forget(slot);
  slot.remove();
  receive(await response.text());
  settle();
}

function act(name, event) {
  const slot = current();
  if (name === "leave") return leave(slot, event.target);
  if (name === "keys") return document.getElementById("keys").showModal();
  if (name === "undo") return void undo();
  if (!slot) return false;
  if (name === "submit") return submit();
  if (name === "prompt") return slot.querySelector(".prompt details").toggleAttribute("open");
  return answering.act(slot, name, event);
}

// Out of a text box, back to where the keys answer.
function leave(slot, box) {
  box.blur();
  if (slot?.contains(box)) answering.refocus(slot);
}

// ---- wiring ----

const bound = document.getElementById("key-bindings");
listen((name, event) => act(name, event), bound ? JSON.parse(bound.textContent) : DEFAULTS);

stage.addEventListener("submit", (event) => {
  if (!event.target.matches("form.work")) return;
  event.preventDefault();
  submit();
});

stage.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (button) event.preventDefault();
  if (button?.dataset.act === "undo") undo();
  if (!button && current()) answering.clicked(current(), event.target);
});

stage.addEventListener("tandem:skip", (event) => skip(event.detail));

stage.addEventListener("change", (event) => {
  if (!event.target.closest("form.work") || event.target.matches("textarea")) return;
  answering.changed(current(), event.target);
  entered(current());
});
stage.addEventListener("input", (event) => {
  if (!event.target.matches("form.work textarea")) return;
  if (event.target.name.startsWith("edit-")) event.target.dataset.changed = "";
  entered(current());
});
stage.addEventListener("focusin", (event) => {
  if (event.target.closest("form.work")) answering.entered(current(), event.target);
});

// Only where sending has failed: what is on its way survives leaving the page.
addEventListener("beforeunload", (event) => {
  if (outbox.waiting && outbox.failures) event.preventDefault();
});

// What sticks to the lower edge of the cards stays above the dock.
const dockSize = new ResizeObserver(([entry]) => {
  stage.style.setProperty("--dock", `${entry.target.offsetHeight}px`);
});

const keys = document.getElementById("show-keys");
if (keys) {
  keys.hidden = false;
  keys.addEventListener("click", () => act("keys"));
}

async function start() {
  const slot = current();
  const unsent = slot && outbox.has(slot.dataset.slot);
  await outbox.flush();
  if (unsent && !outbox.waiting) {
    location.reload();
    return;
  }
  if (slot) {
    prepare(slot);
    fetchNext();
  }
}

start();
