"""Criteria found in what people chose, measured on pairs held out, and accepted."""

from dataclasses import replace
from typing import Any

import pytest

from annotation.instances.models import Instance
from annotation.judges.models import CallPurpose, Judge, JudgeCall, Mining, Prompt
from annotation.judges.prompting import create_prompt
from annotation.judges.workbench import accepting
from annotation.judges.workbench.candidates import measured
from annotation.judges.workbench.forecasting import of_mining
from annotation.judges.workbench.mining import Order, halves_of, mine
from annotation.labels.models import Annotation
from annotation.ledger.models import Entry
from annotation.ledger.selectors import state
from annotation.projects.models import Criterion
from annotation.projects.selectors import guideline_of, main_criterion
from core.exceptions import InvalidInput
from jobs.models import State
from tests.annotation.chat_server import reply, serving
from tests.annotation.workbench_scene import (
    Answer,
    follows_the_prompt,
    make_scene,
    run_jobs,
    train_prompt,
)
from tests.factories import make_annotation, make_instance

pytestmark = pytest.mark.django_db
OWN = "Which completion is polite?"


def mined(url: str, count: int = 28, **fields: Any) -> Mining:
    """A search that has ended, and the trials it started."""
    project, judge, budget = make_scene(url, count)
    order = Order(judge, main_criterion(project), pairs=count, budget=budget, **fields)
    mining = mine(order=order, by=None)
    run_jobs()
    return Mining.objects.select_related("judge", "criterion", "job", "project").get(pk=mining.pk)


def test_what_predicts_held_out_choices_is_kept() -> None:
    with serving(follows_the_prompt) as server:
        mining = mined(server.url)
        asked = len(server.bodies)
    found = measured(mining)
    assert found.ended
    assert (len(found.halves.fitted), len(found.halves.held_out)) == (14, 14)
    polite, longer = found.candidates
    assert (polite.text, polite.kept, polite.suggested) == (OWN, True, True)
    assert (polite.held_out.right, polite.held_out.wrong) == (14, 0)
    assert polite.p == 2 / 2**14
    assert polite.gain is not None
    assert polite.gain > 0.1
    assert (longer.kept, longer.held_out.pairs) == (False, 14)
    # The judge as it is takes the longer one.
    assert found.base is not None
    assert found.base.right == longer.held_out.right
    assert polite.against is not None
    assert polite.against.low > 0
    # One proposal, and two orders of every pair for two candidates and the judge itself.
    assert asked == 1 + 2 * 28 * 3 == JudgeCall.objects.count()
    assert not Annotation.objects.filter(annotator__judge__isnull=False).exists()


def test_the_proposal_is_on_the_books_and_sees_one_half_only() -> None:
    with serving(follows_the_prompt) as server:
        mining = mined(server.url)
        told = server.bodies[0]["messages"][-1]["content"]
    call = JudgeCall.objects.get(purpose=CallPurpose.PROPOSAL)
    assert (call.instance, call.criterion) == (None, mining.criterion)
    assert (call.input_tokens, call.output_tokens) == (900, 40)
    assert call.price_micros == 900 + 160
    entry = Entry.objects.get(subject=f"judge-call:{call.pk}")
    assert (entry.state, entry.settled) == ("settled", 1060)
    spent = sum(JudgeCall.objects.values_list("price_micros", flat=True))
    assert state(entry.budget).settled == spent
    halves = halves_of(mining)
    shown = {unit[0] for unit in halves.fitted}
    assert told.count("<chosen>") == len(halves.fitted)
    for instance in mining.project.instances.all():
        assert (f"[user] {instance.messages[0]['content']}\n" in told) == (instance.pk in shown)
    assert "It is kinder, says person-0." in told


def test_later_labels_move_no_pair_from_one_half_to_the_other() -> None:
    with serving(follows_the_prompt) as server:
        mining = mined(server.url, 12)
        told = server.bodies[0]["messages"][-1]["content"]
    before = halves_of(mining)
    for number in range(12, 32):
        prompt = train_prompt(mining.project, number)
        make_annotation(make_instance(mining.project, prompt=prompt))
    # Others say the opposite of a pair that was shown: people are even, it is in neither half.
    dropped = Instance.objects.get(pk=mining.shown[0])
    for label in list(dropped.annotations.all()):
        make_annotation(dropped, ranking=label.ranking[::-1])
    after = halves_of(mining)
    assert set(after.held_out) == set(before.held_out)
    assert {unit[0] for unit in after.fitted} == set(mining.shown) - {dropped.pk}
    assert not set(mining.shown) & set(mining.held_out)
    for instance in Instance.objects.filter(pk__in=mining.held_out).prefetch_related("completions"):
        assert instance.messages[0]["content"] not in told.split("\n")
        assert not any(each.text in told.split("\n") for each in instance.completions.all())


