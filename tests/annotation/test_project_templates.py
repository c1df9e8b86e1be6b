"""Every template makes a project, and says what the issue promises of it."""

import pytest

from annotation.labels.answers import SCORED
from annotation.projects.models import Guideline, Kind
from annotation.projects.selectors import criteria_of, protocol_of
from annotation.projects.services import create_project
from annotation.projects.templates import TEMPLATES
from annotation.projects.templating import Template
from tests.factories import make_user

pytestmark = pytest.mark.django_db
EACH = pytest.mark.parametrize("template", TEMPLATES.values(), ids=lambda each: each.key)


@EACH
def test_it_makes_a_project(template: Template) -> None:
    project = create_project(name="New", owner=make_user(), **template.arguments())
    protocol, criteria = protocol_of(project), criteria_of(project)
    assert protocol.kind == template.kind
    assert [row.key for row in criteria] == [each["key"] for each in template.criteria]
    assert all(row.question for row in criteria)
    guideline = Guideline.objects.get(project=project)
    assert guideline.text == template.guideline
    assert [each["key"] for each in guideline.settings["criteria"]] == [row.key for row in criteria]
    assert guideline.settings["ties"] == protocol.ties


@EACH
def test_it_says_what_it_is_in_a_sentence(template: Template) -> None:
    assert 20 < len(str(template.summary)) < 130
    assert str(template.summary).endswith((".", "?"))
    assert len(template.guideline) < 1500


def test_its_values_can_be_changed_without_changing_the_template() -> None:
    first = TEMPLATES["multipref"].arguments()
    first["criteria"][0]["name"] = "Changed"
    first["gates"].append("lang:")
    assert TEMPLATES["multipref"].arguments()["criteria"][0]["name"] == "Overall"
    assert TEMPLATES["multipref"].arguments()["gates"] == ["domain:", "expert"]


def test_multipref_has_two_regular_and_two_expert_annotators() -> None:
    project = create_project(name="M", owner=make_user(), **TEMPLATES["multipref"].arguments())
    protocol = protocol_of(project)
    assert {seat["cohort"]: seat["count"] for seat in protocol.seats} == {"": 2, "expert": 2}
    assert (protocol.overlap, protocol.strength_levels, protocol.ask_confidence) == (4, 2, True)
    assert [row.key for row in criteria_of(project)] == [
        "overall",
        "helpfulness",
        "truthfulness",
        "harmlessness",
    ]
    assert all(row.reasons for row in criteria_of(project)[1:])


def test_attributes_are_rated_from_0_to_4_with_names() -> None:
    project = create_project(name="A", owner=make_user(), **TEMPLATES["attributes"].arguments())
    for row in criteria_of(project):
        assert list(row.values(Kind.RATING)) == [0, 1, 2, 3, 4]
        assert len(row.labels) == 5


def test_safety_asks_help_and_harm_apart_and_each_completion_alone() -> None:
    project = create_project(name="S", owner=make_user(), **TEMPLATES["safety"].arguments())
    kinds = [row.asks(protocol_of(project)) for row in criteria_of(project)]
    assert kinds == [Kind.PAIRWISE, Kind.PAIRWISE, Kind.BINARY]
    assert kinds[-1] in SCORED
