"""What a replay found, in the language of the page: from its figures, old ones too."""

import json
from dataclasses import replace
from typing import Any

from django.utils.translation import override

from frontend.replay_words import sensitivity_of, stake_verdicts, verdict_of
from frontend.replays import name_of
from routing.lab.replay import Lead, Point, Replayed, Stake
from routing.lab.sensitivity import judge_sensitivity
from routing.lab.statistics import Interval

SURE, DOUBTFUL, WORSE = (
    Interval(0.04, 0.02, 0.06),
    Interval(0.01, -0.01, 0.03),
    Interval(-0.05, -0.08, -0.02),
)
BUDGETS = (0.25, 0.5)


def figures(
    differences: dict[str, tuple[Interval, Interval]], lead: Interval | None = None
) -> dict[str, Any]:
    """Figures of a replay at two budgets, as they are stored."""
    points = [
        Point(key, key.upper(), budget, None, None, 1.0, 1.0, 1.0, against_random=found)
        for key, both in differences.items()
        for budget, found in zip(BUDGETS, both, strict=True)
    ]
    stakes = [Stake(budget, 1.0, 1.0, 1.0, 1.0, 1.0, "stored", None) for budget in BUDGETS]
    leads = [Lead(0.25, "swap flip alone", lead, None, None, "signal:judge_flip")] if lead else []
    made = Replayed(
        "judge",
        "consensus",
        "labels",
        False,
        100,
        12,
        "few prompts (12)",
        2,
        5,
        {},
        tuple(stakes),
        tuple(points),
        tuple(leads),
        None,
        None,
        "stored",
        judge_sensitivity(SURE, 0.012),
        (),
    )
    stored: dict[str, Any] = json.loads(json.dumps(made.to_json()))
    return stored


def test_it_says_where_routing_helps_with_the_numbers_of_the_language() -> None:
    found = figures({"learned": (SURE, DOUBTFUL), "oracle": (SURE, SURE)}, lead=SURE)

    said = verdict_of(found, name_of)
    with override("de"):
        german = verdict_of(found, name_of)

    assert "at budgets of 25 %" in said
    assert "Learned combination at 25 %: +4.0 points" in said
    assert "beyond doubt at 25 %" in said
    assert said.endswith("Few prompts: 12.")
    assert "+4,0" in german


def test_it_says_plainly_that_routing_does_not_help() -> None:
    found = figures({"learned": (DOUBTFUL, WORSE)}, lead=WORSE)

    assert verdict_of(found, name_of).startswith("Routing is not helping here")
    assert "nowhere ahead" in verdict_of(found, name_of)
    assert "-5.0 points against Swap flip alone" in verdict_of(found, name_of)
    first, second = stake_verdicts(found, name_of)
    assert "Worse than chance" not in first
    assert "Worse than chance: Learned combination." in second


def test_figures_of_before_are_read_too() -> None:
    found = figures({"learned": (SURE, SURE)}, lead=WORSE)
    del found["leads"][0]["single_key"]

    assert "against swap flip alone" in verdict_of(found, name_of)
    assert "at every budget" in verdict_of(found, name_of)


def test_nothing_tried_and_no_reward_models_are_said() -> None:
    nothing = figures({})

    assert verdict_of(nothing, name_of).startswith("Routing could not be tried here.")
    assert sensitivity_of(nothing).startswith("Reward models can tell mixes apart here")
    assert sensitivity_of(nothing | {"sensitivity": None}) == ""
    doubtful = judge_sensitivity(DOUBTFUL, 0.034)
    assert doubtful is not None
    unsure = replace(doubtful, sentence="").__dict__ | {"difference": DOUBTFUL.__dict__}
    assert "only 3.4 or more would show" in sensitivity_of(nothing | {"sensitivity": unsure})
