"""What leaves with an export: stored tables changed before any shape is made of them.

Every shape reads the same tables, so none can forget what another leaves out.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.utils.crypto import salted_hmac

from annotation.labels.models import AnnotatorKind

from .options import NUMBERED, STORED, Options

NAMED = {AnnotatorKind.JUDGE: "judge", AnnotatorKind.VERIFIER: "verifier"}
PERSON = "annotator"
DAY = len("2026-01-31")
MASKS = (
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "[e-mail]"),
    (re.compile(r"(?<![\w/@])@\w{2,}"), "[handle]"),
    (
        re.compile(
            r"(?<![\w.])"
            r"(?:\+\d[\d ()./-]{6,}\d|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}|0\d{2,4}[ /-]\d[\d -]{3,}\d)"
            r"(?!\w)"
        ),
        "[phone]",
    ),
)
# Of a label's attributes a release without free text keeps numbers, and edits, which are content.
CONTENT = ("edit",)

Names = dict[str, str]


class Release:
    """What is done to the tables of one snapshot under these options."""

    def __init__(self, options: Options, key: str, labels: Path) -> None:
        self.options = options
        self._key = key
        self._names: Names = {}
        self._few: dict[str, set[Any]] = {}
        if labels.is_file() and (options.annotators == NUMBERED or options.least_cohort):
            self._look_at(labels)

    def _look_at(self, path: Path) -> None:
        """Who labelled, for numbers that say nothing of when, and groups that are too small."""
        kinds: dict[str, str] = {}
        members: dict[str, dict[Any, set[str]]] = {
            "cohort": defaultdict(set),
            "group": defaultdict(set),
        }
        columns = ["annotator", "kind", *members]
        for batch in pq.ParquetFile(path).iter_batches(batch_size=65_536, columns=columns):
            different = pa.Table.from_batches([batch]).group_by(columns).aggregate([])
            for row in different.to_pylist():
                kinds[row["annotator"]] = row["kind"]
                for name, found in members.items():
                    found[row[name]].add(row["annotator"])
        if self.options.annotators == NUMBERED:
            self._names = self._numbers(kinds)
        for name, found in members.items():
            few = {value for value, who in found.items() if len(who) < self.options.least_cohort}
            self._few[name] = few - {"", None}

    def _numbers(self, kinds: Names) -> Names:
        order: dict[str, list[str]] = defaultdict(list)
        for name in sorted(kinds, key=self._digest):
            order[NAMED.get(AnnotatorKind(kinds[name]), PERSON)].append(name)
        return {
            name: f"{word}-{number}"
            for word, names in order.items()
            for number, name in enumerate(names, 1)
        }

    def _digest(self, name: str) -> str:
        """The same annotator has another name in every export, and only this server can tell."""
        return salted_hmac(f"export {self._key}", name, algorithm="sha256").hexdigest()

    # --- Tables ---------------------------------------------------------------------------------

    def labels(self, table: pa.Table) -> pa.Table:
        """`annotations.parquet`, or a part of it."""
        options = self.options
        if options.annotators != STORED:
            table = _with(table, "annotator", self._renamed(table))
        if not options.rationale:
            table = _with(table, "rationale", pa.array([""] * len(table), pa.string()))
            table = self._listed_reasons(table) if options.anonymised else table
        if options.anonymised:
            table = self._coarse(table)
        if not options.rationale or options.mask or options.anonymised:
            table = _mapped(table, "attributes", self._attributes)
        if options.mask:
            table = _mapped(table, "rationale", masked)
        for name, few in self._few.items():
            table = self._without(table, name, few)
        return table

    def instances(self, table: pa.Table) -> pa.Table:
        """`instances.parquet`, or a part of it."""
        if self.options.metadata is not None:
            table = _mapped(table, "metadata", self._metadata)
        if self.options.mask:
            for name in ("messages", "context", "completions", "metadata"):
                table = _mapped(table, name, masked_json)
        return table

    def rows(self, table: pa.Table) -> pa.Table:
        """A split's file, or a part of it."""
        if self.options.mask:
            for name in ("prompt", "messages", "context", "parts", "own_prompts"):
                table = _mapped(table, name, masked_json)
            table = _mapped(table, "completions", masked)
        return table

    def _renamed(self, table: pa.Table) -> pa.Array:
        coded = table["annotator"].combine_chunks().dictionary_encode()
        for row in table.group_by(["annotator", "kind"]).aggregate([]).to_pylist():
            name = row["annotator"]
            if name not in self._names:
                self._names[name] = self._salted(name, row["kind"])
        names = [self._names[name] for name in coded.dictionary.to_pylist()]
        return pa.array(names, pa.string()).take(coded.indices)

    def _salted(self, name: str, kind: str) -> str:
        word = NAMED.get(AnnotatorKind(kind), PERSON)
        return f"{word[0]}-{self._digest(name)[:12]}"

    def _listed_reasons(self, table: pa.Table) -> pa.Table:
        """People here choose reasons from a list; those of a file are whatever somebody wrote."""
        kinds = table["kind"].to_pylist()
        given = table["reasons"].to_pylist()
        kept = [
            [] if kind == AnnotatorKind.IMPORT else each
            for kind, each in zip(kinds, given, strict=True)
        ]
        return _with(table, "reasons", pa.array(kept, table.schema.field("reasons").type))

    def _coarse(self, table: pa.Table) -> pa.Table:
        """No time finer than a day, and nothing that leads back into the project."""
        days = pc.utf8_slice_codeunits(table["created_at"], 0, DAY)
        table = _with(table, "created_at", days)
        for name in ("seconds", "decision_id"):
            table = _with(table, name, pa.nulls(len(table), table.schema.field(name).type))
        return table

    def _attributes(self, text: str) -> str:
        values = json.loads(text)
        if not self.options.rationale:
            values = {name: value for name, value in values.items() if name != "rationales"}
        if self.options.anonymised and not self.options.rationale:
            values = {
                name: value if name in CONTENT else _without_text(value)
                for name, value in values.items()
            }
        values = _map_text(values, masked) if self.options.mask else values
        return json.dumps(values, ensure_ascii=False, sort_keys=True)

    def _metadata(self, text: str) -> str:
        kept = set(self.options.metadata or ())
        values = {name: value for name, value in json.loads(text).items() if name in kept}
        return json.dumps(values, ensure_ascii=False, sort_keys=True)

    def _without(self, table: pa.Table, name: str, few: Iterable[Any]) -> pa.Table:
        column = table[name]
        empty = pa.scalar("" if pa.types.is_string(column.type) else None, column.type)
        found = pc.is_in(column, pa.array(sorted(few), column.type))
        table = _with(table, name, pc.if_else(found, empty, column))
        if name == "group":
            known = pc.is_valid(table["group"])
            table = _with(table, "group_p", pc.if_else(known, table["group_p"], None))
        return table

    def done(self) -> list[str]:
        """What was changed, in words, for the manifest."""
        options = self.options
        told = {
            "Annotators have pseudonyms of this export alone.": options.annotators == "salted",
            "Annotators have the project's pseudonyms.": options.annotators == STORED,
            "Annotators are numbered in an order that says nothing.": options.annotators
            == NUMBERED,
            "Rationales are left out.": not options.rationale,
            "Reasons that came with a file are left out.": (
                options.anonymised and not options.rationale
            ),
            "Times are cut to days; seconds and routing decisions are left out.": (
                options.anonymised
            ),
            "E-mail addresses, telephone numbers and handles in texts are masked.": options.mask,
            f"Cohorts and groups of fewer than {options.least_cohort} annotators are not named.": (
                options.least_cohort > 0
            ),
            f"Of the metadata only these keys are kept: {', '.join(options.metadata or ())}.": (
                bool(options.metadata)
            ),
            "The metadata of instances is left out.": options.metadata == (),
            "Columns that say where a row comes from are left out.": not options.provenance,
        }
        return [sentence for sentence, was in told.items() if was]


