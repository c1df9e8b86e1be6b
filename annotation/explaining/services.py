"""Explaining the labels of a project or of a snapshot, and keeping what was found."""

from collections.abc import Callable
from itertools import count

from accounts.models import Project
from annotation.datasets.models import Snapshot
from jobs.models import Job

from .figures import VERSION, figures_of
from .models import Explanation
from .reading import scene_of_project, scene_of_snapshot

Progress = Callable[[int, int, str], object]
# Reading texts takes most of the time; fitting comes after.
READING = 800


def explain(
    *,
    project: Project,
    snapshot: Snapshot | None = None,
    job: Job | None = None,
    progress: Progress = lambda _done, _total, _note: None,
) -> Explanation:
    """Compute and keep the figures of all labels that stand, or of a snapshot's labels.

    Raises:
        InvalidInput: the files of the snapshot are gone.
    """
    whole = READING + 200
    newest = 0

    def read(done: int, total: int) -> None:
        progress(READING * done // max(total, 1), whole, f"{done} of {total} instances read")

    if snapshot is not None:
        scene = scene_of_snapshot(snapshot, read)
    else:
        scene, newest = scene_of_project(project, read)
    steps = count(1)
    sources = max(1, len(scene.by_source))
    figures = figures_of(
        scene, lambda note: progress(READING + 199 * next(steps) // sources, whole, note)
    )
    return Explanation.objects.create(
        project=project,
        job=job,
        snapshot=snapshot,
        version=VERSION,
        newest_annotation=newest,
        figures=figures,
    )
