// Keys n and p walk through the articles of a page, and over its end to the next page.

const articles = [...document.querySelectorAll("[data-walk] > article")];
const TEXT = "textarea, select, input, dialog[open]";

function current() {
  const inside = articles.findIndex((article) => article.contains(document.activeElement));
  if (inside >= 0) return inside;
  return -1;
}

function go(step) {
  const place = current() + step;
  const article = articles[place];
  if (article) {
    article.focus({ preventScroll: true });
    article.scrollIntoView({ block: "start" });
    return;
  }
  if (place < 0 || place >= articles.length) {
    document.querySelector(`.pager a[rel="${step > 0 ? "next" : "prev"}"]`)?.click();
  }
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest(TEXT)) return;
  if (event.key === "n") go(1);
  else if (event.key === "p") go(-1);
  else return;
  event.preventDefault();
});
