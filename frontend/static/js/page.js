// What every page needs: images that load on a click, menus that close, confirmation of acts.

document.addEventListener("click", (event) => {
  const link = event.target.closest("a.load-image");
  if (link && link.protocol === "https:") {
    event.preventDefault();
    const image = new Image();
    image.referrerPolicy = "no-referrer";
    image.alt = link.textContent;
    image.src = link.href;
    link.replaceWith(image);
  }
  for (const menu of document.querySelectorAll("details.who-menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.who-menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// A form that starts something long is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || !event.target.matches("[data-once]")) return;
  const button = event.submitter;
  if (button) setTimeout(() => { button.disabled = true; });
});
