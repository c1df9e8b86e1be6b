"""What people say: their opinions per pair of completions, their reasons, and a draw of both."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import combinations

from django.db.models import Exists, OuterRef, QuerySet

from accounts.models import Project
from annotation.consensus.models import Scope
from annotation.consensus.posterior import pair_share
from annotation.consensus.reading import FIELDS, Label, chosen_for, label_of
from annotation.instances.models import Instance, InstanceState
from annotation.judges.examples import HeldOut
from annotation.labels.models import Annotation, AnnotatorKind
from annotation.labels.selectors import current
from annotation.projects.models import Criterion
from annotation.projects.selectors import protocol_of
from annotation.queue.models import Arm, Assignment
from core.hashing import unit_interval

from .comparing import Opinion, Unit, answer_of

PEOPLE = (AnnotatorKind.PERSON, AnnotatorKind.IMPORT)
# Instances looked at for each one drawn, so that a draw stays quick in a large project.
LOOKED_AT = 20
# The share of a draw that goes to instances on which people are split, where there are so many.
SPLIT_SHARE = 0.3


def opinions_of(criterion: Criterion, instance_ids: Collection[int]) -> dict[Unit, Opinion]:
    """What people say on a criterion, by pair of completions; a review decides. One query."""
    rows = labels_by_people(criterion).filter(instance__in=instance_ids)
    rows = rows.select_related("annotator", "instance").order_by("pk")
    labels: dict[int, list[Label]] = defaultdict(list)
    prompts: dict[int, str] = {}
    for row in rows.only(*FIELDS, "instance__prompt_hash"):
        labels[row.instance_id].append(label_of(row))
        prompts[row.instance_id] = row.instance.prompt_hash
    return {
        (pk, i, j): opinion
        for pk, found in labels.items()
        for (i, j), opinion in _opinions(found, prompts[pk])
    }


def labels_by_people(criterion: Criterion) -> QuerySet[Annotation]:
    """Standing labels of people that rank or score; what is gold is no data."""
    rows = current(criterion.project).filter(criterion=criterion, annotator__kind__in=PEOPLE)
    return rows.exclude(ranking=[], scores=[]).exclude(instance__state=InstanceState.GOLD)


def _opinions(labels: Sequence[Label], prompt: str) -> Iterable[tuple[tuple[int, int], Opinion]]:
    votes = [label.vote for label in chosen_for(Scope.HUMAN, labels)]
    for i, j in combinations(range(len(votes[0].ranking)), 2):
        shares = [share for vote in votes if (share := pair_share(vote, i, j)) is not None]
        if shares:
            mean = sum(shares) / len(shares)
            split = len({answer_of(share) for share in shares}) > 1
            yield (i, j), Opinion(prompt, answer_of(mean), mean, len(shares), split)


def draw(criterion: Criterion, count: int) -> list[int]:
    """Up to `count` instances with labels of people that may be tuned on, always the same ones.

    About a third are such that people are split on, where there are so many. A larger draw
    holds a smaller one as long as no label comes in.
    """
    labelled = labels_by_people(criterion).filter(instance=OuterRef("pk"))
    rows = Instance.objects.filter(Exists(labelled), project=criterion.project_id)
    # The hash of the content is as good as a draw by lot, and there is an index of it.
    looked_at = rows.order_by("content_hash").values_list("pk", "prompt_hash")
    found = dict(looked_at[: LOOKED_AT * count])
    pool = tunable(criterion.project, found)
    opinions = opinions_of(criterion, pool)
    split = {unit[0] for unit, opinion in opinions.items() if opinion.split}
    told = {unit[0] for unit in opinions}
    return stratified([pk for pk in pool if pk in told], split, count)


def stratified(pool: Sequence[int], split: Collection[int], count: int) -> list[int]:
    """The first of `pool`, with a share for those in `split`; each fills up for the other."""
    hard = [pk for pk in pool if pk in split]
    easy = [pk for pk in pool if pk not in split]
    wanted = min(len(hard), max(round(SPLIT_SHARE * count), count - len(easy)))
    chosen = {*hard[:wanted], *easy[: count - wanted]}
    return [pk for pk in pool if pk in chosen]


def tunable(project: Project, prompts: Mapping[int, str]) -> list[int]:
    """Those of the instances, given with their prompts, that may be tuned on, in this order.

    Prompts of A-report and of test splits measure what was tuned, so nothing is tuned on them.
    """
    different = set(prompts.values())
    reserved = reported(project, different)
    held_out = HeldOut.of(project, len(different), margin=0)
    return [pk for pk, each in prompts.items() if each not in reserved and not held_out(each)]


def reported(project: Project, prompts: Collection[str]) -> set[str]:
    """Those prompts that are of A-report: nothing is tuned or chosen on them."""
    audited = Assignment.objects.filter(
        instance__project=project, instance__prompt_hash__in=prompts, arm=Arm.AUDIT
    )
    audited_prompts = set(
        audited.order_by().values_list("instance__prompt_hash", flat=True).distinct()
    )
    salt = protocol_of(project).salt
    return {p for p in audited_prompts if unit_interval(salt, "audit-report", p) < 0.5}


def labelled_count(criterion: Criterion) -> int:
    """Instances that people labelled on this criterion."""
    return labels_by_people(criterion).order_by().values("instance").distinct().count()


def reasons_of(
    criterion: Criterion, instance_ids: Collection[int]
) -> Mapping[int, list[Annotation]]:
    """The labels of people behind each instance, with whoever gave them."""
    rows = labels_by_people(criterion).filter(instance__in=instance_ids)
    found: dict[int, list[Annotation]] = defaultdict(list)
    for row in rows.select_related("annotator", "criterion").order_by("pk"):
        found[row.instance_id].append(row)
    return found
