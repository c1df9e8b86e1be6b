"""Reading what judges and people said of one criterion, as the units of the report."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations
from typing import Any

from accounts.models import Project
from annotation.consensus.models import Scope
from annotation.consensus.posterior import pair_share
from annotation.consensus.reading import FIELDS, Label, chosen_for, label_of
from annotation.consensus.style import FEATURES, with_style
from annotation.instances.models import Completion, Instance, InstanceState
from annotation.judges.families import family_of
from annotation.judges.models import CallPurpose, CallState, Judge, JudgeCall
from annotation.judges.protocol import p_of_winner
from annotation.labels.selectors import current
from annotation.projects.models import Criterion
from annotation.projects.selectors import protocol_of
from annotation.queue.models import Arm, Assignment
from core.hashing import unit_interval

from .units import Reply, Unit, side_of

Places = tuple[int, int]


@dataclass(frozen=True)
class Said:
    """A judge's standing label on one instance."""

    label: Label
    at: datetime
    guideline: int | None
    verdict: Mapping[str, Any]


@dataclass
class Scene:
    """Everything about one criterion: units per judge, and the people's shares per pair.

    `people`: per pair of an instance (annotator, share) of every label; an import may hold two of
    one person. `assigned`: instances that were sent anywhere.
    """

    units: dict[int, list[Unit]] = field(default_factory=dict)
    people: dict[tuple[int, Places], list[tuple[int, float]]] = field(default_factory=dict)
    assigned: set[int] = field(default_factory=set)
    generators: set[str] = field(default_factory=set)
    about: dict[int, "About"] = field(default_factory=dict)

    def coverage(self, units: Sequence[Unit]) -> float:
        """The share of the assigned instances that these decide; 0 where none was assigned."""
        if not self.assigned:
            return 0.0
        return len({unit.instance for unit in units} & self.assigned) / len(self.assigned)


@dataclass(frozen=True)
class About:
    """What is known of an instance besides its labels."""

    instance: int
    prompt: str
    tags: tuple[str, ...]
    reporting: bool
    audit: bool
    propensity: float | None
    lengths: tuple[int, ...]
    styles: tuple[tuple[int, ...], ...]
    families: tuple[str, ...]

    def between(self, places: Places) -> tuple[int, int]:
        """The lengths of two completions."""
        return self.lengths[places[0]], self.lengths[places[1]]


def scene_of(project: Project, criterion: Criterion, judges: Sequence[Judge]) -> Scene:
    """All standing labels of the criterion, and the replies of these judges. Gold is no data."""
    by_annotator = {judge.annotator.pk: judge for judge in judges}
    people, said = _labels(project, criterion, by_annotator)
    instances = sorted({instance for instance, _ in said} | set(people))
    arms = dict(_arms(project))
    about, generators = _about(project, instances, arms)
    scene = Scene(assigned=set(arms), generators=generators, about=about)
    for instance, labels in people.items():
        for label in labels:
            for places, share in _shares(label):
                scene.people.setdefault((instance, places), []).append(
                    (label.vote.annotator, share)
                )
    replies = _replies(criterion, judges)
    units: dict[int, list[Unit]] = defaultdict(list)
    for (instance, annotator), given in said.items():
        judge = by_annotator[annotator]
        calls = replies.get((judge.pk, instance), [])
        units[judge.pk] += _units(given, about[instance], scene, calls, judge.accuracy)
    scene.units = dict(units)
    return scene


def _labels(
    project: Project, criterion: Criterion, judges: Mapping[int, Judge]
) -> tuple[dict[int, list[Label]], dict[tuple[int, int], Said]]:
    """People's labels by instance (a review decides), judges' by (instance, annotator)."""
    rows = (
        current(project)
        .filter(criterion=criterion)
        .exclude(ranking=[], scores=[])
        .exclude(instance__state=InstanceState.GOLD)
        .select_related("annotator")
        .only(*FIELDS, "created_at", "guideline_id")
        .order_by("instance", "pk")
    )
    people: dict[int, list[Label]] = defaultdict(list)
    said: dict[tuple[int, int], Said] = {}
    for row in rows.iterator(chunk_size=5000):
        label = label_of(row)
        if label.human:
            people[row.instance_id].append(label)
        elif row.annotator_id in judges:
            verdict = row.attributes.get("verdict", {})
            given = Said(label, row.created_at, row.guideline_id, verdict)
            said[row.instance_id, row.annotator_id] = given
    return {pk: chosen_for(Scope.HUMAN, labels) for pk, labels in people.items()}, said


def _arms(project: Project) -> list[tuple[int, tuple[str, float]]]:
    rows = Assignment.objects.filter(instance__project=project)
    return [
        (instance, (arm, propensity))
        for instance, arm, propensity in rows.values_list("instance", "arm", "propensity")
    ]


