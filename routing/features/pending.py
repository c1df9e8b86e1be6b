"""Which instances lack the features of an extractor, and their texts."""

from collections.abc import Iterator

from django.db.models import Exists, OuterRef, QuerySet

from accounts.models import Project
from annotation.instances.content import text_of
from annotation.instances.models import Completion, Instance, InstanceState

from .models import Embedding, FeatureVector

# Instances of one batch: what is stored of them survives a cancel.
BATCH = 2000
Texts = dict[int, tuple[str, tuple[str, ...]]]


def comparable(project: Project) -> QuerySet[Instance]:
    """The instances that features are computed of: not dropped, with at least two completions."""
    second = Completion.objects.filter(instance=OuterRef("pk"), position=1)
    return Instance.objects.filter(Exists(second), project=project).exclude(
        state=InstanceState.DROPPED
    )


def lacking_text(project: Project, extractor: str) -> QuerySet[Instance]:
    stored = FeatureVector.objects.filter(instance=OuterRef("pk"), extractor=extractor)
    return comparable(project).filter(~Exists(stored))


def lacking_embedding(project: Project, extractor: str) -> QuerySet[Instance]:
    stored = Embedding.objects.filter(instance=OuterRef("pk"), extractor=extractor)
    return comparable(project).filter(~Exists(stored))


def batches(lacking: QuerySet[Instance]) -> Iterator[Texts]:
    """Prompt and completions by instance, `BATCH` at a time, oldest first; three queries each.

    Every batch is asked for anew behind the last one, so instances that come meanwhile are in.
    """
    last = 0
    while True:
        found = list(
            lacking.filter(pk__gt=last)
            .order_by("pk")
            .only("pk", "messages")
            .prefetch_related("completions")[:BATCH]
        )
        if not found:
            return
        yield {
            instance.pk: (
                "\n".join(text_of(turn["content"]) for turn in instance.messages),
                tuple(each.whole_text for each in instance.completions.all()),
            )
            for instance in found
        }
        last = found[-1].pk
