"""Writing so that a reader sees the old content or the new, never half of one."""

from __future__ import annotations

import json
import math
import shutil
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.files import sync


def replace_folder(target: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary folder, bring it to disk, and rename it to `target`.

    A writer that fails, as on a full disk, leaves the old folder and nothing beside it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        write(temporary)
        for path in sorted(temporary.rglob("*")):
            if path.is_file():
                sync(path)
        sync(temporary)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    drop_folder(target)
    temporary.rename(target)
    sync(target.parent)


def drop_folder(folder: Path) -> None:
    """Delete a folder, if it is there; nobody ever sees it under its name with half its files."""
    doomed = folder.with_name(f".{folder.name}.gone")
    shutil.rmtree(doomed, ignore_errors=True)
    with suppress(FileNotFoundError):
        folder.rename(doomed)
        shutil.rmtree(doomed)


def replace_file(target: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file, bring it to disk, and rename it to `target`.

    Processes that write the same file at once do not meet: the last one's file stays.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        write(temporary)
        sync(temporary)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(target.parent)


def finite(value: Any) -> Any:
    """The value with NaN and infinities, which JSON does not know, as None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return value


def write_json(target: Path, value: Any) -> None:
    """A JSON file, written whole."""
    text = json.dumps(finite(value), indent=1, ensure_ascii=False, allow_nan=False)
    replace_file(target, lambda path: path.write_text(text))
