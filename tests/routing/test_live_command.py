"""`manage.py route`: what the beat and the workers do, once and here."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.models import Project
from routing.decisions.models import Decision
from routing.live.models import Mode
from routing.live.services import live_of
from tests.annotation.judge_scene import plant
from tests.endpoint.client import endpoint
from tests.factories import make_project
from tests.routing.live_scene import HUMAN, holds, scene, switch_on

pytestmark = pytest.mark.django_db


def run(project: Project, **options: bool) -> str:
    out = StringIO()
    call_command("route", project=project.slug, stdout=out, **options)
    return out.getvalue()


def test_it_routes_what_waits_and_says_how_much() -> None:
    with endpoint() as server:
        project = scene(server, 20, strategy="random")
        text = run(project)
        assert "20 instances decided about" in text
        assert "instances that a judge was asked about" in text
        assert run(project) == "There was nothing to do.\n"
    assert Decision.objects.filter(project=project).count() == 20
    assert holds(project)


def test_what_is_off_is_routed_only_when_all_is_said() -> None:
    with endpoint() as server:
        project = scene(server, 12, strategy="random")
        judge = live_of(project).judge
        assert judge is not None
        project.jobs.all().delete()
        switch_on(project, judge, strategy="random", mode=Mode.OFF)
        with pytest.raises(CommandError, match="is off"):
            run(project)
        assert "12 instances" in run(project, all=True)


def test_a_stall_is_told_with_its_reason_and_fails() -> None:
    with endpoint() as server:
        project = scene(server, 30, money=HUMAN // 2, audit_share=0.3, strategy="random")
        with pytest.raises(CommandError, match=r"audit arm cannot be paid\..*lacks"):
            run(project)
    assert not Decision.objects.exists()


def test_it_names_what_it_does_not_know_or_cannot_do() -> None:
    with pytest.raises(CommandError, match="no project"):
        call_command("route", project="nowhere")
    project = make_project()
    plant(project, 2)
    with pytest.raises(CommandError, match="Choose the judge"):
        run(project, all=True)
