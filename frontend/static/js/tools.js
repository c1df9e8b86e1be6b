// The tools beside the labelling form: differences, scrolling together, the guideline, flags.

import * as diff from "./diff.js";

const stage = document.getElementById("stage");
const bar = document.querySelector(".tools");
const bindings = JSON.parse(document.getElementById("key-bindings").textContent);
const on = { diff: bar.dataset.diff === "on", sync: bar.dataset.sync === "on" };
const announce = (text) => { document.getElementById("announce").textContent = text; };

const cards = () => [...stage.querySelectorAll(".slot .completion")].filter((card) => card.offsetParent);
const bodyOf = (card) => card.querySelector(".body") ?? card;
const button = (name) => bar.querySelector(`[data-tool="${name}"]`);

// ---- differences ----

// Two cards are compared with each other; of more, the one in hand with the one before it.
function pair() {
  const shown = cards();
  if (shown.length < 3) return shown;
  const held = Math.max(1, shown.findIndex((card) => card.matches(".on, :focus-within")));
  return [shown[held - 1], shown[held]];
}

function paint() {
  diff.clear();
  button("diff").setAttribute("aria-pressed", on.diff);
  const two = pair();
  if (!on.diff || two.length < 2) return null;
  return diff.compare(bodyOf(two[0]), bodyOf(two[1]));
}

function toggleDiff() {
  on.diff = !on.diff;
  const marked = paint();
  if (!on.diff) announce(bar.dataset.textDiffOff);
  else if (marked === null) announce(bar.dataset.textDiffFar);
  else announce(bar.dataset.textDiffOn.replace("%s", marked));
}

// ---- scrolling together ----

const boxed = () => document.documentElement.dataset.layout === "boxes";
let leader = null;

function follow(event) {
  const card = event.target;
  if (!on.sync || !boxed() || !card.matches?.(".completion")) return;
  if (leader && leader !== card) return;
  leader = card;
  const share = card.scrollTop / Math.max(1, card.scrollHeight - card.clientHeight);
  for (const other of cards()) {
    if (other !== card) other.scrollTop = share * (other.scrollHeight - other.clientHeight);
  }
  requestAnimationFrame(() => requestAnimationFrame(() => { leader = null; }));
}

function toggleSync() {
  on.sync = !on.sync;
  button("sync").setAttribute("aria-pressed", on.sync);
  announce(on.sync ? bar.dataset.textSyncOn : bar.dataset.textSyncOff);
}

// ---- dialogs ----

const flag = document.getElementById("flag");

function openFlag() {
  const slot = stage.querySelector(".slot");
  if (!slot) return;
  const form = flag.querySelector("form");
  form.reset();
  form.elements.slot.value = slot.dataset.slot;
  flag.showModal();
  form.querySelector("input[type=radio]").focus();
}

flag.addEventListener("keydown", (event) => {
  if (event.target.matches("textarea") || !/^[1-9]$/.test(event.key)) return;
  const choice = flag.querySelectorAll("input[type=radio]")[Number(event.key) - 1];
  if (!choice) return;
  choice.checked = true;
  choice.focus();
});
flag.addEventListener("click", (event) => {
  if (event.target === flag || event.target.closest("[data-close]")) flag.close();
});
// label.js sends it and shows the next instance.
flag.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  flag.close();
  const body = new FormData(event.target);
  stage.dispatchEvent(new CustomEvent("tandem:skip", { detail: body }));
});

function openGuideline() {
  document.getElementById("guideline")?.showModal();
}

// ---- wiring ----

const TOOLS = { diff: toggleDiff, sync: toggleSync, guideline: openGuideline, flag: openFlag };

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.altKey || event.metaKey || event.ctrlKey) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.target.matches("textarea, select, input:not([type=radio], [type=checkbox])")) return;
  const name = Object.keys(TOOLS).find((act) => bindings[act] === event.key);
  if (!name) return;
  event.preventDefault();
  TOOLS[name]();
});

document.addEventListener("click", (event) => {
  const name = event.target.closest("[data-tool]")?.dataset.tool;
  if (name in TOOLS) TOOLS[name]();
});

// A new instance on the stage, or another group of it.
let due = 0;
new MutationObserver(() => {
  cancelAnimationFrame(due);
  due = requestAnimationFrame(paint);
}).observe(stage, { childList: true });
stage.addEventListener("focusin", () => { if (on.diff && cards().length > 2) paint(); });
document.addEventListener("scroll", follow, { capture: true, passive: true });

button("diff").hidden = !diff.possible;
button("sync").hidden = !boxed();
button("sync").setAttribute("aria-pressed", on.sync);
if (button("guideline")) button("guideline").hidden = false;
paint();
