// What every page needs: media that load on a click, menus that close, confirmation of acts.

const MEDIA = { image: "img", audio: "audio", video: "video" };

function load(link) {
  const kind = link.dataset.kind in MEDIA ? link.dataset.kind : "image";
  const medium = document.createElement(MEDIA[kind]);
  const label = link.dataset.alt ?? link.textContent;
  medium.referrerPolicy = "no-referrer";
  medium.tabIndex = kind === "image" ? -1 : 0;
  if (kind === "image") {
    medium.alt = label;
  } else {
    medium.controls = true;
    medium.setAttribute("aria-label", label);
  }
  medium.src = link.href;
  link.replaceWith(medium);
  medium.focus();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a.load-image");
  if (link && link.protocol === "https:") {
    event.preventDefault();
    load(link);
  }
  // A citation opens the document it names, also where it is folded away.
  const cited = event.target.closest("a.cite");
  const folded = cited && document.getElementById(cited.hash.slice(1))?.closest("details");
  if (folded) folded.open = true;
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
