"""What is asked next: questions made window by window, and which instances have all theirs back."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from annotation.judges.models import CallState
from annotation.judges.providers.base import Question

from .asks import Ask, Source
from .books import Books, Known, forget_unknown

# The first found among an instance's questions says how the instance ended.
WORST = (CallState.UNKNOWN, CallState.UNPARSABLE, CallState.FAILED, CallState.ANSWERED)


@dataclass
class Open:
    """An instance with questions on their way."""

    left: int
    state: CallState


class Feed:
    """Holds one window of questions at a time, however many instances there are.

    `finished`: instances by source whose questions are all settled, with how they ended; whoever
    reads it empties it.
    """

    def __init__(
        self,
        windows: Iterable[tuple[Source, Sequence[int]]],
        books: Books,
        *,
        idempotent: bool = False,
        retry_unknown: bool = False,
    ) -> None:
        self._windows: Iterator[tuple[Source, Sequence[int]]] = iter(windows)
        self._books = books
        self._idempotent = idempotent
        self._retry_unknown = retry_unknown
        self._ready: deque[Ask] = deque()
        self._open: dict[tuple[Source, int], Open] = {}
        # By the key of each question on its way: equal questions about other instances, which
        # wait for its reply.
        self._waiting: dict[str, list[tuple[Source, Question]]] = {}
        self.finished: defaultdict[Source, dict[int, CallState]] = defaultdict(dict)
        self.exhausted = False

    def take(self, count: int) -> list[Ask]:
        """Up to `count` questions; reads at most one window, so it may give fewer."""
        if len(self._ready) < count and not self.exhausted:
            self._load()
        return [self._ready.popleft() for _ in range(min(count, len(self._ready)))]

    @property
    def empty(self) -> bool:
        return self.exhausted and not self._ready

    def repeated(self, ask: Ask) -> Ask | None:
        """The question asked once more after a reply that could not be parsed."""
        question = ask.source.provider.again(ask.question)
        if question is None:
            return None
        self._waiting[question.key] = self._waiting.pop(ask.question.key, [])
        return Ask(ask.source, question)

    def settled(self, ask: Ask, state: CallState) -> None:
        """A question has its final state; with the last one, so has its instance."""
        instance_id = ask.question.instance_id
        if instance_id is not None:
            self._settle(ask.source, instance_id, state)
        for source, question in self._waiting.pop(ask.question.key, ()):
            self._share(ask, state, source, question)

    def _share(self, ask: Ask, state: CallState, source: Source, question: Question) -> None:
        """What became of a question holds for one that is equal to it."""
        if state == CallState.FAILED and ask.call_id is not None:
            self._books.copy([(ask.call_id, question)])
            self._note(source, question, state)
        else:
            self._sort(source, [question], self._books.known([question]), set())
        self._settle(source, question.instance_id or 0, CallState.ANSWERED)

    def _settle(self, source: Source, instance_id: int, state: CallState) -> None:
        entry = self._open[source, instance_id]
        entry.left -= 1
        entry.state = min(entry.state, state, key=WORST.index)
        if entry.left == 0:
            del self._open[source, instance_id]
            self.finished[source][instance_id] = entry.state

    def _load(self) -> None:
        window = next(self._windows, None)
        if window is None:
            self.exhausted = True
            return
        source, ids = window
        if self._retry_unknown:
            forget_unknown(self._books.judge, ids)
        questions = source.provider.questions(ids)
        for instance_id in ids:
            self._open[source, instance_id] = Open(0, CallState.ANSWERED)
        known = self._books.known(questions)
        failed = set() if source.provider.buys else self._books.failed(ids)
        self._sort(source, questions, known, failed)
        for instance_id in ids:  # those without any question are settled at once
            if self._open[source, instance_id].left == 0:
                self._open[source, instance_id].left = 1
                self._settle(source, instance_id, CallState.ANSWERED)

    def _sort(
        self,
        source: Source,
        questions: Sequence[Question],
        known: dict[str, Known],
        failed: set[str],
    ) -> None:
        """Ask what was not asked; take over the state and the reply of what was."""
        self._copy(questions, known)
        unparsable: list[Question] = []
        for question in questions:
            call = known.get(question.key)
            if question.key in self._waiting:
                self._wait(source, question)
            elif call is None and question.key not in failed:
                self._ask(Ask(source, question))
            elif call is None:
                self._note(source, question, CallState.FAILED)
            elif call.state == CallState.IN_FLIGHT:  # in a batch that nobody has read yet
                self._note(source, question, CallState.UNKNOWN)
            elif call.state == CallState.UNPARSABLE:
                unparsable.append(question)
            elif call.state == CallState.UNKNOWN and self._may_repeat(call, question):
                self._ask(Ask(source, question, call.call_id, held=True))
            else:
                self._note(source, question, CallState(call.state))
        if unparsable:
            self._sort_again(source, unparsable)

    def _sort_again(self, source: Source, unparsable: Sequence[Question]) -> None:
        again = [(question, source.provider.again(question)) for question in unparsable]
        repeats = [repeat for _, repeat in again if repeat is not None]
        for question, repeat in again:
            if repeat is None:
                self._note(source, question, CallState.UNPARSABLE)
        if repeats:
            self._sort(source, repeats, self._books.known(repeats), set())

    def _copy(self, questions: Sequence[Question], known: dict[str, Known]) -> None:
        """Where the reply is to an equal question about another instance, it is this one's too."""
        others = [
            (call.call_id, question)
            for question in questions
            if question.instance_id is not None
            and (call := known.get(question.key)) is not None
            and call.instance_id != question.instance_id
            and call.state != CallState.IN_FLIGHT
        ]
        if others:
            self._books.copy(others)

    def _may_repeat(self, call: Known, question: Question) -> bool:
        return self._idempotent and call.instance_id == question.instance_id

    def _wait(self, source: Source, question: Question) -> None:
        if question.instance_id is not None:
            self._waiting[question.key].append((source, question))
            self._open[source, question.instance_id].left += 1

    def _ask(self, ask: Ask) -> None:
        self._ready.append(ask)
        self._waiting.setdefault(ask.question.key, [])
        if ask.question.instance_id is not None:
            self._open[ask.source, ask.question.instance_id].left += 1

    def _note(self, source: Source, question: Question, state: CallState) -> None:
        if question.instance_id is not None:
            entry = self._open[source, question.instance_id]
            entry.state = min(entry.state, state, key=WORST.index)
