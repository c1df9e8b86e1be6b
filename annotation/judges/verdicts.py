"""From a judge's answered calls to its annotations and signals."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from django.db import transaction

from annotation.instances.models import Signal
from annotation.labels.announcing import announce
from annotation.labels.models import Annotation
from annotation.projects.models import Criterion, TieKind
from core.hashing import content_hash

from .models import CallState, Judge, JudgeCall
from .protocol import Answer, Verdict, merge

BATCH = 1000
NAMESPACE = uuid.UUID("6f0f3b52-5a0e-4f7e-9b64-7a8b1d0f2c11")
SIGNAL_NAME_LENGTH = Signal._meta.get_field("name").max_length or 60
# The first state found among an instance's calls says why it has no label.
REASONS = (CallState.UNKNOWN, CallState.UNPARSABLE, CallState.FAILED)
INCOMPLETE = "incomplete"


def signal_name(kind: str, judge: Judge) -> str:
    """`judge_p:<judge>`, `judge_gap:<judge>`, `judge_flip:<judge>`; a long name ends in a hash."""
    name = f"{kind}:{judge.name}"
    if len(name) <= SIGNAL_NAME_LENGTH:
        return name
    return f"{name[: SIGNAL_NAME_LENGTH - 9]}~{content_hash(judge.name)[:8]}"


@transaction.atomic
def label(
    judge: Judge,
    criterion: Criterion,
    instance_ids: Sequence[int],
    decision_of: Mapping[int, uuid.UUID],
) -> Counter[str]:
    """One annotation and the signals of each instance whose calls are complete; idempotent.

    Returns how many instances are answered, and why the others are not.
    """
    calls = defaultdict(list)
    asked = JudgeCall.objects.filter(judge=judge, criterion=criterion, instance__in=instance_ids)
    for call in asked.order_by("pk"):
        calls[call.instance_id].append(call)
    verdicts = {
        pk: verdict for pk in instance_ids if (verdict := _verdict(calls[pk], judge.accuracy))
    }
    spoken = set(
        Annotation.objects.filter(
            annotator=judge.annotator, criterion=criterion, instance__in=instance_ids
        ).values_list("instance_id", flat=True)
    )
    rows = [
        _annotation(judge, criterion, verdict, calls[pk])
        for pk, verdict in verdicts.items()
        if pk not in spoken
    ]
    for row in rows:
        row.decision_id = decision_of.get(row.instance_id)
    Annotation.objects.bulk_create(rows, batch_size=BATCH)
    announce(rows)
    _write_signals(judge, verdicts)
    outcome = Counter({"answered": len(verdicts)})
    outcome.update(_reason(calls[pk]) for pk in instance_ids if pk not in verdicts)
    return outcome


def _verdict(calls: Sequence[JudgeCall], accuracy: float | None) -> Verdict | None:
    answers = [
        Answer(tuple(call.shown_order) or None, tuple(call.ranking), call.p_first)
        for call in calls
        if call.state == CallState.ANSWERED
    ]
    return merge(answers, accuracy)


def _reason(calls: Sequence[JudgeCall]) -> str:
    states = {call.state for call in calls}
    return next((str(state) for state in REASONS if state in states), INCOMPLETE)


def _annotation(
    judge: Judge, criterion: Criterion, verdict: Verdict, calls: Sequence[JudgeCall]
) -> Annotation:
    instance_id, ranking = calls[0].instance_id, list(verdict.ranking)
    rationale = next((call.rationale for call in calls if call.rationale), "")
    said = {"p": verdict.p, "gap": verdict.gap, "flipped": verdict.flipped}
    return Annotation(
        project_id=judge.project_id,
        instance_id=instance_id,
        annotator=judge.annotator,
        criterion=criterion,
        ranking=ranking,
        tie_kind=TieKind.TIE if len(set(ranking)) == 1 else "",
        rationale=rationale,
        attributes={"verdict": said},
        client_id=uuid.uuid5(NAMESPACE, f"{judge.pk}/{instance_id}"),
        payload_hash=content_hash([ranking, said, rationale]),
    )


def _write_signals(judge: Judge, verdicts: Mapping[int, Verdict]) -> None:
    signals = [
        Signal(
            instance_id=pk,
            name=signal_name(kind, judge),
            version=judge.prompt_version,
            value=float(value),
        )
        for pk, verdict in verdicts.items()
        for kind, value in (
            ("judge_p", verdict.p),
            ("judge_gap", verdict.gap),
            ("judge_flip", verdict.flipped),
        )
        if value is not None
    ]
    Signal.objects.bulk_create(
        signals,
        update_conflicts=True,
        unique_fields=["instance", "name", "version"],
        update_fields=["value"],
        batch_size=BATCH,
    )
