"""Two tabs, two clicks: the same thing at the same moment."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from accounts.models import Role
from annotation.labels.people import annotator_for
from annotation.quality.models import Gold
from annotation.quality.services import make_gold, place_for, retire_gold
from annotation.queue.models import Slot
from core.exceptions import Conflict
from tests.factories import make_instance, make_member, make_project

RIGHT = {"overall": {"accept": [{"ranking": [1, 2]}]}}


def at_once(act: Callable[[], Slot], times: int = 4) -> list[Slot]:
    start = Barrier(times)

    def one(_: int) -> Slot:
        start.wait()
        try:
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


@pytest.mark.django_db(transaction=True)
def test_a_review_opened_in_four_tabs_is_one_place() -> None:
    project = make_project()
    instance = make_instance(project)
    reviewer = annotator_for(project=project, user=make_member(project, Role.REVIEWER))
    found = at_once(lambda: place_for(instance=instance, reviewer=reviewer))
    assert len({slot.pk for slot in found}) == 1


@pytest.mark.django_db
def test_gold_that_was_retired_is_not_retired_again() -> None:
    """A second click on an old page would take back what happened to the instance since."""
    instance = make_instance(make_project())
    gold = make_gold(instance=instance, kind="gold", answers=RIGHT, by=None)
    retire_gold(gold=gold, by=None)
    instance.refresh_from_db()
    instance.state = "dropped"
    instance.save(update_fields=["state"])
    with pytest.raises(Conflict):
        retire_gold(gold=Gold.objects.get(), by=None)
    instance.refresh_from_db()
    assert instance.state == "dropped"
