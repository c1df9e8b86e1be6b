"""The comparison of a round, as its page shows it."""

from typing import Any

from django.utils.translation import gettext as _

from routing.rounds.models import Round

from .charts import Bar, Chart, interval_chart


def comparison_of(row: Round | None) -> dict[str, Any]:
    """The comparison of a finished round, or `{"not_compared": reason}`; empty before that."""
    if row is None or not row.summary:
        return {}
    if "not_compared" in row.summary:
        return {"not_compared": row.summary["not_compared"]}
    return dict(row.summary.get("comparison", {}))


def comparison_chart(comparison: dict[str, Any], ours: str) -> Chart | None:
    """Label accuracy of each mix with its interval; `ours` is the key of the mix in use."""
    bars = [
        Bar(arm["name"], found["value"], found["low"], found["high"], _kind(arm["key"], ours))
        for arm in comparison.get("arms", [])
        if (found := arm["label_accuracy"])
    ]
    label = _("Label accuracy of each mix against held-out human votes, in per cent")
    return interval_chart(bars, x=_("label accuracy, %"), label=label)


def arm_in_use(row: Round | None) -> str:
    """The key of the mix by which the round has routed."""
    return row.router.strategy if row and row.router else ""


def _kind(key: str, ours: str) -> str:
    return (
        "ours" if key == ours else {"all-judge": "judge", "all-human": "people"}.get(key, "other")
    )
