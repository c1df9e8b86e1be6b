"""From stored calls to labels: per criterion and guideline, for pairs, lists and scores."""

import math
import uuid
from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest

from accounts.models import Project
from annotation.instances.models import Instance, Signal
from annotation.judges.models import Calibration, CallState, Judge, JudgeCall, Stage
from annotation.judges.prompting import create_prompt
from annotation.judges.services import create_judge, set_accuracy
from annotation.judges.verdicts import label
from annotation.labels.models import Annotation
from annotation.labels.selectors import current
from annotation.projects.models import Criterion, Guideline, Kind, Protocol
from annotation.projects.selectors import main_criterion
from tests.factories import make_annotation, make_instance, make_project

pytestmark = pytest.mark.django_db
_number = count()


def make_judge(project: Project, **fields: Any) -> Judge:
    return create_judge(project=project, name="judge", model="m", **fields)


def call(judge: Judge, instance: Instance, order: Sequence[int], **fields: Any) -> JudgeCall:
    values = {"criterion": main_criterion(judge.project), "state": CallState.ANSWERED} | fields
    return JudgeCall.objects.create(
        judge=judge,
        instance=instance,
        shown_order=list(order),
        cache_key=f"key {next(_number)}",
        **values,
    )


def both(judge: Judge, instance: Instance, forward: float, backward: float, **fields: Any) -> None:
    """P(first shown wins) in both orders."""
    for order, p in (((0, 1), forward), ((1, 0), backward)):
        lower = p if order[0] == 0 else 1 - p
        ranking = [1, 2] if lower > 0.5 else [2, 1]
        call(judge, instance, order, p_first=p, ranking=ranking, confidence=max(p, 1 - p), **fields)


def labelled(judge: Judge, *instances: Instance, **fields: Any) -> Any:
    criterion = fields.get("criterion") or main_criterion(judge.project)
    return label(judge, criterion, [each.pk for each in instances], {})


def verdict_of(instance: Instance, **fields: Any) -> dict[str, Any]:
    standing = current(instance.project).filter(instance=instance, **fields).get()
    return dict(standing.attributes["verdict"])


def guideline(project: Project, text: str) -> Guideline:
    version = Guideline.objects.filter(project=project).count() + 1
    return Guideline.objects.create(project=project, version=version + 10, text=text)


def of_kind(kind: Kind) -> Project:
    project = make_project()
    Protocol.objects.filter(project=project).update(kind=kind)
    return Project.objects.get(pk=project.pk)


def test_a_pair_says_how_it_came_about() -> None:
    project = make_project()
    now = guideline(project, "Be kind.")
    judge, instance = make_judge(project), make_instance(project)
    both(judge, instance, 0.9, 0.2)
    assert labelled(judge, instance) == {"answered": 1}
    row = Annotation.objects.get()
    assert (row.ranking, row.guideline) == ([1, 2], now)
    said = row.attributes["verdict"]
    assert said["p"] == pytest.approx(1 / (1 + math.exp(-(math.log(9) + math.log(4)) / 2)))
    assert (said["orders"], said["method"], said["flipped"]) == (2, "both orders", False)
    assert said["confidence"] == pytest.approx(0.85)
    assert "p_calibrated" not in said


def hard(judge: Judge, instance: Instance, **fields: Any) -> None:
    """The canonical first in both orders, without a probability."""
    for order in ((0, 1), (1, 0)):
        call(judge, instance, order, ranking=[1, 2], **fields)


def p_signal(instance: Instance) -> float:
    return Signal.objects.get(instance=instance, name="judge_p:judge").value


