"""A vote as a label: an instance of the two answers, a filled slot and an annotation."""

import math
import uuid

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from annotation.instances.models import Completion, Instance, InstanceState
from annotation.labels.announcing import announce
from annotation.labels.answers import MOST_SECONDS, Answer
from annotation.labels.models import Annotation
from annotation.projects.models import Criterion, Kind, TieKind
from annotation.projects.selectors import guideline_of, main_criterion, protocol_of
from annotation.queue.models import Arm, Assignment, Destination, Slot, SlotState
from annotation.queue.pools import pools_for, required
from core.exceptions import Conflict, InvalidInput
from core.hashing import content_hash

from . import leaks
from .conversation import conversation
from .models import Battle, Contestant, Reply
from .sources import ENDPOINT

TAG = "arena"
SIDES = ("a", "b")
# In the order of the buttons; a project that does not allow one does not show it.
TIES = (TieKind.TIE, TieKind.BOTH_BAD)


def choices_of(battle: Battle) -> list[str]:
    """What can be voted in this project: `a`, `b` and the tie kinds it allows."""
    allowed = protocol_of(battle.arena.project).ties
    return [*SIDES, *(kind.value for kind in TIES if kind in allowed)]


def answer_of(battle: Battle, choice: str) -> Answer:
    """The choice in canonical positions, to the project's first criterion.

    Raises:
        InvalidInput: there is no such choice.
    """
    if choice not in choices_of(battle):
        raise InvalidInput(
            _("%(choice)r is no vote: choose one of those shown.") % {"choice": choice[:20]}
        )
    key = main_criterion(battle.arena.project).key
    if choice not in SIDES:
        return Answer(key, [1, 1], tie_kind=choice)
    winner = battle.shown_order[SIDES.index(choice)]
    return Answer(key, [1, 2] if winner == 0 else [2, 1])


def check_criterion(criterion: Criterion, kind: Kind) -> None:
    """Refuse a project whose first criterion is not answered by comparing.

    Raises:
        InvalidInput: it is rated or thumbed.
    """
    if kind not in (Kind.PAIRWISE, Kind.LISTWISE):
        raise InvalidInput(
            f"An arena compares two answers, and {criterion.name!r} is asked as {kind.value}: "
            "make a project that compares pairs."
        )


def write(
    battle: Battle, answer: Answer, *, client_id: uuid.UUID, seconds: float | None
) -> Instance:
    """The instance with the vote as its one label; call inside the vote's transaction.

    Raises:
        Conflict: the visitor sent this client id with another label.
    """
    project = battle.arena.project
    instance = _instance(battle)
    terms = ("", required(instance.tags, protocol_of(project).gates))
    # With it a vote that is taken back can be given again on the labelling page.
    Assignment.objects.create(
        instance=instance, destination=Destination.HUMAN, arm=Arm.ROUTED, propensity=1.0
    )
    slot = Slot.objects.create(
        project=project,
        instance=instance,
        # For others, where the vote is taken back and then passed on.
        pool=pools_for(project, [terms])[terms],
        ordinal=0,
        overlap=1,
        annotator=battle.annotator,
        state=SlotState.SUBMITTED,
        shown_order=battle.shown_order,
    )
    label = Annotation(
        project=project,
        instance=instance,
        annotator=battle.annotator,
        criterion=main_criterion(project),
        guideline=guideline_of(project),
        slot=slot,
        ranking=answer.ranking,
        tie_kind=answer.tie_kind,
        shown_order=battle.shown_order,
        seconds=plausible(seconds),
        client_id=client_id,
        payload_hash=answer.payload_hash(),
    )
    try:
        with transaction.atomic():
            label.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict(_("This form was sent for another round: reload the page.")) from error
    announce([label])
    return instance


def plausible(seconds: float | None) -> float | None:
    """A time that can be stored; what a page sends wrongly is no reason to lose a vote."""
    fine = seconds is not None and math.isfinite(seconds) and 0 <= seconds <= MOST_SECONDS
    return seconds if fine else None


def _instance(battle: Battle) -> Instance:
    """The last answers as completions. After several turns each side has a prompt of its own."""
    last = battle.turns.order_by("-number")[0]
    replies = list(last.replies.all())
    sides = [conversation(battle, reply.position) for reply in replies]
    opening = sides[0][:1]
    several = last.number > 0
    instance = Instance.objects.create(
        project=battle.arena.project,
        external_id=f"arena-{battle.key}",
        # Of its own: the same answers to the same prompt in another battle are another instance.
        content_hash=content_hash([str(battle.key), sides, [reply.text for reply in replies]]),
        prompt_hash=content_hash(opening),
        messages=opening,
        metadata={"source": TAG, "turns": last.number + 1},
        tags=_tags(battle, several),
        state=InstanceState.SETTLED,
    )
    contestants = (battle.first, battle.second)
    Completion.objects.bulk_create(
        _completion(instance, reply, contestants[reply.position], side if several else None)
        for reply, side in zip(replies, sides, strict=True)
    )
    return instance


def _tags(battle: Battle, several: bool) -> list[str]:
    """With a mark on a battle in which an answer names a model: the vote is not blind."""
    replies = Reply.objects.filter(turn__battle=battle).values_list("text", flat=True)
    prompts = battle.turns.values_list("prompt", flat=True)
    contestants = battle.arena.contestants.values_list("name", "model")
    names = {name for pair in contestants for name in pair}
    named = leaks.names_model(replies, list(prompts), names)
    marks = {"arena: several turns": several, leaks.TAG: named}
    return [TAG, *(mark for mark, holds in marks.items() if holds)]


def _completion(
    instance: Instance,
    reply: Reply,
    contestant: Contestant,
    messages: list[dict[str, str]] | None,
) -> Completion:
    return Completion(
        instance=instance,
        position=reply.position,
        text=reply.text,
        messages=messages,
        generator=contestant.name,
        checkpoint=contestant.model if contestant.source == ENDPOINT else "",
        sampling={"temperature": contestant.temperature},
        licence=contestant.licence,
    )
