// The keyboard of the labelling page: from a key to the name of an act. Digits and Tab are fixed;
// every other key can be bound anew. An element with `data-key-act` shows the key of its act.

export const DEFAULTS = {
  left: "ArrowLeft",
  right: "ArrowRight",
  up: "ArrowUp",
  down: "ArrowDown",
  next: "j",
  previous: "k",
  tie: "=",
  unrank: "-",
  "both good": "g",
  "cannot judge": "x",
  yes: "y",
  no: "n",
  confidence: "c",
  reason: "r",
  edit: "e",
  "step back": "[",
  "step on": "]",
  mark: "w",
  prompt: "p",
  submit: " ",
  undo: "Backspace",
  keys: "?",
};

// "Left" leads to A, which lies on the right where the page is read from there: an arrow always
// goes where it points.
const rightToLeft = document.documentElement.dir === "rtl";
const MIRRORED = rightToLeft ? { left: "right", right: "left" } : {};
const TEXT = "textarea, select, input:not([type=radio], [type=checkbox])";

// `act(name, event)` returns false where the key shall do what it does in any page.
export function listen(act, bindings = DEFAULTS) {
  const acts = new Map(Object.entries(bindings).map(([name, key]) => [key, MIRRORED[name] ?? name]));
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.altKey || event.metaKey || event.isComposing) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.target.matches(TEXT)) {
      inText(event, act);
      return;
    }
    if (event.ctrlKey || presses(event)) return;
    const name = nameOf(event, acts);
    if (name && act(name, event) !== false) event.preventDefault();
  });
}

// Space and Enter belong to whatever can be pressed.
function presses(event) {
  return " Enter".includes(event.key) && event.target.closest("button, summary, a, audio, video");
}

function nameOf(event, acts) {
  if (event.key === "Tab") return event.shiftKey ? "criterion before" : "criterion after";
  return /^[0-9]$/.test(event.key) ? event.key : acts.get(event.key);
}

function inText(event, act) {
  if (event.key === "Escape") act("leave", event);
  else if (event.key === "Enter" && event.ctrlKey) act("submit", event);
}