def _about(
    project: Project, instances: Sequence[int], arms: Mapping[int, tuple[str, float]]
) -> tuple[dict[int, About], set[str]]:
    salt = protocol_of(project).salt
    completions: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    rows = with_style(Completion.objects.filter(instance__project=project))
    wanted = set(instances)
    columns = ("instance", "generator", *FEATURES)
    ordered = rows.order_by("instance", "position").values_list(*columns)
    for instance, *values in ordered.iterator(chunk_size=5000):
        if instance in wanted:
            completions[instance].append(tuple(values))
    found = {}
    for pk, prompt, tags, metadata in Instance.objects.filter(project=project).values_list(
        "pk", "prompt_hash", "tags", "metadata"
    ):
        if pk not in wanted:
            continue
        arm, propensity = arms.get(pk, ("", None))
        mine = completions[pk]
        found[pk] = About(
            instance=pk,
            prompt=prompt,
            tags=_tags(tags, metadata),
            reporting=reports(salt, prompt),
            audit=arm == Arm.AUDIT,
            propensity=propensity,
            lengths=tuple(row[1] for row in mine),
            styles=tuple(row[2:] for row in mine),
            families=tuple(family_of(row[0]) for row in mine),
        )
    return found, {row[0] for mine in completions.values() for row in mine if row[0]}


def reports(salt: str, prompt_hash: str) -> bool:
    """The half of the prompts that A-report is made of; the other half is A-calibrate's."""
    return unit_interval(salt, "audit-report", prompt_hash) < 0.5


def _tags(tags: Sequence[str], metadata: Mapping[str, Any]) -> tuple[str, ...]:
    domain = metadata.get("domain")
    named = f"domain:{domain}"[:80] if isinstance(domain, str) and domain else ""
    return tuple(dict.fromkeys([*tags, named] if named else tags))


Call = tuple[tuple[int, ...], tuple[float, ...], int | None, int | None]


def _replies(criterion: Criterion, judges: Sequence[Judge]) -> dict[tuple[int, int], list[Call]]:
    """Parsed replies by (judge, instance): the order shown, ranks of the shown, run, guideline."""
    rows = JudgeCall.objects.filter(
        judge__in=judges,
        criterion=criterion,
        purpose=CallPurpose.LABEL,
        state=CallState.ANSWERED,
    )
    found: dict[tuple[int, int], list[Call]] = defaultdict(list)
    columns = ("judge", "instance", "shown_order", "ranking", "scores", "run", "guideline")
    for judge, instance, shown, ranking, scores, run, guideline in (
        rows.order_by("pk").values_list(*columns).iterator(chunk_size=5000)
    ):
        ranks = tuple(ranking) or tuple(-score for score in scores if score is not None)
        found[judge, instance].append((tuple(shown), ranks, run, guideline))
    return found


def _units(
    said: Said,
    about: About,
    scene: Scene,
    calls: Sequence[Call],
    accuracy: float | None,
) -> list[Unit]:
    """A unit per pair of completions that the judge told apart or tied."""
    units = []
    instance, pair = about.instance, len(said.label.vote.ranking) == 2
    for places, share in _shares(said.label):
        i, j = places
        hard = said.label.vote.p is None
        units.append(
            Unit(
                instance=instance,
                prompt=about.prompt,
                p=p_of_winner({1: 0, -1: 1, 0: -1}[side_of(share)], accuracy) if hard else share,
                side=side_of(share),
                people=tuple(s for _, s in scene.people.get((instance, places), ())),
                places=places,
                replies=tuple(r for call in calls if (r := _reply(call, places)) is not None),
                flipped=said.verdict.get("flipped") if pair else None,
                gap=said.verdict.get("gap") if pair else None,
                at=said.at,
                run=calls[-1][2] if calls else None,
                guideline=said.guideline or (calls[-1][3] if calls else None),
                tags=about.tags,
                audit=about.audit,
                reporting=about.reporting,
                propensity=about.propensity,
                lengths=about.between(places),
                styles=(about.styles[i], about.styles[j]),
                families=(about.families[i], about.families[j]),
            )
        )
    return units


def _shares(label: Label) -> list[tuple[Places, float]]:
    size = len(label.vote.ranking)
    return [
        ((i, j), share)
        for i, j in combinations(range(size), 2)
        if (share := pair_share(label.vote, i, j)) is not None
    ]


def _reply(call: Call, places: Places) -> Reply | None:
    """What one reply says of one pair; None where it did not show both."""
    shown, ranks, *_ = call
    positions = sorted(shown) if shown else list(range(len(ranks)))
    if len(ranks) != len(positions) or not set(places) <= set(positions):
        return None
    mine, other = (ranks[positions.index(place)] for place in places)
    side = (mine < other) - (mine > other)
    first = shown.index(places[0]) < shown.index(places[1]) if shown else None
    return Reply(side, first)
