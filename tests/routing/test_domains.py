"""Decisions by domain: from a tag, else from the metadata."""

import pytest

from accounts.models import Project
from annotation.instances.models import Instance
from routing.decisions.models import Decision
from routing.decisions.selectors import split_by_domain
from tests.factories import make_instance, make_project

pytestmark = pytest.mark.django_db


def routed(project: Project, to: str, tags: list[str], metadata: dict[str, object]) -> None:
    instance = make_instance(project)
    Instance.objects.filter(pk=instance.pk).update(tags=tags, metadata=metadata)
    Decision.objects.create(
        project=project,
        instance=instance,
        destination=to,
        arm="routed",
        propensity=0.5,
        reason="planted",
    )


def test_a_tag_says_the_domain_before_the_metadata() -> None:
    project = make_project()
    routed(project, "human", ["lang:en", "domain:law", "domain:tax"], {"domain": "code"})
    routed(project, "judge", [], {"domain": "law"})
    routed(project, "both", ["domain:law\nno", "subdomain:x"], {})
    routed(project, "judge", ["subdomain:x", "domain:"], {"domain": "code"})
    routed(project, "judge", [], {"domain": ""})
    routed(project, "judge", ["hard"], {})

    assert split_by_domain(project) == [
        {"domain": "law", "people": 2, "judges": 1, "share": 2 / 3},
        {"domain": "code", "people": 0, "judges": 1, "share": 0.0},
        {"domain": "no domain", "people": 0, "judges": 2, "share": 0.0},
    ]
