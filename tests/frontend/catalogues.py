"""The gettext catalogues as the tests read them: no gettext tools are needed."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

LOCALES = Path(__file__).parents[2] / "frontend" / "locale"
LINE = re.compile(r'(msgctxt|msgid_plural|msgid|msgstr)(?:\[(\d)\])? (".*")')


@dataclass
class Entry:
    """One text: where it is from, what it says in English, and what in the language."""

    files: list[str] = field(default_factory=list)
    flags: str = ""
    context: str = ""
    source: str = ""
    plural: str = ""
    texts: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """What the compiled catalogue calls it."""
        return f"{self.context}\x04{self.source}" if self.context else self.source


def entries(language: str) -> list[Entry]:
    """Every text of a catalogue but its header."""
    path = LOCALES / language / "LC_MESSAGES" / "django.po"
    blocks = path.read_text(encoding="utf-8").split("\n\n")
    return [entry for entry in map(_entry, blocks) if entry.source]


def _entry(block: str) -> Entry:
    entry = Entry()
    for name, text in _strings(block):
        if name == "msgstr":
            entry.texts.append(text)
        else:
            setattr(entry, {"msgctxt": "context", "msgid": "source"}.get(name, "plural"), text)
    lines = block.splitlines()
    entry.files = [name for line in lines if line.startswith("#: ") for name in line[3:].split()]
    entry.flags = " ".join(line for line in lines if line.startswith("#,"))
    return entry


def _strings(block: str) -> Iterator[tuple[str, str]]:
    """(keyword, whole text) of each string, which may go on over several lines."""
    name, text = "", ""
    for line in block.splitlines():
        if found := LINE.fullmatch(line):
            if name:
                yield name, text
            name, text = found[1], ast.literal_eval(found[3])
        elif line.startswith('"'):
            text += ast.literal_eval(line)
    if name:
        yield name, text
