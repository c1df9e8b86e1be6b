"""What was sent in a call, put together again: only its hash is stored."""

from collections.abc import Iterable, Iterator

from annotation.projects.selectors import main_criterion
from core.exceptions import ApplicationError

from .asking import Asker
from .asking.wording import Wording
from .models import Judge, JudgeCall, Provider, Shape
from .providers.base import Question

# Judges that read a prompt.
READERS = (Provider.OPENAI, Provider.ANTHROPIC, Provider.LOCAL)


def messages_of(call: JudgeCall) -> tuple[dict[str, str], ...]:
    """The messages of the call, known by its hash; empty where they have come apart since.

    That is so after a change of the guideline or the criterion's question, or of the labels shown
    as examples; and for judges that read no prompt.
    """
    if call.judge.provider not in READERS or call.criterion is None or call.instance_id is None:
        return ()
    try:
        asker = Asker(call.judge, call.criterion)
        found = _both(asker, asker.questions([call.instance_id]))
        return next((each.messages for each in found if each.key == call.cache_key), ())
    except ApplicationError:
        return ()


def built_in_words(judge: Judge) -> Wording | None:
    """What a judge with the built-in prompt is told about the main criterion; else None."""
    if judge.provider not in READERS or judge.prompt_id:
        return None
    try:
        setup = Asker(judge, main_criterion(judge.project)).setup
        if setup.shape == Shape.SCORES:
            return setup.wording(Shape.SCORES, 1)
        return setup.wording(Shape.PAIR, 2)
    except ApplicationError:
        return None


def _both(asker: Asker, questions: Iterable[Question]) -> Iterator[Question]:
    """Each question, and the one that follows a reply that could not be read."""
    for question in questions:
        yield question
        if (again := asker.again(question)) is not None:
            yield again
