"""A process of virtual annotators who label until nothing is left, through any fault.

    python -m tests.load.annotators '{"port": 8000, "slug": "load", "sessions": ["…", …]}'

They do what the page's outbox does: a submit without an answer, or answered with a 5xx, is sent
again with the same client id until the server has answered for good. Now and then one is sent
again although it was acknowledged. Prints JSON: what was acknowledged, refused and sent again.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from tests.bench.labelling.browsing import Browser, Labelling, Refused, Shown, filled

T = TypeVar("T")

PAUSE_SECONDS = 0.3
REPEATED = 0.1
PATIENCE_SECONDS = 120


class Annotator(Labelling):
    """One person with a session, who never gives up on a submit."""

    def __init__(self, port: int, slug: str, session: str) -> None:
        super().__init__(Browser(port, timeout=20), slug)
        self.browser.cookies["sessionid"] = session
        self.acknowledged: list[str] = []
        self.refused: list[str] = []
        self.retries = 0

    def label_all(self) -> None:
        while slot := self.insist(self.next):
            self.send(slot)

    def send(self, slot: Shown) -> None:
        form = filled(slot)
        try:
            self.insist(lambda: self.deliver(form))
        except Refused as refusal:
            self.refused.append(str(refusal))
            return
        self.acknowledged.append(form["client_id"])
        if random.random() < REPEATED:
            self.insist(lambda: self.deliver(form))

    def deliver(self, form: dict[str, str]) -> None:
        self.receive(*self.browser.post(self.path("submit/"), form))

    def insist(self, act: Callable[[], T]) -> T:
        """Do it until the server has answered for good."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return act()
            except Refused as refusal:
                if refusal.status < 500 or time.monotonic() > deadline:
                    raise
            except (http.client.HTTPException, OSError):
                if time.monotonic() > deadline:
                    raise
            self.retries += 1
            time.sleep(PAUSE_SECONDS * (0.5 + random.random()))


def main(job: dict[str, Any]) -> None:
    people = [Annotator(job["port"], job["slug"], session) for session in job["sessions"]]
    threads = [threading.Thread(target=person.label_all) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result = {
        "acknowledged": [each for person in people for each in person.acknowledged],
        "refused": [each for person in people for each in person.refused],
        "retries": sum(person.retries for person in people),
    }
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
