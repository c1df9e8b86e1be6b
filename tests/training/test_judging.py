"""Models of one's own as judges, through the engine and the real command."""

import asyncio
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from annotation.judges import services
from annotation.judges.models import CallState, Judge, JudgeCall
from annotation.judges.protocol import combine
from annotation.judges.providers.base import ProviderError, provider_of
from annotation.judges.runs import start_run
from annotation.labels.models import Annotation
from annotation.projects.models import Criterion
from annotation.projects.selectors import main_criterion
from core.exceptions import InvalidInput, NotFound
from jobs.runner import run_queued
from tests.factories import make_instance, make_project
from tests.loops import in_a_loop
from training.fit.score import scored
from training.fit.settings import ScoreConfig
from training.registry.judging import sigmoid

from .command import ROOT
from .judges import make_judge, make_reward_version, save_model
from .test_worker_killed import wait_until, worker_environment

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
COMMAND = "-m\0training\0judge\0"


@pytest.fixture
def model(tmp_path: Path) -> str:
    save_model(tmp_path / "models/tiny")
    return "tiny"


def ask(judge: Judge, instances: list[Any], **options: Any) -> services.AskReport:
    return services.ask(
        judge=judge,
        instance_ids=[instance.pk for instance in instances],
        criterion=main_criterion(judge.project),
        **options,
    )


