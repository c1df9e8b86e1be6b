"""Criteria drift: agreement per criterion under each version of the guideline."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from accounts.models import Project
from annotation.consensus.posterior import Vote, pair_share
from annotation.consensus.reading import FIELDS, MACHINES, label_of
from annotation.labels.selectors import current
from annotation.projects.models import Criterion
from annotation.projects.selectors import criteria_of
from annotation.quality.bias import Share, clustered

from .comparing import answer_of, credit

# Labels read per criterion, the newest; drift is about what changed lately.
MOST_LABELS = 20_000


@dataclass(frozen=True)
class Agreement:
    """Labels of one criterion under one version of the guideline, and who agrees with whom."""

    criterion: Criterion
    version: int
    labels: int
    people: Share | None
    judges: Share | None


def agreement_by_guideline(project: Project) -> list[Agreement]:
    """Agreement per criterion and version, the newest version first; two labels are compared
    where both were given under that version. One query per criterion.
    """
    return [row for criterion in criteria_of(project) for row in _of(project, criterion)]


def _of(project: Project, criterion: Criterion) -> Iterator[Agreement]:
    rows = current(project).filter(criterion=criterion, guideline__isnull=False)
    rows = rows.exclude(ranking=[], scores=[]).select_related("annotator", "guideline", "instance")
    fields = (*FIELDS, "guideline__version", "instance__prompt_hash")
    given: dict[int, dict[int, list[tuple[Vote, bool, str]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for row in rows.order_by("-pk").only(*fields)[:MOST_LABELS]:
        assert row.guideline is not None  # noqa: S101 - filtered above
        human = row.annotator.kind not in MACHINES
        entry = (label_of(row).vote, human, row.instance.prompt_hash)
        given[row.guideline.version][row.instance_id].append(entry)
    for version in sorted(given, reverse=True):
        found = given[version].values()
        yield Agreement(
            criterion,
            version,
            sum(len(labels) for labels in found),
            clustered([each for labels in found for each in _agree(labels, judges=False)]),
            clustered([each for labels in found for each in _agree(labels, judges=True)]),
        )


def _agree(
    labels: Sequence[tuple[Vote, bool, str]], *, judges: bool
) -> Iterator[tuple[str, float]]:
    """(prompt, credit) for two people, or for a person and a judge, per pair of completions."""
    for (one, human, prompt), (other, also, _) in combinations(labels, 2):
        wanted = human != also if judges else human and also
        if not wanted or len(one.ranking) != len(other.ranking):
            continue
        for i, j in combinations(range(len(one.ranking)), 2):
            shares = pair_share(one, i, j), pair_share(other, i, j)
            if shares[0] is not None and shares[1] is not None:
                yield prompt, credit(answer_of(shares[0]), answer_of(shares[1]))
