"""Several trials side by side on the instances they share."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from annotation.instances.models import Instance
from annotation.judges.models import JudgeRun
from annotation.judges.workbench.comparing import Difference, Unit, difference, figures
from annotation.judges.workbench.results import Result, instances_of, result_of, trial_result
from core.exceptions import InvalidInput

from .rows import ANSWER_NAMES

MOST_SHOWN = 50


@dataclass(frozen=True)
class Side:
    """One trial on what all of them answered; `against` is it minus the first."""

    run: JudgeRun
    result: Result
    against: Difference | None

    @property
    def clear(self) -> bool:
        """The interval of the difference leaves zero out."""
        return self.against is not None and self.against.low * self.against.high > 0


@dataclass(frozen=True)
class Differing:
    """An instance on which the trials do not all say the same."""

    instance: Instance
    people: str | Promise
    answers: list[tuple[str | Promise, bool]]


@dataclass(frozen=True)
class Comparison:
    sides: list[Side]
    instances: int
    differing: list[Differing]
    total: int


def comparison_of(runs: Sequence[JudgeRun]) -> Comparison:
    """The trials on the instances that all of them were asked about, each against the first.

    Agreement, flips and differences are over the same units: those with a verdict of each trial
    that has any.

    Raises:
        InvalidInput: they were asked about different criteria.
    """
    if len({tuple(run.criteria) for run in runs}) > 1:
        raise InvalidInput(_("These trials asked about different criteria: compare others."))
    shared = set.intersection(*(set(instances_of(run)) for run in runs))
    criterion = trial_result(runs[0]).criterion
    results = _alike([result_of(run.judge, criterion, sorted(shared)) for run in runs])
    first = results[0]
    sides = [
        Side(
            run,
            result,
            difference(first.people, first.said, result.said) if place else None,
        )
        for place, (run, result) in enumerate(zip(runs, results, strict=True))
    ]
    units = _differing(results)
    return Comparison(sides, len(shared), _rows(units[:MOST_SHOWN], results), len(units))


def _alike(results: Sequence[Result]) -> list[Result]:
    """The results on the units that all of them with a verdict at all have a verdict on."""
    given = [set(result.said) for result in results if result.said]
    units = set.intersection(*given) if given else set()
    said = [{unit: each.said[unit] for unit in units & each.said.keys()} for each in results]
    return [
        replace(result, said=mine, figures=figures(result.people, mine))
        for result, mine in zip(results, said, strict=True)
    ]


def _differing(results: Sequence[Result]) -> list[Unit]:
    """Units that all judges answered, and not all alike."""
    answered = set.intersection(*(set(result.said) for result in results))
    answered &= results[0].people.keys()
    return sorted(
        unit for unit in answered if len({result.said[unit].answer for result in results}) > 1
    )


def _rows(units: Sequence[Unit], results: Sequence[Result]) -> list[Differing]:
    instances = Instance.objects.in_bulk([unit[0] for unit in units])
    people = results[0].people
    return [
        Differing(
            instances[unit[0]],
            ANSWER_NAMES[people[unit].answer],
            [
                (
                    ANSWER_NAMES[result.said[unit].answer],
                    result.said[unit].answer == people[unit].answer,
                )
                for result in results
            ],
        )
        for unit in units
    ]
