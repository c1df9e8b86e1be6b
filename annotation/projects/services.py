"""Writes about a project's protocol, criteria and guideline."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Project, User
from accounts.services import create_project as create_identity
from annotation.labels.models import Annotation
from audit.services import record
from core.exceptions import Conflict, InvalidInput, NotFound

from .checks import check_protocol
from .models import Criterion, Guideline, Kind, Protocol
from .selectors import guideline_of

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
LONGEST_GUIDELINE = 100_000
# What a label means hangs on these: they stand still once there is one.
FROZEN = frozenset({"kind", "strength_levels", "mark_steps", "best_worst"})
CHANGEABLE = SETTABLE | {"kind", "overlap"}
CRITERION_FROZEN = frozenset({"key", "kind", "lowest", "levels", "labels"})
CRITERION_FIELDS = CRITERION_FROZEN | {"name", "question", "reasons"}


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
        InvalidInput: a field is unknown or out of range, two do not go together, or there is no
            criterion.
    """
    row, questions = protocol_rows(kind=kind, criteria=criteria, overlap=overlap, **protocol)
    project = create_identity(name=name, owner=owner, slug=slug, description=description)
    row.project = project
    _clean(row)
    row.save()
    for question in questions:
        question.project = project
        _save_checked(question)
    settings = settings_of(row, questions)
    Guideline.objects.create(project=project, version=1, text=guideline, settings=settings)
    record(action="project created", actor=owner, project=project, kind=kind)
    return project


def protocol_rows(
    *,
    kind: str = Kind.PAIRWISE,
    criteria: Sequence[tuple[str, str, str] | Mapping[str, Any]] = (OVERALL,),
    overlap: int = 1,
    **protocol: Any,
) -> tuple[Protocol, list[Criterion]]:
    """What `create_project` would write, checked and not saved, of no project yet.

    Raises:
        InvalidInput: a field is unknown or out of range, or two do not go together.
    """
    _only_known("protocol", protocol, SETTABLE)
    row = Protocol(kind=kind, overlap=overlap, salt=secrets.token_hex(16), **protocol)
    questions = [
        Criterion(position=position, **_fields(given)) for position, given in enumerate(criteria)
    ]
    _check(row, questions)
    return row, questions


