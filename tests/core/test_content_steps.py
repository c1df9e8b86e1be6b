"""Where the steps of a reasoning chain begin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.content.steps import split_steps

FENCED = "Step 1: code\n```\na\n\nStep 2: inside\n```\nStep 2: done"


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("", []),
        (" \n\n ", []),
        ("one", ["one"]),
        ("one\ntwo", ["one\ntwo"]),
        ("one\n\n\n two", ["one", "two"]),
        ("Step 1: a\nb\nStep 2: c", ["Step 1: a\nb", "Step 2: c"]),
        ("Given x.\n\nStep 1: a\n\nb\nstep 2. c", ["Given x.\n\nStep 1: a\n\nb", "step 2. c"]),
        (
            "**Step 1:** a\n### Step 2 – b\nStep 3\nc",
            ["**Step 1:** a", "### Step 2 – b", "Step 3\nc"],
        ),
        ("Steps: one\n\nStepping 2: two", ["Steps: one", "Stepping 2: two"]),
        (FENCED, ["Step 1: code\n```\na\n\nStep 2: inside\n```", "Step 2: done"]),
        ("a\n\n~~~\nb\n\nc\n~~~~\n\nd", ["a", "~~~\nb\n\nc\n~~~~", "d"]),
        ("a\n\n```\nb\n\nnever closed", ["a", "```\nb\n\nnever closed"]),
    ],
)
def test_steps_of_a_text(text: str, steps: list[str]) -> None:
    assert split_steps(text) == steps


@given(st.text(alphabet="aS tep12:\n`~ *#", max_size=200))
def test_nothing_is_lost_or_doubled(text: str) -> None:
    steps = split_steps(text)
    assert "".join("".join(steps).split()) == "".join(text.split())
    assert all(step == step.strip() != "" for step in steps)
