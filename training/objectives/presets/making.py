"""The short form in which the tables of presets are written."""

from __future__ import annotations

from typing import Any

from training.objectives.objective import Objective, Score


def policy(name: str, score: Score, link: str = "logistic", **fields: Any) -> Objective:
    """A preset for policies; beta is 0.1 where the table says nothing."""
    return Objective(name, "policy", score, link, **({"beta": 0.1} | fields))
