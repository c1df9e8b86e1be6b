"""Figures of a replay as they are kept, back to what they were."""

from collections.abc import Mapping
from typing import Any

from routing.lab.learning_value import LabelValue
from routing.lab.replay import Lead, Point, Replayed, Stake
from routing.lab.sensitivity import Sensitivity
from routing.lab.statistics import Interval

_INTERVALS = (
    "label_accuracy",
    "model_accuracy",
    "against_random",
    "captured",
    "single_captured",
    "difference",
    "longer_label",
    "longer_model",
)


def replayed(figures: Mapping[str, Any]) -> Replayed:
    """What `Replayed.to_json` gave."""
    return Replayed(
        **_with_intervals(figures)
        | {
            "points": tuple(Point(**_with_intervals(row)) for row in figures["points"]),
            "leads": tuple(Lead(**_with_intervals(row)) for row in figures["leads"]),
            "stakes": tuple(
                Stake(**row | {"sensitivity": _sensitivity(row["sensitivity"])})
                for row in figures["stakes"]
            ),
            "sensitivity": _sensitivity(figures["sensitivity"]),
            "notes": tuple(figures["notes"]),
            "value": tuple(_value(row) for row in figures.get("value", ())),
        }
    )


def _value(row: Mapping[str, Any]) -> LabelValue:
    accuracy = tuple(each and Interval(**each) for each in row["accuracy"])
    last = row["last"] and Interval(**row["last"])
    return LabelValue(row["kind"], row["instances"], tuple(row["labels"]), accuracy, last)


def _with_intervals(row: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(row)
    return found | {k: Interval(**found[k]) for k in _INTERVALS if found.get(k)}


def _sensitivity(found: Mapping[str, Any] | None) -> Sensitivity | None:
    return None if found is None else Sensitivity(**_with_intervals(found))
