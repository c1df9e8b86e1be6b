"""Whether the round helped: the new policy beside the old one, on prompts no round learns from."""

from typing import Any

import numpy as np

from jobs.context import JobContext
from routing.rounds.models import Round
from training.fit.figures.intervals import clustered_interval, wins
from training.registry.models import ModelVersion
from training.registry.selectors import version_in

from .candidates import Candidates
from .generating import Prompt, answers, scored
from .prompts import messages_of
from .work import Work

MEASURE = "routing.measure"
FEW_PROMPTS = 20


def run_measure(context: JobContext) -> dict[str, Any]:
    """The job kind "routing.measure": `{"round", "before", "after", "reward", "prompts"}`.

    One answer of each policy to every held-out prompt, drawn with the same seed and scored by one
    reward model. The figures say how the reward model sees it: they are no verdict of people.
    """
    given = context.arguments
    row = Round.objects.select_related("project__protocol").get(pk=given["round"])
    work = Work(context, row)
    texts = messages_of(list(given["prompts"].values()))
    prompts: list[Prompt] = [(h, texts[pk]) for h, pk in given["prompts"].items() if pk in texts]
    versions = [version_in(work.project, given[name]) for name in ("before", "after")]
    said = [_said(work, version, prompts) for version in versions]
    rows = [
        Candidates(h, messages, (old[0], new[0]), (old[1], new[1]), None)
        for (h, messages), old, new in zip(prompts, *said, strict=True)
    ]
    reward = version_in(work.project, given["reward"])
    return figures(scored(context, reward, rows, "measure")) | {"reward_version": reward.pk}


def _said(work: Work, version: ModelVersion, prompts: list[Prompt]) -> list[tuple[str, int]]:
    return answers(
        work.context,
        version,
        prompts,
        seed=work.options.seed + 1,
        temperature=work.options.temperature,
        most_tokens=work.options.max_new_tokens,
        name=f"measure-{version.pk}",
    )


def figures(rows: list[Candidates]) -> dict[str, Any]:
    """Win rate of the second answer by reward, its interval over prompts, and mean lengths."""
    rewards = np.array([row.rewards for row in rows], dtype=np.float64)
    difference = rewards[:, 1] - rewards[:, 0]
    won = wins(difference)
    clusters = np.arange(len(rows))
    low, high = clustered_interval(won, clusters)
    values = {
        "win_rate_by_reward": float(won.mean()),
        "win_rate_low": low,
        "win_rate_high": high,
        "reward_gain": float(difference.mean()),
        "tokens_before": float(np.mean([row.tokens[0] for row in rows])),
        "tokens_after": float(np.mean([row.tokens[1] for row in rows])),
        "measured_prompts": len(rows),
    }
    return values | ({"warning": "few prompts"} if len(rows) < FEW_PROMPTS else {})
