// What is entered and not yet submitted: kept in this browser at once, on the server soon after.

import { post } from "./outbox.js";

const PAUSE_MS = 700;
const nameOf = (slot) => `tandem.draft.${slot.dataset.slot}`;

export class Draft {
  constructor(url, show) {
    this.url = url;
    this.show = show;
  }

  // Choices and text of the form, without its ids.
  static fields(form) {
    const kept = [...new FormData(form)].filter(
      ([name]) => name.startsWith("answer-") || ["rationale", "reasons", "confidence"].includes(name)
    );
    return kept.filter(([, value]) => value !== "");
  }

  changed(slot) {
    const form = slot.querySelector("form.dock");
    slot.dataset.revision = Number(slot.dataset.revision) + 1;
    this.keep(slot, form);
    this.show("saving", "Saving…");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(slot, form), PAUSE_MS);
  }

  keep(slot, form) {
    const value = { revision: Number(slot.dataset.revision), fields: Draft.fields(form) };
    try {
      localStorage.setItem(nameOf(slot), JSON.stringify(value));
    } catch {
      // Without storage the server's copy has to do.
    }
  }

  async save(slot, form) {
    const body = new URLSearchParams(new FormData(form));
    const revision = slot.dataset.revision;
    body.set("revision", revision);
    try {
      const response = await post(this.url, body);
      if (revision !== slot.dataset.revision || !slot.isConnected) return;
      if (response.ok) this.show("saved", "Draft saved");
      else this.show("failed", "Draft kept in this browser only");
    } catch {
      if (slot.isConnected) this.show("failed", "Offline: draft kept in this browser");
    }
  }

  // A newer draft of this browser wins over the server's.
  restore(slot) {
    let value = null;
    try {
      value = JSON.parse(localStorage.getItem(nameOf(slot)));
    } catch {
      return;
    }
    if (!value || value.revision <= Number(slot.dataset.revision)) return;
    slot.dataset.revision = value.revision;
    const form = slot.querySelector("form.dock");
    for (const [name, text] of value.fields) fill(form, name, text);
    this.show("saved", "Draft of this browser");
  }

  forget(slot) {
    clearTimeout(this.timer);
    try {
      localStorage.removeItem(nameOf(slot));
    } catch {
      // Nothing to forget.
    }
  }
}

function fill(form, name, text) {
  for (const field of form.querySelectorAll(`[name="${CSS.escape(name)}"]`)) {
    if (field.type === "radio" || field.type === "checkbox") field.checked ||= field.value === text;
    else field.value = text;
    if (field.tagName === "TEXTAREA") field.closest("details").open = true;
  }
}
