"""What the server made: judges, snapshots, runs, exports."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import TandemError
from .http import Connection
from .jobs import Job

if TYPE_CHECKING:
    import datasets
    import pandas


class Row:
    """One row of a project; `raw` is what the server says of it."""

    def __init__(self, connection: Connection, project: str, raw: dict[str, Any]) -> None:
        self._connection = connection
        self.project = project
        self.raw = raw
        self.id = int(raw["id"])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} of {self.project}>"

    def _path(self, noun: str, rest: str = "") -> str:
        return f"projects/{self.project}/{noun}/{self.id}/{rest}"


class Judge(Row):
    """A judge of a project."""

    @property
    def name(self) -> str:
        return str(self.raw["name"])

    def ask(
        self, *, most: int | None = None, of: str = "unlabelled", **settings: Any
    ) -> Job[dict[str, Any]]:
        """Ask it about instances that it has not labelled.

        Args:
            most: so many at most, always the same ones.
            of: unlabelled, all, stale or failed.
            settings: other fields of `judges/{id}/ask`: criteria, budget, new_budget, batch, …
        """
        selection: dict[str, Any] = {"of": of} | ({"most": most} if most else {})
        body = {"selection": selection, **settings}
        reply = self._connection.post(self._path("judges", "ask"), body)
        return Job(self._connection, self.project, reply["job"], dict)


class Snapshot(Row):
    """An immutable data set."""

    @property
    def manifest(self) -> dict[str, Any]:
        """Counts, agreement, licences, the query, and the hash of the content."""
        found: dict[str, Any] = self._connection.get(self._path("snapshots"))["manifest"]
        return found


class Run(Row):
    """A training run."""

    def refresh(self) -> dict[str, Any]:
        """The run with its metrics and its report."""
        self.raw = self._connection.get(self._path("runs"))
        return self.raw

    def watch(self, *, progress: bool = True, timeout: float | None = None) -> Run:
        """Wait until it has ended; raises as `Job.watch`."""
        job = self.refresh()["job"]
        if job is None:
            raise TandemError(f"Run {self.id} has no job.")
        Job(self._connection, self.project, job["id"], dict).watch(
            progress=progress, timeout=timeout
        )
        self.refresh()
        return self

    @property
    def report(self) -> dict[str, Any]:
        """What it measured, empty before its end."""
        found: dict[str, Any] = self.raw["report"]
        return found

    def metrics(self) -> pandas.DataFrame:
        """Its curves: columns split, name, step, value."""
        import pandas

        rows = [
            (split, name, step, value)
            for split, curves in self.refresh()["metrics"].items()
            for name, points in curves.items()
            for step, value in points
        ]
        return pandas.DataFrame(rows, columns=["split", "name", "step", "value"])

    def cancel(self) -> None:
        """Ask it to stop; it writes a checkpoint first."""
        self._connection.post(self._path("runs", "cancel"))

    def resume(self) -> Run:
        """Go on from the newest checkpoint."""
        self.raw = self._connection.post(self._path("runs", "resume"))
        return self


class Export(Row):
    """Files made from a snapshot."""

    def refresh(self) -> dict[str, Any]:
        """Shape, format, rows, and the files with their sizes and hashes."""
        self.raw = self._connection.get(self._path("exports"))
        return self.raw

    def download(self, folder: str | Path) -> list[Path]:
        """Write its files below a folder, each checked against its hash; returns their paths.

        Raises:
            TandemError: a file came damaged, or its name is hidden or would lead out of the folder.
        """
        base = Path(folder).resolve()
        paths = []
        for file in self.refresh()["files"]:
            target = (base / file["path"]).resolve()
            # A hidden file in somebody's home or checkout is often one that is run.
            hidden = any(part.startswith(".") for part in Path(file["path"]).parts)
            if hidden or not target.is_relative_to(base):
                raise TandemError(f"{file['path']!r} leads out of {base}: not written.")
            source = self._path("exports", f"files/{file['path']}")
            paths.append(self._connection.download(source, target, sha256=file["sha256"]))
        return paths

    def to_pandas(self) -> pandas.DataFrame:
        """All its rows as one frame."""
        import pandas

        readers = {
            "parquet": pandas.read_parquet,
            "jsonl": lambda path: pandas.read_json(path, lines=True),
            "csv": pandas.read_csv,
        }
        with tempfile.TemporaryDirectory(prefix="tandem-") as folder:
            frames = [
                reader(path)
                for path in self.download(folder)
                if (reader := readers.get(kind_of(path))) is not None
            ]
        if not frames:
            raise TandemError(f"{self.raw['format']} makes no frame: export as parquet.")
        return pandas.concat(frames, ignore_index=True)

    def to_dataset(self) -> datasets.Dataset:
        """All its rows as a `datasets.Dataset` in memory; needs the package `datasets`."""
        try:
            import datasets
        except ImportError as error:
            raise TandemError("Install `datasets` first: pip install datasets.") from error
        return datasets.Dataset.from_pandas(self.to_pandas(), preserve_index=False)


def kind_of(path: Path) -> str:
    """parquet, jsonl, csv or something else, by the name, compression aside."""
    suffixes = [suffix for suffix in path.suffixes if suffix not in {".gz", ".zst"}]
    return suffixes[-1].removeprefix(".") if suffixes else ""
