"""Judges simulated with known biases: the report finds them, and finds none in an honest judge."""

import math
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from annotation.judges.families import family_of, shared_family
from annotation.judges.report.biases import Bias, biases, cohen_h, flip_rate
from annotation.judges.report.drift import change_between, change_over_time, grouped, periods
from annotation.judges.report.figures import matrix_of, panel_of
from annotation.judges.report.scopes import among_people, descriptive, inferential
from annotation.judges.report.units import Reply, Unit, share

START = datetime(2026, 1, 1, tzinfo=UTC)
Odds = Callable[[dict[str, Any]], float]


def scene(count: int, lean: Odds, *, seed: int = 0, first: float = 0.0) -> list[Unit]:
    """Pairs on which people follow quality, and a judge quality and `lean` (log odds).

    `first`: how much (log odds) the judge leans to what is shown first. Two pairs a prompt.
    """
    rng = random.Random(seed)
    units = []
    for place in range(count):
        quality = rng.gauss(0, 1.5)
        about: dict[str, Any] = {
            "lengths": (rng.randint(200, 900), rng.randint(200, 900)),
            "styles": tuple(
                (rng.randint(0, 3), rng.randint(0, 9), rng.randint(0, 5)) for _ in "ab"
            ),
            "families": (rng.choice(["gpt", "llama"]), rng.choice(["gpt", "llama"])),
            "place": place,
        }
        odds = quality + lean(about)
        replies = tuple(
            Reply(_side(odds + (first if shown else -first), rng), shown) for shown in (True, False)
        )
        both = sum(reply.side for reply in replies)
        units.append(
            Unit(
                instance=place,
                prompt=f"{place // 2:05d}",
                p=0.5 + 0.2 * both,
                side=(both > 0) - (both < 0),
                people=tuple((_side(quality, rng) + 1) / 2 for _ in range(3)),
                replies=replies,
                flipped=both == 0,
                gap=0.5 if both == 0 else 0.0,
                at=START + timedelta(minutes=place),
                **{name: about[name] for name in ("lengths", "styles", "families")},
            )
        )
    return units


def _side(odds: float, rng: random.Random) -> int:
    return 1 if rng.gauss(0, 1) < odds / 1.7 else -1


def by_key(found: list[Bias]) -> dict[str, Bias]:
    return {bias.key: bias for bias in found}


def longer(about: dict[str, Any]) -> float:
    first, second = about["lengths"]
    return 1.5 if first > second else -1.5


def own(about: dict[str, Any]) -> float:
    mine, other = (family == "gpt" for family in about["families"])
    return 2.0 * (int(mine) - int(other))


def listing(about: dict[str, Any]) -> float:
    (_, first, _), (_, second, _) = about["styles"]
    return float(0.5 * (first - second))


def nothing(_about: dict[str, Any]) -> float:
    return 0.0


def test_an_honest_judge_has_no_bias() -> None:
    found = biases(scene(1500, nothing), "gpt")
    assert {bias.key for bias in found} == {
        "position", "first", "length", "headings", "lists", "bold", "self", "family",
    }  # fmt: skip
    assert not [bias.key for bias in found if bias.stands_out]


@pytest.mark.parametrize(
    ("lean", "first", "key"),
    [
        (longer, 0.0, "length"),
        (own, 0.0, "self"),
        (listing, 0.0, "lists"),
        (nothing, 1.0, "position"),
        (lambda _about: 0.9, 0.0, "first"),
    ],
)
def test_a_planted_bias_is_found(lean: Odds, first: float, key: str) -> None:
    found = by_key(biases(scene(1000, lean, first=first), "gpt"))
    assert found[key].stands_out
    assert found[key].effect.low > 0
    assert found[key].effect.behind


def test_a_bias_that_people_share_is_none() -> None:
    """People and judge both prefer the longer: the difference of the coefficients is nothing."""
    units = [
        Unit(
            instance=unit.instance,
            prompt=unit.prompt,
            p=0.8,
            side=1 if unit.lengths[0] > unit.lengths[1] else -1,
            people=(float(unit.lengths[0] > unit.lengths[1]),) * 3,
            lengths=unit.lengths,
        )
        for unit in scene(300, nothing)
    ]
    length = by_key(biases(units))["length"]
    assert length.judge
    assert length.judge > 1
    assert length.effect.value == pytest.approx(0)
    assert not length.stands_out


