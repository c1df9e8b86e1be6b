"""Pools: which slots are open to whom."""

from collections.abc import Iterable, Mapping, Sequence

from django.db.models import QuerySet

from accounts.models import Project
from annotation.labels.models import Annotator
from annotation.projects.models import Protocol
from core.exceptions import InvalidInput

from .models import Pool

# A pool's cohort and the qualifications it takes.
Terms = tuple[str, tuple[str, ...]]


def required(tags: Iterable[str], gates: Sequence[str]) -> tuple[str, ...]:
    """The tags that only somebody with that very qualification may label.

    A gate that ends with a colon ("lang:") is a prefix, any other ("expert") a whole tag.
    """
    prefixes = tuple(gate for gate in gates if gate.endswith(":"))
    return tuple(sorted({tag for tag in tags if tag in gates or tag.startswith(prefixes)}))


def together(gated: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    """The qualifications of both, as a pool keeps them."""
    return tuple(sorted({*gated, *more}))


def cohorts_of(protocol: Protocol, overlap: int) -> list[str]:
    """The cohort of each place for a person: those of the seats, else `overlap` for anybody.

    Raises:
        InvalidInput: the seats are no list of cohorts and counts.
    """
    if not protocol.seats:
        return [""] * overlap
    try:
        counts = [(str(seat["cohort"]), int(seat["count"])) for seat in protocol.seats]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput('Seats look like [{"cohort": "expert", "count": 2}].') from error
    return [cohort for cohort, count in counts for _ in range(count)]


def pools_for(project: Project, terms: Iterable[Terms]) -> Mapping[Terms, Pool]:
    """The pools of these terms, made where missing; a constant number of queries."""
    wanted = sorted(set(terms))
    Pool.objects.bulk_create(
        [Pool(project=project, cohort=cohort, requires=list(needs)) for cohort, needs in wanted],
        ignore_conflicts=True,
    )
    rows = Pool.objects.filter(project=project, cohort__in={cohort for cohort, _ in wanted})
    return {(pool.cohort, tuple(pool.requires)): pool for pool in rows}


def pools_of(annotator: Annotator) -> QuerySet[Pool]:
    """The pools whose slots this annotator may take: their cohort's and everybody's, as far as
    they are qualified.
    """
    return Pool.objects.filter(
        project=annotator.project_id,
        cohort__in={"", annotator.cohort},
        requires__contained_by=annotator.qualifications,
    )
