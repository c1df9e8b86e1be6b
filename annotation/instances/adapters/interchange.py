"""Our own interchange format: one instance a line, kept as it is."""

from collections.abc import Iterator

from .base import Adapter, Instance, Options, Row
from .values import has


def fits(row: Row) -> bool:
    if "id" not in row or not has(row, responses=list):
        return False
    own = any(isinstance(each, dict) and "prompt" in each for each in row["responses"])
    return own or "prompt" in row


def instances(row: Row, options: Options) -> Iterator[Instance]:
    yield dict(row)


ADAPTER = Adapter(
    name="interchange",
    title="Interchange",
    reads="one instance a line: id, prompt, responses, human and ai labels",
    recognised_by="it has an id, a prompt and a list of responses",
    fits=fits,
    confidence=1.0,
    instances=instances,
)
