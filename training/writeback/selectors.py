"""Which instances a write-back is about, and what is known of them."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from accounts.models import Project
from annotation.consensus.models import Consensus, Scope
from annotation.instances.content import text_of
from annotation.instances.models import Instance, InstanceState, Signal
from annotation.projects.selectors import main_criterion
from core import artifacts
from core.exceptions import InvalidInput, NotFound
from core.hashing import canonical_json
from jobs.models import Job, State
from training.batching.rows import MOST_COMPLETIONS
from training.registry.models import ModelVersion
from training.runs.artifacts import REFERENCE
from training.runs.config import local_folder
from training.runs.models import RunKind

from .models import WriteBack

KIND = "training.writeback"
# The signal that every instance gets which a version has been asked about.
MARKER = {RunKind.REWARD.value: "reward_margin", RunKind.POLICY.value: "policy_entropy"}


def wishes_of(project: Project) -> WriteBack:
    """The project's settings; not stored where nobody has set them."""
    return WriteBack.objects.filter(project=project).first() or WriteBack(project=project)


def tag_of(version: ModelVersion) -> str:
    """The version of a signal: "reward v3"."""
    return f"{version.kind} v{version.version}"


def waiting(version: ModelVersion, *, everything: bool = False) -> QuerySet[Instance]:
    """Instances to ask the version about: those without its signals or with newer labels.

    Two completions at least; what was dropped is left out.
    """
    rows = (
        Instance.objects.filter(project=version.project_id)
        .exclude(state=InstanceState.DROPPED)
        .annotate(size=Count("completions"))
        .filter(size__gte=2, size__lte=MOST_COMPLETIONS)
    )
    if everything:
        return rows
    said = Signal.objects.filter(
        instance=OuterRef("pk"), name=MARKER[version.kind], version=tag_of(version)
    )
    missing = ~Exists(said)
    last = (
        Job.objects.filter(kind=KIND, state=State.SUCCEEDED, arguments__version=version.pk)
        .order_by("-started_at")
        .first()
    )
    if last is None or last.started_at is None:
        return rows.filter(missing)
    newer = Consensus.objects.filter(instance=OuterRef("pk"), updated_at__gte=last.started_at)
    return rows.filter(missing | Q(Exists(newer)))


def window(rows: QuerySet[Instance], after: int, size: int) -> list[Instance]:
    """The next instances by id, with their completions."""
    found = rows.filter(pk__gt=after).order_by("pk").prefetch_related("completions")
    return list(islice(found[:size], size))


def row_of(instance: Instance) -> dict[str, Any]:
    """An instance as the commands of training read it; its id is the primary key."""
    completions = list(instance.completions.all())
    own = [_words(each.messages) if each.messages else None for each in completions]
    return {
        "prompt": _words(instance.messages),
        "completions": [each.whole_text for each in completions],
        "own_prompts": own,
        "prompt_hash": instance.prompt_hash,
        "instance_id": str(instance.pk),
    }


def _words(messages: Sequence[Mapping[str, Any]]) -> str:
    return canonical_json(
        [{"role": turn["role"], "content": text_of(turn["content"])} for turn in messages]
    )


def worths(project: Project, instance_ids: Sequence[int]) -> Mapping[int, list[float]]:
    """What the labels of an instance say on the main criterion, by instance. Two queries."""
    rows = Consensus.objects.filter(
        instance__in=instance_ids, criterion=main_criterion(project), scope=Scope.MIXED
    )
    return dict(rows.values_list("instance_id", "worth"))


def prompts_trained_on(version: ModelVersion) -> set[str]:
    """Hashes of the prompts that the version, or one it continues, has seen with labels."""
    found: set[str] = set()
    seen: set[int] = set()
    current: ModelVersion | None = version
    while current is not None and current.pk not in seen:
        seen.add(current.pk)
        found |= _prompts(current)
        current = _parent(current)
    return found


def _prompts(version: ModelVersion) -> set[str]:
    run = version.run
    for name, file in (
        (f"{run.folder}/data", "train.parquet"),
        (run.snapshot.folder, "train.parquet"),
    ):
        try:
            path = artifacts.fetch(name) / file
        except NotFound:
            continue
        if path.is_file():
            return set(pq.read_table(path, columns=["prompt_hash"])["prompt_hash"].to_pylist())
    raise NotFound(f"The rows that {version} was trained on are gone: its trust has no meaning.")


def _parent(version: ModelVersion) -> ModelVersion | None:
    path = (version.run.config.get("base") or {}).get("path") or ""
    others = ModelVersion.objects.filter(project=version.project_id).select_related("run__snapshot")
    return next((row for row in others if path.endswith(f"/{row.folder}")), None)


def reference_of(version: ModelVersion) -> Path | None:
    """The folder of the policy's reference: the one named, left by its warm-up, or its base.

    None where it began from random weights without a warm-up, or from a hub: then there is no
    folder of it.

    Raises:
        NotFound: it is gone; never is another one taken for it.
    """
    config = version.run.config
    named = config.get("reference") or []
    if named:
        return _model_folder(version, max(named, key=lambda each: each.get("weight", 1))["path"])
    if config.get("sft_warmup_steps"):
        name = f"{version.run.folder}/{REFERENCE}"
        folder = artifacts.fetch(name)
        if not folder.is_dir():
            raise NotFound(f"The reference of {version} is gone: copy {name} to this machine.")
        return folder
    base = (config.get("base") or {}).get("path")
    return _model_folder(version, base) if base else None


def _model_folder(version: ModelVersion, path: str) -> Path:
    try:
        return local_folder(version.project, path)
    except InvalidInput as error:
        raise NotFound(f"The reference of {version} is gone: {error.message}") from None
