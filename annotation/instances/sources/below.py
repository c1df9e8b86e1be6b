"""Files below the operator's folders (`IMPORT_ROOTS`), read where they lie.

A path is written as pages show it, `<folder>/<path inside it>`, where the folder is the last name
of a root; an absolute path below a root is taken too. Links are followed first and judged by where
they end. Hidden names, and whatever lies outside of every root, are as good as not there.
"""

import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.utils.translation import gettext as _

from core.exceptions import NotFound

from .keeping import suffix_of

# A folder of more is shown in part: whoever knows a path may write it.
MOST_LISTED = 500


@dataclass(frozen=True)
class Entry:
    """One file or folder of a listing; `path` is what asks for it, `size` in bytes."""

    name: str
    path: str
    size: int = 0


@dataclass(frozen=True)
class Listing:
    """What a folder holds that could be imported. `parts` lead to it (name, path)."""

    path: str
    parts: list[tuple[str, str]]
    folders: list[Entry]
    files: list[Entry]
    more: bool


def roots() -> dict[str, Path]:
    """The operator's folders by the name that pages show."""
    named: dict[str, Path] = {}
    for root in settings.IMPORT_ROOTS:
        name, number = root.name or "root", 2
        while name in named:
            name, number = f"{root.name or 'root'}-{number}", number + 1
        named[name] = Path(root).resolve()
    return named


def file_below(path: str) -> Path:
    """The file that a path stands for, with all links resolved.

    Raises:
        NotFound: there is no such file below a root, for whatever reason.
    """
    found = _resolved(path)
    if found is None or not stat.S_ISREG(found.stat().st_mode):
        raise NotFound(
            _("%(path)s: there is no such file below the folders for import.")
            % {"path": path[:200]}
        )
    return found


def listing(path: str = "") -> Listing:
    """What can be imported in a folder below a root; without a path, the roots themselves.

    Raises:
        NotFound: there is no such folder below a root.
    """
    if not path.strip("/"):
        tops = [Entry(name, name) for name in sorted(roots())]
        return Listing("", [], tops, [], more=False)
    folder = _resolved(path)
    if folder is None or not folder.is_dir():
        raise NotFound(
            _("%(path)s: there is no such folder among those for import.") % {"path": path[:200]}
        )
    return _listed(path.strip("/"), folder)


def _listed(path: str, folder: Path) -> Listing:
    folders: list[Entry] = []
    files: list[Entry] = []
    more = False
    for each in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if len(folders) + len(files) >= MOST_LISTED:
            more = True
            break
        inside = f"{path}/{each.name}"
        target = _resolved(inside)
        if target is None:
            continue
        if target.is_dir():
            folders.append(Entry(each.name, inside))
        elif target.is_file() and suffix_of(each.name):
            files.append(Entry(each.name, inside, target.stat().st_size))
    names = path.split("/")
    parts = [(name, "/".join(names[: place + 1])) for place, name in enumerate(names)]
    return Listing(path, parts, folders, files, more)


def _resolved(path: str) -> Path | None:
    """Where a path ends, if that is below a root and nothing on the way is hidden."""
    try:
        root, inside = _root_and_rest(path)
        target = (root / inside).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        return None
    if not target.is_relative_to(root):
        return None
    names = (*inside.parts, *target.relative_to(root).parts)
    return None if any(name.startswith(".") for name in names) else target


def _root_and_rest(path: str) -> tuple[Path, PurePosixPath]:
    """The root that a path begins at, and the way from there.

    Raises:
        ValueError: it begins at none.
    """
    asked, named = PurePosixPath(path), roots()
    if asked.is_absolute():
        for root in named.values():
            if asked.is_relative_to(root):
                return root, asked.relative_to(root)
    elif asked.parts and asked.parts[0] in named:
        return named[asked.parts[0]], PurePosixPath(*asked.parts[1:])
    raise ValueError("no root")
