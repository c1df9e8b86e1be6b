// In a box for a key, the key that is pressed is the value; Tab moves on and Esc leaves it alone.

const SHOWN = {
  " ": "Space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Backspace: "⌫",
};
const PASSED = new Set(["Tab", "Escape", "Enter", "Shift", "Control", "Alt", "AltGraph", "Meta"]);

document.addEventListener("keydown", (event) => {
  const box = event.target;
  if (!box.matches("[data-key]") || PASSED.has(event.key)) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  box.value = event.key;
  box.parentElement.querySelector("kbd").textContent = SHOWN[event.key] ?? event.key;
});
