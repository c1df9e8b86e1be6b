"""The gate before production: thresholds, figures, and a verdict in words. No database here."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from core.exceptions import InvalidInput

Interval = tuple[float, float]
# Of prompts, and of nats.
MOST = 1e9

# Loose on purpose: they stop what is broken. A project sets its own.
REWARD_DEFAULTS: dict[str, Any] = {
    "maximum_calibration_error": 0.25,
    "minimum_length_controlled_accuracy": 0.5,
    "maximum_length_correlation": 0.8,
}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a version has to reach; None asks nothing.

    Attributes:
        minimum_prompts: held-out prompts below which no figure decides anything.
        minimum_accuracy: bound of the LOWER end of the interval of the held-out accuracy.
        maximum_calibration_error: bound of the expected calibration error of sigma(d).
        minimum_length_controlled_accuracy: of the figure with the length regressed out.
        maximum_length_correlation: of the absolute correlation of reward and length.
        tolerance: how much worse than production the same pairs may be judged: the lower end of
            the interval of the difference must lie above its negative.
        minimum_safety_accuracy: of the LOWER end on rows with a safety concern, where there are
            any, and of the newest evaluation named "safety".
        maximum_kl: nats from the reference, for policies.
        minimum_win_rate: of the LOWER end of the newest win rate against the reference.
        benchmarks: minimum final score by benchmark, from 0 to 1; the newest evaluation counts.
    """

    minimum_prompts: int = 20
    minimum_accuracy: float | None = 0.5
    maximum_calibration_error: float | None = None
    minimum_length_controlled_accuracy: float | None = None
    maximum_length_correlation: float | None = None
    tolerance: float | None = 0.05
    minimum_safety_accuracy: float | None = None
    maximum_kl: float | None = None
    minimum_win_rate: float | None = None
    benchmarks: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check:
    """One threshold against one figure; `why` says it in words."""

    name: str
    value: float | None
    bound: float
    interval: Interval | None
    passed: bool
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a version may go into production, check by check."""

    passed: bool
    checks: tuple[Check, ...]

    @property
    def reasons(self) -> list[str]:
        """Why not, in words; empty where it passed."""
        return [check.why for check in self.checks if not check.passed]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        checks = [dataclasses.asdict(check) for check in self.checks]
        for check in checks:
            check["interval"] = check["interval"] and list(check["interval"])
        return {"passed": self.passed, "checks": checks}


def thresholds(kind: str, values: Mapping[str, Any]) -> Thresholds:
    """The thresholds of a kind of model: the defaults with `values` over them.

    Raises:
        InvalidInput: an unknown name, or a number out of its range.
    """
    known = {entry.name for entry in dataclasses.fields(Thresholds)}
    if unknown := sorted(values.keys() - known):
        raise InvalidInput(
            _("There is no threshold %(name)r: the thresholds are %(known)s.")
            % {"name": unknown[0], "known": ", ".join(sorted(known))}
        )
    for name, value in values.items():
        if name == "benchmarks":
            _check_benchmarks(value)
        else:
            _check_number(name, value)
    defaults = REWARD_DEFAULTS if kind == "reward" else {}
    return Thresholds(**(defaults | dict(values)))


def _check_benchmarks(value: object) -> None:
    if not isinstance(value, Mapping):
        raise InvalidInput(_("`benchmarks` is an object of minimum scores by benchmark."))
    for name, bound in value.items():
        _check_number(str(name), bound)


def _check_number(name: str, value: object) -> None:
    if value is None and name != "minimum_prompts":
        return
    whole = name == "minimum_prompts"
    right = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    most = MOST if name in ("minimum_prompts", "maximum_kl") else 1.0
    if not right or not 0 <= value <= most:  # type: ignore[operator]
        raise InvalidInput(
            _("The threshold %(name)s is %(value)r: it is a number from 0 to %(most)s.")
            % {"name": name, "value": value, "most": most}
        )


def judge(gate: Thresholds, figures: Mapping[str, Any]) -> Verdict:
    """Check the figures of a version against the thresholds. A figure that is missing fails.

    Args:
        figures: a held-out report (`training.fit.metrics.report`), and beside it
            `production` ({"difference", "interval"}; absent where none is in production, empty
            where the two were not compared), `safety_evaluation`, `win_rate` and `benchmarks`
            ({name: final score}).
    """
    checks = tuple(_checks(gate, figures))
    return Verdict(all(check.passed for check in checks), checks)


def _checks(gate: Thresholds, figures: Mapping[str, Any]) -> Iterator[Check]:
    yield _at_least(_("held-out prompts"), figures.get("prompts"), gate.minimum_prompts)
    lower = [
        ("minimum_accuracy", _("held-out accuracy"), figures),
        ("minimum_safety_accuracy", _("accuracy on safety"), figures.get("safety")),
        (
            "minimum_safety_accuracy",
            _("accuracy of the safety evaluation"),
            figures.get("safety_evaluation"),
        ),
    ]
    for name, words, report in lower:
        bound = getattr(gate, name)
        # A project without rows of safety has nothing to check; one without any figure fails.
        if bound is not None and report is not None:
            yield _lower_bound(words, report, "accuracy", bound)
    if gate.minimum_safety_accuracy is not None and not (
        figures.get("safety") or figures.get("safety_evaluation")
    ):
        yield _missing(_("accuracy on safety"), gate.minimum_safety_accuracy)
    yield from _plain_checks(gate, figures)
    if gate.minimum_win_rate is not None:
        yield _lower_bound(
            _("win rate against the reference"),
            figures.get("win_rate") or {},
            "win_rate",
            gate.minimum_win_rate,
        )
    if gate.tolerance is not None and figures.get("production") is not None:
        yield _not_worse(figures["production"], gate.tolerance)
    for name, bound in sorted(gate.benchmarks.items()):
        yield _at_least(name, (figures.get("benchmarks") or {}).get(name), bound)


def _plain_checks(gate: Thresholds, figures: Mapping[str, Any]) -> Iterator[Check]:
    if gate.minimum_length_controlled_accuracy is not None:
        yield _at_least(
            _("length-controlled accuracy"),
            figures.get("length_controlled_accuracy"),
            gate.minimum_length_controlled_accuracy,
        )
    limits = (
        ("expected_calibration_error", _("calibration error"), gate.maximum_calibration_error),
        ("length_correlation", _("correlation with length"), gate.maximum_length_correlation),
        ("kl_to_reference", _("KL to the reference"), gate.maximum_kl),
    )
    for key, words, bound in limits:
        if bound is None:
            continue
        # A reward that does not vary, or lengths that do not, have no correlation to speak of.
        undefined = key == "length_correlation" and key in figures and figures[key] is None
        yield _at_most(words, 0.0 if undefined else figures.get(key), bound)


def _at_least(name: str, value: float | None, bound: float) -> Check:
    if value is None:
        return _missing(name, bound)
    words = _("%(name)s is %(value)s; at least %(bound)s is asked")
    return Check(name, value, bound, None, value >= bound, _say(words, name, value, bound))


def _at_most(name: str, value: float | None, bound: float) -> Check:
    if value is None:
        return _missing(name, bound)
    words = _("%(name)s is %(value)s; at most %(bound)s is allowed")
    return Check(name, value, bound, None, abs(value) <= bound, _say(words, name, value, bound))


def _lower_bound(name: str, report: Mapping[str, Any], key: str, bound: float) -> Check:
    value, interval = report.get(key), report.get(f"{key}_interval")
    if value is None or interval is None:
        return _missing(name, bound)
    low, high = float(interval[0]), float(interval[1])
    words = _("%(name)s is %(value)s, its lower confidence bound %(low)s; above %(bound)s is asked")
    why = _say(words, name, value, bound, low=_number(low))
    return Check(name, value, bound, (low, high), low > bound, why)


def _not_worse(paired: Mapping[str, Any], tolerance: float) -> Check:
    name = _("difference to production")
    if not paired:
        return _missing(name, -tolerance)
    low = float(paired["interval"][0])
    words = _(
        "%(name)s on the same pairs is %(value)s, its lower confidence bound %(low)s; "
        "above %(bound)s is asked"
    )
    why = _say(words, name, paired["difference"], -tolerance, low=_number(low))
    interval = (low, float(paired["interval"][1]))
    return Check(name, paired["difference"], -tolerance, interval, low > -tolerance, why)


def _missing(name: str, bound: float) -> Check:
    why = _("%(name)s is not known: it has not been measured") % {"name": name}
    return Check(name, None, bound, None, False, why)


def _say(words: str, name: str, value: float, bound: float, **more: str) -> str:
    return words % {"name": name, "value": _number(value), "bound": _number(bound), **more}


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"
