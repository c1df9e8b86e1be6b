// Reading and filling the form of a slot. A completion's fields end with its place.

const NAMES = /^(answer|rank|best|worst|score|confidence|reasons|rationale|step|edit)-/;

export const formOf = (slot) => slot.querySelector("form.work");
export const cardsOf = (slot) => [...slot.querySelectorAll(".completion")];
export const shownCards = (slot) => cardsOf(slot).filter((card) => !card.hidden);
export const letterOf = (card) => card.querySelector(".tag").textContent;
export const nameOf = (crit) => crit.querySelector(".name").textContent;

const named = (slot, name) => [...slot.querySelectorAll(`[name="${CSS.escape(name)}"]`)];

// The value of a radio group, menu or text box; empty where nothing is chosen.
export function valueOf(slot, name) {
  const fields = named(slot, name);
  const field = fields[0]?.type === "radio" ? fields.find((each) => each.checked) : fields[0];
  return field?.value ?? "";
}

// Choose a value as a click would; false where it is not offered.
export function give(slot, name, value) {
  const fields = named(slot, name);
  if (fields[0]?.tagName === "SELECT") {
    fields[0].value = value;
    if (fields[0].selectedIndex < 0) return false;
  } else {
    const chosen = fields.find((each) => each.value === value);
    if (!chosen && value !== "") return false;
    for (const each of fields) each.checked = each === chosen;
  }
  fields[0]?.dispatchEvent(new Event("change", { bubbles: true }));
  return true;
}

export const offers = (slot, name, value) => named(slot, name).some((each) => each.value === value);

// The completion that keys act on.
export function at(slot) {
  return slot.querySelector(".completion.at:not([hidden])") ?? shownCards(slot)[0];
}

export function goTo(slot, card, { scroll = true } = {}) {
  for (const each of cardsOf(slot)) {
    each.classList.toggle("at", each === card);
    each.tabIndex = each === card ? 0 : -1;
  }
  card.focus({ preventScroll: true });
  if (scroll) card.scrollIntoView({ block: "nearest" });
}

// The completion so many places on; none beyond the ends.
export function neighbour(slot, by) {
  const cards = shownCards(slot);
  return cards[cards.indexOf(at(slot)) + by];
}

// What a submit sends: a text that nobody changed is no edit.
export function sentOf(form) {
  return [...new FormData(form)].filter(
    ([name]) => !name.startsWith("edit-") || "changed" in form.elements[name].dataset
  );
}

// What is entered, without the ids of the form.
export const enteredOf = (form) => sentOf(form).filter(([name]) => NAMES.test(name));

// The opposite of `enteredOf`: what is not among the fields is not chosen.
export function fill(form, fields) {
  for (const field of form.elements) {
    if (field.type === "radio" || field.type === "checkbox") {
      field.checked = fields.some(([name, value]) => name === field.name && value === field.value);
    } else if (NAMES.test(field.name)) {
      refill(field, fields.find(([name]) => name === field.name)?.[1]);
    }
  }
}

function refill(field, value) {
  if (value === undefined) return;
  field.value = value;
  if (field.name.startsWith("edit-")) field.dataset.changed = "";
  if (field.tagName === "TEXTAREA" && value) field.closest("details").open = true;
}
