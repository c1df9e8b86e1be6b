"""The audit arm's money is set aside before the judge is asked, and its places take it over."""

from typing import Any

import pytest

from accounts.models import Project
from annotation.judges.models import Judge, JudgeRun
from annotation.ledger.models import Entry, EntryState
from annotation.queue.models import Arm, Slot
from jobs.context import JobContext
from routing.budgets.models import Spender
from routing.budgets.services import change_limit
from routing.budgets.spending import Purchase, free, reserve_purchases
from routing.decisions.models import Decision
from routing.live import asking
from routing.live.models import Stall
from routing.live.services import live_of, pause
from routing.live.setaside import give_up
from routing.strategies import audit
from tests.endpoint.client import Running, endpoint
from tests.routing.live_scene import HUMAN, POUND, holds, route, scene
from tests.routing.test_live_kills import die_once, kill
from tests.routing.test_live_money import audited

pytestmark = pytest.mark.django_db


def spend_the_rest(project: Project) -> None:
    """Another spender takes whatever is left at this moment."""
    left = min(each.free for each in free(project))
    others = Purchase("slot:somebody else's", Spender.REGULAR, left)
    reserve_purchases(project=project, purchases=[others])


def stealing(monkeypatch: pytest.MonkeyPatch, project: Project) -> None:
    """The rest of the money goes at the moment the judge's run begins."""
    real = asking.finish_run

    def finish_run(context: JobContext, run: JudgeRun) -> JudgeRun:
        spend_the_rest(project)
        return real(context, run)

    monkeypatch.setattr(asking, "finish_run", finish_run)


def reading(server: Running, *, money: int = 40 * POUND, **values: Any) -> Project:
    """Live routing that reads a judge which costs money, and an audit arm of a fifth."""
    project = scene(
        server, 40, money=money, audit_share=0.2, strategy="judge-uncertainty", **values
    )
    Judge.objects.filter(project=project).update(price_per_call_micros=1_000)
    return project


def kept_for_audit(project: Project) -> int:
    rows = Entry.objects.filter(budget__project=project, subject__startswith="audit:")
    return sum(row.reserved for row in rows.filter(state=EntryState.RESERVED))


def test_the_audit_arm_is_paid_before_the_judge_whoever_spends_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with endpoint() as server:
        project = reading(server)
        stealing(monkeypatch, project)
        result = route(project)
    assert "stalled" not in result
    arm = Decision.objects.filter(arm=Arm.AUDIT)
    assert arm.count() == audited(project) > 0
    assert Slot.objects.filter(instance__in=arm.values("instance"), state="open").count() == (
        arm.count()
    )
    # Nothing was left for anybody else.
    assert Slot.objects.count() == arm.count()
    assert kept_for_audit(project) == 0
    assert holds(project)


def test_no_judge_is_asked_where_the_audit_arm_cannot_be_paid_beside_it() -> None:
    with endpoint() as server:
        project = reading(server)
        # Enough for the arm alone, and for the judge alone.
        row = project.allowances.get()
        change_limit(allowance=row, limit=audited(project) * HUMAN, version=row.version, by=None)
        result = route(project)
        assert server.bill()["calls"] == 0
    assert result["stalled"] == Stall.AUDIT
    assert "lacks" in live_of(project).stall_reason
    assert kept_for_audit(project) == 0
    assert holds(project)


def test_a_kill_keeps_what_was_set_aside_and_the_next_attempt_takes_it_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with endpoint() as server:
        project = reading(server)
        die_once(monkeypatch, asking, "finish_run", after=True)
        kill(project)
        monkeypatch.undo()
        assert kept_for_audit(project) == audited(project) * HUMAN
        spend_the_rest(project)
        assert "stalled" not in route(project)
    assert Decision.objects.filter(arm=Arm.AUDIT).count() == audited(project)
    assert kept_for_audit(project) == 0
    assert holds(project)


def test_what_was_set_aside_is_given_back_when_the_batch_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with endpoint() as server:
        project = reading(server)
        die_once(monkeypatch, asking, "finish_run", after=True)
        kill(project)
        monkeypatch.undo()
        gone = audited_ids(project)[0]
        project.instances.filter(pk=gone).update(state="dropped")
        assert kept_for_audit(project) == audited(project) * HUMAN
        assert give_up(project) == 1
        assert kept_for_audit(project) == (audited(project) - 1) * HUMAN
        pause(project=project, by=None)
    assert kept_for_audit(project) == 0
    assert holds(project)


def audited_ids(project: Project) -> list[int]:
    rows = dict(project.instances.values_list("external_id", "pk"))
    drawn = audit.draw(list(rows), project.protocol.salt, 0.2, at_least_one=False)
    return [pk for pk, here in zip(rows.values(), drawn, strict=True) if here]
