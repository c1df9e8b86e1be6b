// Submits on their way to the server, in order. They are kept in localStorage until the server
// has acknowledged them; sending one twice changes nothing, because each has its own client id.
// A box belongs to one person: in a browser that two share, nothing goes out under another's name.

// Too many at once, or a session that is not the page's any more: a reload helps.
const WAIT = [403, 429];
const RETRY_MS = [1000, 2000, 4000, 8000, 15000, 30000];

export class Outbox {
  constructor(name, { acknowledged, refused, changed }) {
    this.name = `tandem.outbox.${name}`;
    this.handlers = { acknowledged, refused, changed };
    this.letters = read(this.name);
    this.flushing = null;
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

  // Resolves when everything is sent, or when sending has to wait.
  flush() {
    this.flushing ??= this.sendAll();
    return this.flushing;
  }

  async sendAll() {
    clearTimeout(this.timer);
    // Without this pause an empty outbox would end before `flush` has noted that it began.
    await null;
    try {
      while (this.letters.length && (await this.send(this.letters[0]))) {
        this.letters.shift();
        this.store();
      }
    } finally {
      this.flushing = null;
    }
  }

  // True when the server has answered for good, whether it took the submit or refused it.
  async send(letter) {
    let response;
    try {
      response = await post(letter.url, withToken(letter.fields));
    } catch {
      return this.later();
    }
    if (response.status >= 500 || WAIT.includes(response.status)) return this.later();
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

// A request that is kept alive goes on when the page is left; browsers allow 64 kB of them.
const MOST_KEPT_ALIVE = 30_000;

// Rejects also where the session has ended: what leads to the login page has stored nothing.
export async function post(url, body) {
  const keepalive = body.toString().length < MOST_KEPT_ALIVE;
  const headers = { "HX-Request": "true" };
  return fetch(url, { method: "POST", body, keepalive, headers, redirect: "error" });
}

// A letter of an earlier visit has the token of a session that is over.
function withToken(fields) {
  const body = new URLSearchParams(fields);
  const token = document.querySelector("input[name=csrfmiddlewaretoken]");
  if (token) body.set("csrfmiddlewaretoken", token.value);
  return body;
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
