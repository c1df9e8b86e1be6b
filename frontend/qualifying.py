"""What the labelling page says during the qualification round."""

from typing import Any

from annotation.labels.models import Annotator
from annotation.quality.qualification import feedback_for


def qualification_of(annotator: Annotator) -> dict[str, Any]:
    """The context of `quality/_feedback.html`: the last answer's feedback; `waiting` for more."""
    return {
        "qualifying": True,
        "waiting": annotator.qualified_at is None,
        "feedback": feedback_for(annotator),
    }
