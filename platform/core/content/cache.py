"""Rendered texts of this process: the same completions are shown again and again."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock


class TextCache:
    """The least recently used go first; `most_characters` bounds what all of them hold."""

    def __init__(self, most_characters: int) -> None:
        self.most_characters = most_characters
        self.characters = 0
        self._kept: OrderedDict[bytes, str] = OrderedDict()
        self._lock = Lock()

    def get(self, text: str, render: Callable[[str], str]) -> str:
        """`render(text)`, kept by the hash of the text; two threads may both render it once."""
        key = hashlib.blake2b(text.encode(), digest_size=16).digest()
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        made = render(text)
        self._keep(key, made)
        return made

    def _keep(self, key: bytes, made: str) -> None:
        with self._lock:
            self.characters += len(made) - len(self._kept.pop(key, ""))
            self._kept[key] = made
            while self.characters > self.most_characters:
                self.characters -= len(self._kept.popitem(last=False)[1])
