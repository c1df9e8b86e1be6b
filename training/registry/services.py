"""Registering trained models and moving them between stages."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from accounts.models import Project, User
from accounts.policies import Action, can
from audit.services import record
from core.exceptions import ApplicationError, Conflict, Forbidden, InvalidInput
from training.runs.models import Run
from training.writeback.services import after_promotion

from .gate import Verdict
from .gating import check_gate
from .models import ModelVersion, Stage


@transaction.atomic
def register_model(*, run: Run) -> ModelVersion:
    """The model version of a finished run, a candidate; the same one when asked again.

    Raises:
        InvalidInput: the run has left no model.
    """
    _lock(run.project_id)
    known = ModelVersion.objects.filter(run=run).first()
    if known is not None:
        return known
    folder = f"{run.folder}/model"
    if not (Path(settings.MEDIA_ROOT) / folder / "config.json").is_file():
        raise InvalidInput(f"{run} has left no model: resume it, or start it again.")
    siblings = ModelVersion.objects.filter(project=run.project, kind=run.kind)
    version = ModelVersion.objects.create(
        project=run.project,
        run=run,
        kind=run.kind,
        version=(siblings.aggregate(last=Max("version"))["last"] or 0) + 1,
        base_model=base_name(run.config["base"]),
        folder=folder,
        metrics=run.report.get("eval", {}),
    )
    record(
        action="model registered",
        actor=run.created_by,
        project=run.project,
        target=f"model version {version.pk}",
        run=run.pk,
        snapshot=run.snapshot.content_hash,
    )
    return version


def promote(
    *, version: ModelVersion, stage: str, actor: User | None, override_reason: str = ""
) -> ModelVersion:
    """Move a version to a stage; a version it replaces in production is archived.

    Into production only through the gate of the project; an owner or admin may overrule it with
    a reason, which the audit log keeps beside the failed checks.

    Raises:
        InvalidInput: there is no such stage.
        Conflict: the gate fails; `message` says why in words, `extra` has the checks.
        Forbidden: a reason was given by somebody who may not overrule the gate.
    """
    if stage not in Stage.values:
        raise InvalidInput(f"There is no stage {stage!r}: choose one of {', '.join(Stage.values)}.")
    with transaction.atomic():
        # Judged against what is in production when it moves: of two at once the second waits.
        _lock(version.project_id)
        version.refresh_from_db()
        if version.stage == stage:
            return version
        refusal: ApplicationError | None = None
        overruled: dict[str, Any] = {}
        if stage == Stage.PRODUCTION:
            refusal, overruled = _judged(version, actor, override_reason.strip()[:500])
        if refusal is None:
            _move(version=version, stage=Stage(stage), actor=actor, overruled=overruled)
    if refusal is not None:
        raise refusal  # after the transaction, which keeps the verdict
    return version


def _judged(
    version: ModelVersion, actor: User | None, reason: str
) -> tuple[ApplicationError | None, dict[str, Any]]:
    """Why the version may not go into production, and what the audit log keeps if it may."""
    verdict = check_gate(version)
    if verdict.passed:
        return None, {}
    try:
        _may_overrule(version, verdict, actor, reason)
    except (Conflict, Forbidden) as refused:
        return refused, {}
    return None, {"override_reason": reason, "failed_checks": verdict.reasons}


def _may_overrule(version: ModelVersion, verdict: Verdict, actor: User | None, reason: str) -> None:
    if not reason:
        raise Conflict(
            _("The gate refuses %(version)s: %(reasons)s.")
            % {"version": version, "reasons": "; ".join(verdict.reasons)},
            gate=verdict.as_dict(),
        )
    if actor is None or not can(actor, Action.MANAGE_PROJECT, version.project):
        raise Forbidden(_("Only an owner or admin may overrule the gate."))


def _move(
    *, version: ModelVersion, stage: Stage, actor: User | None, overruled: dict[str, Any]
) -> None:
    if stage == Stage.PRODUCTION:
        ModelVersion.objects.filter(
            project=version.project, kind=version.kind, stage=Stage.PRODUCTION
        ).update(stage=Stage.ARCHIVED)
    before, version.stage = version.stage, stage
    version.save(update_fields=["stage"])
    record(
        action="model stage changed",
        actor=actor,
        project=version.project,
        target=f"model version {version.pk}",
        before=before,
        after=stage,
        **overruled,
    )
    after_promotion(version, actor)


def base_name(base: dict[str, Any]) -> str:
    """What a model started from, without the folders of the machine."""
    scratch = base.get("scratch")
    if scratch is None:
        return str(base.get("hub") or Path(base["path"]).name)
    return f"random weights ({scratch['architecture']}, {scratch['layers']} layers)"


def _lock(project_id: int) -> None:
    """Versions are numbered, and production is handed over, one at a time per project."""
    Project.objects.select_for_update().get(pk=project_id)
