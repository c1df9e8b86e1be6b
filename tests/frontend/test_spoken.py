"""Labels in words, in the letters of the screen."""

import pytest

from annotation.labels.models import Annotation
from frontend.spoken import spoken


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"ranking": [2, 1], "strength": 1.0, "shown_order": [1, 0]}, "A is clearly better"),
        ({"ranking": [2, 1], "strength": 0.5, "shown_order": [0, 1]}, "B is slightly better"),
        ({"ranking": [1, 2]}, "1 is better"),
        ({"ranking": [1, 1], "tie_kind": "both bad"}, "Both Bad"),
        ({"ranking": [2, 1, 2], "shown_order": [2, 0, 1]}, "C > A = B"),
        (
            {"ranking": [2, 1, 3, 3], "unranked": [2, 3], "shown_order": [0, 1, 2, 3]},
            "B > A, C, D unranked",
        ),
        ({"scores": [4, None], "shown_order": [0, 1]}, "A 4, B –"),
    ],
)
def test_a_label_in_words(fields: dict[str, object], text: str) -> None:
    assert spoken(Annotation(**fields)) == text


def test_staff_read_numbers_of_completions() -> None:
    label = Annotation(ranking=[2, 1], strength=1.0, shown_order=[1, 0])
    assert spoken(label, canonical=True) == "2 is clearly better"