def test_a_hard_verdict_is_worth_what_was_known_when_it_was_written() -> None:
    project = make_project()
    guideline(project, "Be kind.")
    judge, earlier, later = make_judge(project), make_instance(project), make_instance(project)
    soft = make_instance(project)
    hard(judge, earlier)
    both(judge, soft, 0.8, 0.2)
    labelled(judge, earlier, soft)
    set_accuracy(judge=judge, accuracy=0.9)
    hard(judge, later)
    labelled(judge, earlier, later, soft)
    assert Annotation.objects.count() == 3
    assert verdict_of(earlier)["p"] == pytest.approx(0.75)
    assert verdict_of(later)["p"] == pytest.approx(0.9)
    assert (verdict_of(later)["accuracy"], "accuracy" in verdict_of(soft)) == (0.9, False)
    assert p_signal(earlier) == pytest.approx(0.75)
    # Another measurement, and the same replies: every label stays.
    set_accuracy(judge=judge, accuracy=0.85)
    labelled(judge, earlier, later, soft)
    assert Annotation.objects.count() == 3
    # A label that is written anew for another reason takes what is known by then.
    guideline(project, "Be brief.")
    labelled(judge, earlier)
    assert Annotation.objects.count() == 4
    assert verdict_of(earlier)["p"] == pytest.approx(0.85)
    assert p_signal(earlier) == pytest.approx(0.85)


def test_a_calibration_is_kept_beside_the_raw_p() -> None:
    project = make_project()
    judge, instance = make_judge(project), make_instance(project)
    Calibration.objects.create(
        judge=judge,
        criterion=main_criterion(project),
        method="platt",
        knots={"slope": 0.5},
        labels=50,
        prompts=50,
        ece_before=0.2,
        ece_after=0.1,
    )
    both(judge, instance, 0.9, 0.1)
    labelled(judge, instance)
    said = verdict_of(instance)
    assert said["p"] == pytest.approx(0.9)
    assert said["p_calibrated"] == pytest.approx(0.75)


def test_each_criterion_has_its_label_and_signals() -> None:
    project = make_project()
    other = Criterion.objects.create(project=project, key="kind", name="Kind", position=1)
    judge, instance = make_judge(project), make_instance(project)
    both(judge, instance, 0.9, 0.1)
    both(judge, instance, 0.2, 0.8, criterion=other)
    labelled(judge, instance)
    labelled(judge, instance, criterion=other)
    rows = {row.criterion_id: row for row in Annotation.objects.all()}
    assert rows[other.pk].ranking == [2, 1]
    assert rows[main_criterion(project).pk].ranking == [1, 2]
    assert len({row.client_id for row in rows.values()}) == 2
    values = dict(Signal.objects.values_list("name", "value"))
    assert values["judge_p:judge"] == pytest.approx(0.9)
    assert values["judge_p@kind:judge"] == pytest.approx(0.2)


def test_a_draft_labels_nothing_until_it_is_promoted() -> None:
    project = make_project()
    judge, instance = make_judge(project, stage=Stage.DRAFT), make_instance(project)
    both(judge, instance, 0.9, 0.1)
    assert labelled(judge, instance) == {"answered": 1}
    assert not Annotation.objects.exists()
    assert not Signal.objects.exists()
    judge.stage = Stage.ACTIVE
    labelled(judge, instance)
    assert Annotation.objects.count() == 1


def test_a_new_guideline_supersedes_the_label() -> None:
    project = make_project()
    first = guideline(project, "Be kind.")
    judge, instance = make_judge(project), make_instance(project)
    both(judge, instance, 0.9, 0.1)
    labelled(judge, instance)
    second = guideline(project, "Be brief.")
    for _ in range(2):
        labelled(judge, instance)
    old, new = Annotation.objects.order_by("pk")
    assert (old.guideline, new.guideline, new.supersedes) == (first, second, old)
    assert old.client_id != new.client_id


def test_replies_under_two_guidelines_are_not_mixed() -> None:
    project = make_project()
    old, new = guideline(project, "Be kind."), guideline(project, "Be brief.")
    prompt = create_prompt(project=project, name="p", show_guideline=True)
    judge, instance = make_judge(project, prompt=prompt), make_instance(project)
    both(judge, instance, 0.9, 0.1, guideline=old)
    labelled(judge, instance)
    assert Annotation.objects.get().guideline == old
    call(judge, instance, (0, 1), p_first=0.2, ranking=[2, 1], guideline=new)
    assert labelled(judge, instance)["incomplete"] == 1
    call(judge, instance, (1, 0), p_first=0.8, ranking=[2, 1], guideline=new)
    labelled(judge, instance)
    row = current(project).get()
    assert (row.guideline, row.ranking) == (new, [2, 1])
    assert row.attributes["verdict"]["p"] == pytest.approx(0.2)


