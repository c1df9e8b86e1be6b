"""From a judge's answered calls to its annotations and signals."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from annotation.instances.models import Completion, Signal
from annotation.labels.announcing import announce
from annotation.labels.answers import SCORED
from annotation.labels.models import Annotation
from annotation.projects.models import Criterion, Guideline, TieKind
from annotation.projects.selectors import guideline_of, main_criterion, protocol_of
from annotation.queue.ending import settle_instances
from core.hashing import content_hash

from . import parsing
from .asking.planning import orders_of
from .asking.wording import Level, levels_of
from .models import Calibration, CallPurpose, CallState, Judge, JudgeCall, Provider, Stage
from .protocol import DEFAULT_ACCURACY, Answer, Verdict, merge
from .report.calibration import apply
from .report.selectors import calibration_of
from .writing import write_annotations, write_signals

NAMESPACE = uuid.UUID("6f0f3b52-5a0e-4f7e-9b64-7a8b1d0f2c11")
SIGNAL_NAME_LENGTH = Signal._meta.get_field("name").max_length or 60
# The first state found among an instance's calls says why it has no label.
REASONS = (CallState.UNKNOWN, CallState.UNPARSABLE, CallState.FAILED)
INCOMPLETE = "incomplete"
SIGNALS = ("judge_p", "judge_gap", "judge_flip")
# Whoever is asked in orders; an import and a model of scores say what they say once.
ASKED_IN_ORDERS = frozenset({Provider.OPENAI, Provider.ANTHROPIC, Provider.LOCAL})
# Verdicts nearer than this are one verdict: it went through JSON.
SAME = 1e-9
FIELDS = (
    "judge_id",
    "instance_id",
    "guideline_id",
    "state",
    "shown_order",
    "ranking",
    "scores",
    "p_first",
    "confidence",
    "logprobs",
    "rationale",
)


def signal_name(kind: str, judge: Judge, criterion: Criterion | None = None) -> str:
    """`judge_p:<judge>`, `judge_gap:<judge>`, `judge_flip:<judge>`; a long name ends in a hash.

    `criterion` is given where it is not the project's main one: `judge_p@<key>:<judge>`.
    """
    name = f"{kind}:{judge.name}" if criterion is None else f"{kind}@{criterion.key}:{judge.name}"
    if len(name) <= SIGNAL_NAME_LENGTH:
        return name
    whole = judge.name if criterion is None else [criterion.key, judge.name]
    return f"{name[: SIGNAL_NAME_LENGTH - 9]}~{content_hash(whole)[:8]}"


@dataclass(frozen=True)
class Heard:
    """What a judge's calls about one instance say, and the guideline they were made under."""

    verdict: Verdict
    calls: Sequence[JudgeCall]
    guideline: int | None

    @property
    def is_hard(self) -> bool:
        """Whether some reply named a side without a probability."""
        return any(call.ranking and call.p_first is None for call in self.calls)


@transaction.atomic
def label(
    judge: Judge,
    criterion: Criterion,
    instance_ids: Sequence[int],
    decision_of: Mapping[int, uuid.UUID],
) -> Counter[str]:
    """One annotation and the signals of each instance whose calls are complete; idempotent.

    A label that stands under another guideline, or says something else than the replies do by
    now, is superseded; one that came with an import stays, and so does one whose hard verdict was
    worth something else when it was written. A draft judge labels nothing. Instances that waited
    for nothing else are settled. Returns
    how many instances are answered, and why the others are not. A constant number of queries.
    """
    about = _About.of(judge, criterion, instance_ids)
    calls = calls_of(judge, criterion, instance_ids)
    standing = _standing(about, instance_ids)
    heard = {
        pk: found
        for pk in instance_ids
        if (found := about.hear(pk, calls[pk], accuracy_of(standing.get(pk))))
    }
    if judge.stage != Stage.DRAFT:
        _write_labels(about, heard, standing, decision_of)
        _write_signals(about, heard)
        settle_instances(heard)
    outcome = Counter({"answered": len(heard)})
    outcome.update(_reason(calls[pk]) for pk in instance_ids if pk not in heard)
    return outcome


