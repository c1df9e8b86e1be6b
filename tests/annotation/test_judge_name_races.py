"""Prompts and judges that several people name at once: a number each, or a clear refusal."""

import pytest

from annotation.judges.models import Judge, Prompt
from annotation.judges.prompting import create_prompt
from annotation.judges.prompting import new_version as new_prompt_version
from annotation.judges.services import create_judge, new_version
from annotation.judges.workbench.trials import draft_of
from tests.factories import make_project
from tests.races import at_once

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 8


def test_one_of_many_gets_the_name_of_a_prompt() -> None:
    project = make_project()
    found = at_once(*[lambda: create_prompt(project=project, name="kind")] * MANY)
    assert sorted(found) == ["InvalidInput"] * (MANY - 1) + ["done"]
    assert Prompt.objects.count() == 1


def test_versions_of_a_prompt_get_a_number_each() -> None:
    first = create_prompt(project=make_project(), name="kind")
    at_once(
        *[lambda n=n: new_prompt_version(prompt=first, rubric=f"- rule {n}") for n in range(MANY)]
    )
    numbers = Prompt.objects.values_list("version", flat=True)
    assert sorted(numbers) == list(range(1, MANY + 2))


def test_one_of_many_gets_the_name_of_a_judge() -> None:
    project = make_project()
    found = at_once(*[lambda: create_judge(project=project, name="critic", model="m")] * MANY)
    assert sorted(found) == ["InvalidInput"] * (MANY - 1) + ["done"]
    assert Judge.objects.count() == 1


def test_versions_of_a_judge_get_a_number_each() -> None:
    judge = create_judge(project=make_project(), name="critic", model="m")
    at_once(*[lambda: new_version(judge=judge, model="other")] * MANY)
    assert sorted(Judge.objects.values_list("version", flat=True)) == list(range(1, MANY + 2))


def test_a_prompt_that_two_people_try_has_one_draft() -> None:
    project = make_project()
    judge = create_judge(project=project, name="critic", model="m")
    prompt = create_prompt(project=project, name="kind", rubric="- be polite")
    found = at_once(*[lambda: draft_of(prompt=prompt, base=judge)] * MANY)
    assert found == ["done"] * MANY
    assert Judge.objects.count() == 2
