"""Verifiers: which answers they take for right, and what becomes of their verdicts."""

from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import User
from annotation.judges import services
from annotation.judges.models import CallState, Judge, JudgeCall
from annotation.judges.verifier import sandbox
from annotation.judges.verifier.answers import boxed, final_answer, same
from annotation.judges.verifier.inside import ask_something, code_of
from annotation.labels.models import Annotation, AnnotatorKind
from annotation.projects.selectors import main_criterion
from core.exceptions import InvalidInput
from tests.factories import make_instance, make_project


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("First 3, then 4. So \\boxed{12}.", "12"),
        ("\\boxed{1} no, \\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("She had 7.\n#### 5", "5"),
        ("The answer is: Paris.", "Paris."),
        ("**Answer:** B", "B"),
        ("Final answer = 42 apples in all", "42"),
        ("I will answer with 3 and then 7", "7"),
        ("It costs 1,234.50 in all", "1,234.50"),
        ("Because 5-3=2", "2"),
        ("Paris", "Paris"),
        ("Long text\nwithout any", None),
        ("\\boxed{open", None),
        ("", None),
    ],
)
def test_the_final_answer_of_a_completion(text: str, answer: str | None) -> None:
    assert final_answer(text) == answer


def test_a_pattern_names_the_answer() -> None:
    assert final_answer("x=1; x=2", r"x=(\d)") == "2"
    assert final_answer("x=1; x=2", r"x=\d") == "x=2"
    assert final_answer("none", r"x=\d") is None
    assert boxed("\\boxed{a{b}c}") == "a{b}c"


@pytest.mark.parametrize(
    ("said", "right", "equal"),
    [
        ("1,000", "1000.0", True),
        ("1/2", "0.5", True),
        ("\\frac{1}{2}", "0.5", True),
        ("$42", "42", True),
        ("50\\%", "50", True),
        ("(B)", "b", True),
        ("\\text{Paris}.", "paris", True),
        ("New  York", "new york", True),
        ("42", "43", False),
        ("2x+3", "2", False),
        ("1/0", "1", False),
        ("", "", False),
        ("nan", "inf", False),
    ],
)
def test_answers_that_are_the_same(said: str, right: str, *, equal: bool) -> None:
    assert same(said, right) is equal


def test_code_is_what_is_fenced() -> None:
    assert code_of("Look:\n```python\nx = 1\n```\nand\n```\ny = 2\n```") == "x = 1\n\n\ny = 2\n"
    assert code_of("x = 1") == "x = 1"
    assert code_of("```py\nx = 1") == "x = 1"


@pytest.mark.parametrize(
    "tests", ["", "import os", "def check(candidate):\n    assert candidate", "'text'", "x = 1", []]
)
def test_tests_that_hold_for_anything_are_refused(tests: Any) -> None:
    with pytest.raises(ValueError, match="check nothing"):
        ask_something(tests, "")


# --- Through the engine ---------------------------------------------------------------------

pytestmark = pytest.mark.django_db(transaction=True)
needs_sandbox = pytest.mark.skipif(
    not sandbox.available().kind, reason="no sandbox works on this machine"
)


@pytest.fixture(autouse=True)
def _on(settings: Settings) -> None:
    settings.VERIFIERS = True


def make_verifier(project: Any, check: str, **parameters: Any) -> Judge:
    return services.create_judge(
        project=project, name=check, model=check, provider="verifier", parameters=parameters
    )


def ask(judge: Judge, *instances: Any) -> services.AskReport:
    return services.ask(
        judge=judge,
        instance_ids=[instance.pk for instance in instances],
        criterion=main_criterion(judge.project),
    )


@needs_sandbox
def test_a_pair_is_decided_by_who_is_right() -> None:
    project = make_project(ties=["tie", "both good", "both bad"])
    judge = make_verifier(project, "exact")
    texts = [("So 4", "So 5"), ("So 5", "So 4"), ("4", "four is \\boxed{4}"), ("1", "2")]
    instances = [make_instance(project, pair, metadata={"answer": 4}) for pair in texts]
    report = ask(judge, *instances)
    assert (report.answered, report.failed) == (4, 0)
    labels = {label.instance_id: label for label in Annotation.objects.all()}
    found = [(labels[each.pk].ranking, labels[each.pk].tie_kind) for each in instances]
    assert found == [([1, 2], ""), ([2, 1], ""), ([1, 1], "both good"), ([1, 1], "both bad")]
    label = labels[instances[0].pk]
    assert label.annotator.kind == AnnotatorKind.VERIFIER
    assert label.attributes["verdict"]["flipped"] is None
    assert label.attributes["verdict"]["orders"] == 1
    call = JudgeCall.objects.get(instance=instances[0])
    assert (call.scores, call.shown_order, call.price_micros) == ([1.0, 0.0], [], 0)
    assert "passes: answer '4'" in call.rationale


