"""A project with one of everything, and a person in every role."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from accounts.access_tokens import make_token
from accounts.models import AccessToken, Membership, Project, Role, User
from accounts.services import add_member
from annotation.arena.models import Arena, Battle, Contestant, Turn
from annotation.datasets.models import Export, Snapshot
from annotation.explaining.models import Explanation
from annotation.explaining.services import explain
from annotation.instances.media import keep_media
from annotation.instances.models import Instance, MediaFile
from annotation.judges.models import Connection, Judge, JudgeCall, JudgeRun, Mining
from annotation.judges.prompting import create_prompt
from annotation.judges.services import create_judge, new_version
from annotation.labels.people import annotator_for
from annotation.projects.models import Protocol
from annotation.projects.selectors import main_criterion
from annotation.quality.models import Gold
from annotation.quality.services import make_gold
from annotation.workforce.models import Payout
from annotation.workforce.services import invite
from annotation.workforce.studies import create_study
from core.hashing import content_hash
from jobs.models import Job
from routing.budgets.models import Allowance
from routing.budgets.services import create_allowance
from routing.decisions.models import Router
from routing.lab.models import Replay
from routing.rounds.models import Round
from tests.factories import make_annotator, make_instance, make_project, make_slot, make_user
from training.registry.models import Evaluation, ModelVersion
from training.runs.models import Run
from webhooks.models import Delivery, Webhook
from webhooks.services import send_test

ROLES = ("annotator", "reviewer", "researcher", "admin", "owner")


@dataclass(frozen=True)
class World:
    """A project, its people by role, and the ids that its routes take."""

    project: Project
    people: dict[str, User]
    ids: dict[str, int | str]


def make_world(slug: str) -> World:
    """Rows as the services leave them after a round whose jobs have ended."""
    owner = make_user(f"{slug}-owner")
    project = make_project(slug, owner=owner)
    people = {"owner": owner}
    for role in ROLES[:-1]:
        people[role] = make_user(f"{slug}-{role}")
        add_member(project=project, user=people[role], role=Role(role))
    ids = _ids(project) | _workforce_ids(project, owner) | _arena_ids(project, people["annotator"])
    return World(project, people, ids)


def _ids(project: Project) -> dict[str, int | str]:
    job = Job.objects.create(kind="training.fit", project=project, state="succeeded")
    snapshot = make_snapshot(project)
    instance = make_instance(project)
    slot = make_slot(instance)
    run = Run.objects.create(
        project=project, kind="reward", snapshot=snapshot, config={"preset": "bt"}, job=job
    )
    row = Round.objects.create(project=project, number=1)
    return {
        "job_id": job.pk,
        "instance_id": instance.pk,
        "key": str(slot.key),
        "number": row.number,
        # Another one in each world, so that none has the other's.
        "version": Router.objects.create(
            project=project,
            version=project.pk,
            strategy="random",
            parameters={},
            report={},
            dual_labelled=0,
        ).version,
        "run_id": run.pk,
        "version_id": (version := make_version(run)).pk,
        "model": version.pk,
        "evaluation_id": make_comparison(version).pk,
        "kind": run.kind,
        "criterion": "overall",
        "snapshot_id": snapshot.pk,
        "export_id": make_export(snapshot).pk,
        "file": "pairs.jsonl",
        "digest": make_media(project).sha256,
        "annotator_id": make_annotator(project, kind="import").pk,
        "other_id": make_annotator(project, kind="import").pk,
        "gold_id": make_known(project).pk,
        "allowance_id": make_allowance(project).pk,
        "explanation_id": make_explanation(project).pk,
        "replay_id": make_replay(project).pk,
        "token_id": make_access_token(project).pk,
        "webhook_id": (delivery := make_delivery(project)).webhook_id,
        "delivery_id": delivery.pk,
        "suffix": "json",
        "what": "report",
        **_judge_ids(project, instance),
    }


def make_explanation(project: Project) -> Explanation:
    """Of a project without labels."""
    return explain(project=project)


def make_version(run: Run) -> ModelVersion:
    """A candidate with the smallest folder there is."""
    folder = Path(settings.MEDIA_ROOT) / "runs" / str(run.pk) / "model"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    return ModelVersion.objects.create(
        project=run.project,
        run=run,
        kind=run.kind,
        version=1,
        base_model="random weights",
        folder=f"runs/{run.pk}/model",
    )


def make_delivery(project: Project) -> Delivery:
    """A message that a webhook has been sent."""
    webhook = Webhook.objects.create(project=project, url="https://example.org/", events=["x"])
    return send_test(webhook=webhook)


def make_comparison(version: ModelVersion) -> Evaluation:
    """A blind comparison whose pairs nobody has labelled."""
    source = {
        "project": version.project_id,
        "slug": version.project.slug,
        "criterion": "overall",
        "generators": {"policy": "policy 1", "reference": "reference 1"},
        "identical": 0,
    }
    return Evaluation.objects.create(version=version, name="win rate", source=source)


def make_replay(project: Project) -> Replay:
    """One whose figures are still to come; its file is there all the same, and empty."""
    return Replay.objects.create(project=project, options={"judge_name": "critic"}, figures={})


def make_access_token(project: Project) -> AccessToken:
    """The owner's."""
    owner = Membership.objects.get(project=project, role=Role.OWNER).user
    return make_token(user=owner, name="laptop", scopes=["read"], days=1)[0]


