"""A comparison as a table of plain text."""

from routing.lab.comparison import Arm, Comparison
from routing.lab.statistics import Interval

_HEAD = ("", "label accuracy", "reward model", "human", "judge", "cost", "captured")


def render(comparison: Comparison) -> str:
    """The summary table with its sentences, ready to print."""
    rows = [_HEAD, *(_row(arm) for arm in comparison.arms)]
    longer = (_share(comparison.longer_label), _share(comparison.longer_model))
    rows.append(("longer completion", *longer, "", "", "", ""))
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([_title(comparison), *table, *_sentences(comparison)])


def _title(c: Comparison) -> str:
    labels = "simulated labels, " if c.simulated else ""
    return (
        f"Judge {c.judge}: {c.instances} instances with both sources, {labels}"
        f"{c.prompts_note}, {c.seeds} seeds; 95 % intervals over prompts and seeds"
    )


def _row(arm: Arm) -> tuple[str, ...]:
    return (
        arm.name,
        _share(arm.label_accuracy),
        _share(arm.model_accuracy),
        f"{arm.human_labels:.0f}",
        f"{arm.judge_labels:.0f}",
        f"{arm.cost:,.2f}",
        "" if arm.captured is None else f"{100 * arm.captured:.0f} %",
    )


def _share(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    return f"{100 * interval.value:.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def _sentences(c: Comparison) -> list[str]:
    b = c.budget
    lines = [
        f"Budget {b['limit']:,.2f} {c.unit} ({100 * b['share']:.0f} % of all bought labels): "
        f"audit arm {b['audit']:,.2f}, seed {b['seed']:,.2f}, routed {b['routed']:,.2f}.",
        c.verdict,
    ]
    if c.sensitivity:
        lines.append(c.sensitivity.sentence)
    lines += [f"{reason.capitalize()}: {count} instances." for reason, count in c.left_out.items()]
    return [*lines, *c.notes]
