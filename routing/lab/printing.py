"""A replay as plain text, Markdown and CSV."""

import csv
import io
from collections.abc import Iterator, Sequence

from core.spreadsheets import as_text
from routing.lab.leave_one_out import LeftOut
from routing.lab.replay import Lead, Point, Replayed, Stake
from routing.lab.sensitivity import size
from routing.lab.wording import share, whole_share

_HEAD = ("", "label accuracy", "captured", "reward model", "human", "judge", "cost")
_STANDING = ("base", "truth", "budget", "learned", "best single", "single", "difference")
_COLUMNS = (
    "judge",
    "truth",
    "budget",
    "strategy",
    "label_accuracy",
    "label_low",
    "label_high",
    "captured",
    "captured_low",
    "captured_high",
    "model_accuracy",
    "model_low",
    "model_high",
    "human_labels",
    "judge_labels",
    "cost",
)


def text(replayed: Replayed) -> str:
    """Everything, ready to print: one table a budget, its sentences below."""
    parts = [_title(replayed), replayed.verdict, *_told(replayed)]
    for stake in replayed.stakes:
        rows = _rows(replayed, stake.budget)
        parts += ["", _paid(replayed, stake), _aligned(rows)]
        parts += [stake.verdict, *([stake.sensitivity.sentence] if stake.sensitivity else [])]
    return "\n".join([*parts, "", *_small_print(replayed)])


def markdown(replayed: Replayed) -> str:
    """The same as a report with tables."""
    parts = [f"# {_title(replayed)}", "", replayed.verdict, "", *_told(replayed)]
    for stake in replayed.stakes:
        parts += ["", f"## {100 * stake.budget:g} %", "", _paid(replayed, stake), ""]
        head, *rows = _rows(replayed, stake.budget)
        parts += [_line(head), _line(["---"] * len(head)), *(_line(row) for row in rows)]
        parts += ["", stake.verdict]
        parts += ["", stake.sensitivity.sentence] if stake.sensitivity else []
    parts += ["", "## Notes", "", *(f"- {line}" for line in _small_print(replayed))]
    return "\n".join(parts) + "\n"


def table(replayed: Replayed) -> str:
    """One row for each strategy and budget, as CSV; shares lie between 0 and 1."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for point in replayed.points:
        writer.writerow([as_text(replayed.judge), replayed.truth, *_figures(point)])
    return out.getvalue()


def tables(found: Sequence[tuple[str, Replayed]]) -> str:
    """The rows of `table` of several replays, each behind the name of its source."""
    rows = [line for name, each in found for line in _behind(name, table(each))]
    return "\n".join([",".join(("source", *_COLUMNS)), *rows]) + "\n"


def _behind(name: str, given: str) -> list[str]:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([name, *row] for row in list(csv.reader(io.StringIO(given)))[1:])
    return out.getvalue().splitlines()


def standing(found: Sequence[tuple[str, Replayed]]) -> str:
    """Where the learned combination stands beside the best single signal, one line a budget."""
    rows: list[Sequence[str]] = [_STANDING]
    for name, each in found:
        rows += [(f"{name}, {each.judge}", each.truth, *_lead(lead)) for lead in each.leads]
    return "Learned combination and best single signal\n" + _aligned(rows)


def left_out(found: Sequence[LeftOut], budget: float) -> str:
    """What was chosen on the other data sets, and how it did on the one left out."""
    rows: list[Sequence[str]] = [
        ("left out", "spread ×", "belief ×", *_STANDING[2:], "difference as usual")
    ]
    for row in found:
        chosen = (f"{row.spread:g}", f"{row.belief:g}")
        usual = size(row.usual.difference)
        rows.append((f"{row.source}, {row.judge}", *chosen, *_lead(row.lead), usual))
    return f"Chosen on the others, {100 * budget:g} % of the budget\n" + _aligned(rows)


def _lead(lead: Lead) -> Sequence[str]:
    mine, theirs = whole_share(lead.captured), whole_share(lead.single_captured)
    return f"{100 * lead.budget:g} %", mine, lead.single, theirs, size(lead.difference)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _figures(point: Point) -> Iterator[str | float]:
    yield from (point.budget, point.key)
    for found in (point.label_accuracy, point.captured, point.model_accuracy):
        yield from ("", "", "") if found is None else (found.value, found.low, found.high)
    yield from (point.human_labels, point.judge_labels, point.cost)


def _title(r: Replayed) -> str:
    labels = "simulated labels, " if r.simulated else ""
    return (
        f"Judge {r.judge}, truth {r.truth}: {r.instances} instances with both labels, {labels}"
        f"{r.prompts_note}, {r.seeds} seeds, {r.folds} folds; 95 % intervals over prompts and seeds"
    )


def _told(r: Replayed) -> list[str]:
    return [r.sensitivity.sentence] if r.sensitivity else []


def _paid(r: Replayed, stake: Stake) -> str:
    return (
        f"Budget {100 * stake.budget:g} %: {stake.limit:,.1f} {r.unit}; audit arm "
        f"{stake.audit:,.1f}, seed {stake.seed:,.1f} ({stake.seed_instances:.0f} instances), "
        f"routed {stake.routed:,.1f}."
    )


def _rows(r: Replayed, budget: float) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = [_HEAD]
    rows += [_row(point) for point in r.points if point.budget == budget]
    longer = ("longer completion", share(r.longer_label), "", share(r.longer_model), "", "", "")
    return [*rows, longer]


def _row(point: Point) -> Sequence[str]:
    return (
        point.name,
        share(point.label_accuracy),
        whole_share(point.captured),
        share(point.model_accuracy),
        f"{point.human_labels:,.0f}",
        f"{point.judge_labels:,.0f}",
        f"{point.cost:,.2f}",
    )


def _small_print(r: Replayed) -> list[str]:
    counted = [f"{count} instances {reason}." for reason, count in r.left_out.items()]
    return [*counted, *r.notes]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