def _fields(given: tuple[str, str, str] | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(given, Mapping):
        _only_known("criterion", given, CRITERION_FIELDS)
        return dict(given)
    return dict(zip(("key", "name", "question"), given, strict=True))


def settings_of(protocol: Protocol, criteria: Sequence[Criterion]) -> dict[str, Any]:
    """The settings that a version of the guideline keeps: JSON values by field."""
    return {
        **{name: getattr(protocol, name) for name in sorted(CHANGEABLE)},
        "criteria": [
            {name: getattr(criterion, name) for name in sorted(CRITERION_FIELDS)}
            for criterion in criteria
        ],
    }


@transaction.atomic
def change_protocol(*, project: Project, by: User | None, **fields: Any) -> Protocol:
    """Change how the project collects labels from now on; what is not named stays.

    Open slots keep the overlap they were opened with. A change publishes a version of the
    guideline, so that every label names the settings it was given under.

    Raises:
        InvalidInput: a field is unknown or out of range, or two do not go together.
        Conflict: labels exist, and their meaning hangs on the field.
    """
    _only_known("protocol", fields, CHANGEABLE)
    protocol = _locked(project)
    changed = {name: value for name, value in fields.items() if getattr(protocol, name) != value}
    if not changed:
        return protocol
    _not_frozen(project, sorted(FROZEN & set(changed)))
    before = {name: getattr(protocol, name) for name in changed}
    for name, value in changed.items():
        setattr(protocol, name, value)
    # Whom an instance is open to may have changed: every cursor starts again.
    protocol.queue_epoch += 1
    _check(protocol, list(project.criteria.all()))
    _clean(protocol)
    protocol.save()
    _publish(protocol)
    record(action="protocol changed", actor=by, project=project, before=before, after=changed)
    return protocol


@transaction.atomic
def add_criterion(*, project: Project, by: User | None, **fields: Any) -> Criterion:
    """Ask one more question, after the others; labels that exist stay without an answer to it.

    Raises:
        InvalidInput: a field is unknown or out of range, or the key is taken.
    """
    _only_known("criterion", fields, CRITERION_FIELDS)
    protocol, criteria = _locked(project), list(project.criteria.all())
    position = max((criterion.position for criterion in criteria), default=-1) + 1
    criterion = Criterion(project=project, position=position, **fields)
    _check(protocol, [*criteria, criterion])
    _save_checked(criterion)
    _publish(protocol)
    record(action="criterion added", actor=by, project=project, target=criterion.key)
    return criterion


@transaction.atomic
def change_criterion(*, project: Project, key: str, by: User | None, **fields: Any) -> Criterion:
    """Change the words of a question; how it is answered only while nobody has answered it.

    Raises:
        NotFound: the project has no such criterion.
        InvalidInput: a field is unknown or out of range.
        Conflict: labels answer it, and their meaning hangs on the field.
    """
    _only_known("criterion", fields, CRITERION_FIELDS)
    protocol, criteria = _locked(project), list(project.criteria.all())
    criterion = next((row for row in criteria if row.key == key), None)
    if criterion is None:
        raise NotFound(_("The project has no criterion %(key)r.") % {"key": key})
    changed = {name: value for name, value in fields.items() if getattr(criterion, name) != value}
    if not changed:
        return criterion
    _not_frozen(project, sorted(CRITERION_FROZEN & set(changed)), criterion)
    for name, value in changed.items():
        setattr(criterion, name, value)
    _check(protocol, criteria)
    _save_checked(criterion)
    _publish(protocol)
    record(action="criterion changed", actor=by, project=project, target=key, after=changed)
    return criterion


@transaction.atomic
def remove_criterion(*, project: Project, key: str, by: User | None) -> None:
    """Stop asking a question that nobody has answered.

    Raises:
        NotFound: the project has no such criterion.
        Conflict: labels answer it.
        InvalidInput: it is the only one.
    """
    protocol, criteria = _locked(project), list(project.criteria.all())
    criterion = next((row for row in criteria if row.key == key), None)
    if criterion is None:
        raise NotFound(_("The project has no criterion %(key)r.") % {"key": key})
    _not_frozen(project, ["key"], criterion)
    _check(protocol, [row for row in criteria if row.key != key])
    criterion.delete()
    _publish(protocol)
    record(action="criterion removed", actor=by, project=project, target=key)


@transaction.atomic
def publish_guideline(*, project: Project, text: str, by: User | None = None) -> Guideline:
    """The next version of the guideline; labels from now on name it."""
    guideline = _publish(_locked(project), text)
    record(action="guideline published", actor=by, project=project, target=str(guideline))
    return guideline


@transaction.atomic
def revise_guideline(*, project: Project, text: str, by: User) -> tuple[Guideline, bool]:
    """What somebody wrote as the next version, and whether it is one: the same text is none.

    Raises:
        InvalidInput: it is too long.
    """
    text = text.replace("\r\n", "\n").strip()
    if len(text) > LONGEST_GUIDELINE:
        raise InvalidInput(_("A guideline has at most 100 000 characters."))
    newest = guideline_of(project)
    if newest is not None and newest.text.strip() == text:
        return newest, False
    return publish_guideline(project=project, text=text, by=by), True


@transaction.atomic
def set_archived(*, project: Project, archived: bool, by: User | None) -> Project:
    """Take the project off everybody's list and pause it, or put it back. Nothing is deleted.

    Brought back, it stays paused until somebody resumes it.
    """
    locked = Project.objects.select_for_update().get(pk=project.pk)
    if (locked.archived_at is not None) == archived:
        return locked
    locked.archived_at = timezone.now() if archived else None
    locked.save(update_fields=["archived_at"])
    if archived:
        running = Protocol.objects.filter(project=locked, paused_at=None)
        running.update(paused_at=locked.archived_at)
    action = "project archived" if archived else "project brought back"
    record(action=action, actor=by, project=locked)
    return locked


def _publish(protocol: Protocol, text: str | None = None) -> Guideline:
    """The next version, with the settings as they are; without a text it keeps the last one."""
    newest = Guideline.objects.filter(project=protocol.project_id).order_by("-version").first()
    criteria = list(Criterion.objects.filter(project=protocol.project_id))
    return Guideline.objects.create(
        project_id=protocol.project_id,
        version=newest.version + 1 if newest else 1,
        text=text if text is not None else newest.text if newest else "",
        settings=settings_of(protocol, criteria),
    )


def _locked(project: Project) -> Protocol:
    """The protocol row serialises whoever changes a project."""
    protocol = Protocol.objects.select_for_update().filter(project=project).first()
    if protocol is None:
        raise NotFound(_("The project %(slug)s has no protocol yet.") % {"slug": project.slug})
    return protocol


def _not_frozen(project: Project, names: Sequence[str], criterion: Criterion | None = None) -> None:
    if not names:
        return
    labels = Annotation.objects.filter(project=project)
    if criterion is not None:
        labels = labels.filter(criterion=criterion)
    if labels.exists():
        field = names[0].replace("_", " ")
        raise Conflict(
            f"Labels exist, and what they mean hangs on the {field}: it stays. Make a new project "
            "to ask in another way."
        )


def _only_known(what: str, given: Mapping[str, Any], known: frozenset[str]) -> None:
    if unknown := sorted(set(given) - known):
        raise InvalidInput(
            _("A %(what)s has no %(name)r: use %(choices)s.")
            % {"what": what, "name": unknown[0], "choices": ", ".join(sorted(known))}
        )


def _check(protocol: Protocol, criteria: Sequence[Criterion]) -> None:
    """Every field, then the rules between them: they say more than a constraint would."""
    try:
        protocol.clean_fields(exclude={"project"})
        for criterion in criteria:
            criterion.clean_fields(exclude={"project"})
    except ValidationError as error:
        raise _invalid(error) from error
    check_protocol(protocol, criteria)


def _save_checked(row: Criterion) -> None:
    _clean(row)
    row.save()


def _clean(row: Protocol | Criterion) -> None:
    try:
        row.full_clean()
    except ValidationError as error:
        raise _invalid(error) from error


def _invalid(error: ValidationError) -> InvalidInput:
    field, messages = next(iter(error.message_dict.items()))
    named = "" if field == "__all__" else f"{field}: "
    return InvalidInput(f"{named}{messages[0]}")
