"""What routing does while something has changed and labels of it are missing; lists; what lacks."""

import pytest

from accounts.models import Project
from annotation.instances.models import Completion
from annotation.judges.models import JudgeReport
from annotation.labels.models import Annotation
from annotation.queue.models import Arm, Destination
from routing.decisions.models import Decision, Router
from routing.live import drift
from routing.live.lists import NOT_SCORED
from routing.live.loop import something_to_do
from routing.live.models import LiveRouting
from routing.live.obstacles import obstacles
from routing.live.selectors import choosable
from routing.live.services import live_of
from routing.live.work import Work
from tests.annotation.judge_scene import plant
from tests.endpoint.client import Running, endpoint
from tests.factories import make_project
from tests.routing.live_scene import holds, label_everything, route, scene, work_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("share", "trigger", "explored"),
    [
        (0.05, "", 0.05),
        (0.05, "judge drift", 0.1),
        (0.2, "feature drift", 0.4),
        (0.4, "feature drift", 0.5),
        (0.0, "feature drift", 0.0),
    ],
)
def test_more_is_explored_while_something_has_changed(
    share: float, trigger: str, explored: float
) -> None:
    row = LiveRouting(explore_share=share, drift={"trigger": trigger} if trigger else {})
    assert drift.explore_share(Work(row)) == pytest.approx(explored)


def told(project: Project, p: float) -> None:
    """A report that says the judge's agreement changed so."""
    work = work_of(project)
    mine = {"drift": {"change": {"p": p}}}
    criteria = [{"key": work.criterion.key, "judges": {str(work.judge.pk): mine}}]
    JudgeReport.objects.create(project=project, figures={"criteria": criteria})


def test_a_new_report_is_heard_without_a_batch_and_asks_for_labels_before_a_refit() -> None:
    with endpoint(accuracy=0.8) as server:
        project = scene(server, 60, strategy="learned", seed_size=50, explore_share=0.05)
        route(project)
        label_everything(project, wrong_every=5)
        route(project)
        label_everything(project, wrong_every=5)
        route(project)
        assert Router.objects.count() == 1
        assert not something_to_do(work_of(project))

        told(project, 0.001)
        assert something_to_do(work_of(project))
        route(project)
        found = live_of(project).drift
        assert (found["trigger"], found["judge_p"]) == ("judge drift", 0.001)
        # The same labels would give the same router: more is explored instead.
        assert Router.objects.count() == 1
        assert drift.explore_share(work_of(project)) == pytest.approx(0.1)
        assert not something_to_do(work_of(project))

        LiveRouting.objects.filter(project=project).update(fitted_on=live_of(project).fitted_on - 5)
        route(project)
    assert Router.objects.get(version=2).report["why"]["trigger"] == "judge drift"
    # The report is older than the router by now.
    assert "trigger" not in live_of(project).drift
    assert holds(project)


def listed(server: Running, strategy: str) -> Project:
    """Lists of three completions, a judge that ranks them, a third to people at most."""
    project = scene(server, 30, strategy=strategy, people_share=0.3)
    for row in project.instances.all():
        Completion.objects.create(
            instance=row, position=2, text="Another: quality=0.5", generator="model-2"
        )
    return project


@pytest.mark.parametrize("strategy", ["random", "judge-uncertainty", "small-margin"])
def test_lists_are_routed_with_a_reason(strategy: str) -> None:
    with endpoint() as server:
        project = listed(server, strategy)
        result = route(project)
    assert "stalled" not in result, live_of(project).stall_reason
    routed = Decision.objects.filter(project=project, arm=Arm.ROUTED)
    people = routed.filter(destination__in=[Destination.HUMAN, Destination.BOTH])
    assert Decision.objects.filter(project=project).count() == 30
    assert not routed.filter(reason="").exists()
    if strategy == "small-margin":
        # It reads the margin of a pair: a list has none.
        assert people.count() == routed.count()
        assert set(people.values_list("reason", flat=True)) == {NOT_SCORED}
    else:
        assert 0 < people.count() < routed.count()
    if strategy == "judge-uncertainty":
        said = Annotation.objects.filter(annotator__kind="judge")
        assert all("consistency" in row.attributes["verdict"] for row in said)
        assert routed.filter(reason__contains="ranks this list").exists()
    assert holds(project)


def test_instances_of_one_completion_wait_for_nobody_and_are_not_routed() -> None:
    with endpoint() as server:
        project = scene(server, 6, strategy="random")
        Completion.objects.filter(instance__project=project, position=1).delete()
        assert "routed" not in route(project)
    assert not Decision.objects.exists()


def test_strategies_that_cannot_work_here_say_why() -> None:
    project = make_project()
    ids = plant(project, 4)
    lacking = obstacles(project, choosable())
    assert "program" in lacking["verifier-first"]
    assert "reward model" in lacking["reward-uncertainty"]
    assert "second" in lacking["cascade"]
    assert not {"random", "all-human", "all-judge", "judge-uncertainty", "learned"} & set(lacking)
    for pk in ids:
        Completion.objects.create(instance_id=pk, position=2, text="c", generator="g")
    assert "lists" in obstacles(project, choosable())["learned"]
