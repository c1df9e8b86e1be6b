"""Writes about a project's protocol, criteria and guideline."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import Project, User
from accounts.services import create_project as create_identity
from core.exceptions import InvalidInput

from .models import Criterion, Guideline, Kind, Protocol

OVERALL = ("overall", "Overall", "Which completion is better overall?")
SETTABLE = frozenset(
    {
        "ties",
        "strength_levels",
        "ask_confidence",
        "post_edit",
        "mark_steps",
        "best_worst",
        "rationale",
        "rationale_share",
        "reasons",
        "overlap_most",
        "settle_entropy",
        "seats",
        "gates",
        "lease_minutes",
        "flag_limit",
        "gold_share",
        "repeat_share",
        "least_seconds",
        "qualify_count",
        "qualify_share",
        "leaderboard",
        "locale",
        "licence",
    }
)


@transaction.atomic
def create_project(
    *,
    name: str,
    owner: User,
    kind: str = Kind.PAIRWISE,
    criteria: Sequence[tuple[str, str, str] | Mapping[str, Any]] = (OVERALL,),
    overlap: int = 1,
    guideline: str = "",
    slug: str = "",
    description: str = "",
    **protocol: Any,
) -> Project:
    """A project with its protocol, its criteria and guideline version 1.

    A criterion is `(key, name, question)`, or a mapping of the fields of `Criterion`.

    `protocol` sets the other fields of `Protocol`. The first criterion is the one that imported
    labels answer.

    Raises:
        InvalidInput: a field is unknown or out of range, or there is no criterion.
    """
    if unknown := sorted(set(protocol) - SETTABLE):
        raise InvalidInput(f"A protocol has no {unknown[0]!r}: use {', '.join(sorted(SETTABLE))}.")
    if not criteria:
        raise InvalidInput("A project needs at least one criterion.")
    project = create_identity(name=name, owner=owner, slug=slug, description=description)
    row = Protocol(
        project=project, kind=kind, overlap=overlap, salt=secrets.token_hex(16), **protocol
    )
    _save_checked(row)
    for position, given in enumerate(criteria):
        fields = given if isinstance(given, Mapping) else _named(*given)
        _save_checked(Criterion(project=project, position=position, **fields))
    Guideline.objects.create(project=project, version=1, text=guideline)
    return project


def _named(key: str, name: str, question: str) -> dict[str, str]:
    return {"key": key, "name": name, "question": question}


@transaction.atomic
def publish_guideline(*, project: Project, text: str) -> Guideline:
    """The next version of the guideline; labels from now on name it."""
    # The protocol row serialises two publishers.
    protocol = Protocol.objects.select_for_update().get(project=project)
    newest = Guideline.objects.filter(project=project).order_by("-version").first()
    return Guideline.objects.create(
        project=project,
        version=newest.version + 1 if newest else 1,
        text=text,
        settings={"kind": protocol.kind, "ties": protocol.ties, "overlap": protocol.overlap},
    )


def _save_checked(row: Protocol | Criterion) -> None:
    try:
        row.full_clean()
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise InvalidInput(f"{field}: {messages[0]}") from error
    row.save()
