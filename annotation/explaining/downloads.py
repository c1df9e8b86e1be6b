"""An explanation as a file: JSON with everything, CSV of the coefficients, Markdown to read."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from core.exceptions import NotFound
from core.spreadsheets import as_text

from .models import Explanation
from .words import contrast_sentence, principle_sentences, refusal, source_title, title

Json = dict[str, Any]
COLUMNS = (
    *("criterion", "table", "source", "tag", "factor", "log_odds_per_sd", "low", "high", "p"),
    *("stands_out", "labels", "prompts", "with_generators_held"),
)


def download(explanation: Explanation, suffix: str) -> tuple[str, str]:
    """The content and its type.

    Raises:
        NotFound: there is no such format.
    """
    if suffix not in FORMATS:
        raise NotFound(f"An explanation comes as {', '.join(FORMATS)}.")
    kind, write = FORMATS[suffix]
    return write(explanation), kind


def as_json(explanation: Explanation) -> str:
    return json.dumps(facts_of(explanation) | explanation.figures, ensure_ascii=False, indent=1)


def facts_of(explanation: Explanation) -> Json:
    """What was explained, and when."""
    snapshot = explanation.snapshot
    return {
        "explanation": explanation.pk,
        "project": explanation.project.slug,
        "created_at": explanation.created_at.isoformat(),
        "snapshot": snapshot.content_hash if snapshot else None,
        "newest_annotation": explanation.newest_annotation or None,
    }


def as_csv(explanation: Explanation) -> str:
    """A row per coefficient; texts of people cannot start a formula."""
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    for row in _rows(explanation.figures):
        writer.writerow(
            {key: as_text(value) if isinstance(value, str) else value for key, value in row.items()}
        )
    return file.getvalue()


def _rows(figures: Json) -> Iterator[Json]:
    names = figures["sources"]
    for criterion in figures["criteria"]:
        for key, source in criterion["sources"].items():
            about = {"criterion": criterion["key"], "source": source_title(names, key)}
            for row in source.get("coefficients", []):
                held = (row.get("held") or {}).get("value")
                yield about | _row("factors", row, source) | {"with_generators_held": held}
            for domain in source.get("domains", []):
                for row in domain["coefficients"]:
                    yield about | _row("tag", row, domain) | {"tag": domain["tag"]}
        for key, contrast in criterion["contrasts"].items():
            about = {"criterion": criterion["key"], "source": source_title(names, key)}
            for row in contrast["coefficients"]:
                yield about | _row("judge minus people", row, {"labels": contrast["pairs"]})


def _row(table: str, row: Json, counts: Json) -> Json:
    return {
        "table": table,
        "factor": row["key"],
        "log_odds_per_sd": row["value"],
        "low": row["low"],
        "high": row["high"],
        "p": row["chance"],
        "stands_out": row["stands_out"],
        "labels": counts.get("labels"),
        "prompts": counts.get("prompts"),
    }


def as_markdown(explanation: Explanation) -> str:
    figures, facts = explanation.figures, facts_of(explanation)
    of = f"snapshot {facts['snapshot'][:12]}" if facts["snapshot"] else "all labels that stood"
    lines = [
        f"# What explains the labels of {facts['project']}",
        "",
        f"{figures['labels']} labels on {figures['instances']} instances of {figures['prompts']} "
        f"prompts; {of}, {facts['created_at'][:10]}. Coefficients are log-odds per standard "
        "deviation of the difference, intervals 95 %; * stands out with the false discovery rate "
        "held at 5 %.",
    ]
    for criterion in figures["criteria"]:
        lines += ["", f"## {_inline(criterion['name'])}"]
        for key, source in criterion["sources"].items():
            lines += _source_lines(source_title(figures["sources"], key), source)
        for key, contrast in criterion["contrasts"].items():
            lines += _contrast_lines(source_title(figures["sources"], key), contrast)
    return "\n".join([*lines, *_rest_lines(figures), ""])


def _source_lines(name: str, source: Json) -> list[str]:
    lines = ["", f"### {_inline(name)}", ""]
    if source["refused"]:
        return [*lines, refusal(source["refused"])]
    told = ", ".join(principle_sentences(source["principles"]["factors"]))
    foretold = source["foretells"]
    lines.append(
        f"{source['labels']} labels, {source['prompts']} prompts. "
        f"In short: {told or 'nothing stands out'}. "
        f"These alone name {_percent(source['principles']['reconstructs'])} of held-out labels, "
        f"all factors {_percent(foretold['factors'])}, length {_percent(foretold['length'])}."
    )
    if length := source["length"]:
        lines.append(f"The longer completion wins {_percent(length['longer'])}.")
    lines += ["", "| factor | coefficient | interval |", "|---|---|---|"]
    for row in source["coefficients"]:
        mark = " *" if row["stands_out"] else ""
        lines.append(f"| {title(row['key'])}{mark} | {row['value']:+.2f} | {_interval(row)} |")
    return lines


def _contrast_lines(name: str, contrast: Json) -> list[str]:
    told = [
        f"- {_inline(contrast_sentence(name, row))} ({row['value']:+.2f}, {_interval(row)})"
        for row in contrast["coefficients"]
        if row["stands_out"]
    ]
    heading = f"### {_inline(name)} beside people on {contrast['pairs']} pairs"
    return ["", heading, "", *(told or ["Nothing stands out."])]


def _rest_lines(figures: Json) -> list[str]:
    lines: list[str] = []
    if figures["conflicts"]:
        lines += ["", "## Conflict between criteria", ""]
    for row in figures["conflicts"]:
        who = _inline(source_title(figures["sources"], row["source"]))
        lines.append(
            f"- {who}: who wins on {row['a']} loses on {row['b']} in {_percent(row)} of "
            f"{row['labels']} pairs"
        )
    if spread := figures["diversity"]:
        lines += [
            "",
            "## Diversity",
            "",
            f"Mean {spread['mean']:.2f}; near-duplicates in {spread['near']} of "
            f"{spread['instances']} instances.",
        ]
    return lines


def _percent(found: Json | None) -> str:
    return "–" if found is None else f"{100 * found['value']:.1f} %"


def _interval(row: Json) -> str:
    return "–" if row["low"] is None else f"{row['low']:+.2f} to {row['high']:+.2f}"


def _inline(text: str) -> str:
    """A name that can neither open a cell, a line nor a tag of Markdown."""
    return " ".join(text.split()).translate({ord(each): f"\\{each}" for each in "\\`*_[]<>#|"})


FORMATS = {
    "json": ("application/json", as_json),
    "csv": ("text/csv", as_csv),
    "md": ("text/markdown", as_markdown),
}