def test_the_newest_replies_count() -> None:
    project = make_project()
    judge, instance = make_judge(project), make_instance(project)
    both(judge, instance, 0.9, 0.1)
    labelled(judge, instance)
    both(judge, instance, 0.1, 0.9)
    labelled(judge, instance)
    assert current(project).get().ranking == [2, 1]
    assert Annotation.objects.count() == 2


def test_a_label_that_came_with_an_import_stays() -> None:
    project = make_project()
    judge, instance = make_judge(project), make_instance(project)
    make_annotation(instance, judge.annotator, (2, 1))
    both(judge, instance, 0.9, 0.1)
    labelled(judge, instance)
    assert Annotation.objects.get().ranking == [2, 1]


def test_a_list_keeps_its_pairs_and_consistency() -> None:
    project = of_kind(Kind.LISTWISE)
    judge, instance = make_judge(project), make_instance(project, ("a", "b", "c"))
    call(judge, instance, (0, 1, 2), ranking=[1, 2, 3])
    assert labelled(judge, instance)["incomplete"] == 1
    call(judge, instance, (2, 0, 1), ranking=[1, 3, 2])
    labelled(judge, instance)
    row = Annotation.objects.get()
    assert row.ranking == [1, 2, 2]
    said = row.attributes["verdict"]
    assert (said["method"], said["orders"], said["p"]) == ("rankings", 2, None)
    assert said["consistency"] == pytest.approx(1 / 3)
    assert said["pairs"][0] == [0, 1, pytest.approx(0.75)]
    assert said["worth"] == pytest.approx([1, 0.25, 0.25])
    assert set(Signal.objects.values_list("name", flat=True)) == {
        "judge_gap:judge",
        "judge_flip:judge",
    }


def test_scores_are_the_likeliest_level_beside_the_mean() -> None:
    project = of_kind(Kind.RATING)
    judge, instance = make_judge(project), make_instance(project)
    top = [{"token": "5", "logprob": math.log(0.5)}, {"token": "1", "logprob": math.log(0.5)}]
    top[0]["logprob"] = math.log(0.6)
    call(judge, instance, (0,), scores=[3.55], logprobs=top, shape="scores")
    assert labelled(judge, instance)["incomplete"] == 1
    call(judge, instance, (1,), scores=[2.0], shape="scores")
    labelled(judge, instance)
    row = Annotation.objects.get()
    assert (row.scores, row.ranking, row.tie_kind) == ([5, 2], [], "")
    assert row.attributes["verdict"]["scores"] == [3.55, 2.0]
    assert row.attributes["verdict"]["method"] == "scores"


def test_why_there_is_no_label() -> None:
    project = make_project()
    judge = make_judge(project)
    unknown, unparsable, failed, half = (make_instance(project) for _ in range(4))
    call(judge, unknown, (0, 1), state=CallState.UNKNOWN)
    call(judge, unparsable, (0, 1), state=CallState.UNPARSABLE)
    call(judge, failed, (0, 1), state=CallState.FAILED)
    call(judge, half, (0, 1), ranking=[1, 2])
    assert labelled(judge, unknown, unparsable, failed, half) == {
        "answered": 0,
        "unknown": 1,
        "unparsable": 1,
        "failed": 1,
        "incomplete": 1,
    }
    assert not Annotation.objects.exists()


def test_a_large_window_takes_as_many_queries_as_a_small_one(
    django_assert_max_num_queries: Any,
) -> None:
    project = make_project()
    judge = make_judge(project)
    criterion = main_criterion(project)
    instances = [make_instance(project) for _ in range(12)]
    for instance in instances:
        both(judge, instance, 0.9, 0.1)
    decision = uuid.uuid4()
    ids = [instance.pk for instance in instances]
    judge = Judge.objects.select_related("project", "prompt", "annotator").get(pk=judge.pk)
    with django_assert_max_num_queries(16):
        label(judge, criterion, ids, dict.fromkeys(ids, decision))
    assert Annotation.objects.filter(decision_id=decision).count() == 12
