import pytest

from accounts.models import Project
from annotation.projects.models import Guideline
from annotation.projects.selectors import criteria_of, guideline_of, main_criterion, protocol_of
from annotation.projects.services import create_project, publish_guideline
from core.exceptions import InvalidInput
from tests.factories import make_instance, make_project, make_user

pytestmark = pytest.mark.django_db


def test_it_has_a_protocol_criteria_and_a_first_guideline() -> None:
    project = create_project(
        name="Tone",
        owner=make_user(),
        kind="listwise",
        criteria=(("tone", "Tone", "Which is kinder?"), ("fact", "Facts", "")),
        overlap=3,
        guideline="Be fair.",
        strength_levels=3,
    )
    protocol = protocol_of(project)
    assert (protocol.kind, protocol.overlap, protocol.strength_levels) == ("listwise", 3, 3)
    assert [criterion.key for criterion in criteria_of(project)] == ["tone", "fact"]
    assert main_criterion(project).key == "tone"
    guideline = guideline_of(project)
    assert guideline is not None
    assert (guideline.version, guideline.text) == (1, "Be fair.")


def test_two_projects_have_different_salts() -> None:
    assert protocol_of(make_project()).salt != protocol_of(make_project()).salt


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "tournament"},
        {"overlap": 0},
        {"overlap": 51},
        {"strength_levels": 9},
        {"ties": ["sometimes"]},
        {"colour": "blue"},
        {"criteria": ()},
        {"criteria": (("not a slug!", "N", ""),)},
        {"criteria": (("a", "A", ""), ("a", "B", ""))},
    ],
)
def test_it_refuses_what_no_protocol_allows_and_writes_nothing(wrong: dict[str, object]) -> None:
    owner = make_user()
    with pytest.raises(InvalidInput):
        create_project(name="Wrong", owner=owner, **wrong)  # type: ignore[arg-type]
    assert not Project.objects.exists()


def test_a_new_guideline_version_keeps_the_old_one() -> None:
    project = make_project(guideline="Old.")
    publish_guideline(project=project, text="New.")
    assert list(Guideline.objects.filter(project=project).values_list("version", "text")) == [
        (1, "Old."),
        (2, "New."),
    ]


def test_the_factory_makes_a_whole_instance() -> None:
    instance = make_instance(make_project(), ("x", "y", "z"))
    assert [each.position for each in instance.completions.all()] == [0, 1, 2]
