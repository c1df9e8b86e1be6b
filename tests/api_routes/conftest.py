"""A project, and a client for people of some of its roles."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from accounts.models import Project

    from .rest import Rest


@pytest.fixture
def project(db: None) -> "Project":
    from tests.factories import make_project

    return make_project()


def _as(project: "Project", role: str) -> "Rest":
    from accounts.models import Role
    from tests.factories import make_member

    from .rest import Rest

    there = project.memberships.filter(role=role).first()
    return Rest(project, there.user if there else make_member(project, Role(role)))


@pytest.fixture
def owner(project: "Project") -> "Rest":
    return _as(project, "owner")


@pytest.fixture
def researcher(project: "Project") -> "Rest":
    return _as(project, "researcher")


@pytest.fixture
def annotator(project: "Project") -> "Rest":
    return _as(project, "annotator")
