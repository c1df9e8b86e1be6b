// Time on an instance without idle time: a gap between two signs of life counts at most IDLE_MS.

const IDLE_MS = 20_000;
const SIGNS = ["keydown", "pointermove", "pointerdown", "wheel", "touchmove", "scroll"];

let active = 0;
let last = performance.now();

function note() {
  const now = performance.now();
  if (!document.hidden) active += Math.min(now - last, IDLE_MS);
  last = now;
}

for (const sign of SIGNS) addEventListener(sign, note, { passive: true, capture: true });
document.addEventListener("visibilitychange", () => {
  const now = performance.now();
  if (document.hidden) active += Math.min(now - last, IDLE_MS);
  last = now;
});

export function restart(milliseconds = 0) {
  active = milliseconds;
  last = performance.now();
}

export function elapsed() {
  note();
  return active;
}
