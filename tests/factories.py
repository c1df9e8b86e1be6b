"""Plain functions that make rows for tests; every argument has a sensible default."""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from typing import Any

from django.utils import timezone

from accounts.models import Project, Role, User
from accounts.services import add_member, create_user
from annotation.instances.content import CompletionContent, InstanceContent
from annotation.instances.models import Completion, Instance, RecordedLabel
from annotation.labels.models import Annotation, Annotator
from annotation.projects.models import Criterion
from annotation.projects.services import create_project
from annotation.queue.models import Pool, Slot, SlotState

_number = count(1)


def make_user(username: str = "", **fields: Any) -> User:
    return create_user(username=username or f"user{next(_number)}", password="secret", **fields)


def make_project(name: str = "", owner: User | None = None, **fields: Any) -> Project:
    """A pairwise project with the criterion `overall`; `fields` as in `create_project`."""
    return create_project(
        name=name or f"Project {next(_number)}", owner=owner or make_user(), **fields
    )


def make_member(project: Project, role: Role = Role.ANNOTATOR, username: str = "") -> User:
    user = make_user(username)
    add_member(project=project, user=user, role=role)
    return user


def make_instance(
    project: Project,
    texts: Sequence[str] = (),
    *,
    external_id: str = "",
    prompt: str = "",
    generators: Sequence[str] = ("model-a", "model-b"),
    **fields: Any,
) -> Instance:
    """An instance with one completion per text (two different ones by default)."""
    number = next(_number)
    texts = texts or (f"First completion {number}.", f"Second completion {number}.")
    content = InstanceContent(
        external_id=external_id or f"instance-{number}",
        messages=[{"role": "user", "content": prompt or f"Question {number}?"}],
        completions=[
            CompletionContent(text, generators[position % len(generators)])
            for position, text in enumerate(texts)
        ],
    )
    instance = Instance.objects.create(
        project=project,
        external_id=content.external_id,
        content_hash=content.content_hash(),
        prompt_hash=content.prompt_hash(),
        messages=content.messages,
        **fields,
    )
    for position, each in enumerate(content.completions):
        make_completion(instance, position, each.text, generator=each.generator)
    return instance


def make_completion(
    instance: Instance, position: int, text: str = "A completion.", **fields: Any
) -> Completion:
    return Completion.objects.create(instance=instance, position=position, text=text, **fields)


def make_annotator(project: Project, name: str = "", **fields: Any) -> Annotator:
    """An annotator; a person with a user and a membership unless `kind` is given."""
    name = name or f"annotator{next(_number)}"
    if "kind" not in fields:
        fields = {"kind": "person", "user": make_member(project, username=name)} | fields
    return Annotator.objects.create(
        project=project, name=name, pseudonym=f"x-{next(_number)}", **fields
    )


def make_slot(instance: Instance, annotator: Annotator | None = None, **fields: Any) -> Slot:
    """An open slot, or one leased for half an hour when an annotator is given."""
    if annotator is not None:
        lease = {
            "annotator": annotator,
            "state": SlotState.LEASED,
            "leased_until": timezone.now() + timedelta(minutes=30),
            "shown_order": [0, 1],
        }
        fields = lease | fields
    if "pool" not in fields:
        fields["pool"], _ = Pool.objects.get_or_create(
            project=instance.project, cohort="", requires=[]
        )
    values = {"ordinal": 0, "overlap": fields.get("ordinal", 0) + 1} | fields
    return Slot.objects.create(project=instance.project, instance=instance, **values)


def make_recorded_label(
    instance: Instance,
    ranking: Sequence[int] = (1, 2),
    *,
    origin: str = "human",
    annotator: str = "",
    **fields: Any,
) -> RecordedLabel:
    return RecordedLabel.objects.create(
        instance=instance,
        origin=origin,
        annotator=annotator or f"{origin}{next(_number)}",
        ranking=list(ranking),
        **fields,
    )


def make_annotation(
    instance: Instance,
    annotator: Annotator | None = None,
    ranking: Sequence[int] = (1, 2),
    criterion: Criterion | None = None,
    **fields: Any,
) -> Annotation:
    """A label on the project's first criterion, written past the queue."""
    values = {"client_id": uuid.uuid4(), "payload_hash": "0" * 64} | fields
    return Annotation.objects.create(
        project=instance.project,
        instance=instance,
        annotator=annotator or make_annotator(instance.project, kind="import"),
        criterion=criterion or Criterion.objects.filter(project=instance.project)[0],
        ranking=list(ranking),
        **values,
    )
