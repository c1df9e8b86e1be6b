"""One transaction's worth of an import: compare with what is there, then write in bulk."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
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
from .models import Completion, Instance, RecordedLabel, Signal


@dataclass(frozen=True)
class Entry:
    """One instance to import and the line it stood on."""

    line: int
    content: InstanceContent

    @cached_property
    def hash(self) -> str:
        return self.content.content_hash()


class Batch:
    """Call `write` once, inside a transaction that holds the project's import lock."""

    def __init__(
        self, project: Project, protocol: Protocol, job: Job | None, entries: list[Entry]
    ) -> None:
        self.project, self.protocol, self.job, self.entries = project, protocol, job, entries
        self.created: list[Entry] = []
        self.replaced: list[tuple[Instance, Entry]] = []
        self.known: list[tuple[Instance, Entry]] = []
        self.described: list[Instance] = []
        self.duplicates: list[Entry] = []
        self.refused: list[tuple[Entry, str]] = []
        self.recorded: list[RecordedLabel] = []

    def counts(self) -> dict[str, int]:
        updated = {each.pk for each in self.described} | {each.pk for each, _ in self.replaced}
        return {
            "created": len(self.created),
            "updated": len(updated),
            "unchanged": len(self.known) - len(self.described),
            "duplicates": len(self.duplicates),
            "labels": len(self.recorded),
        }

    def write(self) -> None:
        self._sort_out()
        self._sort_out_labels()
        self._describe()
        self._replace()
        self._create()
        self.recorded = RecordedLabel.objects.bulk_create(self.recorded, batch_size=1000)

    def _sort_out(self) -> None:
        """Put every entry where the table of `services` says it belongs, labels aside."""
        ids = [entry.content.external_id for entry in self.entries]
        there = Instance.objects.filter(project=self.project).select_for_update()
        by_id = {
            each.external_id: each for each in there.filter(external_id__in=ids).order_by("pk")
        }
        hashes = [entry.hash for entry in self.entries]
        taken = dict(
            Instance.objects.filter(project=self.project, content_hash__in=hashes).values_list(
                "content_hash", "external_id"
            )
        )
        changed = [
            each.pk
            for entry in self.entries
            if (each := by_id.get(entry.content.external_id)) and each.content_hash != entry.hash
        ]
        busy = _busy(changed)
        for entry in self.entries:
            instance = by_id.get(entry.content.external_id)
            holder = taken.setdefault(entry.hash, entry.content.external_id)
            if holder != entry.content.external_id:
                self.duplicates.append(entry)
            elif instance is None:
                self.created.append(entry)
            elif instance.content_hash == entry.hash:
                self.known.append((instance, entry))
            elif instance.pk in busy:
                self.refused.append(
                    (entry, "the content changed, but it is labelled already: use a new id")
                )
            else:
                self.replaced.append((instance, entry))

    def _sort_out_labels(self) -> None:
        """Add the new labels of known instances; refuse an entry whose old labels changed."""
        old: dict[int, dict[tuple[Any, ...], tuple[Any, ...]]] = defaultdict(dict)
        instances = [instance.pk for instance, _ in self.known]
        for row in RecordedLabel.objects.filter(instance__in=instances):
            old[row.instance_id][row.origin, row.annotator, row.ordinal] = _said(row)
        agreeing = []
        for instance, entry in self.known:
            there = old[instance.pk]
            labels = {
                (each.origin, each.annotator, each.ordinal): each for each in entry.content.labels
            }
            differing = [
                key for key, label in labels.items() if there.get(key, _said(label)) != _said(label)
            ]
            if differing:
                self.refused.append(
                    (entry, f"the label of {differing[0][1]} changed: labels are never edited")
                )
                continue
            agreeing.append((instance, entry))
            self._record(instance, [label for key, label in labels.items() if key not in there])
        self.known = agreeing

    def _describe(self) -> None:
        """Take over other metadata and tags: no label depends on them."""
        for instance, entry in self.known:
            wanted = (entry.content.metadata, entry.content.tags)
            if (instance.metadata, instance.tags) != wanted:
                instance.metadata, instance.tags = wanted
                self.described.append(instance)
        Instance.objects.bulk_update(self.described, ["metadata", "tags"])
        imported(project=self.project, ids=[each.pk for each in self.described])

    def _replace(self) -> None:
        """Give instances nobody has worked on their new content; what stood on the old one goes."""
        pks = [instance.pk for instance, _ in self.replaced]
        for model in (Completion, RecordedLabel, Signal, InstanceTag):
            model._default_manager.filter(instance__in=pks).delete()
        for instance, entry in self.replaced:
            _fill(instance, entry)
        Instance.objects.bulk_update(
            [instance for instance, _ in self.replaced],
            ["content_hash", "prompt_hash", "messages", "context", "metadata", "tags"],
        )
        self._add_parts(self.replaced)

    def _create(self) -> None:
        instances = [
            _fill(
                Instance(
                    project=self.project,
                    external_id=entry.content.external_id,
                    imported_by=self.job,
                ),
                entry,
            )
            for entry in self.created
        ]
        self._add_parts(zip(Instance.objects.bulk_create(instances), self.created, strict=True))

    def _add_parts(self, pairs: Iterable[tuple[Instance, Entry]]) -> None:
        completions = []
        for instance, entry in pairs:
            self._record(instance, entry.content.labels)
            completions += [
                Completion(
                    instance=instance,
                    position=position,
                    text=each.text,
                    parts=each.parts,
                    messages=each.messages,
                    generator=each.generator,
                    licence=each.licence or self.protocol.licence,
                )
                for position, each in enumerate(entry.content.completions)
            ]
        Completion.objects.bulk_create(completions, batch_size=1000)

    def _record(self, instance: Instance, labels: list[LabelContent]) -> None:
        self.recorded += [RecordedLabel(instance=instance, **vars(label)) for label in labels]


def _fill(instance: Instance, entry: Entry) -> Instance:
    instance.content_hash = entry.hash
    instance.prompt_hash = entry.content.prompt_hash()
    instance.messages = entry.content.messages
    instance.context = entry.content.context
    instance.metadata = entry.content.metadata
    instance.tags = entry.content.tags
    return instance


def _said(label: RecordedLabel | LabelContent) -> tuple[Any, ...]:
    return (
        label.ranking,
        label.shown_order,
        label.strength,
        label.attributes,
        label.rationale,
        label.simulated,
    )


def _busy(instances: list[int]) -> set[int]:
    """Those that carry an annotation or a judge call, or that somebody has in hand or answered.

    Locks their slots, so that nobody claims one until the new content is there.
    """
    held = [SlotState.LEASED, SlotState.SUBMITTED]
    slots = Slot.objects.filter(instance__in=instances).select_for_update()
    in_hand = {slot.instance_id for slot in slots if slot.state in held}
    used = Instance.objects.filter(
        Q(annotations__isnull=False) | Q(judge_calls__isnull=False), pk__in=instances
    )
    return in_hand | set(used.values_list("pk", flat=True))
