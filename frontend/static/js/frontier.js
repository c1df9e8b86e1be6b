// The slider of the frontier: keeps slider and field together, and says what a budget buys.

const form = document.getElementById("frontier-form");
const plan = document.getElementById("frontier-plan");
const said = document.getElementById("frontier-said");
let telling;

if (form) {
  const { limit, exact, was } = form.elements;

  // Before htmx sends the form: the two never disagree, so the server reads one amount.
  form.addEventListener("input", (event) => {
    if (event.target === limit) exact.value = limit.value;
    if (event.target === exact) limit.value = exact.value;
    was.value = event.target === limit ? limit.value : "";
  }, { capture: true });

  form.addEventListener("change", (event) => {
    if (!event.target.matches("[data-reloads]")) return;
    // Another budget has another unit and another minimum: begin at what is saved.
    for (const field of [limit, exact, was]) field.disabled = true;
    form.submit();
  });

  plan.addEventListener("htmx:afterSettle", () => {
    const found = plan.querySelector("[data-said]");
    if (!found) return;
    limit.setAttribute("aria-valuetext", found.dataset.said);
    // Told once the slider rests, not at every step.
    clearTimeout(telling);
    telling = setTimeout(() => { said.textContent = found.dataset.said; }, 700);
  });
}