def processes(parent: int | None = None) -> list[int]:
    """The model processes that live: those of this checkout's tests, or of one parent."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_text()
            state, ppid = (folder / "stat").read_text().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue
        if COMMAND in line and state != "Z" and int(ppid) == (parent or os.getpid()):
            found.append(int(folder.name))
    return found


def test_a_language_model_labels_pairs_from_both_orders(model: str) -> None:
    project = make_project()
    judge = make_judge(project, "local-model", model, price_per_call_micros=7)
    instances = [make_instance(project) for _ in range(12)]
    report = ask(judge, instances)
    assert (report.answered, report.failed, report.spent_micros) == (12, 0, 12 * 2 * 7)
    for label in Annotation.objects.filter(annotator=judge.annotator):
        calls = {tuple(c.shown_order): c for c in JudgeCall.objects.filter(instance=label.instance)}
        assert set(calls) == {(0, 1), (1, 0)}
        first, second = (calls[order].p_first for order in ((0, 1), (1, 0)))
        assert first is not None
        assert second is not None
        p, gap, flipped = combine(first, second)
        said = label.attributes["verdict"]
        assert said["p"] == pytest.approx(p)
        assert (said["gap"], said["flipped"]) == (pytest.approx(gap), flipped)
        assert all(call.input_tokens and call.logprobs for call in calls.values())
    assert processes() == []


def test_stored_replies_are_used_and_all_criteria_share_one_process(model: str) -> None:
    project = make_project(criteria=[("helpful", "Helpful", "?"), ("honest", "Honest", "?")])
    judge = make_judge(project, "local-model", model)
    for _ in range(3):
        make_instance(project)
    keys = [criterion.key for criterion in Criterion.objects.filter(project=project)]
    run = start_run(judge=judge, criteria=keys, selection={"of": "all"})
    assert run.job is not None
    assert run.job.queue == "gpu"
    with Watch() as watch:
        run_queued(run.job)
    run.refresh_from_db()
    assert (run.state, run.counts["answered"]) == ("finished", 3 * len(keys))
    assert len(watch.seen) == 1
    assert ask(judge, list(project.instances.all())).answered == 3
    assert JudgeCall.objects.count() == 3 * len(keys) * 2


class Watch:
    """Notes the model processes seen while a block runs, and kills as many as it is told."""

    def __init__(self, *, kill: int = 0) -> None:
        self.seen: list[int] = []
        self._kill = kill
        self._on = True
        self._thread = Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._on = False
        self._thread.join()

    def _look(self) -> None:
        while self._on:
            for pid in set(processes()) - set(self.seen):
                if len(self.seen) < self._kill:
                    os.kill(pid, signal.SIGKILL)
                self.seen.append(pid)
            time.sleep(0.02)


def test_a_model_that_crashes_once_is_started_again(model: str) -> None:
    project = make_project()
    judge = make_judge(project, "local-model", model)
    with Watch(kill=1) as watch:
        report = ask(judge, [make_instance(project) for _ in range(4)])
    assert report.answered == 4
    assert len(watch.seen) == 2
    assert processes() == []


def test_a_model_that_always_crashes_ends_the_run_and_labels_nothing(model: str) -> None:
    project = make_project()
    judge = make_judge(project, "local-model", model)
    for _ in range(12):
        make_instance(project)
    run = start_run(judge=judge, criteria=["overall"], selection={"of": "all"})
    assert run.job is not None
    with Watch(kill=99) as watch:
        run_queued(run.job)
    run.refresh_from_db()
    assert len(watch.seen) == 3
    assert run.state == "stopped"
    assert "memory ran out" in run.stop_reason
    assert not Annotation.objects.exists()
    assert set(JudgeCall.objects.values_list("state", flat=True)) == {CallState.FAILED}
    assert processes() == []
    assert ask(judge, list(project.instances.all())).answered == 12


def test_what_is_in_flight_at_a_crash_fails_with_the_last_words(model: str) -> None:
    project = make_project()
    judge = make_judge(project, "local-model", model)
    instances = [make_instance(project).pk for _ in range(40)]
    provider = provider_of(judge, main_criterion(project))
    questions = provider.questions(instances)

    async def crash() -> list[Any]:
        await provider.answer(questions[0])
        waiting = [asyncio.create_task(provider.answer(each)) for each in questions[1:]]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        (pid,) = processes()
        os.kill(pid, signal.SIGABRT)
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        again = await provider.answer(questions[1])
        await provider.close()
        return [*outcomes, again]

    *outcomes, again = in_a_loop(crash())
    failed = [each for each in outcomes if isinstance(each, ProviderError)]
    assert failed
    assert all(each.retry and not each.unknown for each in failed)
    assert f"code {-signal.SIGABRT}" in str(failed[0])
    assert again.state == CallState.ANSWERED
    assert processes() == []


RUN = """
import django, sys
django.setup()
from annotation.judges.runs import start_run
from annotation.judges.models import Judge
from jobs.runner import run_queued
run = start_run(judge=Judge.objects.get(), criteria=["overall"], selection={"of": "all"})
run_queued(run.job)
"""


def test_a_killed_worker_leaves_no_process_and_no_half_label(model: str, tmp_path: Path) -> None:
    project = make_project()
    judge = make_judge(project, "local-model", model, parameters={"token_budget": 64})
    instances = [make_instance(project) for _ in range(400)]
    worker = subprocess.Popen(
        [sys.executable, "-c", RUN], cwd=ROOT, env=worker_environment("memory://", tmp_path)
    )
    wait_until(lambda: Annotation.objects.count() > 3, "some instances are labelled")
    (pid,) = processes(worker.pid)
    worker.kill()
    worker.wait()
    wait_until(lambda: not alive(pid), "the model's process is gone")
    done = Annotation.objects.count()
    assert done < 400, "it was too fast to be killed in the middle"
    answered = JudgeCall.objects.filter(state=CallState.ANSWERED).count()
    report = ask(judge, instances)
    assert (report.answered, report.unknown) == (400, 0)
    assert Annotation.objects.count() == 400
    bought = JudgeCall.objects.filter(state=CallState.ANSWERED)
    assert bought.count() == 800
    assert answered >= 2 * done
    assert not JudgeCall.objects.filter(state=CallState.IN_FLIGHT).exists()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_words_without_a_verdict_are_unparsable_and_no_label(model: str) -> None:
    project = make_project()
    judge = make_judge(
        project, "local-model", model, parameters={"mode": "reasoned", "max_tokens": 8}
    )
    report = ask(judge, [make_instance(project)])
    assert (report.answered, report.unparsable) == (0, 1)
    assert set(JudgeCall.objects.values_list("state", flat=True)) == {CallState.UNPARSABLE}
    assert not Annotation.objects.exists()


def test_a_question_that_does_not_fit_fails_alone(model: str) -> None:
    project = make_project()
    judge = make_judge(project, "local-model", model)
    long = make_instance(project, ("word " * 3000, "short"))
    report = ask(judge, [long, make_instance(project)])
    assert (report.answered, report.failed) == (1, 1)
    call = JudgeCall.objects.filter(instance=long).first()
    assert call is not None
    assert call.failure == "context"
    assert "the model has 1024" in call.error


@pytest.mark.parametrize("name", ["missing", "../outside", "/etc"])
def test_only_models_of_the_allowed_folders_are_judges(
    name: str, model: str, tmp_path: Path
) -> None:
    save_model(tmp_path / "outside")
    judge = make_judge(make_project(), "local-model", name)
    with pytest.raises(InvalidInput, match="allowed models"):
        provider_of(judge, main_criterion(judge.project))


def test_a_model_that_cannot_be_loaded_ends_the_run(tmp_path: Path) -> None:
    broken = save_model(tmp_path / "models/broken")
    for file in broken.glob("*.safetensors"):
        file.unlink()
    project = make_project()
    judge = make_judge(project, "local-model", "broken")
    for _ in range(12):
        make_instance(project)
    run = start_run(judge=judge, criteria=["overall"], selection={"of": "all"})
    assert run.job is not None
    run_queued(run.job)
    run.refresh_from_db()
    assert run.state == "stopped"
    assert "no weights as safetensors" in run.stop_reason


# --- Reward models --------------------------------------------------------------------------


def rewards_by_the_command(folder: Path, instance: Any, tmp_path: Path) -> list[float]:
    """What `python -m training score` says of an instance."""
    data = tmp_path / "rows.parquet"
    texts = [completion.text for completion in instance.completions.all()]
    table = pa.table({"prompt": [json.dumps(instance.messages)], "completions": [texts]})
    pq.write_table(table, data)
    config = ScoreConfig(str(folder), str(data), max_length=2048)
    _, (outcome,), _ = scored(config, "completions")
    return list(outcome.scores)


def test_a_reward_model_decides_by_its_margin_in_one_call(settings: Any, tmp_path: Path) -> None:
    project = make_project()
    version = make_reward_version(project, settings.MEDIA_ROOT)
    judge = make_judge(project, "reward-model", "v1", parameters={"scale": 2.0})
    instances = [make_instance(project) for _ in range(3)]
    assert ask(judge, instances).answered == 3
    assert JudgeCall.objects.count() == 3
    folder = settings.MEDIA_ROOT / version.folder
    for instance in instances:
        first, second = rewards_by_the_command(folder, instance, tmp_path)
        call = JudgeCall.objects.get(instance=instance)
        assert call.scores == pytest.approx([first, second], abs=2e-5)
        assert call.p_first == pytest.approx(1 / (1 + math.exp(-2 * (first - second))), abs=2e-5)
        label = Annotation.objects.get(instance=instance)
        assert label.ranking == ([1, 2] if first > second else [2, 1])
        said = label.attributes["verdict"]
        assert (said["orders"], said["gap"], said["flipped"]) == (1, None, None)
    assert processes() == []


def test_a_recentred_reward_model_decides_on_the_shared_scale(settings: Any) -> None:
    project = make_project()
    version = make_reward_version(project, settings.MEDIA_ROOT)
    instance = make_instance(project)
    assert ask(make_judge(project, "reward-model", "v1"), [instance]).answered == 1
    raw = JudgeCall.objects.get().scores
    version.scale = {"offset": 2.0, "factor": 3.0}
    version.save(update_fields=["scale"])
    again = services.create_judge(
        project=project,
        name="again",
        provider="reward-model",
        model="v1",
        parameters={"scale": 1.5},
    )
    assert ask(again, [instance]).answered == 1
    told = JudgeCall.objects.get(judge=again)
    first, second = (3 * (float(reward or 0) - 2) for reward in raw)
    assert told.scores == pytest.approx([first, second], abs=1e-4)
    assert told.p_first == pytest.approx(1 / (1 + math.exp(-1.5 * (first - second))), abs=1e-4)


def test_a_reward_model_ranks_a_list(settings: Any) -> None:
    project = make_project(kind="listwise")
    make_reward_version(project, settings.MEDIA_ROOT)
    judge = make_judge(project, "reward-model", "v1")
    instance = make_instance(project, ("one", "two words", "three more words", "one"))
    assert ask(judge, [instance]).answered == 1
    scores = [float(score or 0) for score in JudgeCall.objects.get().scores]
    ranking = Annotation.objects.get().ranking
    best = max(range(4), key=lambda position: scores[position])
    assert ranking[best] == 1
    assert ranking[0] == ranking[3]


def test_completions_of_different_prompts_have_no_common_reward(settings: Any) -> None:
    project = make_project()
    make_reward_version(project, settings.MEDIA_ROOT)
    judge = make_judge(project, "reward-model", "v1")
    instance = make_instance(project)
    instance.completions.filter(position=0).update(messages=[{"role": "user", "content": "x"}])
    assert ask(judge, [instance]).failed == 1
    assert "different prompts" in JudgeCall.objects.get().error


@pytest.mark.parametrize("name", ["v2", "", "latest", "v1; rm"])
def test_reward_models_are_named_by_version(name: str, settings: Any) -> None:
    project = make_project()
    make_reward_version(project, settings.MEDIA_ROOT)
    judge = make_judge(project, "reward-model", name)
    with pytest.raises(NotFound):
        provider_of(judge, main_criterion(project))


def test_sigmoid_has_no_overflow() -> None:
    assert (sigmoid(0), sigmoid(1e4), sigmoid(-1e4)) == (0.5, 1.0, 0.0)
