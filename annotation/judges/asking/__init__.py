"""What judges are asked, and what their replies say.

`Asker(judge, criterion)` is made once for a run; the functions find the one of a judge in memory.
"""

from collections.abc import Sequence

from annotation.judges.models import Judge
from annotation.judges.providers.base import Completion, Question, Reply
from annotation.projects.models import Criterion

from .asker import Asker, asker_of

__all__ = ["Asker", "again", "asker_of", "questions", "read", "refusal"]


def questions(judge: Judge, criterion: Criterion, instance_ids: Sequence[int]) -> list[Question]:
    """See `Asker.questions`."""
    return asker_of(judge, criterion).questions(instance_ids)


def again(judge: Judge, criterion: Criterion, question: Question) -> Question | None:
    """See `Asker.again`."""
    return asker_of(judge, criterion).again(question)


def refusal(judge: Judge, criterion: Criterion, question: Question) -> Reply | None:
    """See `Asker.refusal`."""
    return asker_of(judge, criterion).refusal(question)


def read(
    judge: Judge,
    criterion: Criterion,
    question: Question,
    completion: Completion,
    milliseconds: int,
) -> Reply:
    """See `Asker.read`."""
    return asker_of(judge, criterion).read(question, completion, milliseconds)
