"""Turning labels recorded elsewhere into annotations."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Project
from annotation.instances.content import competition_ranks
from annotation.instances.copying import copy_in
from annotation.instances.models import Instance, Origin, RecordedLabel
from annotation.projects.models import Criterion, TieKind
from annotation.projects.selectors import criteria_of, main_criterion, protocol_of
from annotation.queue.filling import fill_open_slots
from annotation.queue.services import settle_instances
from core.exceptions import InvalidInput
from core.hashing import content_hash, unit_interval

from .announcing import announce
from .models import Annotation, Annotator, AnnotatorKind
from .people import ImportedNames, Name, annotators_named

BATCH = 500
# Recorded labels get client ids of their own, so that revealing one again is a no-op.
NAMESPACE = uuid.UUID("6f1c7a52-0f0b-4be4-9d3a-0f8f0c6d9f11")


@dataclass(frozen=True)
class Vote:
    """One annotation to be: a person's recorded label, or a judge's in all its orders."""

    labels: Sequence[RecordedLabel]
    given: str

    @property
    def first(self) -> RecordedLabel:
        return self.labels[0]

    @property
    def who(self) -> Name:
        kind = AnnotatorKind.JUDGE if self.first.origin == Origin.JUDGE else AnnotatorKind.IMPORT
        return Name(kind, self.given, all(label.simulated for label in self.labels))

    @property
    def client_id(self) -> uuid.UUID:
        return uuid.uuid5(NAMESPACE, f"recorded label {self.first.pk}")

    def ranking(self) -> list[int]:
        """Ranks by the mean rank over the orders: a pair whose verdict flipped becomes a tie.

        Empty where nothing was ranked.
        """
        rankings = [label.ranking for label in self.labels if label.ranking]
        if len(rankings) == 1:
            return rankings[0]
        return competition_ranks([sum(column) for column in zip(*rankings, strict=True)])

    def scores(self) -> list[int | None]:
        """The mean score of each completion over the orders, rounded; empty without any."""
        columns = zip(*(label.scores for label in self.labels if label.scores), strict=True)
        given = [[score for score in column if score is not None] for column in columns]
        return [round(sum(each) / len(each)) if each else None for each in given]

    def tie_kind(self, ranking: Sequence[int]) -> str:
        """What was said, or that all ranks are one."""
        tied = len(ranking) > 1 and set(ranking) == {1} and not self.first.unranked
        if len(self.labels) == 1 and self.first.tie_kind:
            return self.first.tie_kind
        if tied:
            return TieKind.TIE
        said_nothing = not ranking and not self.scores()
        return TieKind.CANNOT_JUDGE if said_nothing else ""


def reveal(
    *,
    instances: QuerySet[Instance] | Iterable[int],
    origin: str,
    limit: int | None = None,
    decision_of: Mapping[int, uuid.UUID] | None = None,
) -> int:
    """Make recorded labels of these instances annotations; returns how many are new.

    People: of every instance the first `limit` labels in an order drawn once by a salted hash.
    They take open slots where there are any, so that nobody is asked for what is known. Judges:
    one annotation per judge, its orders merged. Revealing again adds nothing that is there.

    Args:
        instances: primary keys, or a query of instances, of one project.
        decision_of: the routing decision of each instance, stored with the label.
    """
    if isinstance(instances, QuerySet):
        instances = instances.values_list("pk", flat=True)
    keys = sorted(instances)
    projects = list(Project.objects.filter(instances__in=keys).distinct()[:2])
    if len(projects) > 1:
        raise InvalidInput("Labels are revealed for one project at a time.")
    new = 0
    for start in range(0, len(keys), BATCH):
        recorded = RecordedLabel.objects.filter(
            instance__in=keys[start : start + BATCH], origin=origin
        )
        new += reveal_recorded(
            project=projects[0], recorded=recorded, limit=limit, decision_of=decision_of
        )
    return new


@transaction.atomic
def reveal_recorded(
    *,
    project: Project,
    recorded: Iterable[RecordedLabel],
    limit: int | None = None,
    decision_of: Mapping[int, uuid.UUID] | None = None,
) -> int:
    """As `reveal`, for these rows."""
    salt = protocol_of(project).salt
    votes = list(_votes(recorded, salt, limit, ImportedNames.of(project)))
    if not votes:
        return 0
    annotators = annotators_named(project=project, salt=salt, names=[vote.who for vote in votes])
    criteria = {each.key: each for each in criteria_of(project)} | {"": main_criterion(project)}
    votes = _unrevealed(votes, annotators, criteria)
    decisions = decision_of or {}
    rows = [
        _annotation(vote, annotators[vote.who], criteria[vote.first.criterion], decisions)
        for vote in votes
    ]
    fill_open_slots([row for row in rows if row.annotator.kind == AnnotatorKind.IMPORT])
    copy_in(Annotation, rows)
    settle_instances({row.instance_id for row in rows})
    announce(rows)
    return len(rows)


def _votes(
    recorded: Iterable[RecordedLabel], salt: str, limit: int | None, names: ImportedNames
) -> Iterator[Vote]:
    people: dict[tuple[int, str], list[RecordedLabel]] = defaultdict(list)
    judges: dict[tuple[int, str, str], list[RecordedLabel]] = defaultdict(list)
    for label in recorded:
        if label.origin == Origin.JUDGE:
            judges[label.instance_id, label.annotator, label.criterion].append(label)
        else:
            people[label.instance_id, label.criterion].append(label)
    for labels in people.values():
        labels.sort(key=lambda label: unit_interval(salt, "vote", label.pk))
        yield from (Vote([label], label.annotator) for label in labels[:limit])
    for (_, given, _), labels in judges.items():
        yield Vote(sorted(labels, key=lambda label: label.ordinal), names(given))


def _unrevealed(
    votes: list[Vote], annotators: Mapping[Name, Annotator], criteria: Mapping[str, Criterion]
) -> list[Vote]:
    """Without the votes that are annotations already, and judges that have spoken already."""
    # By instance, which has an index: client ids are looked for among few rows then.
    there = Annotation.objects.filter(instance__in={vote.first.instance_id for vote in votes})
    known = set(there.values_list("client_id", flat=True))
    judges = there.filter(annotator__kind=AnnotatorKind.JUDGE)
    spoken = set(judges.values_list("instance_id", "annotator_id", "criterion_id"))
    return [
        vote
        for vote in votes
        if vote.client_id not in known
        and (
            vote.first.instance_id,
            annotators[vote.who].pk,
            criteria[vote.first.criterion].pk,
        )
        not in spoken
    ]


def _annotation(
    vote: Vote,
    annotator: Annotator,
    criterion: Criterion,
    decisions: Mapping[int, uuid.UUID],
) -> Annotation:
    label, ranking, scores = vote.first, vote.ranking(), vote.scores()
    tie = vote.tie_kind(ranking)
    attributes = label.attributes
    if label.probability is not None:
        attributes = {**attributes, "probability": label.probability}
    said_at = label.said_at or timezone.now()
    return Annotation(
        project_id=annotator.project_id,
        instance_id=label.instance_id,
        annotator=annotator,
        criterion=criterion,
        purpose=label.purpose,
        ranking=ranking,
        unranked=label.unranked,
        scores=scores,
        tie_kind=tie,
        strength=None if tie else label.strength,
        confidence=label.confidence,
        rationale=label.rationale,
        reasons=label.reasons,
        attributes=attributes,
        # Of several orders none was the one shown.
        shown_order=label.shown_order if len(vote.labels) == 1 else None,
        seconds=label.seconds,
        created_at=said_at,
        client_id=vote.client_id,
        payload_hash=content_hash([ranking, scores, label.strength, label.rationale]),
        decision_id=decisions.get(label.instance_id),
    )
