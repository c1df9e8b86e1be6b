// The sentences of the page's scripts, translated by the server (label/_words.html).

const WORDS = document.getElementById("words").dataset;

// `word("ranked", { letter: "A", n: 2 })` fills the places in braces.
export function word(name, values = {}) {
  return (WORDS[name] ?? name).replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
}

export function announce(text) {
  document.getElementById("announce").textContent = text;
}
