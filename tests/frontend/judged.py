"""What judges and people said in a world, so that the pages about judges have figures to show."""

from annotation.consensus import generators
from annotation.instances.models import Instance
from annotation.judges.models import CallState, Failure, Judge, JudgeCall, JudgeRun, Mining
from annotation.judges.report.services import measure
from annotation.projects.selectors import main_criterion
from annotation.queue.models import Assignment
from tests.factories import make_annotation, make_annotator, make_instance

from .world import World

PAIRS = 24
PROMPTS = 12


def fill_judges(world: World) -> None:
    """Labels of two people and a judge on an audit arm, a trial, a mining, and their reports."""
    project = world.project
    people = [make_annotator(project, kind="import") for _ in range(2)]
    judge = Judge.objects.get(pk=world.ids["judge_id"])
    trial = JudgeRun.objects.select_related("judge").get(pk=world.ids["trial_id"])
    instances = [_pair(world, place) for place in range(PAIRS)]
    for place, instance in enumerate(instances):
        for number, person in enumerate(people):
            make_annotation(instance, person, [1, 2] if place % (number + 4) else [2, 1])
        _says(judge, instance, p=0.8 if place % 3 else 0.3, labels=True)
        if place:
            _says(trial.judge, instance, p=0.7 if place % 5 else 0.2, run=trial)
        else:
            _fails(trial, instance)
    pks = [instance.pk for instance in instances]
    trial.selection = {"of": "instances", "instances": pks}
    trial.save(update_fields=["selection"])
    rows = [{"run": trial.pk, "source": "judge", "text": "Which completion is kinder?"}]
    Mining.objects.filter(pk=world.ids["mining_id"]).update(
        shown=pks[: PAIRS // 2], held_out=pks[PAIRS // 2 :], candidates=rows
    )
    measure(project)
    generators.measure(project, generators.Settings())


def _pair(world: World, place: int) -> Instance:
    instance = make_instance(
        world.project,
        generators=("gpt-3.5", "llama-2"),
        prompt=f"What is {place % PROMPTS} squared?",
        tags=["domain:arithmetic"],
    )
    Assignment.objects.create(instance=instance, destination="both", arm="audit", propensity=1.0)
    return instance


def _says(
    judge: Judge, instance: Instance, *, p: float, run: JudgeRun | None = None, labels: bool = False
) -> None:
    """Both orders, and the label where there is to be one."""
    ranking = [1, 2] if p > 0.5 else [2, 1]
    said = {"p": p, "gap": 0.0, "flipped": False, "confidence": max(p, 1 - p)}
    if labels:
        make_annotation(instance, judge.annotator, ranking, attributes={"verdict": said})
    for order in ([0, 1], [1, 0]):
        JudgeCall.objects.create(
            judge=judge,
            run=run,
            instance=instance,
            criterion=main_criterion(instance.project),
            shape="pair",
            shown_order=order,
            cache_key=f"{judge.pk} {instance.pk} {order[0]}",
            state=CallState.ANSWERED,
            ranking=ranking,
            p_first=p if order[0] == 0 else 1 - p,
            reply="A",
            price_micros=900,
        )


def _fails(run: JudgeRun, instance: Instance) -> None:
    JudgeCall.objects.create(
        judge=run.judge,
        run=run,
        instance=instance,
        criterion=main_criterion(instance.project),
        shown_order=[0, 1],
        cache_key="too large",
        state=CallState.FAILED,
        failure=Failure.TOO_LARGE,
        error="HTTP 413: The request is too large.",
    )
