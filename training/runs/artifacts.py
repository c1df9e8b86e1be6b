"""What a run leaves for other machines: the state to resume from, and its model.

Where all workers share one MEDIA_ROOT there is nothing to do: nothing is copied.
"""

import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from core import artifacts
from core.artifacts import fetch, publish
from core.exceptions import ApplicationError

from .models import Run

__all__ = ["fetch", "fetch_state", "publish", "publish_model", "publish_state", "sharing"]

LOOK_SECONDS = 1.0
# A finished run comes after every checkpoint.
FINISHED = 10**11
CHECKPOINTS = "checkpoints"
REFERENCE = "reference"
# In a run's folder, but no part of what it is resumed from: written anew, or published apart.
APART = frozenset({"config.json", "data", "model", "reference_cache", "tensorboard"})
log = structlog.get_logger("training.artifacts")


def steps_on_disk(workdir: Path) -> int:
    """Steps of the newest checkpoint in a run's folder; 0 where there is none."""
    folders = (workdir / CHECKPOINTS).glob("step-*")
    return max((int(folder.name.removeprefix("step-")) for folder in folders), default=0)


def publish_model(run: Run, workdir: Path) -> None:
    """Let every machine open the run's model, and the reference that a warm-up has left."""
    publish(workdir / "model", f"{run.folder}/model")
    if (workdir / REFERENCE).is_dir():
        publish(workdir / REFERENCE, f"{run.folder}/{REFERENCE}")


def publish_state(run: Run, workdir: Path) -> None:
    """Let every machine go on from the run's newest checkpoint, or know that it is finished.

    A run is finished for others only when they can open its model.

    Raises:
        FileNotFoundError: the trainer dropped that checkpoint meanwhile.
    """
    if _order(workdir) == FINISHED:
        publish_model(run, workdir)
    publish(workdir, _state_name(run), files=_state_files(workdir), order=_order(workdir))


def fetch_state(run: Run, workdir: Path) -> None:
    """Bring the run's folder to what another machine reached, where that is further.

    Raises:
        DamagedError: the storage gave back something else than what was published.
    """
    if not artifacts.shared():
        return
    rows = f"{run.folder}/data"  # prepared once: checkpoints belong to them
    if artifacts.newest(rows) is not None:
        fetch(rows)
    manifest = artifacts.newest(_state_name(run))
    if manifest is not None and manifest.order > _order(workdir):
        if manifest.order == FINISHED:
            fetch(f"{run.folder}/model")
        _take_over(manifest, workdir)


def _take_over(manifest: artifacts.Manifest, workdir: Path) -> None:
    workdir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tmp-state-", dir=workdir) as temporary:
        folder = Path(temporary)
        artifacts.download(manifest, folder)
        # The checkpoints last: a folder without them is fetched again.
        for path in sorted(folder.iterdir(), key=lambda path: path.name == CHECKPOINTS):
            _replace(workdir / path.name, path)


@contextmanager
def sharing(run: Run, workdir: Path) -> Iterator[None]:
    """Publish every checkpoint while the block runs, and the last state however it ends."""
    if not artifacts.shared():
        yield
        return
    done = threading.Event()
    thread = threading.Thread(target=_publish_until, args=(run, workdir, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        _publish_quietly(run, workdir)


def _publish_until(run: Run, workdir: Path, done: threading.Event) -> None:
    published = _order(workdir)
    while not done.wait(LOOK_SECONDS):
        order = _order(workdir)
        if order > published and _publish_quietly(run, workdir):
            published = order


def _publish_quietly(run: Run, workdir: Path) -> bool:
    """Whether it could be published; a storage that is away must not end a training."""
    try:
        publish_state(run, workdir)
    except FileNotFoundError:
        return False  # the trainer has a newer checkpoint already
    except (ApplicationError, OSError) as error:
        log.warning("state not published", run=run.pk, error=str(error))
        return False
    except Exception:  # what an S3 client raises is its own
        log.exception("state not published", run=run.pk)
        return False
    return True


def _state_name(run: Run) -> str:
    return f"{run.folder}/state"


def _order(workdir: Path) -> int:
    return FINISHED if (workdir / "report.json").is_file() else steps_on_disk(workdir)


def _state_files(workdir: Path) -> list[Path]:
    """All files but those apart, those half written, and the older checkpoints."""
    newest = f"step-{steps_on_disk(workdir)}"
    found = []
    for path in workdir.rglob("*"):
        parts = path.relative_to(workdir).parts
        if parts[0] in APART or any(part.startswith(".") for part in parts):
            continue
        if parts[0] == CHECKPOINTS and parts[1:2] != (newest,):
            continue
        found.append(path)
    return found


def _replace(target: Path, source: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    source.replace(target)
