// The labelling page. The slot after the one on the screen is already here, so a submit swaps at
// once; the server hears of it in the background. Without this script the form is a plain POST.

import { elapsed, restart } from "./clock.js";
import { Draft } from "./draft.js";
import { listen } from "./keys.js";
import { Outbox, post } from "./outbox.js";

const stage = document.getElementById("stage");
const urls = stage.dataset;
const queue = []; // slots that wait behind the one on the screen
const sent = new Map(); // slots on their way, by key, until the server has acknowledged them
let clientId = null; // one per submit: made here, so that sending it again stores nothing new

const current = () => stage.querySelector(".slot");
const formOf = (slot) => slot.querySelector("form.dock");
const announce = (text) => { document.getElementById("announce").textContent = text; };

function show(state, text) {
  const status = current()?.querySelector(".status");
  if (!status || status.textContent === text) return;
  status.dataset.state = state;
  status.textContent = text;
}

const draft = new Draft(urls.draft, show);
const outbox = new Outbox(urls.project, {
  acknowledged(letter, html) {
    sent.delete(letter.key);
    receive(html);
  },
  refused(letter, html) {
    const slot = sent.get(letter.key);
    sent.delete(letter.key);
    count(-1);
    if (slot) bringBack(slot, html);
    else announce("A submit of an earlier visit was refused.");
  },
  changed(waiting, failing) {
    if (failing) show("failed", `Offline: ${waiting} kept in this browser`);
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
  mark(slot);
  restart(Number(slot.dataset.active ?? 0));
  activate(groups(slot)[0]);
}

function bringBack(slot, html) {
  const before = current();
  if (before) {
    before.dataset.active = elapsed();
    queue.unshift(before);
  }
  display(slot);
  complain(slot, new DOMParser().parseFromString(html, "text/html").body.textContent.trim());
}

// ---- the form ----

const groups = (slot) => [...slot.querySelectorAll(".crit")];
const chosen = (group) => group.querySelector("input:checked");
const scaleOf = (group) => [...group.querySelectorAll(".seg input")];

function activeGroup(slot) {
  return slot.querySelector(".crit.on") ?? groups(slot)[0];
}

function activate(group) {
  const all = groups(current());
  for (const each of all) each.classList.toggle("on", each === group && all.length > 1);
  (chosen(group) ?? scaleOf(group)[0]).focus({ preventScroll: true, focusVisible: false });
}

function choose(group, input) {
  if (!input) return;
  input.checked = true;
  input.focus({ preventScroll: true, focusVisible: false });
  entered(current());
}

function step(group, direction) {
  const scale = scaleOf(group);
  const side = direction < 0 ? "a" : "b";
  const ours = scale.filter((input) => input.value.startsWith(side) && /\d$/.test(input.value));
  const now = ours.findIndex((input) => input.checked);
  const inward = direction < 0 ? ours.length - 1 : 0;
  const next = now < 0 ? inward : Math.min(Math.max(now + direction, 0), ours.length - 1);
  choose(group, ours[next]);
}

function mark(slot) {
  const value = chosen(groups(slot)[0])?.value ?? "";
  for (const side of ["a", "b"]) {
    const picked = value.startsWith(side) && /\d$/.test(value);
    slot.querySelector(`.completion.${side}`)?.classList.toggle("picked", picked);
  }
}

function entered(slot) {
  mark(slot);
  complain(slot, "");
  draft.changed(slot);
}

function complain(slot, text) {
  const problem = slot.querySelector(".problem");
  problem.hidden = !text;
  problem.textContent = text;
}

function isComplete(slot) {
  const open = groups(slot).find((group) => !chosen(group));
  if (!open) return true;
  complain(slot, `Answer “${open.querySelector(".name").textContent}” first.`);
  activate(open);
  return false;
}

function count(by) {
  const done = document.getElementById("done");
  done.textContent = Number(done.textContent) + by;
  document.getElementById("progress").value = Number(done.textContent);
}

// ---- acts ----

function submit() {
  const slot = current();
  if (!slot || !isComplete(slot)) return;
  const form = formOf(slot);
  form.elements.seconds.value = (elapsed() / 1000).toFixed(1);
  const key = slot.dataset.slot;
  slot.dataset.active = elapsed();
  const fields = [...new FormData(form)];
  draft.forget(slot);
  sent.set(key, slot);
  count(1);
  slot.remove();
  if (queue.length) display(queue.shift());
  else stage.innerHTML = '<div class="waiting"><p>Fetching the next instance…</p></div>';
  announce("Submitted. The next instance is here.");
  outbox.add({ key, url: urls.submit, fields });
}

// With nothing queued and nothing on its way, there is nothing left.
function settle() {
  if (!current()) display(queue.shift());
}

async function undo() {
  await outbox.flush();
  if (outbox.waiting) {
    show("failed", "Not sent yet: undo when you are online");
    return;
  }
  const response = await post(urls.undo, tokenOf()).catch(() => null);
  const slot = response?.ok ? parse(await response.text()) : null;
  if (!slot) {
    show("idle", "Nothing to undo");
    return;
  }
  const before = current();
  if (before) {
    before.dataset.active = elapsed();
    queue.unshift(before);
  }
  count(-1);
  display(slot);
  announce("The last submit is taken back.");
}

async function skip() {
  const slot = current();
  if (!slot) return;
  const body = tokenOf();
  body.set("slot", slot.dataset.slot);
  const response = await post(urls.skip, body).catch(() => null);
  if (!response?.ok) {
    complain(slot, "It could not be skipped. Try again, or reload the page.");
    return;
  }
  draft.forget(slot);
  slot.remove();
  receive(await response.text());
  if (!current()) display(queue.shift());
}

function act(name) {
  const slot = current();
  if (name === "keys") return document.getElementById("keys").showModal();
  if (name === "undo") return void undo();
  if (!slot) return false;
  const group = activeGroup(slot);
  if (name === "submit") submit();
  else if (name === "left") step(group, -1);
  else if (name === "right") step(group, 1);
  else if (name === "reason") openReason(slot);
  else if (name === "prompt") slot.querySelector(".prompt details").toggleAttribute("open");
  else if (/^[1-9]$/.test(name)) choose(group, scaleOf(group)[Number(name) - 1]);
  else choose(group, group.querySelector(`input[value="${name}"]`));
  return true;
}

function openReason(slot) {
  const why = slot.querySelector(".why");
  if (!why) return;
  why.open = true;
  why.querySelector("textarea").focus();
}

// ---- wiring ----

listen(act);

stage.addEventListener("submit", (event) => {
  if (!event.target.matches("form.dock")) return;
  event.preventDefault();
  submit();
});

stage.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (!button) return;
  event.preventDefault();
  if (button.dataset.act === "undo") undo();
  else skip();
});

stage.addEventListener("change", (event) => {
  if (event.target.closest("form.dock")) entered(current());
});
stage.addEventListener("input", (event) => {
  if (event.target.matches("textarea")) entered(current());
});
stage.addEventListener("focusin", (event) => {
  const group = event.target.closest(".crit");
  if (!group) return;
  const all = groups(current());
  for (const each of all) each.classList.toggle("on", each === group && all.length > 1);
});

// Only where sending has failed: what is on its way survives leaving the page.
addEventListener("beforeunload", (event) => {
  if (outbox.waiting && outbox.failures) event.preventDefault();
});

const keys = document.getElementById("show-keys");
keys.hidden = false;
keys.addEventListener("click", () => act("keys"));

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
