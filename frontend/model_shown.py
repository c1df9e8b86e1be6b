"""Model versions as their pages show them: evaluations, the probe, the fields of the gate."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.exceptions import InvalidInput
from frontend.run_form import number, whole
from frontend.templatetags.tandem import figure, percent, signed, span
from training.fit.benchmarks.names import BENCHMARKS
from training.registry.models import Evaluation, ModelVersion

Words = str | Promise

GATE_WORDS: dict[str, tuple[Words, Words]] = {
    "minimum_prompts": (
        gettext_lazy("Least held-out prompts"),
        gettext_lazy("With fewer, no figure decides anything."),
    ),
    "minimum_accuracy": (
        gettext_lazy("Least accuracy"),
        gettext_lazy("The lower end of its interval must lie above."),
    ),
    "maximum_calibration_error": (
        gettext_lazy("Largest calibration error"),
        gettext_lazy("Between what the model says and how often it is right."),
    ),
    "minimum_length_controlled_accuracy": (
        gettext_lazy("Least accuracy, length taken out"),
        gettext_lazy("A model that only likes length has 0.5."),
    ),
    "maximum_length_correlation": (
        gettext_lazy("Largest correlation with length"),
        gettext_lazy("Without its sign."),
    ),
    "tolerance": (
        gettext_lazy("May be worse than production by"),
        gettext_lazy("Judged on the same pairs, by the lower end of the interval."),
    ),
    "minimum_safety_accuracy": (
        gettext_lazy("Least accuracy on safety"),
        gettext_lazy("The lower end of its interval, on rows tagged with a concern."),
    ),
    "maximum_kl": (gettext_lazy("Largest KL to the reference"), gettext_lazy("In nats.")),
    "minimum_win_rate": (
        gettext_lazy("Least win rate"),
        gettext_lazy("Against the reference, the lower end of its interval."),
    ),
}
# Figures of an evaluation that its first line tells.
FIRST = ("score", "win_rate", "accuracy")


@dataclass(frozen=True)
class Shown:
    """An evaluation: its headline with the interval, and its sections."""

    row: Evaluation
    title: str
    headline: str
    interval: str
    sections: list[tuple[str, str, str]]
    comparison: bool


def evaluations_shown(rows: Iterable[Evaluation]) -> list[Shown]:
    """Every evaluation in words."""
    return [_evaluation(row) for row in rows]


def _evaluation(row: Evaluation) -> Shown:
    name = next((name for name in FIRST if row.figures.get(name) is not None), "")
    interval = row.figures.get(f"{name}_interval")
    return Shown(
        row,
        BENCHMARKS.get(row.name, row.name),
        percent(row.figures.get(name), 1) if name else "",
        span(interval) if interval else "",
        _sections(row.figures),
        "generators" in row.source,
    )


def _sections(figures: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Parts of an evaluation that have a figure of their own: name, value, interval."""
    found = []
    for outer in ("sections", "subsets", "judges", "by_n"):
        for name, part in (figures.get(outer) or {}).items():
            found.append(_section(str(name), part))
    if isinstance(figures.get("people"), dict):
        found.append(_section(_("people"), figures["people"]))
    return [each for each in found if each[1]]


def _section(name: str, part: Any) -> tuple[str, str, str]:
    if isinstance(part, int | float):
        return name, percent(part, 1), ""
    if not isinstance(part, dict):
        return name, "", ""
    key = next((key for key in (*FIRST, "reward") if part.get(key) is not None), "")
    interval = part.get(f"{key}_interval")
    if key == "reward":
        return name, figure(part[key]), ""
    return name, percent(part.get(key), 1) if key else "", span(interval) if interval else ""


def probe_shown(version: ModelVersion) -> dict[str, Any] | None:
    """The comparison with production on the probe; None where it was not measured."""
    probe = version.metrics.get("probe")
    if not probe:
        return None
    found = {"number": probe.get("probe"), "accuracy": percent(probe.get("accuracy"), 1)}
    interval = probe.get("accuracy_interval")
    found["interval"] = span(interval) if interval else ""
    compared = probe.get("production")
    if compared:
        low, high = compared["interval"]
        found["production"] = {
            "number": compared["number"],
            "difference": f"{signed(100 * compared['difference'], 1)} %",
            "interval": f"{signed(100 * low, 1)} – {signed(100 * high, 1)}",
        }
    return found


def gate_entered(form: QueryDict) -> dict[str, Any]:
    """The thresholds of a form; an empty field asks nothing.

    Raises:
        InvalidInput: a field is no number; the message names it.
    """
    found: dict[str, Any] = {}
    for name, (words, _hint) in GATE_WORDS.items():
        raw = form.get(name, "").strip()
        found[name] = _number(str(words), raw, name == "minimum_prompts") if raw else None
    if found["minimum_prompts"] is None:
        del found["minimum_prompts"]
    found["benchmarks"] = {
        name: _number(title, raw, False)
        for name, title in BENCHMARKS.items()
        if (raw := form.get(f"benchmark.{name}", "").strip())
    }
    return found


def _number(words: str, raw: str, counted: bool) -> float:
    try:
        return whole(raw) if counted else number(raw)
    except ValueError as error:
        raise InvalidInput(f"{words}: {error}") from None
