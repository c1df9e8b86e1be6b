"""Active preference: entropy of the prompt, then the implicit margin of the pair."""

import numpy as np
import pytest

from annotation.instances.models import Instance, Signal
from core.exceptions import InvalidInput
from routing.decisions.models import Decision
from routing.features.policy import policy_columns
from routing.features.table import FeatureTable
from routing.strategies import registry
from routing.strategies.active_preference import WORDS, ActivePreference
from routing.strategies.problem import Problem
from routing.strategies.selecting import select
from tests.endpoint.client import endpoint
from tests.factories import make_instance, make_project
from tests.routing.live_scene import route, scene


def problem(entropy: list[float], margin: list[float]) -> Problem:
    n = len(entropy)
    table = FeatureTable(
        ("policy_entropy", "implicit_margin"),
        np.array([entropy, margin], dtype=np.float64).T.reshape(n, 2),
    )
    return Problem(tuple(str(i) for i in range(n)), table, np.ones(n))


def test_the_surest_bets_on_the_least_sure_prompts_are_bought_first() -> None:
    nan = float("nan")
    made = problem([5, 5, 4, 1, 1, 5], [0.1, -4, 2, 9, 0, nan])
    strategy = registry.load(registry.fit("active-preference", None, {"shortlist": 0.6}).to_json())
    found = strategy.score(made)

    assert found.gain == pytest.approx([np.tanh(0.05), np.tanh(2), np.tanh(1), 0, 0, 0])
    assert [WORDS.index(reason) for reason in found.reason] == [1, 0, 0, 2, 2, 3]
    chosen = select(strategy, made, found, 2.0, salt="s")
    assert chosen.tolist() == [False, True, True, False, False, False]
    # With everything on the list the surest bet wins, whatever the entropy.
    assert int(np.argmax(ActivePreference(1.0).score(made).gain)) == 3


def test_equal_entropies_are_listed_together_and_nothing_is_no_fault() -> None:
    found = ActivePreference(0.1).score(problem([2.0] * 8, [1.0] * 8))
    assert (found.gain > 0).all()
    assert len(ActivePreference().score(problem([], [])).gain) == 0


def test_without_a_policy_it_says_what_is_missing() -> None:
    none = Problem(("a",), FeatureTable(("prompt_tokens",), np.ones((1, 1))), np.ones(1))
    with pytest.raises(InvalidInput, match="no policy_entropy"):
        ActivePreference().score(none)
    with pytest.raises(InvalidInput, match="above 0 and up to 1"):
        registry.fit("active-preference", None, {"shortlist": 0})


@pytest.mark.django_db
def test_signals_are_read_from_metadata_and_a_newer_signal_counts_more() -> None:
    project = make_project()
    metas = [
        {"policy_entropy": 2.5, "implicit_margin": -1},
        {"policy_entropy": "2.5", "implicit_margin": True},
        {"policy_entropy": 1e300},
        {},
    ]
    rows = [make_instance(project, metadata=meta) for meta in metas]
    for version, value in (("dpo-1", 7.0), ("dpo-2", 8.0)):
        Signal.objects.create(instance=rows[0], name="policy_entropy", version=version, value=value)
    found = policy_columns([row.pk for row in rows])
    assert found["policy_entropy"][0] == 8
    assert found["implicit_margin"][0] == -1
    assert np.isnan(found["policy_entropy"][1:]).all()
    assert np.isnan(found["implicit_margin"][1:]).all()


@pytest.mark.django_db
def test_live_routing_sends_people_the_surest_bets() -> None:
    with endpoint() as server:
        project = scene(
            server,
            40,
            strategy="active-preference",
            people_share=0.25,
            audit_share=0.02,
            explore_share=0,
        )
        rows = list(project.instances.order_by("pk"))
        for number, row in enumerate(rows):
            row.metadata = {"policy_entropy": number % 2, "implicit_margin": number / 10}
        Instance.objects.bulk_update(rows, ["metadata"])
        route(project)
    people = Decision.objects.filter(project=project, arm="routed", destination="human")
    assert people.exists()
    assert set(people.values_list("reason", flat=True)) == {WORDS[0]}
    # The surest ten of the even half.
    places = {rows.index(decision.instance) for decision in people}
    assert places <= set(range(19, 40, 2))
