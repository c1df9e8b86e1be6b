"""A policy against its reference: blind comparison of samples by people and by judges."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import Project, User
from accounts.policies import Action, can
from annotation.instances.lines import Line
from annotation.instances.models import Completion, Instance
from annotation.instances.services import import_records
from annotation.judges.models import Judge, JudgeRun
from annotation.judges.runs import start_run
from annotation.labels.models import AnnotatorKind
from annotation.labels.selectors import current
from annotation.ledger.models import Budget
from annotation.projects.selectors import main_criterion
from annotation.projects.services import create_project
from annotation.queue.models import Arm, Destination
from annotation.queue.services import AssignmentItem, assign
from audit.services import record
from core.exceptions import Forbidden, InvalidInput, NotFound
from core.hashing import unit_interval
from training.fit.figures.intervals import clustered_interval, numbered
from training.fit.figures.metrics import FEW_PROMPTS
from training.runs.models import RunKind

from .gating import WIN_RATE, check_gate
from .models import Evaluation, ModelVersion

PEOPLE = "people"


@transaction.atomic
def samples_to_project(
    *,
    version: ModelVersion,
    created_by: User,
    project: Project | None = None,
    name: str = "",
    labels_each: int = 1,
    to_people: bool = True,
) -> Evaluation:
    """Turn a policy's samples into pairs that people label blind, and note the comparison.

    The pairs are the run's samples at its fixed prompts, the reference's against the policy's;
    equal ones are left out and count as ties. Which side comes first is drawn for each, people
    see no generator names, and the queue draws the order on the screen anew.

    Args:
        project: where they are labelled; by default a new project that belongs to `created_by`.
            With the version's own project its judges can be asked, too (`ask_judge`).
        name: of the new project.
        labels_each: labels per pair in a new project.
        to_people: whether to send them to people at once.

    Returns:
        The evaluation "win rate"; `read_win_rate` writes its figures from the labels so far.

    Raises:
        InvalidInput: the version is no policy, or its run kept no samples that differ.
        Forbidden: `created_by` may not import into `project`.
    """
    samples = _samples(version)
    if project is not None and not can(created_by, Action.IMPORT, project):
        raise Forbidden(_("Your role there may not import instances."))
    home = project or create_project(
        name=name.strip()[:100] or f"{version.project.name}: policy v{version.version}",
        owner=created_by,
        overlap=labels_each,
    )
    row = Evaluation.objects.create(version=version, name=WIN_RATE, created_by=created_by)
    generators = {side: f"{side} {version.version}" for side in ("policy", "reference")}
    different = [sample for sample in samples if sample["before"] != sample["after"]]
    lines = [_line(row, k, sample, generators) for k, sample in enumerate(different)]
    kept, refused = _imported(home, row, lines)
    row.source = {
        "project": home.pk,
        "slug": home.slug,
        "criterion": main_criterion(home).key,
        "generators": generators,
        "pairs": kept.count(),
        "identical": len(samples) - len(different),
        "refused": refused,
    }
    row.save(update_fields=["source"])
    if to_people:
        _send(home, kept, labels_each)
    record(
        action="samples sent to be compared",
        actor=created_by,
        project=version.project,
        target=f"model version {version.pk}",
        compared_in=home.slug,
        pairs=len(lines),
    )
    return row


def _imported(home: Project, row: Evaluation, lines: list[Line]) -> tuple[QuerySet[Instance], int]:
    """The pairs as instances of the project, and how many it did not take."""
    report = import_records(project=home, lines=lines, reveal=False)
    kept = Instance.objects.filter(project=home, external_id__startswith=_prefix(row))
    if not kept.exists():
        reason = report.errors[0]["reason"] if report.errors else _("the project has them already")
        raise InvalidInput(_("No pair could be imported: %(reason)s.") % {"reason": reason})
    return kept, report.refused + report.duplicates


def _send(home: Project, kept: QuerySet[Instance], labels_each: int) -> None:
    items = [
        AssignmentItem(pk, Destination.HUMAN, Arm.SEED, 1.0, labels_each)
        for pk in kept.order_by("pk").values_list("pk", flat=True)
    ]
    assign(project=home, items=items)


def _samples(version: ModelVersion) -> list[dict[str, Any]]:
    if version.kind != RunKind.POLICY:
        raise InvalidInput(_("Only policies are compared by their samples."))
    samples: list[dict[str, Any]] = version.run.report.get("samples", [])
    if not any(_usable(sample) for sample in samples):
        raise InvalidInput(
            _("The run kept no samples that differ: train with `sample_prompts` above 0.")
        )
    return [sample for sample in samples if sample["before"] == sample["after"] or _usable(sample)]


def _usable(sample: dict[str, Any]) -> bool:
    before, after = sample["before"].strip(), sample["after"].strip()
    return bool(before and after and before != after)


def _prefix(row: Evaluation) -> str:
    return f"comparison-{row.pk}-"


def _line(row: Evaluation, number: int, sample: dict[str, Any], generators: dict[str, str]) -> Line:
    sides = [
        {"text": sample["before"], "model": generators["reference"]},
        {"text": sample["after"], "model": generators["policy"]},
    ]
    if unit_interval("comparison", row.pk, number) < 0.5:
        sides.reverse()
    prompt = sample.get("messages") or sample["prompt"]
    value = {"id": f"{_prefix(row)}{number}", "prompt": prompt, "responses": sides}
    return Line(number + 1, value)


def ask_judge(
    *, comparison: Evaluation, judge: Judge, budget: Budget | None = None, by: User | None = None
) -> JudgeRun:
    """Let a judge of the project that holds the pairs label them, in both orders, as a job.

    Raises:
        InvalidInput: the judge belongs to another project, or cannot be asked like this.
        Conflict: it is being asked already.
    """
    if judge.project_id != comparison.source["project"]:
        raise InvalidInput(_("The pairs lie in another project: compare in the judge's own."))
    chosen = list(_instances(comparison).values_list("pk", flat=True))
    return start_run(
        judge=judge,
        criteria=[comparison.source["criterion"]],
        selection={"of": "instances", "instances": chosen},
        budget=budget,
        by=by,
    )


def _instances(comparison: Evaluation) -> Any:
    return Instance.objects.filter(
        project=comparison.source["project"], external_id__startswith=_prefix(comparison)
    )


def comparison_of(version: ModelVersion, evaluation_id: int) -> Evaluation:
    """A comparison of a version.

    Raises:
        NotFound: it has none of that id.
    """
    rows = Evaluation.objects.filter(version=version, name=WIN_RATE, pk=evaluation_id)
    row = rows.select_related("version__run", "version__project").first()
    if row is None:
        raise NotFound(_("This version has no such comparison."))
    return row


def read_win_rate(comparison: Evaluation) -> dict[str, Any]:
    """Write and return the figures of a comparison from the labels that stand now.

    `people` and `judges` (by name) each have `win_rate`, `win_rate_interval` (resampling prompts),
    `labels`, `prompts`; identical samples are ties of all of them. `win_rate` beside them, which
    the gate reads, is that of people, or of the first judge where no person has labelled.
    """
    shares = _shares(comparison)
    ties = comparison.source["identical"]
    rates = {who: _rate(found, ties) for who, found in shares.items()}
    judges = {who: rate for who, rate in sorted(rates.items()) if who != PEOPLE}
    figures: dict[str, Any] = {"judges": judges}
    if PEOPLE in rates:
        figures["people"] = rates[PEOPLE]
    if chosen := rates.get(PEOPLE) or next(iter(judges.values()), None):
        figures |= {name: chosen[name] for name in ("win_rate", "win_rate_interval")}
    comparison.figures = figures
    comparison.save(update_fields=["figures"])
    check_gate(comparison.version)
    return figures


def _shares(comparison: Evaluation) -> dict[str, list[tuple[str, float]]]:
    """By who labelled: (prompt, 1 where the policy is preferred, 0 where not, 1/2 for ties)."""
    policy = comparison.source["generators"]["policy"]
    instances = _instances(comparison)
    place = dict(
        Completion.objects.filter(instance__in=instances, generator=policy).values_list(
            "instance", "position"
        )
    )
    home = Project.objects.filter(pk=comparison.source["project"]).first()
    if home is None:
        raise NotFound(_("The project in which the pairs were compared is gone."))
    labels = current(home).filter(
        instance__in=instances,
        criterion__key=comparison.source["criterion"],
        annotator__kind__in=(AnnotatorKind.PERSON, AnnotatorKind.JUDGE),
    )
    found: dict[str, list[tuple[str, float]]] = {}
    for label in labels.select_related("annotator__judge", "instance"):
        if len(label.ranking) != 2 or label.unranked:
            continue
        mine = place.get(label.instance_id)
        if mine is None:
            continue  # no pair of this comparison: somebody imported it under such a name
        ours, theirs = label.ranking[mine], label.ranking[1 - mine]
        share = 1.0 if ours < theirs else 0.0 if ours > theirs else 0.5
        judge = label.annotator.judge
        who = PEOPLE if judge is None else judge.name
        found.setdefault(who, []).append((label.instance.prompt_hash, share))
    return found


def _rate(found: Sequence[tuple[str, float]], ties: int) -> dict[str, Any]:
    prompts = [prompt for prompt, _ in found] + [f"identical {k}" for k in range(ties)]
    shares = np.asarray([share for _, share in found] + [0.5] * ties)
    cluster = numbered(prompts)
    values: dict[str, Any] = {
        "win_rate": float(shares.mean()),
        "win_rate_interval": list(clustered_interval(shares, cluster)),
        "labels": len(found),
        "prompts": len(set(prompts)),
    }
    return values | ({"warning": "few prompts"} if values["prompts"] < FEW_PROMPTS else {})
