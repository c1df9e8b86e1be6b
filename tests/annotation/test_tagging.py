"""Tags of a closed vocabulary: what counts, who said so, and what files of others call them."""

import pytest

from accounts.models import Project
from annotation.instances.models import Instance
from annotation.judges.models import Judge, Provider
from annotation.judges.services import create_judge
from annotation.tagging.importing import recognised
from annotation.tagging.models import InstanceTag, TagSource
from annotation.tagging.selectors import coverage
from annotation.tagging.services import imported, tag_by_judge, tag_by_person
from annotation.tagging.vocabulary import MEANINGS, NAMES, TAGS, by_name, problem
from core.exceptions import InvalidInput
from tests.factories import make_instance, make_project, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project()


@pytest.fixture
def instance(project: Project) -> Instance:
    row = make_instance(project)
    row.tags = ["domain:coding", "batch 7"]
    row.save()
    return row


def judge_of(project: Project, name: str = "judge") -> Judge:
    return create_judge(project=project, name=name, provider=Provider.OPENAI, model="m")


def written(instance: Instance) -> list[str]:
    instance.refresh_from_db()
    return instance.tags


def test_the_vocabulary_is_closed_and_every_value_has_a_line() -> None:
    assert set(TAGS) == set(NAMES) == set(MEANINGS)
    assert 40 <= len(TAGS["domain"]) <= 50
    for name, values in MEANINGS.items():
        assert all(meaning.strip() for meaning in values.values())
        assert all(len(f"{name}:{value}") <= 80 for value in values)
    assert problem({"domain": ("law", "physics", "music"), "expertise": ("expert",)}) == ""
    assert "no tag" in problem({"mood": ("glad",)})
    assert "too many" in problem({"domain": TAGS["domain"][:4]})
    assert "too many" in problem({"safety": ("safe", "low")})
    assert "too many" in problem({"domain": ("law", "law")})
    assert "no value" in problem({"domain": ("alchemy",)})


def test_a_person_counts_before_an_import_and_that_before_a_judge(
    project: Project, instance: Instance
) -> None:
    judge, person = judge_of(project), make_user("ada")
    tag_by_judge(judge=judge, wanted={instance.pk: {"domain": ("law",), "safety": ("safe",)}})
    # What the import said of the domain stands; of safety it said nothing.
    assert written(instance) == ["batch 7", "domain:coding", "safety:safe"]
    tag_by_person(instance=instance, tags={"domain": ("music", "art")}, by=person)
    assert written(instance) == ["batch 7", "domain:art", "domain:music", "safety:safe"]
    tag_by_person(instance=instance, tags={"domain": ()}, by=person)
    assert written(instance) == ["batch 7", "domain:coding", "safety:safe"]
    kinds = InstanceTag.objects.values_list("source", "name", "value")
    assert set(kinds) == {
        ("import", "domain", "coding"),
        ("judge", "domain", "law"),
        ("judge", "safety", "safe"),
    }


def test_of_several_judges_the_one_asked_last_counts(project: Project) -> None:
    instance = make_instance(project)
    first, second = judge_of(project, "first"), judge_of(project, "second")
    for judge, value in ((first, "low"), (second, "high"), (first, "moderate")):
        tag_by_judge(judge=judge, wanted={instance.pk: {"safety": (value,)}})
    assert written(instance) == ["safety:moderate"]
    assert InstanceTag.objects.count() == 2


def test_an_import_again_is_the_imports_word_anew(project: Project, instance: Instance) -> None:
    tag_by_judge(judge=judge_of(project), wanted={instance.pk: {"domain": ("law",)}})
    tag_by_person(instance=instance, tags={"safety": ("high",)}, by=make_user("ada"))
    Instance.objects.filter(pk=instance.pk).update(tags=["domain:physics", "safety:safe"])
    imported(project=project, ids=[instance.pk])
    assert written(instance) == ["domain:physics", "safety:high"]
    Instance.objects.filter(pk=instance.pk).update(tags=["new"])
    imported(project=project, ids=[instance.pk])
    assert written(instance) == ["domain:law", "new", "safety:high"]


def test_only_the_vocabulary_and_only_ones_own_project(project: Project) -> None:
    instance, other = make_instance(project), make_instance(make_project("other"))
    with pytest.raises(InvalidInput, match="no value"):
        tag_by_person(instance=instance, tags={"domain": ("alchemy",)}, by=make_user("ada"))
    tag_by_judge(judge=judge_of(project), wanted={other.pk: {"safety": ("safe",)}})
    assert written(other) == []
    assert not InstanceTag.objects.exists()


def test_coverage_counts_by_value_and_by_who_said_so(project: Project, instance: Instance) -> None:
    second = make_instance(project)
    make_instance(project)
    wanted = {pk: {"domain": ("law", "physics")} for pk in (instance.pk, second.pk)}
    tag_by_judge(judge=judge_of(project), wanted=wanted)
    domain, *rest = coverage(project)
    assert (domain.instances, domain.total, domain.percent) == (2, 3, 67)
    assert domain.values == {"coding": 1, "law": 1, "physics": 1}
    assert domain.unlisted == ["coding"]
    assert domain.sources == {TagSource.IMPORT: 1, TagSource.JUDGE: 2}
    assert all(each.instances == 0 for each in rest)


def test_names_and_values_of_other_files_are_recognised() -> None:
    metadata = {
        "subject_of_expertise": ["Mathematics", "Computer sciences", "Alchemy"],
        "expert_level": "expert domain knowledge",
        "languages": ["English"],
        "type_of_in_context_material": [],
        "format_constraints": ["length"],
        "safety": 3,
        "language": None,
    }
    assert recognised(metadata, ["batch 7", "open_endedness:High"]) == [
        "batch 7",
        "context:absent",
        "domain:computer-science",
        "domain:mathematics",
        "expertise:expert",
        "format:present",
        "language:en",
        "openendedness:high",
    ]
    # What is no word of the vocabulary stays as it came; what the tags say is not read twice.
    assert recognised({"domain": "law"}, ["domain:coding-2"]) == ["domain:coding-2"]
    assert recognised({"domain": "law"}, []) == ["domain:law"]
    assert by_name(["domain:law", "domain:x", "plain", ":", "mood:glad"]) == {
        "domain": ("law", "x")
    }