def calls_of(
    judge: Judge, criterion: Criterion, instance_ids: Sequence[int]
) -> dict[int, list[JudgeCall]]:
    """The judge's calls for labels by instance, newest first, without their texts. One query."""
    found: dict[int, list[JudgeCall]] = defaultdict(list)
    rows = JudgeCall.objects.filter(
        judge=judge, criterion=criterion, instance__in=instance_ids, purpose=CallPurpose.LABEL
    )
    for call in rows.order_by("-pk").only(*FIELDS):
        found[call.instance_id or 0].append(call)
    return found


def verdict_of(
    judge: Judge,
    calls: Sequence[JudgeCall],
    *,
    size: int | None = None,
    accuracy: float | None = None,
) -> Verdict | None:
    """What calls say together, newest first; None where they are not complete.

    `accuracy`: what a hard verdict is worth; by default what is known of the judge.
    """
    answers = [
        Answer(
            tuple(call.shown_order) or None,
            tuple(call.ranking),
            call.p_first,
            tuple(call.scores),
            call.confidence,
        )
        for call in calls
        if call.state == CallState.ANSWERED
    ]
    least = min(2, orders_of(judge)) if judge.provider in ASKED_IN_ORDERS else 1
    sure = judge.accuracy if accuracy is None else accuracy
    return merge(answers, sure, size=size, least=least)


def accuracy_of(label: Annotation | None) -> float | None:
    """What a hard verdict was worth when the label was written; None without a label."""
    verdict = label.attributes.get("verdict") if label else None
    return None if verdict is None else verdict.get("accuracy", DEFAULT_ACCURACY)


@dataclass(frozen=True)
class _About:
    """What is read once for a window of instances."""

    judge: Judge
    criterion: Criterion
    main: bool
    guideline: Guideline | None
    calibration: Calibration | None
    sizes: Mapping[int, int]
    levels: tuple[Level, ...]
    ties: frozenset[str]

    @classmethod
    def of(cls, judge: Judge, criterion: Criterion, instance_ids: Sequence[int]) -> "_About":
        protocol = protocol_of(judge.project)
        kind = criterion.asks(protocol)
        rows = Completion.objects.filter(instance__in=instance_ids).order_by()
        scored = kind in SCORED
        return cls(
            judge,
            criterion,
            main_criterion(judge.project).pk == criterion.pk,
            guideline_of(judge.project),
            calibration_of(judge, criterion),
            Counter(rows.values_list("instance_id", flat=True)),
            levels_of(criterion.values(kind), criterion.labels) if scored else (),
            frozenset(protocol.ties),
        )

    def hear(
        self, pk: int, calls: Sequence[JudgeCall], accuracy: float | None = None
    ) -> Heard | None:
        """The verdict of the newest calls that belong together, with an accuracy of another time.

        Where the prompt shows the guideline, replies under different ones are not mixed, and the
        label is of the guideline that was shown. Else the question is the same under each.
        """
        guideline = self.guideline.pk if self.guideline else None
        if self.judge.prompt and self.judge.prompt.show_guideline and calls:
            guideline = calls[0].guideline_id
            calls = [call for call in calls if call.guideline_id == guideline]
        size = self.sizes.get(pk)
        verdict = verdict_of(self.judge, calls, size=size, accuracy=accuracy)
        return Heard(verdict, calls, guideline) if verdict else None

    def annotation(self, pk: int, heard: Heard, before: Annotation | None) -> Annotation:
        """The label of one instance, in place of the one that stands."""
        verdict, said = heard.verdict, self._said(heard)
        ranking, scores = list(verdict.ranking), self._levels(heard)
        rationale = next((call.rationale for call in heard.calls if call.rationale), "")
        version = f"{self.criterion.pk}/{heard.guideline}/{before.pk if before else 0}"
        tied = bool(ranking) and len(set(ranking)) == 1
        return Annotation(
            project_id=self.judge.project_id,
            instance_id=pk,
            annotator=self.judge.annotator,
            criterion=self.criterion,
            guideline_id=heard.guideline,
            ranking=ranking,
            scores=scores,
            tie_kind=self._tie_kind(heard) if tied else "",
            rationale=rationale,
            attributes={"verdict": said},
            client_id=uuid.uuid5(NAMESPACE, f"{self.judge.pk}/{pk}/{version}"),
            payload_hash=content_hash([ranking, scores, said, rationale]),
            supersedes=before,
        )

    def _tie_kind(self, heard: Heard) -> TieKind:
        """Of a verifier's tie, whether all pass or all fail, where the project tells them apart."""
        scores = next((c.scores for c in heard.calls if c.state == CallState.ANSWERED), [])
        if self.judge.provider != Provider.VERIFIER or not scores:
            return TieKind.TIE
        kind = TieKind.BOTH_GOOD if scores[0] else TieKind.BOTH_BAD
        return kind if kind in self.ties else TieKind.TIE

    def _said(self, heard: Heard) -> dict[str, Any]:
        verdict = heard.verdict
        said: dict[str, Any] = {
            "p": verdict.p,
            "gap": verdict.gap,
            "flipped": verdict.flipped,
            "confidence": verdict.confidence,
            "orders": verdict.orders,
            "method": verdict.method,
        }
        if heard.is_hard and self.judge.accuracy is not None:
            said["accuracy"] = self.judge.accuracy
        if verdict.p is not None and self.calibration is not None:
            found = apply(self.calibration.method, self.calibration.knots, [verdict.p])
            said["p_calibrated"] = float(found[0])
        if verdict.pairs:
            said["pairs"] = [[i, j, round(p, 6)] for i, j, p in verdict.pairs]
            said["worth"] = [round(worth, 6) for worth in verdict.worth]
            said["consistency"] = verdict.consistency
        if verdict.scores:
            said["scores"] = [round(score, 6) for score in verdict.scores]
        return said

    def _levels(self, heard: Heard) -> list[int]:
        """The level a judge names for each completion; the mean stays in the verdict."""
        if not heard.verdict.scores:
            return []
        most_likely: dict[int, int] = {}
        for call in heard.calls:
            if call.state == CallState.ANSWERED and len(call.shown_order) == 1 and call.logprobs:
                shares, _ = parsing.shares(call.logprobs, [each.code for each in self.levels])
                if shares:
                    best = max(self.levels, key=lambda each: shares[each.code])
                    most_likely.setdefault(call.shown_order[0], best.value)
        return [
            most_likely.get(position, self._nearest(score))
            for position, score in enumerate(heard.verdict.scores)
        ]

    def _nearest(self, score: float) -> int:
        return min((each.value for each in self.levels), key=lambda value: abs(value - score))


