"""What an import did, told in a few lines."""

from __future__ import annotations

from collections import Counter
from typing import Any

MOST_REFUSED = 10
COUNTS = ("created", "updated", "unchanged", "duplicates", "refused", "labels")


class Report(dict[str, Any]):
    """The report of an import or a dry run: a dictionary that shows itself in lines.

    Its keys are the interface's: `created`, `refused`, `labels`, `errors`, `diff`, …
    """

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Counts, the fields that change, the first refused rows."""
        did = "Dry run, nothing changed" if self.get("dry_run") else "Imported"
        lines = [f"{did}; read as {self.get('adapter')}."]
        lines += [f"  {name} {self.get(name, 0)}" for name in COUNTS]
        changes = [each for each in self.get("diff") or () if each["what"] == "updated"]
        if fields := Counter(name for each in changes for name in each["fields"]):
            named = ", ".join(f"{name} ({times})" for name, times in fields.most_common())
            lines.append(f"Fields that change: {named}")
        lines += [f"Note: {note} ({times})" for note, times in (self.get("notes") or {}).items()]
        lines += [
            f"Refused: line {each.get('line') or '–'} {each.get('id') or ''}: {each['reason']}"
            for each in (self.get("errors") or [])[:MOST_REFUSED]
        ]
        if (more := self.get("refused", 0) - MOST_REFUSED) > 0:
            lines.append(f"… and {more} more; the job's page has them as a table.")
        return lines
