// Submits on their way to the server, in order. They are kept in localStorage until the server
// has acknowledged them; sending one twice changes nothing, because each has its own client id.

const RETRY_MS = [1000, 2000, 4000, 8000, 15000, 30000];

export class Outbox {
  constructor(name, { acknowledged, refused, changed }) {
    this.name = `tandem.outbox.${name}`;
    this.handlers = { acknowledged, refused, changed };
    this.letters = read(this.name);
    this.running = false;
    this.failures = 0;
    addEventListener("online", () => this.flush());
  }

  get waiting() {
    return this.letters.length;
  }

  has(key) {
    return this.letters.some((letter) => letter.key === key);
  }

  add(letter) {
    this.letters.push(letter);
    this.store();
    return this.flush();
  }

  store() {
    write(this.name, this.letters);
    this.handlers.changed(this.letters.length, this.failures > 0);
  }

  async flush() {
    if (this.running) return;
    this.running = true;
    clearTimeout(this.timer);
    while (this.letters.length) {
      if (!(await this.send(this.letters[0]))) break;
      this.letters.shift();
      this.store();
    }
    this.running = false;
  }

  // True when the server has answered for good, whether it took the submit or refused it.
  async send(letter) {
    let response;
    try {
      response = await post(letter.url, new URLSearchParams(letter.fields));
    } catch {
      return this.later();
    }
    if (response.status >= 500 || response.status === 429) return this.later();
    this.failures = 0;
    const text = await response.text();
    if (response.ok) this.handlers.acknowledged(letter, text);
    else this.handlers.refused(letter, text, response.status);
    return true;
  }

  later() {
    const pause = RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)];
    this.failures += 1;
    this.timer = setTimeout(() => this.flush(), pause);
    this.handlers.changed(this.letters.length, true);
    return false;
  }
}

export async function post(url, body) {
  return fetch(url, { method: "POST", body, headers: { "HX-Request": "true" } });
}

function read(name) {
  try {
    return JSON.parse(localStorage.getItem(name)) ?? [];
  } catch {
    return [];
  }
}

function write(name, value) {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // Storage can be full or forbidden; the submits are still in memory.
  }
}
