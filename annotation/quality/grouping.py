"""What a report says of kinds of annotators and of data: groups, patterns of flips, slices."""

import re
from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np

from annotation.consensus import bradley_terry as bt
from annotation.consensus.groups import Groups, find, strongest
from annotation.instances.models import Completion, Instance
from annotation.labels.models import Annotator, AnnotatorKind

from .figures import Entry, clean
from .poisoning import Pair, patterns
from .reliability import Ballots
from .slices import by_cohort, by_part

MACHINES = (AnnotatorKind.JUDGE, AnnotatorKind.VERIFIER)
WINDOW = 2000
# Words of a prompt that are looked at, and labels that groups are sought in.
MOST_WORDS, MOST_LABELS = 400, 60_000
WORD = re.compile(r"\w{2,40}")

Key = tuple[int, int, int]


@dataclass(frozen=True)
class Material:
    """What is known of an instance besides its labels. `generators` by position."""

    tags: tuple[str, ...]
    words: frozenset[str]
    generators: Mapping[int, str]


@dataclass
class Table:
    """The labels of a criterion by pair of completions."""

    shares: dict[Hashable, dict[int, float]]
    prompts: dict[Hashable, str]
    when: dict[tuple[Hashable, int], float]

    @staticmethod
    def of(entries: Sequence[Entry]) -> "Table":
        table = Table(defaultdict(dict), {}, {})
        for entry in entries:
            for key, p in entry.shares.items():
                table.shares[key][entry.annotator] = p
                table.prompts[key] = entry.prompt
                table.when[key, entry.annotator] = entry.at.timestamp()
        return table


def figures_of(
    entries: Sequence[Entry],
    lengths: Mapping[tuple[int, int], int],
    people: Mapping[int, Annotator],
) -> tuple[dict[str, Any], dict[int, list[dict[str, Any]]]]:
    """Groups and slices for the report, and the patterns of each annotator.

    Args:
        entries: without those of excluded annotators.
        people: the project's annotators, judges among them.
    """
    table = Table.of(entries)
    known = material_of({entry.instance for entry in entries})
    judges = {pk for pk, row in people.items() if row.kind in MACHINES}
    parts = {key: known[cast(Key, key)[0]].tags for key in table.shares}
    cohorts = {pk: row.cohort for pk, row in people.items() if pk not in judges}
    tags = by_part(table.shares, table.prompts, parts, judges)
    kinds = by_cohort(table.shares, table.prompts, cohorts)
    groups = _groups(table, known, judges)
    found = {
        "groups": groups,
        "slices": {
            "tags": [clean(fields_of(row)) for row in tags],
            "cohorts": [clean(fields_of(row)) for row in kinds],
        },
    }
    # JSON has no numbers as keys.
    alike = {int(pk): strongest(chances) for pk, chances in groups["members"].items()}
    return found, _patterns(table, lengths, known, alike)


def fields_of(row: Any) -> dict[str, Any]:
    """The fields of a dataclass, its shares still shares."""
    return dict(vars(row))


def material_of(instances: Collection[int]) -> dict[int, Material]:
    """Tags, words of the prompt and generators, some thousand instances at a time."""
    found: dict[int, Material] = {}
    ordered = sorted(instances)
    for start in range(0, len(ordered), WINDOW):
        window = ordered[start : start + WINDOW]
        generators: dict[int, dict[int, str]] = defaultdict(dict)
        rows = Completion.objects.filter(instance__in=window)
        for pk, position, name in rows.values_list("instance", "position", "generator"):
            generators[pk][position] = name
        asked = Instance.objects.filter(pk__in=window).values_list("pk", "tags", "messages")
        for pk, tags, messages in asked:
            found[pk] = Material(tuple(tags), words_of(messages), generators[pk])
    return found


