// The keyboard of the labelling page: from a key to the name of an act.

const ACTS = {
  ArrowLeft: "left",
  ArrowRight: "right",
  ArrowDown: "tie",
  ArrowUp: "both bad",
  g: "both good",
  x: "cannot judge",
  r: "reason",
  p: "prompt",
  " ": "submit",
  Backspace: "undo",
  "?": "keys",
};

export function listen(act) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.altKey || event.metaKey) return;
    if (document.querySelector("dialog[open]")) return;
    const target = event.target;
    if (target.matches("textarea, select, input:not([type=radio], [type=checkbox])")) {
      inText(event, act);
      return;
    }
    if (event.ctrlKey || (event.key === " " && target.closest("button, summary, a"))) return;
    const name = /^[1-9]$/.test(event.key) ? event.key : ACTS[event.key];
    if (name && act(name, event) !== false) event.preventDefault();
  });
}

function inText(event, act) {
  if (event.key === "Escape") event.target.blur();
  else if (event.key === "Enter" && event.ctrlKey) act("submit", event);
}