def _write_labels(
    about: _About,
    heard: dict[int, Heard],
    standing: Mapping[int, Annotation],
    decision_of: Mapping[int, uuid.UUID],
) -> None:
    """New labels, and those in place of stale ones; `heard` then says what they say."""
    rows = []
    for pk, found in list(heard.items()):
        before = standing.get(pk)
        row = about.annotation(pk, found, before)
        if before is None or _stale(before, row):
            # With what a hard verdict is worth by now, whatever it was worth then.
            heard[pk] = about.hear(pk, found.calls) or found
            row = about.annotation(pk, heard[pk], before)
            row.decision_id = decision_of.get(pk, before.decision_id if before else None)
            rows.append(row)
    write_annotations(rows)
    announce(rows)


def _standing(about: _About, instance_ids: Sequence[int]) -> dict[int, Annotation]:
    rows = Annotation.objects.filter(
        annotator=about.judge.annotator,
        criterion=about.criterion,
        instance__in=instance_ids,
        superseded_by__isnull=True,
    )
    return {row.instance_id: row for row in rows}


def _stale(before: Annotation, now: Annotation) -> bool:
    """Whether the label that stands is no more what the judge says under its guideline."""
    verdict = before.attributes.get("verdict")
    if verdict is None:
        return False
    if before.guideline_id not in (None, now.guideline_id):
        return True
    if (before.ranking, before.scores) != (now.ranking, now.scores):
        return True
    was, p = verdict.get("p"), now.attributes["verdict"]["p"]
    return (was is None) != (p is None) or (p is not None and abs(was - p) > SAME)


def _reason(calls: Sequence[JudgeCall]) -> str:
    states = {call.state for call in calls}
    return next((str(state) for state in REASONS if state in states), INCOMPLETE)


def _write_signals(about: _About, heard: Mapping[int, Heard]) -> None:
    criterion = None if about.main else about.criterion
    name_of = {kind: signal_name(kind, about.judge, criterion) for kind in SIGNALS}
    signals = [
        (pk, name_of[kind], float(value))
        for pk, found in heard.items()
        for kind, value in zip(
            SIGNALS, (found.verdict.p, found.verdict.gap, found.verdict.flipped), strict=True
        )
        if value is not None
    ]
    write_signals(about.judge.prompt_version, signals)
