"""Rows through an adapter, as an import puts them through."""

from typing import Any

from annotation.instances.adapters import adapt
from annotation.instances.lines import Line

from .rows import Rows


def lines_of(adapter: str, rows: Rows, **options: Any) -> list[Line]:
    return list(adapt(adapter, [Line(number, row) for number, row in enumerate(rows, 1)], options))


def read(adapter: str, rows: Rows, **options: Any) -> list[dict[str, Any]]:
    """The instances; no row may be refused."""
    lines = lines_of(adapter, rows, **options)
    assert [line.error for line in lines if line.error] == []
    return [line.value for line in lines if line.value is not None]


def ranked(instance: dict[str, Any], side: str = "human") -> dict[str, list[str]]:
    """The texts of the completions by annotator, best first; labels without a criterion."""
    texts = [each["text"] for each in instance["responses"]]
    who = "annotator" if side == "human" else "judge"
    return {
        label[who]: [
            texts[place] for place in sorted(range(len(texts)), key=label["ranking"].__getitem__)
        ]
        for label in instance[side]
        if "ranking" in label and "criterion" not in label
    }
