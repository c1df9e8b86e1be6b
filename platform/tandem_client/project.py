"""One project: data in, labels by judges and people, training, data out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .http import Connection
from .jobs import Job
from .report import Report
from .results import Export, Judge, Run, Snapshot

if TYPE_CHECKING:
    import datasets
    import pandas

MOST_AT_ONCE = 1000
ADDRESSES = ("http://", "https://")


class Project:
    """A project that one is a member of."""

    def __init__(self, connection: Connection, raw: dict[str, Any]) -> None:
        self._connection = connection
        self.raw = raw
        self.slug = str(raw["slug"])

    def __repr__(self) -> str:
        return f"<Project {self.slug}>"

    def _path(self, rest: str) -> str:
        return f"projects/{self.slug}/{rest}"

    # --- Data in ---

    def import_file(
        self,
        source: str | Path,
        *,
        adapter: str = "auto",
        options: Mapping[str, Any] | None = None,
        reveal: bool = True,
        create_criteria: bool = False,
        dry_run: bool = False,
    ) -> Job[Report]:
        """Import a file of this machine, or what lies at a URL; the job gives a report.

        Args:
            source: `.jsonl`, `.json`, `.csv`, `.tsv` or `.parquet`, each also `.gz` or `.zst`.
            adapter: how it is read; `auto` recognises it.
            options: columns of the adapter `columns`, and others' own options.
            reveal: whether the labels in the file become annotations at once.
            create_criteria: whether criteria are made that only the file knows.
            dry_run: report what would change and change nothing.
        """
        fields: dict[str, Any] = {
            "adapter": adapter,
            "reveal": reveal,
            "create_criteria": create_criteria,
            "dry_run": dry_run,
        }
        if options:
            fields["options"] = dict(options)
        if isinstance(source, str) and source.startswith(ADDRESSES):
            return self._import({"kind": "url", "url": source}, fields)
        reply = self._connection.upload(self._path("imports/"), Path(source), fields)
        return Job(self._connection, self.slug, reply["job"], Report)

    def import_dataset(
        self,
        dataset: str,
        *,
        config: str | None = None,
        split: str | None = None,
        revision: str | None = None,
        adapter: str = "auto",
        **options: Any,
    ) -> Job[Report]:
        """Import the files of a data set on the Hugging Face hub; none of its code runs."""
        named = {"dataset": dataset, "config": config, "split": split, "revision": revision}
        source = {name: value for name, value in named.items() if value is not None}
        return self._import({"kind": "hub", **source}, {"adapter": adapter, **options})

    def _import(self, source: Mapping[str, Any], fields: Mapping[str, Any]) -> Job[Report]:
        reply = self._connection.post(self._path("imports/"), {"source": source, **fields})
        return Job(self._connection, self.slug, reply["job"], Report)

    def add(self, instances: Iterable[Mapping[str, Any]]) -> dict[str, int]:
        """Import instances in the interchange format at once; returns counts.

        Each has `id`, `prompt` (a text or turns), `responses` (`[{"text", "model"?}, …]`), and
        maybe labels in `human` and `ai`. The same ones again change nothing.
        """
        counts: dict[str, int] = {}
        for batch in batches(instances, MOST_AT_ONCE):
            reply = self._connection.post(self._path("instances/"), {"instances": batch})
            for name, value in reply.items():
                if isinstance(value, int):
                    counts[name] = counts.get(name, 0) + value
        return counts

    def instances(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """The project's instances with their completions, read a page at a time."""
        return self._connection.pages(self._path("instances/"), **filters)

    # --- Labels ---

    def status(self) -> dict[str, Any]:
        """Counts of instances by state, destination and arm, and of slots."""
        found: dict[str, Any] = self._connection.get(self._path("progress/"))
        return found

    def judges(self) -> list[Judge]:
        rows = self._connection.pages(self._path("judges/"))
        return [Judge(self._connection, self.slug, {**row, **row["judge"]}) for row in rows]

    def judge(self, name: str) -> Judge:
        """The judge of that name.

        Raises:
            LookupError: the project has none.
        """
        known = self.judges()
        for judge in known:
            if judge.name == name:
                return judge
        names = ", ".join(judge.name for judge in known) or "none yet"
        raise LookupError(f"No judge {name!r} in {self.slug}; there are: {names}.")

    def add_judge(self, name: str, **settings: Any) -> Judge:
        """A new judge; `settings` are the fields of `POST judges/`."""
        row = self._connection.post(self._path("judges/"), {"name": name, **settings})
        return Judge(self._connection, self.slug, row)

    def connect(
        self,
        name: str,
        base_url: str,
        *,
        key: str = "",
        provider: str = "openai-compatible",
        **settings: Any,
    ) -> int:
        """Connect the project to a provider of judges; returns the connection's id.

        The key is encrypted on the server and never read back.
        """
        body = {"name": name, "base_url": base_url, "provider": provider, "key": key, **settings}
        row = self._connection.post(self._path("connections/"), body)
        return int(row["id"])

    def route(self, *, refit: bool = False) -> Job[dict[str, Any]]:
        """Let live routing decide who labels what; with `refit` the router is fitted anew first."""
        reply = self._connection.post(self._path("routing/live/start"), {"refit": refit})
        return self.job(reply["job"])

    def routing(self) -> dict[str, Any]:
        """How live routing stands: its settings, what waits, who labels what."""
        found: dict[str, Any] = self._connection.get(self._path("routing/live/"))
        return found

    def set_routing(self, **settings: Any) -> dict[str, Any]:
        """Choose how live routing decides; the fields of `PATCH routing/live/`."""
        found: dict[str, Any] = self._connection.patch(self._path("routing/live/"), settings)
        return found

    def pause_routing(self) -> dict[str, Any]:
        """Let new instances wait."""
        found: dict[str, Any] = self._connection.post(self._path("routing/live/pause"))
        return found

    def decisions(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """What routing decided, and why."""
        return self._connection.pages(self._path("routing/decisions/"), **filters)

    # --- Training ---

    def snapshot(self, *, name: str = "", **query: Any) -> Job[Snapshot]:
        """Freeze labels as a data set: `criterion`, `scope`, `splits={"test": 0.2}`, …"""
        body = {"name": name, "query": query}
        reply = self._connection.post(self._path("snapshots/"), body)
        return Job(self._connection, self.slug, reply["job"], self._snapshot_of)

    def count(self, **query: Any) -> dict[str, Any]:
        """What a snapshot with this query would hold now."""
        found: dict[str, Any] = self._connection.post(
            self._path("snapshots/count"), {"query": query}
        )
        return found

    def snapshots(self) -> list[Snapshot]:
        rows = self._connection.pages(self._path("snapshots/"))
        return [Snapshot(self._connection, self.slug, row) for row in rows]

    def train(
        self,
        snapshot: Snapshot | int,
        *,
        kind: str = "reward",
        name: str = "",
        **options: Any,
    ) -> Run:
        """Train a reward model (`reward`) or a policy (`policy`) on a snapshot.

        `options` are the settings of a run: preset, base, steps, learning_rate, …
        """
        number = snapshot if isinstance(snapshot, int) else snapshot.id
        body = {"kind": kind, "snapshot": number, "name": name, "options": options}
        return Run(self._connection, self.slug, self._connection.post(self._path("runs/"), body))

    def runs(self) -> list[Run]:
        rows = self._connection.pages(self._path("runs/"))
        return [Run(self._connection, self.slug, row) for row in rows]

    def score(
        self, prompt: str, completions: list[str], *, model: str = "production"
    ) -> list[float]:
        """Rewards of completions under a reward model of the project."""
        body = {"items": [{"prompt": prompt, "completions": completions}]}
        reply = self._connection.post(self._path(f"models/{model}/score"), body)
        rewards: list[float] = reply["items"][0]["rewards"]
        return rewards

    # --- Data out ---

    def export(
        self,
        snapshot: Snapshot | int | None = None,
        *,
        shape: str = "pairs",
        format: str = "parquet",  # noqa: A002 - the word of the interface
        query: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Job[Export]:
        """Write a snapshot, or what a query asks for now, in one shape and format."""
        body: dict[str, Any] = {"shape": shape, "format": format, "options": options}
        if snapshot is None:
            body["query"] = dict(query or {})
        else:
            body["snapshot"] = snapshot if isinstance(snapshot, int) else snapshot.id
        reply = self._connection.post(self._path("exports/"), body)
        return Job(self._connection, self.slug, reply["job"], self._export_of)

    def exports(self) -> list[Export]:
        rows = self._connection.pages(self._path("exports/"))
        return [Export(self._connection, self.slug, row) for row in rows]

    def to_pandas(self, shape: str = "pairs", **query: Any) -> pandas.DataFrame:
        """What a query asks for now, as a frame; builds a snapshot, so it can be had again."""
        return self.export(shape=shape, query=query).watch().to_pandas()

    def to_dataset(self, shape: str = "pairs", **query: Any) -> datasets.Dataset:
        """The same as a `datasets.Dataset`."""
        return self.export(shape=shape, query=query).watch().to_dataset()

    # --- Jobs ---

    def job(self, number: int) -> Job[dict[str, Any]]:
        """One job; what it made comes as plain values."""
        return Job(self._connection, self.slug, number, dict)

    def jobs(self) -> Iterator[dict[str, Any]]:
        """The project's jobs, newest first."""
        return self._connection.pages(self._path("jobs/"))

    def _snapshot_of(self, result: dict[str, Any]) -> Snapshot:
        row = self._connection.get(self._path(f"snapshots/{result['snapshot']}/"))
        return Snapshot(self._connection, self.slug, row)

    def _export_of(self, result: dict[str, Any]) -> Export:
        row = self._connection.get(self._path(f"exports/{result['export']}/"))
        return Export(self._connection, self.slug, row)


def batches(rows: Iterable[Mapping[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    """Lists of at most `size` rows."""
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(dict(row))
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
