"""Style taken out of the strengths, and answers that say who speaks."""

import random

import pytest

from annotation.arena.leaks import names_model
from annotation.arena.style import Vote, controlled


def drawn(number: int, *, longer: float, better: float) -> list[Vote]:
    """Votes between 1 and 2: contestant 1 is longer by `longer` and better by `better` in logits
    of which length itself is worth 2 per unit of its logarithm."""
    chance, votes = random.Random(1), []
    for _ in range(number):
        extra = chance.gauss(longer, 0.5)
        style = (round(100 * 2.718**extra), 0, 0, 0)
        wins = chance.random() < 1 / (1 + 2.718 ** -(better + 2 * extra))
        votes.append(Vote(1, 2, float(wins), (style, (100, 0, 0, 0))))
    return votes


def test_a_longer_answer_wins_by_its_length_alone() -> None:
    found = controlled(drawn(4000, longer=0.4, better=0.0))
    # Without control 1 would lead by more than 100 points.
    assert abs(found.ratings[1].rating - found.ratings[2].rating) < 30
    assert found.ratings[1].low < 1000 < found.ratings[1].high
    assert found.worth["length"] == pytest.approx(400 / 2.303 * 2 * 0.5, rel=0.1)
    assert found.worth["lists"] == 0


def test_a_better_answer_stays_better() -> None:
    found = controlled(drawn(4000, longer=0.4, better=1.0))
    assert found.ratings[1].rating - found.ratings[2].rating == pytest.approx(174, abs=30)
    assert found.ratings[1].low > found.ratings[2].high


def test_few_votes_leave_it_open() -> None:
    plain = ((50, 0, 0, 0), (60, 1, 0, 0))
    found = controlled([Vote(1, 2, 1.0, plain), Vote(2, 3, 0.5, plain)])
    assert found.ratings[1].low < found.ratings[2].rating < found.ratings[1].high
    assert controlled([]).ratings == {}


@pytest.mark.parametrize(
    ("answer", "prompt", "named"),
    [
        ("I am ChatGPT, a model by OpenAI.", "Who are you?", True),
        ("As opal-7b I cannot know.", "Who are you?", True),
        ("Claude and Gemini differ.", "Compare Claude with Gemini", False),
        ("Claude, unlike me, OpenAI's …", "Who is Claude?", True),
        ("The opal is a stone; alibabas.", "Stones?", False),
        ("GPT-4o here", "Hi", True),
    ],
)
def test_answers_that_name_a_model(answer: str, prompt: str, named: bool) -> None:
    assert names_model([answer, "Fine."], [prompt], ["opal-7b", ""]) is named
