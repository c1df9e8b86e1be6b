"""A finished round as plain text."""

from typing import Any

from training.runs.models import Run

from .models import Round


def render(row: Round) -> str:
    """What the round found: its comparison, its models, and what was left out and why."""
    return "\n".join([f"\nRound {row.number} of {row.project.name}", "", *_body(row)])


def _body(row: Round) -> list[str]:
    summary = row.summary or {}
    if "text" in summary:
        lines = [str(summary["text"])]
    else:
        left_out = row.stages.get("prepare", {}).get("left_out", {})
        lines = [f"Not compared: {summary.get('not_compared', 'the round is not finished')}"]
        lines += [f"{count} instances left out: they {why}." for why, count in left_out.items()]
    return [*lines, "", *_models(row), "", *_stages(row)]


def _models(row: Round) -> list[str]:
    runs = (("Reward model", row.reward_run), ("Policy", row.policy_run))
    return [f"{name}: {_report(run)}" for name, run in runs if run is not None]


def _report(run: Run) -> str:
    """Held-out accuracy with its interval, beside the longer completion's."""
    held_out: dict[str, Any] = run.report.get("eval", {})
    if not held_out:
        return f"run {run.pk} has no held-out figures"
    low, high = held_out["accuracy_interval"]
    chosen = ", best step chosen on them" if run.report.get("selected_on_eval") else ""
    return (
        f"run {run.pk}, {run.report['steps']} steps, {run.report['seconds']:.0f} s; ranks "
        f"{100 * held_out['accuracy']:.1f} % [{100 * low:.1f}, {100 * high:.1f}] of "
        f"{held_out['pairs']} held-out pairs ({held_out['prompts']} prompts{chosen}) as people do; "
        f"the longer completion {100 * held_out['longer_baseline']:.1f} %"
    )


def _stages(row: Round) -> list[str]:
    seconds = {name: outcome.get("seconds", 0) for name, outcome in row.stages.items()}
    parts = ", ".join(f"{name} {value:.0f}" for name, value in seconds.items())
    return [f"Seconds: {parts}; together {sum(seconds.values()):.0f}."]