def test_cohen_h_by_hand() -> None:
    # 2 asin √0.75 − 2 asin √0.5 = 2π/3 − π/2
    assert cohen_h(0.75) == pytest.approx(0.5236, abs=1e-4)
    assert cohen_h(0.5) == pytest.approx(0)


def test_the_flip_rate_and_what_is_behind_it() -> None:
    units = scene(200, nothing, first=1.5)
    found = flip_rate(units)
    assert found
    assert found.value == pytest.approx(sum(bool(unit.flipped) for unit in units) / 200)
    assert set(found.behind) <= {unit.instance for unit in units if unit.flipped}


def test_few_labels_cannot_tell() -> None:
    found = by_key(biases(scene(8, longer)))
    assert not found["length"].can_tell
    assert not found["length"].stands_out


def test_a_judge_that_turns_is_caught_and_one_that_stays_is_not() -> None:
    turning = scene(400, lambda about: 0.0 if about["place"] < 200 else 6.0)
    change = change_over_time(turning)
    assert change.p < 0.01
    assert change.at is not None
    assert 70 <= change.at <= 130
    assert change_over_time(scene(400, nothing)).p > 0.05
    assert len(periods(turning)) == 8
    keys = [1] * 200 + [2] * 200
    groups = {key: each.agree for key, each in grouped(turning, keys)}
    assert change_between(groups).p < 0.01


def test_time_cannot_tell_from_few_prompts() -> None:
    change = change_over_time(scene(20, nothing))
    assert change.p != change.p  # NaN


def test_people_among_themselves_by_hand() -> None:
    # Votes A A B, and A T: of 3 + 1 pairs 1 is the same; neither says tie in 3.
    found = among_people([[1.0, 1.0, 0.0], [1.0, 0.5]])
    assert (found["exact"], found["votes"]) == (0.25, 4)
    assert (found["strict"], found["strict_votes"]) == (pytest.approx(1 / 3), 3)


def unit(place: int, side: int, people: tuple[float, ...], **values: Any) -> Unit:
    return Unit(place, f"{place:04d}", 0.5 + 0.3 * side, side, people, **values)


def test_agreement_and_confusion_by_hand() -> None:
    units = [
        unit(1, 1, (1.0, 1.0, 0.0)),
        unit(2, -1, (1.0,)),
        unit(3, 0, (0.5, 0.5)),
        unit(4, 1, (0.5,)),
        # No plurality, and nobody: neither counts.
        unit(5, 1, (1.0, 0.0)),
        unit(6, 1, ()),
    ]
    found = descriptive(units)
    verdicts = found["verdicts"]
    assert (verdicts["exact"].value, verdicts["exact"].labels) == (0.5, 4)
    assert (verdicts["strict"].value, verdicts["strict"].labels) == (0.5, 2)
    assert verdicts["against"] == (2,)
    cells = {(c["people"], c["judge"]): c["behind"] for c in verdicts["confusion"] if c["count"]}
    assert cells == {(1, 1): (1,), (1, -1): (2,), (0, 0): (3,), (0, 1): (4,)}
    assert found["pairs"] == 5


def test_a_report_is_its_half_of_the_audit_arm_and_nothing_else() -> None:
    arms = [(True, True), (True, False), (False, True), (False, False)]
    units = [
        unit(place, 1, (1.0,) if audit and reporting else (0.0,), audit=audit, reporting=reporting)
        for place in range(80)
        for audit, reporting in [arms[place % 4]]
    ]
    found = inferential(units, dict.fromkeys(units, 0.7), coverage=0.0)
    assert found.plain
    assert (found.plain.value, found.plain.human, found.plain.prompts) == (1.0, 20, 20)
    lacking = [
        unit(100, 1, (), audit=True, reporting=True),
        unit(101, 1, (1.0, 0.0), audit=True, reporting=True),
    ]
    more = inferential([*units, *lacking], dict.fromkeys([*units, *lacking], 0.7), coverage=0.0)
    assert (more.missing, more.split) == (1, 1)
    assert more.plain == found.plain
    assert not found.few_prompts
    assert (found.powered and found.powered.judged) == 0
    assert (found.routed, found.why_not) == (None, "not everywhere")


def test_without_an_audit_arm_nothing_is_inferred() -> None:
    units = [unit(place, 1, (1.0,), reporting=True) for place in range(30)]
    found = inferential(units, dict.fromkeys(units, 0.7), coverage=1.0)
    assert (found.plain, found.powered, found.why_not) == (None, None, "no audit")


