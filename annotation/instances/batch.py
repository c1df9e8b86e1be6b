"""One transaction's worth of an import: compare with what is there, then write in bulk."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from django.db.models import Q

from accounts.models import Project
from annotation.projects.models import Protocol
from annotation.queue.models import Slot, SlotState
from annotation.tagging.models import InstanceTag
from annotation.tagging.services import imported
from jobs.models import Job

from .content import InstanceContent, LabelContent
from .copying import copy_in
from .models import Completion, Instance, RecordedLabel, Signal

_LABEL = tuple(field.name for field in fields(LabelContent))
_KEY = ("origin", "annotator", "criterion", "ordinal")
# What is compared; the rest of a label is its key.
_SAID = tuple(name for name in _LABEL if name not in _KEY)


@dataclass(frozen=True)
class Entry:
    """One instance to import and the line it stood on."""

    line: int
    content: InstanceContent

    @cached_property
    def hash(self) -> str:
        return self.content.content_hash()


@dataclass(frozen=True)
class Change:
    """What an import does with one instance, and with which of its fields."""

    id: str
    what: str
    fields: list[str]


class Batch:
    """Call `compare`, then `write`, in one transaction that holds the project's import lock.

    `compare` alone writes nothing and locks nothing: a dry run. `taken` are the contents
    (hash → id) that earlier batches of a dry run would have created.
    """

    def __init__(
        self,
        project: Project,
        protocol: Protocol,
        job: Job | None,
        entries: list[Entry],
        *,
        dry_run: bool = False,
        taken: Mapping[str, str] | None = None,
    ) -> None:
        self.project, self.protocol, self.job, self.entries = project, protocol, job, entries
        self.dry_run, self.taken = dry_run, taken or {}
        self.created: list[tuple[Instance, Entry]] = []
        self.replaced: list[tuple[Instance, Entry]] = []
        self.known: list[tuple[Instance, Entry]] = []
        self.described: list[Instance] = []
        self.duplicates: list[Entry] = []
        self.refused: list[tuple[Entry, str]] = []
        # New labels of known instances.
        self.added: list[tuple[Instance, list[LabelContent]]] = []
        self.changes: list[Change] = []
        self.recorded: list[RecordedLabel] = []

    def counts(self) -> dict[str, int]:
        updated = {each.pk for each in self.described} | {each.pk for each, _ in self.replaced}
        return {
            "created": len(self.created),
            "updated": len(updated),
            "unchanged": len(self.known) - len(self.described),
            "duplicates": len(self.duplicates),
            "labels": sum(len(labels) for _, labels in self._new_labels()),
        }

    def compare(self) -> None:
        """Put every entry where the table of `services` says it belongs."""
        self._sort_out()
        self._sort_out_labels()
        self._sort_out_descriptions()

    def write(self) -> None:
        """Write what `compare` found."""
        self._describe()
        self._replace()
        self._create()
        self.recorded = [
            RecordedLabel(
                instance=instance,
                imported_by=self.job,
                **{name: getattr(label, name) for name in _LABEL},
            )
            for instance, labels in self._new_labels()
            for label in labels
        ]
        copy_in(RecordedLabel, self.recorded)

    def _new_labels(self) -> Iterator[tuple[Instance, list[LabelContent]]]:
        yield from self.added
        for instance, entry in (*self.replaced, *self.created):
            yield instance, entry.content.labels

    def _sort_out(self) -> None:
        by_id, taken = self._there(), self._holders()
        changed = [
            each.pk
            for entry in self.entries
            if (each := by_id.get(entry.content.external_id)) and each.content_hash != entry.hash
        ]
        busy = self._busy(changed)
        for entry in self.entries:
            external_id = entry.content.external_id
            instance = by_id.get(external_id)
            holder = taken.setdefault(entry.hash, external_id)
            if holder != external_id:
                self.duplicates.append(entry)
            elif instance is None:
                self.created.append((self._new(entry), entry))
                self._change(entry, "created", [])
            elif instance.content_hash == entry.hash:
                self.known.append((instance, entry))
            elif instance.pk in busy:
                self._refuse(entry, "the content changed, but it is labelled already: use a new id")
            else:
                self.replaced.append((instance, entry))
                self._change(entry, "updated", _differing(instance, entry))

    def _there(self) -> dict[str, Instance]:
        """The instances of these ids; locked, unless nothing will be written."""
        ids = [entry.content.external_id for entry in self.entries]
        rows = Instance.objects.filter(project=self.project, external_id__in=ids).order_by("pk")
        rows = rows if self.dry_run else rows.select_for_update()
        return {each.external_id: each for each in rows}

    def _holders(self) -> dict[str, str]:
        """The ids that hold these contents already."""
        hashes = [entry.hash for entry in self.entries]
        rows = Instance.objects.filter(project=self.project, content_hash__in=hashes)
        earlier = {each: self.taken[each] for each in hashes if each in self.taken}
        return earlier | dict(rows.values_list("content_hash", "external_id"))

    def _busy(self, instances: list[int]) -> set[int]:
        """Those that carry an annotation or a judge call, or that somebody has in hand.

        Locks their slots, so that nobody claims one until the new content is there.
        """
        if not instances:
            return set()
        held = [SlotState.LEASED, SlotState.SUBMITTED]
        slots = Slot.objects.filter(instance__in=instances)
        slots = slots if self.dry_run else slots.select_for_update()
        in_hand = {slot.instance_id for slot in slots if slot.state in held}
        used = Instance.objects.filter(
            Q(annotations__isnull=False) | Q(judge_calls__isnull=False), pk__in=instances
        )
        return in_hand | set(used.values_list("pk", flat=True))

    def _new(self, entry: Entry) -> Instance:
        instance = Instance(
            project=self.project,
            external_id=entry.content.external_id,
            imported_by=self.job,
        )
        return _fill(instance, entry)

    def _sort_out_labels(self) -> None:
        """Find the new labels of known instances; refuse an entry whose old labels changed."""
        if not self.known:
            return
        old: dict[int, dict[tuple[Any, ...], tuple[Any, ...]]] = defaultdict(dict)
        instances = [instance.pk for instance, _ in self.known]
        for row in RecordedLabel.objects.filter(instance__in=instances):
            old[row.instance_id][_values(row, _KEY)] = _values(row, _SAID)
        agreeing = []
        for instance, entry in self.known:
            there = old[instance.pk]
            labels = {_values(each, _KEY): each for each in entry.content.labels}
            differing = [
                label
                for key, label in labels.items()
                if key in there and there[key] != _values(label, _SAID)
            ]
            if differing:
                reason = f"the label of {differing[0].annotator} changed: labels are never edited"
                self._refuse(entry, reason)
                continue
            agreeing.append((instance, entry))
            if fresh := [label for key, label in labels.items() if key not in there]:
                self.added.append((instance, fresh))
                self._change(entry, "label added", sorted({label.origin for label in fresh}))
        self.known = agreeing

    def _sort_out_descriptions(self) -> None:
        """Find other metadata and tags: no label depends on them."""
        for instance, entry in self.known:
            wanted = {"meta": entry.content.metadata, "tags": entry.content.tags}
            there = {"meta": instance.metadata, "tags": instance.tags}
            if other := [name for name, value in wanted.items() if there[name] != value]:
                instance.metadata, instance.tags = entry.content.metadata, entry.content.tags
                self.described.append(instance)
                self._change(entry, "updated", other)

    def _refuse(self, entry: Entry, reason: str) -> None:
        self.refused.append((entry, reason))
        self._change(entry, "refused", [])

    def _change(self, entry: Entry, what: str, names: list[str]) -> None:
        self.changes.append(Change(entry.content.external_id, what, names))

    def _describe(self) -> None:
        if self.described:
            Instance.objects.bulk_update(self.described, ["metadata", "tags"])
            imported(project=self.project, ids=[each.pk for each in self.described])

    def _replace(self) -> None:
        """Give instances nobody has worked on their new content; what stood on the old one goes."""
        if not self.replaced:
            return
        pks = [instance.pk for instance, _ in self.replaced]
        for model in (Completion, RecordedLabel, Signal, InstanceTag):
            model._default_manager.filter(instance__in=pks).delete()
        for instance, entry in self.replaced:
            _fill(instance, entry)
        Instance.objects.bulk_update(
            [instance for instance, _ in self.replaced],
            ["content_hash", "prompt_hash", "messages", "context", "metadata", "tags"],
        )

    def _create(self) -> None:
        copy_in(Instance, [instance for instance, _ in self.created])
        completions = [
            Completion(
                instance_id=instance.pk,
                position=position,
                text=each.text,
                parts=each.parts,
                messages=each.messages,
                generator=each.generator,
                licence=each.licence or self.protocol.licence,
            )
            for instance, entry in (*self.replaced, *self.created)
            for position, each in enumerate(entry.content.completions)
        ]
        copy_in(Completion, completions)


def _fill(instance: Instance, entry: Entry) -> Instance:
    instance.content_hash = entry.hash
    instance.prompt_hash = entry.content.prompt_hash()
    instance.messages = entry.content.messages
    instance.context = entry.content.context
    instance.metadata = entry.content.metadata
    instance.tags = entry.content.tags
    return instance


def _differing(instance: Instance, entry: Entry) -> list[str]:
    """Which fields of the interchange format an instance's new content changes."""
    content = entry.content
    there = {
        "prompt": instance.messages != content.messages,
        "context": instance.context != content.context,
    }
    return [name for name, differs in there.items() if differs] or ["responses"]


def _values(label: RecordedLabel | LabelContent, names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(getattr(label, name) for name in names)
