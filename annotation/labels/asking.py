"""What is asked of one annotator about one instance, beyond the protocol: what was drawn."""

from collections.abc import Mapping

from annotation.projects.models import Criterion, Kind, Protocol, RationalePolicy
from annotation.projects.selectors import asked_among
from annotation.queue.models import Slot
from core.hashing import unit_interval

from .answers import Asked
from .best_worst import FEWEST, draw_groups
from .models import Annotator


def asked_of(
    slot: Slot,
    annotator: Annotator,
    protocol: Protocol,
    criteria: Mapping[str, Criterion],
    completions: int,
) -> Asked:
    """What a submit of this annotator on the slot is checked against: the same on every visit.

    `criteria`: all of the project's, of which a slot may ask some only.
    """
    seed = (protocol.salt, slot.instance_id, annotator.pk)
    grouped = protocol.best_worst and protocol.kind == Kind.LISTWISE and completions >= FEWEST
    return Asked(
        protocol=protocol,
        criteria={each.key: each for each in asked_among(criteria.values(), slot.criteria)},
        completions=completions,
        rationale_drawn=protocol.rationale == RationalePolicy.SAMPLED
        and unit_interval(*seed, "rationale") < protocol.rationale_share,
        groups=draw_groups(completions, *seed, "groups") if grouped else [],
    )
