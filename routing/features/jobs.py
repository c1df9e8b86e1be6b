"""The jobs that compute features: `routing.features`, and its child `routing.encode`."""

from typing import Any

from accounts.models import Project
from annotation.instances.models import Completion
from jobs import services as jobs
from jobs.context import JobContext
from jobs.exceptions import JobFailed
from jobs.models import State
from jobs.waiting import wait
from training.runs.encoders import INCLUDED, can_encode, encoder_identity

from .encoding import Encoder, encode
from .extractors import TEXT, recipe
from .pending import batches, lacking_embedding, lacking_text
from .store import text_features

FEATURES_KIND, ENCODE_KIND = "routing.features", "routing.encode"
NO_ENCODER = "no encoder is installed here"


def run_features(context: JobContext) -> dict[str, Any]:
    """Text features, then the encoder's on the queue of models, until no instance lacks any.

    Cancelled or lost, it leaves what is stored and goes on from there the next time.
    """
    project = _project(context)
    encoder = _encoder(context)
    done = {"text": 0, "embedding": 0}
    while True:
        done["text"] += _text(context, project)
        if encoder is None or not lacking_embedding(project, encoder.extractor).exists():
            break
        fresh = _encode_elsewhere(context, project)
        done["embedding"] += fresh
        if not fresh:
            break
    versions = {"text": TEXT} | ({"embedding": encoder.extractor} if encoder else {})
    return {"computed": done, "extractors": versions} | ({} if encoder else {"note": NO_ENCODER})


def run_encode(context: JobContext) -> dict[str, Any]:
    """The encoder's part: one process for every batch, which is stored before the next begins."""
    project, encoder = _project(context), _encoder(context)
    if encoder is None:
        raise JobFailed(NO_ENCODER)
    lacking = lacking_embedding(project, encoder.extractor)
    total = Completion.objects.filter(instance__in=lacking).count()
    instances = texts = 0
    for batch in batches(lacking):
        context.check()
        texts += encode(context, encoder, batch, offset=texts, total=total)
        instances += len(batch)
    return {"instances": instances, "texts": texts, "extractor": encoder.extractor}


def _text(context: JobContext, project: Project) -> int:
    lacking = lacking_text(project, TEXT)
    total, done = lacking.count(), 0
    for batch in batches(lacking):
        text_features(batch)
        done += len(batch)
        context.progress(done, max(done, total), "instances with text features")
        context.check()
    return done


def _encode_elsewhere(context: JobContext, project: Project) -> int:
    """How many instances a child on the queue of models has encoded."""
    context.progress(0, 1, "waiting for the encoder")
    child = jobs.submit(
        kind=ENCODE_KIND, project=project, arguments=context.arguments, parent=context.job
    )
    (ended,) = wait(context, [child])
    context.check()
    if ended.state != State.SUCCEEDED:
        raise JobFailed(ended.error or f"The encoder's job {ended.pk} was {ended.state}.")
    return int((ended.result or {}).get("instances", 0))


def _project(context: JobContext) -> Project:
    project = context.job.project
    assert project is not None  # noqa: S101 - the service gives one
    return project


def _encoder(context: JobContext) -> Encoder | None:
    """The encoder of the job's arguments; None where the installation can run none."""
    name = context.arguments.get("encoder") or INCLUDED
    folder = None if name == INCLUDED else str(name)
    return Encoder(folder, recipe(*encoder_identity(folder))) if can_encode(folder) else None
