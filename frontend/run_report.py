"""The report of a run as its page shows it: figures with their intervals, tables, counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from frontend.templatetags.tandem import counts, figure, fixed, percent, span
from jobs.models import Job
from training.runs.models import Run

Words = str | Promise
MOST_TAGS = 40
COUNTS: dict[str, Words] = {
    "rows": gettext_lazy("Rows"),
    "completions": gettext_lazy("Completions"),
    "prompts_truncated": gettext_lazy("Prompts cut"),
    "completions_truncated": gettext_lazy("Completions cut"),
    "dropped_identical": gettext_lazy("Dropped: identical completions"),
    "dropped_uninformative": gettext_lazy("Dropped: nothing to learn from"),
    "dropped_own_prompts": gettext_lazy("Dropped: a prompt of their own"),
    "empty_completions": gettext_lazy("Empty completions"),
}
# Figures of the held-out report, with what to write in which unit.
SHARES: dict[str, Words] = {
    "accuracy": gettext_lazy("Accuracy"),
    "longer_baseline": gettext_lazy("The longer one is better"),
    "length_controlled_accuracy": gettext_lazy("Accuracy, length taken out"),
    "length_balanced_accuracy": gettext_lazy("Accuracy, lengths balanced"),
    "accuracy_where_longer_wins": gettext_lazy("Accuracy where the longer one wins"),
    "accuracy_where_shorter_wins": gettext_lazy("Accuracy where the shorter one wins"),
    "ranking_accuracy": gettext_lazy("Ranked right by likelihood"),
    "reference_ranking_accuracy": gettext_lazy("The same by the reference"),
    "chosen_less_likely": gettext_lazy("Preferred, but less likely than before"),
}
NUMBERS: dict[str, Words] = {
    "expected_calibration_error": gettext_lazy("Calibration error"),
    "brier": gettext_lazy("Brier score"),
    "margin": gettext_lazy("Mean margin"),
    "mean_reward": gettext_lazy("Mean reward"),
    "length_correlation": gettext_lazy("Correlation with length"),
    "log_ratio_chosen": gettext_lazy("Log-ratio, preferred"),
    "log_ratio_rejected": gettext_lazy("Log-ratio, other side"),
    "tokens_chosen": gettext_lazy("Tokens, preferred"),
    "tokens_rejected": gettext_lazy("Tokens, other side"),
}


@dataclass(frozen=True)
class Figure:
    """A figure in words: its value, and its interval where it has one."""

    name: str
    value: str
    interval: str = ""


@dataclass(frozen=True)
class Part:
    """Accuracy and calibration of a part of the held-out rows."""

    name: str
    prompts: int
    pairs: int
    accuracy: str
    interval: str
    calibration: str
    few: bool


@dataclass(frozen=True)
class Report:
    """All that a report says."""

    headlines: list[Figure]
    figures: list[Figure]
    sources: list[Part]
    tags: list[Part]
    safety: Part | None
    annotators: list[tuple[str, int, str, int]]
    regrets: list[tuple[str, str]]
    counts: list[tuple[str, int, int]]
    samples: list[dict[str, Any]]
    speed: list[Figure]


def report_of(run: Run) -> Report | None:
    """The report of a run that has ended; None before that."""
    report = run.report
    if not report:
        return None
    held_out = report.get("eval", {})
    return Report(
        headlines=_headlines(report, held_out),
        figures=[*figures_of(held_out), *_beside(report, held_out)],
        sources=_parts(report.get("eval_by_source", {})),
        tags=_parts(report.get("eval_by_tag", {}))[:MOST_TAGS],
        safety=_part(_("safety"), held_out["safety"]) if held_out.get("safety") else None,
        annotators=[
            (name, each["pairs"], percent(each["accuracy"], 1), each["trained"])
            for name, each in report.get("eval_by_annotator", {}).items()
        ],
        regrets=[
            (n, percent(each["regret"], 1))
            for n, each in sorted(held_out.get("best_of_n_regret", {}).items())
        ],
        counts=_counts(report.get("counts", {})),
        samples=report.get("samples", []),
        speed=_speed(report),
    )


def _headlines(report: Mapping[str, Any], held_out: Mapping[str, Any]) -> list[Figure]:
    """What stands above all else."""
    found = [
        _share(name, held_out)
        for name in ("accuracy", "longer_baseline", "length_controlled_accuracy")
        if held_out.get(name) is not None
    ]
    error = held_out.get("expected_calibration_error")
    if error is not None:
        found.append(Figure(_("Calibration error"), fixed(error, 3)))
    if report.get("kl_to_reference") is not None:
        found.append(Figure(_("KL to the reference, nats"), fixed(report["kl_to_reference"], 2)))
    return found


def figures_of(held_out: Mapping[str, Any]) -> list[Figure]:
    """Every figure of a held-out report that is one number."""
    shares = [_share(name, held_out) for name in SHARES if held_out.get(name) is not None]
    numbers = [
        Figure(str(words), fixed(held_out[name], 3))
        for name, words in NUMBERS.items()
        if held_out.get(name) is not None
    ]
    return [*shares, *numbers]


def _beside(report: Mapping[str, Any], held_out: Mapping[str, Any]) -> list[Figure]:
    """What a head and the samples add to the figures, and whether likelihood was displaced."""
    variance = report.get("variance", {})
    numbers = [
        (_("Mean variance of a difference"), variance.get("mean"), 3),
        (_("Variance foretells errors (AUC)"), variance.get("error_auc"), 3),
        (_("Tokens of an answer drawn"), report.get("tokens_drawn"), 1),
    ]
    found = [Figure(words, fixed(value, n)) for words, value, n in numbers if value is not None]
    for name, each in report.get("attributes", {}).items():
        if each.get("rmse") is not None:
            words = _("Rating of %(name)s: error") % {"name": name}
            found.append(Figure(words, fixed(each["rmse"], 3)))
    if held_out.get("likelihood_displacement"):
        found.append(Figure(_("Likelihood of preferred answers fell"), _("yes")))
    return found


def _share(name: str, held_out: Mapping[str, Any]) -> Figure:
    interval = held_out.get(f"{name}_interval")
    return Figure(str(SHARES[name]), percent(held_out[name], 1), span(interval) if interval else "")


def _parts(found: Mapping[str, Any]) -> list[Part]:
    return [_part(name, part) for name, part in found.items() if part.get("pairs")]


def _part(name: str, part: Mapping[str, Any]) -> Part:
    interval = part.get("accuracy_interval")
    return Part(
        name,
        part["prompts"],
        part["pairs"],
        percent(part.get("accuracy"), 1),
        span(interval) if interval else "",
        fixed(part.get("expected_calibration_error"), 3),
        "warning" in part,
    )


def _counts(found: Mapping[str, Mapping[str, int]]) -> list[tuple[str, int, int]]:
    """Words, then how many of the training and of the held-out rows."""
    train, held_out = found.get("train") or {}, found.get("eval") or {}
    return [
        (str(words), train.get(name, 0), held_out.get(name, 0))
        for name, words in COUNTS.items()
        if train.get(name) or held_out.get(name)
    ]


def _speed(report: Mapping[str, Any]) -> list[Figure]:
    throughput = report.get("throughput", {})
    found = [
        (_("Steps"), report.get("steps")),
        (_("Tokens"), report.get("tokens")),
        (_("Tokens a second"), report.get("tokens_per_second")),
        (_("Prompts a second"), throughput.get("prompts_per_second")),
        (_("Seconds a step"), report.get("seconds_per_step")),
        (_("Parameters"), report.get("parameters")),
        (_("of them trained"), report.get("trained_parameters")),
        (_("Weights of step"), report.get("selected_step")),
    ]
    speed = [Figure(words, figure(value)) for words, value in found if value is not None]
    if throughput.get("mfu") is not None:
        speed.append(Figure(_("Share of the device's arithmetic"), percent(throughput["mfu"], 1)))
    if report.get("stopped_early"):
        speed.append(Figure(_("Ended early"), _("yes")))
    return speed


def seconds_left(job: Job | None) -> float | None:
    """Seconds until the job is done at the pace so far; None before it has one."""
    if job is None or job.ended or not job.started_at or not 0 < job.done < job.total:
        return None
    passed = timezone.now() - job.started_at
    if passed < timedelta(seconds=5):
        return None
    return passed.total_seconds() / job.done * (job.total - job.done)


def behind(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a snapshot counted of the labels behind it, in words."""
    found = [
        (_("Rows"), counts(manifest.get("rows"))),
        (_("Prompts"), counts(manifest.get("prompts"))),
        (_("Sources"), counts(manifest.get("rows_by_source"))),
        (_("Arms"), counts(manifest.get("rows_by_arm"))),
        (_("Labels by"), counts(manifest.get("labels_by_kind"))),
        (
            _("Simulated"),
            percent(manifest["simulated_share"]) if "simulated_share" in manifest else "",
        ),
        (_("Consensus by"), ", ".join(manifest.get("consensus_methods", []))),
        (_("Licences"), counts(manifest.get("licences"))),
    ]
    return [(words, text) for words, text in found if text]


def files() -> list[tuple[str, str]]:
    """What of a run can be downloaded, with its words."""
    return [("report", _("Report")), ("config", _("Configuration")), ("curves", _("Curves"))]
