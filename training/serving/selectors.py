"""Which model a name in an address means, and whom it knows."""

import json

from accounts.models import Project
from core.exceptions import InvalidInput, NotFound
from training.registry import folders
from training.registry.models import ModelVersion
from training.registry.selectors import production, versions_of
from training.runs.models import RunKind

PRODUCTION = "production"


def servable(project: Project, name: str) -> ModelVersion:
    """The reward model called `production`, `v3`, or by its id.

    Raises:
        NotFound: the project has no such version.
        InvalidInput: it is a policy, which gives no rewards.
    """
    version = _named(project, name)
    if version is None:
        raise NotFound(f"The project has no reward model {name[:40]!r}: use production, or v1.")
    if version.kind != RunKind.REWARD:
        raise InvalidInput("This is a policy: only reward models give rewards.")
    return version


def _named(project: Project, name: str) -> ModelVersion | None:
    if name == PRODUCTION:
        return production(project, RunKind.REWARD)
    number = name.removeprefix("v")
    # Longer numbers are none that a database has given.
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        return None
    versions = versions_of(project)
    if name == number:
        return versions.filter(pk=int(number)).first()
    return versions.filter(kind=RunKind.REWARD, version=int(number)).first()


def check_annotator(version: ModelVersion, annotator: str) -> None:
    """Pass where the model has a head of this annotator's own, or none is asked for.

    Raises:
        InvalidInput: the model knows no such annotator.
    """
    if not annotator:
        return
    try:
        known = json.loads(folders.text_of(version, "head.json") or "{}")["annotators"]
    except (ValueError, LookupError, TypeError):
        known = ()  # a model without heads of annotators, or a damaged file
    if not isinstance(known, list) or annotator not in known:
        raise InvalidInput(
            f"annotator: {version} has no head for {annotator[:40]!r}: leave it out, or train one "
            "from the labels of annotators."
        )