def test_routed_labels_count_by_their_propensities_only_where_all_have_some() -> None:
    def routed(propensity: float) -> Any:
        units = [
            unit(
                place,
                1,
                (1.0,) if place % 2 else (),
                audit=place % 2 == 1,
                reporting=True,
                propensity=propensity,
            )
            for place in range(60)
        ]
        return inferential(units, dict.fromkeys(units, 0.7), coverage=1.0)

    found = routed(0.5)
    assert (found.missing, found.split) == (0, 0)
    assert found.routed
    assert found.routed.human == 30
    # The confidence never varies: it can tell nothing, and λ is 0.
    assert (found.powered.weight, found.powered.judged) == (0.0, 0)
    assert found.routed.high == 1.0
    assert routed(0.0).why_not == "propensity 0"


def test_a_panel_follows_the_better_judges() -> None:
    rng = random.Random(0)
    truth = [rng.choice([1, -1]) for _ in range(200)]

    def judge(right: float) -> list[Unit]:
        return [
            unit(place, side if rng.random() < right else -side, ())
            for place, side in enumerate(truth)
        ]

    panel = panel_of({1: judge(0.9), 2: judge(0.85), 3: judge(0.5)}, "one-coin")
    right = sum(each.side == truth[each.instance] for each in panel) / len(panel)
    assert len(panel) == 200
    assert right > 0.87
    assert panel_of({1: judge(0.9)}, "one-coin") == []


def test_the_matrix_by_hand() -> None:
    judge = [unit(1, 1, ()), unit(2, -1, ()), unit(3, 0, ())]
    people = {
        (1, (0, 1)): [(7, 1.0), (8, 0.0)],
        (2, (0, 1)): [(7, 0.0)],
        (3, (0, 1)): [(7, 1.0)],
        (9, (0, 1)): [(9, 1.0)],
    }
    rows = matrix_of({"5": judge}, people)
    assert [row["who"] for row in rows] == [7, 8]
    cell = rows[0]["cells"]["5"]
    assert (cell["pairs"], cell["exact"]) == (3, pytest.approx(2 / 3))
    assert (cell["strict_pairs"], cell["strict"]) == (2, 1.0)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("gpt-4o/combined", "gpt"),
        ("claude-sonnet-4", "claude"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama"),
        ("vicuna-13b", "llama"),
        ("Qwen2.5-7B", "qwen"),
        ("google/gemma-2-9b", "gemini"),
        ("mixtral-8x7b", "mistral"),
        ("DeepSeek-R1-Distill-Llama-8B", "deepseek"),
        ("human-crowd-writer", ""),
        ("my-model", ""),
    ],
)
def test_the_family_of_a_name(name: str, family: str) -> None:
    assert family_of(name) == family


def test_a_judge_of_its_generators_family() -> None:
    generators = ["gpt-3.5-turbo", "llama-2-7b", "gpt-4o", ""]
    assert shared_family("gpt-4", "", generators) == ["gpt-3.5-turbo", "gpt-4o"]
    # What the researcher says of it overrides the name.
    assert shared_family("gpt-4", "Llama", generators) == ["llama-2-7b"]
    assert shared_family("unknown-model", "", ["also-unknown"]) == []


@pytest.mark.parametrize(("drawn", "why_not"), [(8, "few drawn"), (24, "")])
def test_a_handful_of_labels_does_not_stand_for_all_that_the_judge_decided(
    drawn: int, why_not: str
) -> None:
    sent = [
        unit(place, 1, (1.0,), audit=True, reporting=True, propensity=1.0) for place in range(40)
    ]
    left = [
        unit(
            *(100 + place, 1, (1.0,) if place < drawn else ()),
            audit=place < drawn,
            reporting=True,
            propensity=0.1,
        )
        for place in range(200)
    ]
    units = [*sent, *left]
    found = inferential(units, dict.fromkeys(units, 0.7), coverage=1.0)
    assert (found.routed is None, found.why_not) == (bool(why_not), why_not)


def test_the_interval_of_a_share_stays_within_its_bounds() -> None:
    nearly = share((str(place), float(place > 0)) for place in range(20))
    alike = share((str(place), 1.0) for place in range(20))
    alone = share([("one", 1.0)])
    assert nearly is not None
    assert alike is not None
    assert alone is not None
    assert (nearly.value, nearly.high) == (0.95, 1.0)
    assert alike.low == pytest.approx(20 / (20 + 1.96**2), abs=1e-3)
    assert alike.high == 1.0
    assert math.isnan(alone.low)
