"""Writing tags. What counts is written on the instance at once, for everybody who reads it there.

Of each name, a person's tags count before imported ones, those before a judge's, and of several
judges those of the one asked last. A name without any row is as the import wrote it: its rows are
made when somebody else writes that name.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Project, User
from annotation.instances.models import Instance
from annotation.judges.models import Judge
from core.exceptions import InvalidInput

from .models import InstanceTag, TagSource
from .vocabulary import Tags, by_name, problem, strings

BATCH = 1000
BEFORE = (TagSource.PERSON, TagSource.IMPORT, TagSource.JUDGE)

Key = tuple[str, int | None]
# Rows of one instance and name, by source and judge.
Given = dict[Key, list[InstanceTag]]


@dataclass(frozen=True)
class Word:
    """Whose word it is."""

    source: TagSource
    judge: Judge | None = None
    by: User | None = None

    @property
    def key(self) -> Key:
        return self.source, self.judge.pk if self.judge else None

    def rows(self, pk: int, name: str, values: Iterable[str]) -> list[InstanceTag]:
        """Unsaved rows of these values."""
        return [
            InstanceTag(
                instance_id=pk,
                name=name,
                value=value,
                source=self.source,
                judge=self.judge,
                by=self.by,
            )
            for value in values
        ]


IMPORT = Word(TagSource.IMPORT)


def tag_by_person(*, instance: Instance, tags: Tags, by: User) -> None:
    """What a person says of these names; a name without a value is left to the other sources.

    Raises:
        InvalidInput: not of the vocabulary.
    """
    _check(tags)
    write(project=instance.project, wanted={instance.pk: tags}, word=Word(TagSource.PERSON, by=by))


def tag_by_judge(*, judge: Judge, wanted: Mapping[int, Tags]) -> None:
    """What a judge says, by instance id.

    Raises:
        InvalidInput: not of the vocabulary.
    """
    for tags in wanted.values():
        _check(tags)
    write(project=judge.project, wanted=wanted, word=Word(TagSource.JUDGE, judge=judge))


def write(*, project: Project, wanted: Mapping[int, Tags], word: Word) -> None:
    """Replace what this source said of these names, and say anew what counts.

    `wanted`: values by name, by instance id; ids of other projects are passed over. A few
    statements for each thousand instances, which are locked meanwhile.
    """
    ids = sorted(wanted)
    for start in range(0, len(ids), BATCH):
        _write(project, {pk: wanted[pk] for pk in ids[start : start + BATCH]}, word)


@transaction.atomic
def _write(project: Project, wanted: Mapping[int, Tags], word: Word) -> None:
    there = _locked(project, list(wanted))
    rows = _given(there)
    new = _adopt(there, rows, {pk: wanted[pk] for pk in there}, only_new=True)
    gone: list[InstanceTag] = []
    for pk in there:
        for name, values in wanted[pk].items():
            given = rows[pk, name]
            gone += given.pop(word.key, [])
            if values:
                given[word.key] = word.rows(pk, name, values)
                new += given[word.key]
    InstanceTag.objects.filter(pk__in=[row.pk for row in gone]).delete()
    InstanceTag.objects.bulk_create(new)
    _say(there, rows)


@transaction.atomic
def imported(*, project: Project, ids: Sequence[int]) -> None:
    """An import has written `Instance.tags` anew: what it says of tagged names is its word now."""
    there = _locked(project, ids)
    rows = _given(there)
    tagged: defaultdict[int, set[str]] = defaultdict(set)
    for (pk, name), given in rows.items():
        given.pop(IMPORT.key, None)
        tagged[pk].add(name)
    InstanceTag.objects.filter(instance__in=there, source=TagSource.IMPORT).delete()
    InstanceTag.objects.bulk_create(_adopt(there, rows, tagged, only_new=False))
    _say(there, rows)


def _check(tags: Tags) -> None:
    if why := problem(tags):
        raise InvalidInput(_("These are no tags of the vocabulary: %(why)s.") % {"why": why})


def _locked(project: Project, ids: Sequence[int]) -> dict[int, Instance]:
    rows = Instance.objects.filter(project=project, pk__in=ids).order_by("pk")
    locked = rows.select_for_update(no_key=True).only("pk", "tags")
    return {row.pk: row for row in locked}


def _given(there: Mapping[int, Instance]) -> defaultdict[tuple[int, str], Given]:
    """All rows by instance and name, the newest last."""
    rows: defaultdict[tuple[int, str], Given] = defaultdict(dict)
    for row in InstanceTag.objects.filter(instance__in=there).order_by("pk"):
        given = rows[row.instance_id, row.name]
        given.setdefault((row.source, row.judge_id), []).append(row)
    return rows


def _adopt(
    there: Mapping[int, Instance],
    rows: defaultdict[tuple[int, str], Given],
    names: Mapping[int, Iterable[str]],
    *,
    only_new: bool,
) -> list[InstanceTag]:
    """Unsaved rows for what an import wrote of these names on the instances.

    `only_new`: where a name has rows, what is written is what counts, not the import's word.
    """
    made = []
    for pk, instance in there.items():
        written = by_name(instance.tags)
        for name in names.get(pk, ()):
            if name in written and not (only_new and rows[pk, name]):
                rows[pk, name][IMPORT.key] = IMPORT.rows(pk, name, written[name])
                made += rows[pk, name][IMPORT.key]
    return made


def _say(there: Mapping[int, Instance], rows: Mapping[tuple[int, str], Given]) -> None:
    """Write on each instance what counts of the names that have rows."""
    counted: defaultdict[int, dict[str, tuple[str, ...]]] = defaultdict(dict)
    for (pk, name), given in rows.items():
        counted[pk][name] = _counting(given)
    changed = []
    for pk, values in counted.items():
        instance = there[pk]
        kept = [tag for tag in instance.tags if tag.partition(":")[0] not in values]
        tags = sorted({*kept, *strings(values)})
        if tags != sorted(instance.tags):
            instance.tags = tags
            changed.append(instance)
    Instance.objects.bulk_update(changed, ["tags"])


def _counting(given: Given) -> tuple[str, ...]:
    """The values that count; of several judges, those of the one that came last."""
    for source in BEFORE:
        found = [rows for (kind, _judge), rows in given.items() if kind == source]
        if found:
            newest = max(found, key=lambda rows: rows[0].pk or 0)
            return tuple(row.value for row in newest)
    return ()