@needs_sandbox
def test_ties_are_ties_where_the_project_knows_no_other() -> None:
    project = make_project(ties=["tie"])
    instance = make_instance(project, ("1", "2"), metadata={"answer": 4})
    ask(make_verifier(project, "exact"), instance)
    assert Annotation.objects.get().tie_kind == "tie"


@needs_sandbox
def test_unit_tests_rank_a_list() -> None:
    project = make_project(kind="listwise")
    texts = ("def f(x): return x", "```python\ndef f(x):\n    return x * x\n```", "no code")
    metadata = {
        "tests": "def check(candidate):\n    assert candidate(3) == 9",
        "entry_point": "f",
    }
    instance = make_instance(project, texts, metadata=metadata)
    assert ask(make_verifier(project, "tests"), instance).answered == 1
    assert Annotation.objects.get().ranking == [2, 1, 2]


@needs_sandbox
def test_a_binary_criterion_gets_its_scores() -> None:
    project = make_project(kind="binary")
    judge = make_verifier(project, "regex", pattern=r"^\d+$")
    instance = make_instance(project, ("12", "twelve"))
    assert ask(judge, instance).answered == 1
    label = Annotation.objects.get()
    assert (label.scores, label.ranking) == ([1, 0], [])


@needs_sandbox
@pytest.mark.parametrize(
    ("check", "metadata", "failure"),
    [
        ("exact", {}, "bad-request"),
        ("exact", {"answer": ""}, "bad-request"),
        ("regex", {"pattern": "("}, "bad-request"),
        ("regex", {"pattern": "(a+)+$"}, "timeout"),
        ("tests", {"tests": "import os"}, "bad-request"),
        ("tests", {"tests": "def ("}, "bad-request"),
        ("tests", {"tests": "assert 1", "files": {"../x": "y"}}, "bad-request"),
    ],
)
def test_what_cannot_be_checked_has_a_reason_and_no_label(
    check: str, metadata: dict[str, Any], failure: str
) -> None:
    project = make_project()
    judge = make_verifier(project, check, seconds=0.5)
    instance = make_instance(project, ("a" * 50 + "b", "b"), metadata=metadata)
    report = ask(judge, instance)
    assert (report.answered, report.failed) == (0, 1)
    call = JudgeCall.objects.get()
    assert (call.state, call.failure) == (CallState.FAILED, failure)
    assert call.error
    assert not Annotation.objects.exists()


@needs_sandbox
def test_metadata_that_comes_later_is_checked_then() -> None:
    project = make_project()
    judge = make_verifier(project, "exact")
    instance = make_instance(project, ("4", "5"))
    assert ask(judge, instance).failed == 1
    instance.metadata = {"answer": "5"}
    instance.save()
    assert ask(judge, instance).answered == 1
    assert Annotation.objects.get().ranking == [2, 1]


def test_without_a_sandbox_nothing_runs_and_nothing_is_labelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What follows where neither mechanism works; that it is then so is tested with the sandbox."""
    monkeypatch.setattr(sandbox, "available", lambda: sandbox.Availability("", "none here"))
    project = make_project()
    instance = make_instance(project, ("4", "5"), metadata={"answer": "4"})
    judge = make_verifier(project, "exact")
    assert ask(judge, instance).failed == 1
    assert JudgeCall.objects.get().failure == "sandbox"
    assert "none here" in JudgeCall.objects.get().error
    assert not Annotation.objects.exists()


def test_verifiers_are_off_until_the_operator_turns_them_on(settings: Settings) -> None:
    settings.VERIFIERS = False
    project = make_project()
    judge = make_verifier(project, "exact")
    with pytest.raises(InvalidInput, match="VERIFIERS=1"):
        ask(judge, make_instance(project, metadata={"answer": "4"}))


@pytest.mark.parametrize(
    ("kind", "check", "parameters"),
    [
        ("pairwise", "other", {}),
        ("pairwise", "exact", {"seconds": 0}),
        ("pairwise", "exact", {"seconds": 1e6}),
        ("rating", "exact", {}),
    ],
)
def test_judges_that_cannot_verify_are_refused(
    kind: str, check: str, parameters: dict[str, Any]
) -> None:
    project = make_project(kind=kind)
    judge = make_verifier(project, check, **parameters)
    with pytest.raises(InvalidInput):
        ask(judge, make_instance(project, metadata={"answer": "4"}))


def test_a_verifier_is_added_by_the_form(client: Client) -> None:
    project = make_project()
    client.force_login(User.objects.get(memberships__project=project))
    page = f"/p/{project.slug}/judges/new/?source=verifier"
    sent = {"name": "numbers", "model": "regex", "price_per_call_micros": "0", "pattern": r"\d"}
    assert client.post(page, sent).status_code == 302
    judge = Judge.objects.get()
    assert (judge.provider, judge.model, judge.parameters) == (
        "verifier",
        "regex",
        {"pattern": r"\d"},
    )
    assert judge.annotator.kind == AnnotatorKind.VERIFIER
    assert judge.price_known
