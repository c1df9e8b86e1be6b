"""The features of a project's instances as one table, from what is stored: nothing is computed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from django.db.models.fields.json import KeyTextTransform

from accounts.models import Project
from annotation.instances.models import Instance
from annotation.judges.models import Judge
from annotation.projects.models import Criterion

from .extractors import ENCODED_FEATURES, TEXT, TEXT_FEATURES, encoded_by
from .habits import Habits
from .judging import Judging
from .models import Embedding, FeatureVector
from .rows import CHUNK, Rows, among
from .sides import Singles, differences_of, sided
from .table import FeatureTable, Floats, Ints, joined
from .written import written_columns

DOMAIN = "domain"


@dataclass(frozen=True, eq=False)
class ProjectTable:
    """Features of n instances of a project, in the order in which they were asked for.

    `judge` (n,) is the judge's P(first preferred), NaN where unknown; `differences` (n, d) the
    embedding of the first completion minus the second, a row of NaN where an instance has none
    or has not two completions, None where no encoder ran or none was asked for. `missing` counts
    by what they lack ("text", "embedding") instances without stored features, and under
    "instance" the ids that the project does not have. `extractors` are the versions that were
    read: {"text": …, "embedding": …}.
    """

    ids: Ints
    keys: tuple[str, ...]
    prompts: tuple[str, ...]
    table: FeatureTable
    judge: Floats
    differences: Singles | None
    missing: dict[str, int]
    extractors: dict[str, str]

    def __len__(self) -> int:
        return len(self.ids)


class _About(NamedTuple):
    pk: int
    external_id: str
    prompt_hash: str
    tags: list[str]
    domain: str | None


def feature_table(
    project: Project,
    instance_ids: Sequence[int],
    *,
    judge: Judge | None = None,
    criterion: Criterion | None = None,
    embeddings: bool = False,
    habits: Habits | None = None,
) -> ProjectTable:
    """Stored text features, encoder features, tags and signals of judges of these instances.

    Columns are there for what the project has: `ENCODED_FEATURES` once an encoder ran, `judge_*`
    with `judge`, the others as `Judging.columns` says; an unknown value is NaN. A constant number
    of queries for every 10,000 instances.

    Args:
        judge: whose verdicts `judge_*` and `.judge` are; None: they are unknown.
        criterion: what the judges were asked; None is the project's main one.
        embeddings: read `.differences` too, 4·d bytes an instance.
        habits: of `judge`; with them the signed columns of `evidence.directed` are there too.
    """
    about = _about(project, instance_ids)
    rows, encoder = Rows([each.pk for each in about]), encoder_of(project)
    stored = _stored(rows, encoder)
    signals, p, others = Judging.of(project, judge, criterion).columns(rows)
    prompts = tuple(each.prompt_hash for each in about)
    # Reward models that are judges say it of the moment; others what they have written back.
    columns = stored | written_columns(rows) | signals
    if habits is not None:
        columns |= sided(rows, prompts, stored, others, habits)
    missing = {
        "text": int(np.isnan(stored[TEXT_FEATURES[0]]).sum()),
        "embedding": int(np.isnan(stored[ENCODED_FEATURES[0]]).sum()) if encoder else len(rows),
        "instance": len(instance_ids) - len(rows),
    }
    return ProjectTable(
        ids=rows.ids,
        keys=tuple(each.external_id for each in about),
        prompts=prompts,
        table=FeatureTable(
            tuple(columns), np.column_stack(list(columns.values())), _categories(about)
        ),
        judge=p,
        differences=differences_of(rows, encoder) if embeddings and encoder else None,
        missing={name: count for name, count in missing.items() if count},
        extractors={"text": TEXT} | ({"embedding": encoder} if encoder else {}),
    )


def encoder_of(project: Project) -> str:
    """The extractor of the project's newest embeddings; "" where no encoder ran. One query."""
    newest = Embedding.objects.filter(instance__project=project).order_by("-pk")
    return newest.values_list("extractor", flat=True).first() or ""


def _about(project: Project, instance_ids: Sequence[int]) -> list[_About]:
    """What the project has of these, in their order, each once."""
    wanted = list(dict.fromkeys(instance_ids))
    known: dict[int, _About] = {}
    for start in range(0, len(wanted), CHUNK):
        rows = Instance.objects.filter(project=project, pk__in=among(wanted[start : start + CHUNK]))
        fields = ("pk", "external_id", "prompt_hash", "tags", KeyTextTransform(DOMAIN, "metadata"))
        known |= {row[0]: _About(*row) for row in rows.values_list(*fields)}
    return [known[pk] for pk in wanted if pk in known]


def _stored(rows: Rows, encoder: str) -> dict[str, Floats]:
    """The columns of the feature store, each (n,)."""
    extractors: dict[str, tuple[str, ...]] = {TEXT: TEXT_FEATURES}
    if encoder:
        extractors[encoded_by(encoder)] = ENCODED_FEATURES
    found: dict[str, Floats] = {}
    for extractor, names in extractors.items():
        vectors = FeatureVector.objects.filter(extractor=extractor)
        values = rows.fill(vectors, *(f"values__{place}" for place in range(len(names))))
        found |= dict(zip(names, values.T, strict=True))
    return found


def _categories(about: Sequence[_About]) -> dict[str, tuple[str, ...]]:
    """By name of a tag its values, "" where it is missing; tags without a name say nothing."""
    found: dict[str, list[str]] = {}
    for row, each in enumerate(about):
        given: dict[str, list[str]] = {}
        for name, value in _named(each):
            given.setdefault(name, []).append(value)
        for name, values in given.items():
            if name not in found:
                found[name] = [""] * len(about)
            found[name][row] = joined(values)
    return {name: tuple(values) for name, values in sorted(found.items())}


def _named(each: _About) -> Iterable[tuple[str, str]]:
    """(name, value) of its tags; a domain that the import gave as metadata stands for the tag."""
    found = [(name, value) for name, _, value in (tag.partition(":") for tag in each.tags) if value]
    if each.domain and all(name != DOMAIN for name, _ in found):
        found.append((DOMAIN, each.domain))
    return found