def test_what_a_search_costs_is_told_before_it_starts() -> None:
    with serving(follows_the_prompt) as server:
        project, judge, budget = make_scene(server.url, 16)
        order = Order(judge, main_criterion(project), pairs=16, budget=budget, own=(OWN,), most=2)
        told = of_mining(order)
        assert server.bodies == []
        assert not Mining.objects.exists()
        mine(order=order, by=None)
        run_jobs()
    # The judge as it is, one by hand, two proposed; and the proposal.
    assert (told.instances, told.trials, told.calls) == (16, 4, 4 * 32 + 1)
    assert 0 < told.expected_micros < told.most_micros
    assert state(budget).settled <= told.most_micros
    again = of_mining(order)
    assert again.stored == 32
    with pytest.raises(InvalidInput, match="prices"):
        of_mining(replace(order, judge=Judge(project=project, price_known=False)))


def test_garbage_is_asked_once_more_then_fails_with_a_reason() -> None:
    def garbage(body: dict[str, Any], number: int) -> Answer:
        del body, number
        return 200, {}, reply("I would rather not say.", usage=(900, 10))

    with serving(garbage) as server:
        mining = mined(server.url, 10)
        assert len(server.bodies) == 2
        assert server.bodies[1]["messages"][-1]["content"].endswith("JSON object alone.")
    assert mining.job is not None
    assert mining.job.state == State.FAILED
    assert "no criterion that could be read" in mining.job.error
    assert mining.candidates == []
    calls = JudgeCall.objects.filter(purpose=CallPurpose.PROPOSAL)
    assert {(call.state, call.failure) for call in calls} == {("unparsable", "invalid-json")}
    assert all(call.price_micros > 0 and call.reply for call in calls)


def test_criteria_by_hand_are_measured_without_a_proposal() -> None:
    with serving(follows_the_prompt) as server:
        mining = mined(server.url, 16, propose=False, own=(OWN,))
    assert not JudgeCall.objects.filter(purpose=CallPurpose.PROPOSAL).exists()
    (candidate,) = measured(mining).candidates
    assert (candidate.source, candidate.kept, candidate.fitted.right) == ("people", True, 8)


def test_what_cannot_be_searched_is_refused() -> None:
    with serving(follows_the_prompt) as server:
        project, judge, _budget = make_scene(server.url, 10)
        criterion = main_criterion(project)
        for order, why in (
            (Order(judge, criterion, pairs=4), "8 to 300"),
            (Order(judge, criterion, propose=False), "Write a criterion"),
            (Order(judge, criterion, own=("Nice?",)), "8 to 200"),
            (Order(judge, criterion, own=(OWN,) * 13), "at most 12"),
        ):
            with pytest.raises(InvalidInput, match=why):
                mine(order=order, by=None)
    assert not Mining.objects.exists()


def test_accepted_criteria_become_lines_or_a_question() -> None:
    with serving(follows_the_prompt) as server:
        mining = mined(server.url, 16)
    project = mining.project
    texts = accepting.texts_of(mining, [2, 1])
    assert texts == [OWN, "Which completion is the longer one?"]
    before = create_prompt(project=project, name="kind", rubric=f"- {OWN}", examples=2)
    made = accepting.as_rubric(mining=mining, texts=texts, before=before, name="", by=None)
    assert (made.version, made.examples, made.parent) == (2, 2, before)
    assert made.rubric == f"- {OWN}\n- Which completion is the longer one?"
    with pytest.raises(InvalidInput, match="already"):
        accepting.as_rubric(mining=mining, texts=texts, before=made, name="", by=None)
    fresh = accepting.as_rubric(mining=mining, texts=texts[:1], before=None, name="new", by=None)
    assert (fresh.name, fresh.rubric) == ("new", f"- {OWN}")
    older = guideline_of(project)
    criterion = accepting.as_criterion(mining=mining, texts=texts[:1], name="Manners", by=None)
    assert Criterion.objects.get(project=project, key="manners") == criterion
    assert criterion.question == OWN
    newer = guideline_of(project)
    assert older is not None
    assert newer is not None
    assert newer.version == older.version + 1
    with pytest.raises(InvalidInput):
        accepting.texts_of(mining, [7])
    assert Prompt.objects.filter(name=f"mined:{mining.pk}").count() == 2
    with pytest.raises(InvalidInput, match="kept for criteria"):
        create_prompt(project=project, name=f"mined:{mining.pk}")
