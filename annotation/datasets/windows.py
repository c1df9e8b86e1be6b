"""Walking what a snapshot holds: instances in the order of their ids, with labels and rows.

One pass: every label is read once, whatever files it goes into, and memory is that of a window.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import orjson
from django.db.models import TextField, Value
from django.db.models.functions import Cast, Coalesce, Collate

from annotation.consensus.posterior import Vote, majority
from annotation.instances.content import EVEN, text_of
from annotation.instances.models import Completion, Instance

from .digests import encoded, encoded_row, recoded
from .labels import DATA, MACHINES, Labels, Row, one_of
from .queries import EVERY
from .ratings import deciding, means, pairs

WINDOW = 500


class Case(NamedTuple):
    """An instance with all its labels, and the rows for training with the labels behind them."""

    # None where no label stands: then only the rows are stored.
    instance: Row | None
    labels: list[Row]
    rows: list[tuple[Row, list[Row]]]
    # Which import it came with, if any.
    job: int | None
    # (generator, licence) and characters of each completion.
    written: list[tuple[str, str]]
    lengths: list[int]


class Whole(NamedTuple):
    """What is known of an instance before it is shaped; JSON as canonical text, consensus as it
    is stored."""

    completions: list[dict[str, Any]]
    external_id: str
    prompt_hash: str
    tags: list[str]
    job: int | None
    messages: str
    context: str
    metadata: str
    # Of its assignment; blank or None without one.
    arm: str
    propensity: float | None
    decision: str | None
    worth: str | None = None
    sources: str | None = None
    simulated: bool | None = None


# Byte by byte, so that files of different databases have one order.
IN_ORDER = Collate("external_id", "C")
# In the order of `Whole`. JSON as text: a driver's objects of it would only be written again.
FIELDS: tuple[Any, ...] = (
    *("pk", "external_id", "prompt_hash", "tags", "imported_by_id"),
    *(Cast(name, TextField()) for name in ("messages", "context", "metadata")),
    *(Coalesce("assignment__arm", Value("")), "assignment__propensity"),
    Cast("assignment__decision_id", TextField()),
)
FOUND: tuple[Any, ...] = (
    *(Cast("found__worth", TextField()), Cast("found__sources", TextField())),
    "found__simulated",
)
COMPLETION: tuple[Any, ...] = (
    *("instance_id", "text", Cast("parts", TextField()), Cast("messages", TextField())),
    *("generator", "licence"),
)


def windows(
    labels: Labels, split_of: Mapping[str, str], *, scored: bool
) -> Iterator[tuple[int, list[Case]]]:
    """(instances read, cases), a window at a time.

    An instance that no split names has labels and no rows. The ids are those of one moment (one
    cursor), and so are the labels: later ones are ignored. No transaction is held, because the
    job that asks writes its progress in between.
    """
    query = labels.query
    ids = labels.instances().order_by(IN_ORDER).values_list("pk", flat=True)
    walk = ids.iterator(chunk_size=WINDOW)
    maker = _Rows(labels, split_of, scored)
    while window := list(islice(walk, WINDOW)):
        known = _whole(labels, window, with_consensus=query["criterion"] != EVERY)
        found = labels.of(
            {
                pk: (each.external_id, (each.arm, each.propensity, each.decision))
                for pk, each in known.items()
            }
        )
        yield len(window), [maker.case(known[pk], found[pk]) for pk in window if pk in known]


def _whole(labels: Labels, ids: Sequence[int], *, with_consensus: bool) -> dict[int, Whole]:
    completions: dict[int, list[dict[str, Any]]] = defaultdict(list)
    rows = Completion.objects.filter(instance__in=one_of(ids)).order_by("instance", "position")
    for instance, text, parts, messages, generator, licence in rows.values_list(*COMPLETION):
        completions[instance].append(
            {
                "text": text,
                "parts": json.loads(parts) if parts != "[]" else [],
                "messages": json.loads(messages) if messages is not None else None,
                "generator": generator,
                "licence": licence,
            }
        )
    base = labels.with_consensus() if with_consensus else Instance.objects.all()
    fields = (*FIELDS, *FOUND) if with_consensus else FIELDS
    found = base.filter(pk__in=one_of(ids)).order_by().values_list(*fields)
    return {
        values[0]: Whole(
            completions[values[0]],
            *values[1:5],
            *(recoded(text) for text in values[5:8]),
            *values[8:],
        )
        for values in found
    }


class _Rows:
    """Shapes instances and the rows of one query."""

    def __init__(self, labels: Labels, split_of: Mapping[str, str], scored: bool) -> None:
        self.query, self.split_of, self.scored = labels.query, split_of, scored
        self.narrowed = labels.narrowed
        criteria = [row for row in labels.criteria if row.key == self.query["criterion"]]
        self.steps = max(1, criteria[0].levels - 1) if criteria else 1

    def case(self, whole: Whole, labels: list[Row]) -> Case:
        rows: list[tuple[Row, list[Row]]] = []
        criterion = self.query["criterion"]
        if whole.prompt_hash in self.split_of and criterion != EVERY:
            behind = [
                label
                for label in labels
                if label["criterion"] == criterion and label["purpose"] in DATA
            ]
            # The same list, so that it is written as JSON once.
            behind = labels if len(behind) == len(labels) else behind
            rows = [(row, behind) for row in self._made(whole, behind)]
        instance = _instance(whole, self.split_of) if labels else None
        return Case(
            instance,
            labels,
            rows,
            whole.job,
            [(each["generator"], each["licence"]) for each in whole.completions],
            [len(each["text"]) for each in whole.completions],
        )

    def _made(self, whole: Whole, labels: list[Row]) -> Iterator[Row]:
        if self.scored:
            if self.query["pairs_from_ratings"] is not None and labels:
                yield from self._rated(whole, labels)
            return
        found = _counted(labels) if self.narrowed else _stored(whole)
        if found is None or (self.query["exclude_ties"] and _even(found["score"])):
            return
        yield (
            _content(whole, self.split_of)
            | found
            | {
                "pair_p": found["score"][0] if len(found["score"]) == 2 else None,
                "margin": _margin(found["score"], labels),
                "unranked": _unranked(labels),
            }
        )

    def _rated(self, whole: Whole, labels: list[Row]) -> Iterator[Row]:
        counted = deciding(labels)
        score = means(counted, len(whole.completions))
        shared = _behind(counted) | {"unranked": []}
        for pair in pairs(
            score, self.query["pairs_from_ratings"], self.steps, self.query.get("band")
        ):
            yield _content(whole, self.split_of, pair.pop("places")) | shared | pair


def _stored(whole: Whole) -> Row | None:
    """What the consensus says, as it was brought up to date last."""
    if whole.worth is None or whole.sources is None:
        return None
    sources = orjson.loads(whole.sources)
    human, judge = sources.get("human", 0), sources.get("judge", 0)
    name = "both" if human and judge else "human" if human else "judge"
    return {
        "score": [float(worth) for worth in orjson.loads(whole.worth)],
        "source": f"simulated-{name}" if whole.simulated else name,
        "simulated": whole.simulated,
        "annotators": sources.get("annotators", 0),
    }


def _counted(labels: Sequence[Row]) -> Row | None:
    """The majority of the labels that a query leaves, where the stored consensus has more."""
    ranking = [label for label in deciding(labels) if label["ranking"]]
    if not ranking:
        return None
    return {"score": [*majority([_vote(label) for label in ranking])]} | _behind(ranking)


def _vote(label: Mapping[str, Any]) -> Vote:
    p = None
    if label["kind"] in MACHINES and label["attributes"] != "{}":
        p = (json.loads(label["attributes"]).get("verdict") or {}).get("p")
    return Vote(0, tuple(label["ranking"]), p, frozenset(label["unranked"]))


def _behind(labels: Sequence[Mapping[str, Any]]) -> Row:
    machines = sum(label["kind"] in MACHINES for label in labels)
    name = "human" if not machines else "judge" if machines == len(labels) else "both"
    simulated = any(label["simulated"] for label in labels)
    return {
        "source": f"simulated-{name}" if simulated else name,
        "simulated": simulated,
        "annotators": len({label["annotator"] for label in labels}),
    }


def _content(whole: Whole, split_of: Mapping[str, str], places: Sequence[int] | None = None) -> Row:
    """What a row says of its instance, with all its completions or those at `places`."""
    completions = whole.completions
    if places is not None:
        completions = [completions[place] for place in places]
    prompt, rich = _prompt(whole.messages)
    return {
        "instance_id": whole.external_id,
        "split": split_of[whole.prompt_hash],
        "arm": whole.arm,
        "prompt": prompt,
        "prompt_hash": whole.prompt_hash,
        "completions": [_text(each) for each in completions],
        "weight": 1.0,
        "generators": [each["generator"] for each in completions],
        "licences": [each["licence"] for each in completions],
        "messages": whole.messages if rich else None,
        "context": whole.context if whole.context not in {"[]", "{}", '""', "null"} else None,
        "parts": [_json(each["parts"]) for each in completions],
        "own_prompts": [_json(each["messages"]) for each in completions],
    }


def _prompt(messages: str) -> tuple[str, bool]:
    """The canonical JSON of the turns as words, and whether there is more to them."""
    turns = orjson.loads(messages)
    rich = any(not isinstance(turn["content"], str) for turn in turns)
    if not rich and all(len(turn) == 2 for turn in turns):
        return messages, False
    words = [
        {"role": turn["role"], "content": text_of(turn["content"])}
        for turn in (json.loads(messages) if rich else turns)
    ]
    return encoded_row(words).decode(), rich


def _text(completion: Mapping[str, Any]) -> str:
    text, parts = completion["text"], completion["parts"]
    return text_of([text, *parts]) if parts else str(text)


def _json(value: Any) -> str | None:
    return encoded(value).decode() if value else None


def _instance(whole: Whole, split_of: Mapping[str, str]) -> Row:
    """An instance that no split names belongs to none: gold, and what only the labels know."""
    rich = any(each["parts"] or each["messages"] for each in whole.completions)
    return {
        "instance_id": whole.external_id,
        "split": split_of.get(whole.prompt_hash, ""),
        "prompt_hash": whole.prompt_hash,
        "messages": whole.messages,
        "context": whole.context,
        "completions": (encoded if rich else encoded_row)(whole.completions).decode(),
        "metadata": whole.metadata,
        "tags": whole.tags,
    }


def _unranked(labels: Sequence[Row]) -> list[int]:
    """The positions that every label which ranks left unranked."""
    ranking = [label["unranked"] for label in labels if label["ranking"]]
    return sorted(set.intersection(*map(set, ranking))) if ranking and all(ranking) else []


def _margin(worth: Sequence[float], labels: Sequence[Row]) -> float:
    """Mean strength of a pair's labels towards the consensus, those against it negative; ≥ 0."""
    if len(worth) != 2 or _even(worth):
        return 0.0
    winner = 0 if worth[0] > worth[1] else 1
    signed = [
        label["strength"] if label["ranking"][winner] == 1 else -label["strength"]
        for label in labels
        if label["strength"] is not None and len(set(label["ranking"])) == 2
    ]
    return max(0.0, sum(signed) / len(signed)) if signed else 0.0


def _even(worth: Sequence[float]) -> bool:
    return max(worth) - min(worth) < EVEN
