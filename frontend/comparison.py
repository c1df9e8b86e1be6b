"""The comparison of a round, as its page shows it."""

from typing import Any

from routing.rounds.models import Round

from .charts import Bar, Chart, interval_chart


def comparison_of(row: Round | None) -> dict[str, Any]:
    """The comparison of a finished round, or `{"not_compared": reason}`; empty before that."""
    if row is None or not row.summary:
        return {}
    if "not_compared" in row.summary:
        return {"not_compared": row.summary["not_compared"]}
    return dict(row.summary.get("comparison", {}))


def comparison_chart(comparison: dict[str, Any]) -> Chart | None:
    """Label accuracy of each mix with its interval."""
    bars = [
        Bar(arm["name"], found["value"], found["low"], found["high"], kind_of(arm["name"]))
        for arm in comparison.get("arms", [])
        if (found := arm["label_accuracy"])
    ]
    label = "Label accuracy of each mix against held-out human votes, in per cent"
    return interval_chart(bars, x="label accuracy, %", label=label)


def kind_of(name: str) -> str:
    """Which colour a mix has: people, judges, our router, or another."""
    if name.startswith("routed"):
        return "ours"
    return {"all-judge": "judge", "all-human": "people"}.get(name, "other")
