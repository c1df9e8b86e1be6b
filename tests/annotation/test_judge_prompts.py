"""Prompts in versions that never change, and judges that are made of them."""

from typing import Any

import pytest

from annotation.judges import prompting, services
from annotation.judges.models import Connection, Judge, Prompt, Stage
from audit.models import Event
from core.exceptions import InvalidInput
from tests.factories import make_project, make_user

pytestmark = pytest.mark.django_db


def test_a_prompt_is_written_once_and_changed_by_a_version() -> None:
    project, user = make_project(), make_user()
    first = prompting.create_prompt(
        project=project, name=" strict ", by=user, rubric="Be {question}.", examples=2
    )
    assert (first.name, first.version, first.created_by) == ("strict", 1, user)
    second = prompting.new_version(prompt=first, by=user, rubric="Be kind.")
    assert (second.version, second.parent, second.rubric) == (2, first, "Be kind.")
    assert second.examples == 2
    # From an older version too: the number goes on.
    third = prompting.new_version(prompt=first, note="again", instructions="Weigh facts.")
    assert third.version == 3
    first.refresh_from_db()
    assert first.rubric == "Be {question}."
    assert Event.objects.filter(action="prompt written").count() == 3


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 61}, "name"),
        ({"rubric": "Look at {completion_a}."}, "no placeholder"),
        ({"instructions": "{conversation}"}, "no placeholder"),
        ({"system": "x" * 20_001}, "at most"),
        ({"system": "a\0b"}, "cannot be stored"),
        ({"shape": "poem"}, "pair"),
        ({"mode": "loud"}, "token"),
        ({"examples": 17}, "examples"),
        ({"examples": "3"}, "examples"),
        ({"version": 7}, "version"),
    ],
)
def test_what_is_no_prompt_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        prompting.create_prompt(project=make_project(), **{"name": "p", **fields})
    assert not Prompt.objects.exists()


def test_braces_that_are_no_placeholder_stay() -> None:
    project = make_project()
    text = 'Answer {"score": 1} or {{question}} or {1}.'
    assert prompting.create_prompt(project=project, name="p", rubric=text).rubric == text


def test_a_version_changes_something_and_not_the_shape() -> None:
    prompt = prompting.create_prompt(project=make_project(), name="p", rubric="Be kind.")
    with pytest.raises(InvalidInput, match="Nothing changed"):
        prompting.new_version(prompt=prompt, rubric=" Be kind. ", note="other")
    with pytest.raises(InvalidInput, match="another prompt"):
        prompting.new_version(prompt=prompt, shape="scores")
    with pytest.raises(InvalidInput, match="write a new version"):
        prompting.create_prompt(project=prompt.project, name="p")
    assert Prompt.objects.count() == 1


def test_a_version_of_a_judge_is_a_draft_that_replaces_it() -> None:
    project = make_project()
    prompt = prompting.create_prompt(project=project, name="p")
    judge = services.create_judge(
        project=project, name="critic", model="m-1", family="llama", price_per_call_micros=7
    )
    second = services.new_version(judge=judge, prompt=prompt, model="m-2")
    assert (second.name, second.version, second.replaces) == ("critic v2", 2, judge)
    assert (second.stage, second.model, second.family) == (Stage.DRAFT, "m-2", "llama")
    assert (second.prompt_version, second.price_per_call_micros) == ("p v1", 7)
    assert second.annotator.pseudonym != judge.annotator.pseudonym
    third = services.new_version(judge=second, parameters={"rankings": 4})
    assert (third.name, third.version, third.prompt) == ("critic v3", 3, prompt)
    judge.refresh_from_db()
    assert judge.stage == Stage.ACTIVE
    with pytest.raises(InvalidInput, match="accuracy"):
        services.new_version(judge=judge, accuracy=1)
    assert services.new_version(judge=judge, family=" GPT ").family == "gpt"
    for field, text in (("family", "x" * 41), ("model", "x" * 121), ("model", "\0")):
        with pytest.raises(InvalidInput, match=f"The {field}"):
            services.new_version(judge=judge, **{field: text})


def test_a_judge_uses_what_belongs_to_its_project() -> None:
    project, other = make_project(), make_project()
    prompt = prompting.create_prompt(project=other, name="p")
    connection = Connection.objects.create(
        project=project, name="c", provider="anthropic", base_url="https://example.org"
    )
    with pytest.raises(InvalidInput, match="its own project"):
        services.create_judge(project=project, name="j", model="m", prompt=prompt)
    with pytest.raises(InvalidInput, match="is of anthropic"):
        services.create_judge(project=project, name="j", model="m", connection=connection)
    assert not Judge.objects.exists()
    judge = services.create_judge(
        project=project,
        name="j",
        model="m",
        provider="anthropic",
        connection=connection,
        price_known=False,
    )
    assert judge.connection == connection
    assert not judge.price_known
