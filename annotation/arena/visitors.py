"""Visitors of a public arena: known by a signed cookie, pseudonymous, and never a member."""

import uuid

from django.db import transaction

from annotation.labels.models import Annotator, AnnotatorKind
from annotation.labels.people import pseudonym
from annotation.projects.selectors import protocol_of
from core.hashing import content_hash

from .models import Arena


@transaction.atomic
def visitor(*, arena: Arena, key: uuid.UUID) -> Annotator:
    """The annotator of a cookie's key, made with the first prompt."""
    name = _name(key)
    annotator, _made = Annotator.objects.get_or_create(
        project=arena.project,
        kind=AnnotatorKind.PERSON,
        name=name,
        defaults={
            "pseudonym": pseudonym(
                salt=protocol_of(arena.project).salt, kind=AnnotatorKind.PERSON, name=name
            ),
            "cohort": "arena",
        },
    )
    return annotator


def known_visitor(*, arena: Arena, key: uuid.UUID) -> Annotator | None:
    """The annotator of a cookie's key, if it has played here."""
    rows = Annotator.objects.filter(project=arena.project_id, kind=AnnotatorKind.PERSON)
    return rows.filter(name=_name(key)).first()


def _name(key: uuid.UUID) -> str:
    return f"visitor {key}"


def hashed(*, arena: Arena, address: str) -> str:
    """An address that can be counted and not read."""
    return content_hash([protocol_of(arena.project).salt, "address", address])
