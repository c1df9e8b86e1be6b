"""A source as a form or a request gives it, and the files that it stands for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from core.exceptions import InvalidInput, NotFound

from . import below, fetching, hub
from .keeping import SUFFIXES, TooLarge, folder, growing, plain_name, suffix_of

FIELDS = {
    "path": {"path"},
    "url": {"url"},
    "hub": {"dataset", "config", "split", "revision"},
}
REQUIRED = {"path": "path", "url": "url", "hub": "dataset"}
MOST_TEXT = 8000
# What is fetched while somebody waits for a page.
GLANCE_BYTES = 64 * 2**20
GLANCE_SECONDS = 20.0


@dataclass(frozen=True)
class Given:
    """A file on this machine, and the name it came with."""

    path: Path
    name: str


@dataclass(frozen=True)
class Source:
    """Where files are: `kind` is path, url or hub, `values` its fields, all texts."""

    kind: str
    values: Mapping[str, str]

    @property
    def name(self) -> str:
        """What pages call it."""
        if self.kind == "url":
            return fetching.name_of_url(self.values["url"])
        if self.kind == "path":
            return plain_name(self.values["path"])
        parts = [self.values.get(each, "") for each in ("dataset", "config", "split")]
        return " · ".join(each for each in parts if each)

    def as_dict(self) -> dict[str, str]:
        return {"kind": self.kind, **self.values}


def parse_source(value: Any) -> Source:
    """A source from the object that a request holds.

    Raises:
        InvalidInput: an unknown kind or key, a missing one, or an address that may not be asked.
    """
    if not isinstance(value, Mapping) or value.get("kind") not in list(FIELDS):
        raise InvalidInput(
            _("`source` is an object whose `kind` is one of: %s.") % ", ".join(FIELDS)
        )
    kind = str(value["kind"])
    if unknown := set(value) - FIELDS[kind] - {"kind"}:
        raise InvalidInput(_("A source has no %s.") % ", ".join(sorted(map(str, unknown)))[:200])
    values = {key: _text(key, value.get(key)) for key in FIELDS[kind]}
    values = {key: text for key, text in values.items() if text}
    if REQUIRED[kind] not in values:
        raise InvalidInput(_("The source needs its %s.") % REQUIRED[kind])
    if kind == "url":
        fetching.check_address(values["url"])
    return Source(kind, values)


def collect(
    source: Source,
    *,
    stem: str,
    check: Callable[[], object] = lambda: None,
    note: Callable[[str], object] = lambda text: None,
) -> list[Given]:
    """The files of a source; those of other machines are fetched to `<stem>-<number>`.

    What was fetched under this stem before is not fetched again, so that a job that is picked up
    goes on.

    Raises:
        ApplicationError: as `below`, `fetching` and `hub` say.
    """
    if source.kind == "path":
        path = below.file_below(source.values["path"])
        return [Given(path, path.name)]
    kept = []
    for number, (wish, name) in enumerate(_wishes(source, note)):
        note(_("fetching %(name)s") % {"name": name})
        kept.append(_fetched(wish, name, f"{stem}-{number}", check))
    return kept


def glance(arguments: Mapping[str, Any]) -> Given | None:
    """The first file that an import's arguments name, if it can be had while somebody waits.

    It is kept under the arguments' stem, where the import finds it again.

    Raises:
        ApplicationError: as `collect`; but a file that is too large or slow is None.
    """
    if "source" not in arguments or arguments["source"].get("kind") == "path":
        return gathered(arguments, lambda: None, lambda text: None)[0]
    wish, name = _wishes(parse_source(arguments["source"]), lambda text: None)[0]
    small = replace(wish, seconds=GLANCE_SECONDS, most=GLANCE_BYTES)
    try:
        return _fetched(small, name, f"{_stem(arguments)}-0", lambda: None)
    except (TooLarge, fetching.TooSlow):
        return None


def gathered(
    arguments: Mapping[str, Any],
    check: Callable[[], object],
    note: Callable[[str], object],
) -> list[Given]:
    """The files that the arguments of an import job name, in the order they are imported in.

    Raises:
        NotFound: an upload, or a file of the operator, is gone.
        ApplicationError: as `collect`.
    """
    if "source" in arguments:
        source = parse_source(arguments["source"])
        return collect(source, stem=_stem(arguments), check=check, note=note)
    files = arguments.get("files", [])
    if "file" in arguments:
        files = [{"file": arguments["file"], "name": arguments["name"]}]
    if not files:
        raise NotFound(_("The job names no file: hand it in again."))
    return [Given(kept_path(each["file"]), str(each["name"])) for each in files]


def kept_path(file: str) -> Path:
    """Where a kept file lies.

    Raises:
        NotFound: there is none of this name.
    """
    path = folder() / Path(file).name
    if not path.is_file():
        raise NotFound(_("The uploaded file is gone: hand it in again."))
    return path


def _stem(arguments: Mapping[str, Any]) -> str:
    return Path(str(arguments["stem"])).name


def _wishes(source: Source, note: Callable[[str], object]) -> list[tuple[fetching.Wish, str]]:
    """The files to fetch, each with its name."""
    values = source.values
    if source.kind == "url":
        return [(fetching.Wish(values["url"]), source.name)]
    found = hub.look_up(values["dataset"], values.get("revision", ""))
    files = hub.chosen(found, values.get("config", ""), values.get("split", ""))
    note(
        _("%(name)s at %(commit)s: %(count)d files")
        % {"name": found.name, "commit": found.commit[:12], "count": len(files)}
    )
    return [(hub.wish_for(found, each), hub.name_of(each)) for each in files]


def _fetched(wish: fetching.Wish, name: str, stem: str, check: Callable[[], object]) -> Given:
    """The file, under the ending that its name has, or that the other side gives it."""
    for suffix in ("", *SUFFIXES):
        path = folder() / f"{stem}{suffix}"
        if path.exists():
            return Given(path, name if suffix_of(name) else f"{name}{suffix}")
    path = folder() / f"{stem}{suffix_of(name)}"
    with growing(path, wish.limit) as into:
        told = fetching.fetch(wish, into, check)
    if not suffix_of(name) and suffix_of(told):
        path = path.rename(path.with_name(stem + suffix_of(told)))
        name = told
    return Given(path, name)


def _text(key: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MOST_TEXT or "\0" in value:
        raise InvalidInput(_("The source's %s must be a text.") % key)
    return value.strip()
