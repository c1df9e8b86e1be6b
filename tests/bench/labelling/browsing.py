"""An annotator's browser without a screen: one keep-alive connection, cookies, the page's forms.

It asks for what the page's own script asks for (`static/js/label.js`, `outbox.js`), in the same
order: the page once, the slot after it once, and from then on one request per label, whose reply
carries the slot after the next.
"""

from __future__ import annotations

import gzip
import html
import http.client
import random
import re
import urllib.parse
import uuid
from dataclasses import dataclass

HOST = "127.0.0.1"
FRAGMENT = {"HX-Request": "true"}
FORM = re.compile(r'<form\b[^>]*action="[^"]*/label/submit/".*?</form>', re.DOTALL)
INPUT = re.compile(r"<input\b[^>]*>")
ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')


class Refused(Exception):
    """An answer that was not expected: its status and how it begins."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text[:200]}")
        self.status = status


@dataclass(frozen=True)
class Shown:
    """A slot on the screen: the fields its form sends, and the choices per criterion."""

    fields: dict[str, str]
    choices: dict[str, list[str]]

    @property
    def key(self) -> str:
        return self.fields["slot"]


def read_slot(page: str) -> Shown | None:
    """The labelling form of a page or fragment; None where there is nothing to label."""
    form = FORM.search(page)
    if form is None:
        return None
    fields: dict[str, str] = {}
    choices: dict[str, list[str]] = {}
    for tag in INPUT.findall(form.group()):
        attributes = dict(ATTRIBUTE.findall(tag))
        name, value = attributes.get("name", ""), html.unescape(attributes.get("value", ""))
        if attributes.get("type") == "hidden":
            fields[name] = value
        elif attributes.get("type") == "radio" and name.startswith("answer-"):
            choices.setdefault(name, []).append(value)
    return Shown(fields, choices)


class Browser:
    """A connection that is opened again when the server has closed it. Raises OSError or
    `http.client.HTTPException` where that fails, too."""

    def __init__(self, port: int, timeout: float = 60) -> None:
        self.port, self.timeout = port, timeout
        self.cookies: dict[str, str] = {}
        self.connection: http.client.HTTPConnection | None = None

    def get(self, path: str) -> tuple[int, str]:
        return self.request("GET", path)

    def post(self, path: str, form: dict[str, str], *, fragment: bool = True) -> tuple[int, str]:
        body = urllib.parse.urlencode(form).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.request("POST", path, body, headers | (FRAGMENT if fragment else {}))

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, str]:
        """One request, once more on a fresh connection where the old one was closed meanwhile."""
        sent = {"Accept-Encoding": "gzip", **(headers or {})}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        fresh = self.connection is None
        try:
            return self.exchange(method, path, body, sent)
        except (http.client.HTTPException, OSError):
            self.close()
            if fresh:
                raise
        try:
            return self.exchange(method, path, body, sent)
        except (http.client.HTTPException, OSError):
            self.close()
            raise

    def exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, str]:
        if self.connection is None:
            self.connection = http.client.HTTPConnection(HOST, self.port, timeout=self.timeout)
        self.connection.request(method, path, body=body, headers=headers)
        response = self.connection.getresponse()
        raw = response.read()
        for line in response.headers.get_all("Set-Cookie", []):
            name, _, rest = line.partition("=")
            self.cookies[name.strip()] = rest.split(";")[0]
        if response.getheader("Content-Encoding") == "gzip":
            raw = gzip.decompress(raw)
        return response.status, raw.decode()

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Labelling:
    """One annotator in one project: what is on the screen, and what waits behind it."""

    def __init__(self, browser: Browser, slug: str) -> None:
        self.browser = browser
        self.slug = slug
        self.waiting: list[Shown] = []

    def path(self, name: str = "") -> str:
        return f"/p/{self.slug}/label/{name}"

    def log_in(self, name: str, password: str) -> None:
        """Through the form, with its token."""
        _, page = self.browser.get("/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        form = {"username": name, "password": password}
        form["csrfmiddlewaretoken"] = token.group(1) if token else ""
        status, text = self.browser.post("/login/", form, fragment=False)
        if status != 302:
            raise Refused(status, text)

    def open(self) -> None:
        """Load the page, and have the slot after its own rendered ahead."""
        status, page = self.browser.get(self.path())
        if status != 200:
            raise Refused(status, page)
        first = read_slot(page)
        self.waiting = [first] if first else []
        if first:
            token = first.fields["csrfmiddlewaretoken"]
            self.receive(*self.browser.post(self.path("next/"), {"csrfmiddlewaretoken": token}))

    def receive(self, status: int, text: str) -> None:
        """Put the slot of a reply behind what is there already."""
        if status not in {200, 204}:
            raise Refused(status, text)
        slot = read_slot(text)
        if slot and slot.key not in {each.key for each in self.waiting}:
            self.waiting.append(slot)

    def next(self) -> Shown | None:
        """The slot in front; it is here already unless everything is labelled."""
        if not self.waiting:
            self.open()
        return self.waiting.pop(0) if self.waiting else None

    def submit(self, slot: Shown) -> str:
        """Answer at random and send it; returns the client id once the server has acknowledged."""
        form = filled(slot)
        self.receive(*self.browser.post(self.path("submit/"), form))
        return form["client_id"]


def filled(slot: Shown) -> dict[str, str]:
    """The form as the script sends it, with an id of its own and a random answer."""
    answers = {name: random.choice(values) for name, values in slot.choices.items()}
    return slot.fields | answers | {"client_id": str(uuid.uuid4()), "seconds": "1.5"}