def make_allowance(project: Project) -> Allowance:
    """A hundred labels for the whole project."""
    return create_allowance(
        project=project, name="Labels", unit="labels", limit=100_000_000, by=None
    )


def _judge_ids(project: Project, instance: Instance) -> dict[str, int | str]:
    """A connection, a judge that asks through it, a run that has ended, a call that failed."""
    connection = Connection.objects.create(
        project=project,
        name="Provider",
        provider="openai-compatible",
        base_url="https://api.test/v1",
    )
    judge = create_judge(project=project, name="critic", model="gpt-x")
    Judge.objects.filter(pk=judge.pk).update(connection=connection)
    run = JudgeRun.objects.create(
        project=project, judge=judge, criteria=["overall"], state="finished", total=1
    )
    call = JudgeCall.objects.create(
        judge=judge,
        run=run,
        instance=instance,
        criterion=main_criterion(project),
        shown_order=[0, 1],
        cache_key="0" * 64,
        state="failed",
        failure="rate-limit",
        error="429",
    )
    return {
        "connection_id": connection.pk,
        "judge_id": judge.pk,
        "judge_run_id": run.pk,
        "call_id": call.pk,
        **_workbench_ids(judge),
    }


def _workbench_ids(judge: Judge) -> dict[str, int | str]:
    """A prompt with a draft judge that was tried on nothing, and a search for criteria."""
    prompt = create_prompt(project=judge.project, name="Kind", rubric="Be kind.")
    draft = new_version(judge=judge, prompt=prompt)
    trial = JudgeRun.objects.create(
        project=judge.project,
        judge=draft,
        trial=True,
        criteria=["overall"],
        selection={"of": "instances", "instances": []},
        state="finished",
    )
    mining = Mining.objects.create(
        project=judge.project, judge=judge, criterion=main_criterion(judge.project)
    )
    return {"prompt_id": prompt.pk, "trial_id": trial.pk, "mining_id": mining.pk}


def _arena_ids(project: Project, player: User) -> dict[str, int | str]:
    """A closed arena in which one person has played a round."""
    arena = Arena.objects.create(project=project)
    first, second = (
        Contestant.objects.create(arena=arena, name=name, source="endpoint", model=name)
        for name in ("one", "two")
    )
    battle = Battle.objects.create(
        arena=arena,
        annotator=annotator_for(project=project, user=player),
        first=first,
        second=second,
        shown_order=[0, 1],
        state="void",
    )
    Turn.objects.create(battle=battle, number=0, prompt="Hello?")
    return {"contestant_id": first.pk, "battle": str(battle.key)}


def make_media(project: Project, name: str = "cat.gif", content: bytes = b"") -> MediaFile:
    """A file that passes for a picture; its bytes are the project's own."""
    return keep_media(
        project=project, name=name, chunks=[content or b"GIF89a" + project.slug.encode()]
    )


def _workforce_ids(project: Project, owner: User) -> dict[str, int]:
    Protocol.objects.filter(project=project).update(leaderboard=True)
    invitation, _ = invite(
        project=project, actor=owner, role=Role.ANNOTATOR, seats=2, valid_for=timedelta(days=7)
    )
    study, _ = create_study(
        project=project, actor=owner, name="Study", labels=2, places=3, completion_code="DONE"
    )
    return {
        "member_id": project.memberships.get(role=Role.ANNOTATOR).pk,
        "invitation_id": invitation.pk,
        "study_id": study.pk,
        "payout_id": Payout.objects.create(
            project=project, currency="USD", paid_at=timezone.now()
        ).pk,
    }


def make_snapshot(project: Project) -> Snapshot:
    digest = content_hash([project.slug])
    return Snapshot.objects.create(
        project=project,
        content_hash=digest,
        query={"criterion": main_criterion(project).key},
        manifest={"rows": {"train": 2, "test": 1}, "simulated_share": 0.5},
        folder=f"snapshots/{digest}",
    )


def make_export(snapshot: Snapshot) -> Export:
    path = f"exports/{snapshot.content_hash}/pairs.jsonl"
    target = Path(settings.MEDIA_ROOT) / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text('{"instance_id": "x", "simulated": true}\n')
    return Export.objects.create(
        snapshot=snapshot,
        shape="pairs",
        format="jsonl",
        path=path,
        rows=1,
        bytes=target.stat().st_size,
        sha256="0" * 64,
    )


def make_known(project: Project) -> Gold:
    answers = {main_criterion(project).key: {"accept": [{"ranking": [1, 2]}]}}
    return make_gold(instance=make_instance(project), kind="gold", answers=answers, by=None)
