"""Setting up an arena: its limits, and who answers in it."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils.translation import gettext as _

from accounts.models import Project, User
from annotation.ledger.models import Budget
from annotation.ledger.services import create_budget
from annotation.projects.selectors import main_criterion, protocol_of
from audit.services import record
from core.exceptions import Conflict, InvalidInput

from . import sources
from .addresses import address_of
from .models import Arena, Battle, Contestant, ContestantState
from .votes import check_criterion

BUDGET = "arena"
SETTABLE = frozenset(
    {
        "open",
        "public",
        "leaderboard",
        "most_characters",
        "most_turns",
        "most_tokens",
        "hourly_visitor",
        "hourly_address",
    }
)


@transaction.atomic
def set_up(
    *, project: Project, actor: User, limit_micros: int | None = None, **values: Any
) -> Arena:
    """Make the project's arena, or change it; `values` are its fields in `SETTABLE`.

    `limit_micros` is what all its answers together may cost, in millionths of the currency; None
    leaves the budget as it is, or the arena without one.

    Raises:
        InvalidInput: a field is unknown or out of range, the project does not compare, or the
            limit is below what is spent and set aside.
    """
    if unknown := sorted(set(values) - SETTABLE):
        raise InvalidInput(f"An arena has no setting {unknown[0]!r}.")
    criterion = main_criterion(project)
    check_criterion(criterion, criterion.asks(protocol_of(project)))
    Arena.objects.get_or_create(project=project)
    arena = Arena.objects.select_for_update(of=("self",)).get(project=project)
    for name, value in values.items():
        setattr(arena, name, value)
    if limit_micros is not None:
        arena.budget = _funded(arena, limit_micros)
    try:
        arena.full_clean(exclude=["budget"])
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise InvalidInput(f"{field}: {messages[0]}") from error
    arena.save()
    noted = values | {"limit_micros": limit_micros}
    record(action="arena set up", actor=actor, project=project, target="arena", **noted)
    return arena


def _funded(arena: Arena, limit: int) -> Budget:
    """The arena's budget with this limit, made where there is none."""
    if arena.budget is None:
        return create_budget(project=arena.project, name=BUDGET, limit_micros=limit)
    committed = F("settled") + F("reserved") + F("unknown")
    fits = Budget.objects.filter(pk=arena.budget.pk).annotate(used=committed)
    if not fits.filter(used__lte=limit).update(limit=limit):
        raise InvalidInput(_("More than that is spent or set aside already."))
    arena.budget.refresh_from_db()
    return arena.budget


@transaction.atomic
def add_contestant(*, arena: Arena, actor: User, name: str, **values: Any) -> Contestant:
    """Let somebody answer: `values` are the fields of `Contestant`.

    Raises:
        InvalidInput: a field is wrong, the address may not be asked, or the source is unknown.
        Conflict: a contestant of this name is here already.
    """
    contestant = Contestant(arena=arena, name=name.strip(), **values)
    _check_source(contestant)
    try:
        contestant.full_clean(exclude=["reference"], validate_constraints=False)
        with transaction.atomic():
            contestant.save()
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise InvalidInput(f"{field}: {messages[0]}") from error
    except IntegrityError as error:
        if "name_unique" not in str(error):
            raise InvalidInput(
                _("Prices are not negative, and the temperature is between 0 and 2.")
            ) from error
        raise Conflict(_("A contestant of this name is here already.")) from error
    _note("contestant added", contestant, actor)
    return contestant


def _check_source(contestant: Contestant) -> None:
    if contestant.source == sources.ENDPOINT:
        address_of(contestant.endpoint, contestant.base_url)
        if not contestant.model.strip():
            raise InvalidInput(_("Name the model that the endpoint is to run."))
        return
    project = contestant.arena.project
    choices = sources.source(contestant.source).choices(project)
    if contestant.reference not in {choice.reference for choice in choices}:
        raise InvalidInput(_("Choose one of the models of this project."))
    if contestant.price_per_1k_input_micros or contestant.price_per_1k_output_micros:
        raise InvalidInput(_("A model of this installation has no price per token."))


# What can be done to a contestant, and the state it leads to.
ACTS: Mapping[str, str] = {
    "pause": ContestantState.PAUSED,
    "resume": ContestantState.ACTIVE,
    "remove": ContestantState.REMOVED,
}


@transaction.atomic
def act_on(*, contestant: Contestant, act: str, actor: User) -> None:
    """Pause, resume or remove; one that has battled leaves its votes behind.

    Raises:
        InvalidInput: there is no such act.
        Conflict: it was removed before.
    """
    if act not in ACTS:
        raise InvalidInput(f"A contestant cannot be told to {act[:20]!r}.")
    contestant = Contestant.objects.select_for_update().get(pk=contestant.pk)
    if contestant.state == ContestantState.REMOVED:
        raise Conflict(_("This contestant was removed before."))
    _note(f"contestant: {act}", contestant, actor)
    battled = Battle.objects.filter(Q(first=contestant) | Q(second=contestant)).exists()
    if act == "remove" and not battled:
        contestant.delete()
        return
    contestant.state = ACTS[act]
    contestant.save(update_fields=["state"])


def _note(action: str, contestant: Contestant, actor: User) -> None:
    record(
        action=action,
        actor=actor,
        project=contestant.arena.project,
        target=f"contestant {contestant.pk}",
        name=contestant.name,
    )
