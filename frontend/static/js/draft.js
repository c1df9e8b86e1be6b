// What is entered and not yet submitted: kept in this browser at once, on the server soon after.

import { enteredOf, fill, formOf, sentOf } from "./fields.js";
import { post } from "./outbox.js";
import { word } from "./words.js";

const PAUSE_MS = 700;
// Of one person: a slot may pass on to somebody else who uses the same browser.
const nameOf = (slot) => {
  const { person } = document.getElementById("stage").dataset;
  return `tandem.draft.${person}.${slot.dataset.slot}`;
};

export class Draft {
  constructor(url, show) {
    this.url = url;
    this.show = show;
  }

  changed(slot) {
    const form = formOf(slot);
    slot.dataset.revision = Number(slot.dataset.revision) + 1;
    this.keep(slot, form);
    this.show("saving", word("saving"));
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(slot, form), PAUSE_MS);
  }

  keep(slot, form) {
    const value = { revision: Number(slot.dataset.revision), fields: enteredOf(form) };
    try {
      localStorage.setItem(nameOf(slot), JSON.stringify(value));
    } catch {
      // Without storage the server's copy has to do.
    }
  }

  async save(slot, form) {
    if (!this.url) {
      this.show("saved", word("draftHere"));
      return;
    }
    const body = new URLSearchParams(sentOf(form));
    const revision = slot.dataset.revision;
    body.set("revision", revision);
    try {
      const response = await post(this.url, body);
      if (revision !== slot.dataset.revision || !slot.isConnected) return;
      if (response.ok) this.show("saved", word("saved"));
      else this.show("failed", word("draftHere"));
    } catch {
      if (slot.isConnected) this.show("failed", word("draftOffline"));
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
    fill(formOf(slot), value.fields);
    this.show("saved", word("restored"));
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