def masked(text: str) -> str:
    """The text without addresses, numbers and handles of people.

    >>> masked("Ask jo@example.org, @jo_b or +49 30 1234567.")
    'Ask [e-mail], [handle] or [phone].'
    """
    for pattern, word in MASKS:
        text = pattern.sub(word, text)
    return text


def masked_json(text: str) -> str:
    """The same for every text within a JSON value."""
    return json.dumps(_map_text(json.loads(text), masked), ensure_ascii=False, sort_keys=True)


def _map_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_map_text(each, change) for each in value]
    if isinstance(value, dict):
        return {name: _map_text(each, change) for name, each in value.items()}
    return value


def _without_text(value: Any) -> Any:
    """Numbers stay; a text becomes null."""
    if isinstance(value, str):
        return None
    if isinstance(value, list):
        return [_without_text(each) for each in value]
    if isinstance(value, dict):
        return {name: _without_text(each) for name, each in value.items()}
    return value


def _with(table: pa.Table, name: str, column: Any) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.set_column(place, table.schema.field(name), column)


def _mapped(table: pa.Table, name: str, change: Callable[[str], str]) -> pa.Table:
    """The table with every text of a column changed, also in lists; null stays null."""
    kind = table.schema.field(name).type
    values = [_each(value, change) for value in table[name].to_pylist()]
    return _with(table, name, pa.array(values, kind))


def _each(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, list):
        return [_each(one, change) for one in value]
    return change(value) if value else value
