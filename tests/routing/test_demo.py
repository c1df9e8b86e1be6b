"""What `make demo` leaves to do in the browser."""

import pytest
from django.conf import LazySettings

from annotation.projects.models import Kind, Protocol
from annotation.queue.models import Slot, SlotState
from routing.rounds import demo

pytestmark = pytest.mark.django_db


def test_rankings_wait_for_people_and_a_second_start_adds_nothing(
    settings: LazySettings, tmp_path: object
) -> None:
    settings.VAR_DIR = tmp_path
    users, _ = demo.ensure_accounts()
    project = demo.ranking_project(users)
    assert Protocol.objects.get(project=project).kind == Kind.LISTWISE
    waiting = Slot.objects.filter(project=project, state=SlotState.OPEN).count()
    assert waiting >= project.instances.count() > 20
    assert all(each.completions.count() >= 3 for each in project.instances.all()[:10])
    assert demo.ranking_project(users) == project
    assert Slot.objects.filter(project=project).count() == waiting