def words_of(messages: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """The first so many different words of a prompt's turns, in lower case."""
    words: dict[str, None] = {}
    for turn in messages:
        content = turn.get("content", "")
        text = content if isinstance(content, str) else _text(content)
        words.update(dict.fromkeys(WORD.findall(text.lower())))
        if len(words) > MOST_WORDS:
            break
    return frozenset(list(words)[:MOST_WORDS])


def _text(parts: Sequence[Mapping[str, Any]]) -> str:
    return " ".join(str(part.get("text", "")) for part in parts)


def _patterns(
    table: Table,
    lengths: Mapping[tuple[int, int], int],
    known: Mapping[int, Material],
    groups: Mapping[int, int],
) -> dict[int, list[dict[str, Any]]]:
    pairs = {}
    for key in table.shares:
        instance, i, j = cast(Key, key)
        mine = known[instance]
        pairs[key] = Pair(
            instance,
            (lengths.get((instance, i), 1), lengths.get((instance, j), 1)),
            (mine.generators.get(i, ""), mine.generators.get(j, "")),
            mine.words,
        )
    found = patterns(table.shares, pairs, table.when, groups)
    return {who: [clean(asdict(row)) for row in rows] for who, rows in found.items()}


def _groups(table: Table, known: Mapping[int, Material], judges: Collection[int]) -> dict[str, Any]:
    """The groups with their leaderboards, and the pairs on which they differ most."""
    keys = _drawn(table)
    codes: dict[str, int] = {}
    clusters = [codes.setdefault(table.prompts[key], len(codes)) for key in keys]
    rows = [
        (code, who, p, None, abs(p - 0.5) < 1e-9)
        for code, key in enumerate(keys)
        for who, p in table.shares[key].items()
    ]
    shaping = {who for _, who, *_ in rows} - set(judges)
    found = find(Ballots.of(rows), clusters, shaping=shaping)
    apart = [fields_of(row) | _place(keys[row.pair]) for row in found.apart]
    many = range(found.count if found.count > 1 else 0)
    figures: dict[str, Any] = clean(
        {
            **fields_of(found),
            "apart": apart,
            "drawn": len(keys) < len(table.shares),
            "boards": [_board(table, known, found, place) for place in many],
        }
    )
    return figures


def _place(key: Hashable) -> dict[str, Any]:
    instance, *places = cast(Key, key)
    return {"instance": instance, "places": places}


def _drawn(table: Table) -> list[Hashable]:
    """All pairs, or those of as many prompts, in the order of their hashes, as are enough."""
    ordered = sorted(table.shares, key=lambda key: (table.prompts[key], str(key)))
    kept, labels = [], 0
    for key in ordered:
        labels += len(table.shares[key])
        if labels > MOST_LABELS:
            break
        kept.append(key)
    return kept


def _board(
    table: Table, known: Mapping[int, Material], groups: Groups, place: int
) -> list[dict[str, Any]]:
    """Generators by the labels of one group, each weighed by its annotator's membership."""
    names: dict[str, int] = {}
    prompts: dict[str, int] = {}
    rows = []
    for key, given in table.shares.items():
        instance, i, j = cast(Key, key)
        first, second = (known[instance].generators.get(at, "") for at in (i, j))
        if not first or not second or first == second:
            continue
        mine = [
            (groups.members[who][place], p) for who, p in given.items() if who in groups.members
        ]
        won = sum(weight * p for weight, p in mine)
        codes = (names.setdefault(name, len(names)) for name in (first, second))
        cluster = prompts.setdefault(table.prompts[key], len(prompts))
        rows.append((*codes, cluster, won, sum(weight for weight, _ in mine) - won))
    return _ranked(list(names), rows) if rows else []


def _ranked(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Ratings in points of Elo, the best first; rows are first, second, prompt, won, lost."""
    first, second, cluster, won, lost = (np.array(column) for column in zip(*rows, strict=True))
    given = bt.Comparisons(
        *(first, second, won, lost, np.zeros(len(rows))), cluster=cluster, contestants=len(names)
    )
    fitted = bt.fit(given)
    points = bt.MIDDLE + bt.POINTS * fitted.values
    half = 1.96 * bt.POINTS * fitted.errors
    low, high = (points - half).tolist(), (points + half).tolist()
    board = [
        {"name": name, "rating": rating, "low": low[k], "high": high[k]}
        for k, (name, rating) in enumerate(zip(names, points.tolist(), strict=True))
    ]
    return sorted(board, key=lambda row: -row["rating"])
