from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Throttle
from accounts.throttling import attempt, forget_old, forgive
from core.exceptions import TooManyRequests

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def tries(number: int, who: str = "192.0.2.1", what: str = "login") -> None:
    for _ in range(number):
        attempt(what=what, who=who, most=3, within=MINUTE)


def test_the_fourth_of_three_is_refused_with_the_time_to_wait() -> None:
    tries(3)
    with pytest.raises(TooManyRequests, match="Wait 1 min") as refused:
        tries(1)
    assert 1 <= refused.value.extra["retry_after"] <= 60


def test_others_and_other_doors_are_counted_apart() -> None:
    tries(3)
    tries(3, who="192.0.2.2")
    tries(3, what="join")


def test_a_new_window_starts_from_nothing() -> None:
    tries(3)
    Throttle.objects.update(ends_at=timezone.now())
    tries(3)


def test_a_good_attempt_is_taken_back() -> None:
    tries(3)
    forgive(what="login", who="192.0.2.1")
    tries(1)
    with pytest.raises(TooManyRequests):
        tries(1)


def test_no_address_is_kept_and_old_counts_go() -> None:
    tries(1)
    assert "192.0.2.1" not in str(Throttle.objects.values()[0])
    assert forget_old() == 0
    Throttle.objects.update(ends_at=timezone.now() - MINUTE)
    assert forget_old() == 1
