"""The questions of one judge about one criterion, and what the replies to them say."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial

from annotation.instances.models import Instance
from annotation.judges.examples import Bank, Shot, shots_of
from annotation.judges.models import CallState, Failure, Judge, Shape
from annotation.judges.pricing import ceiling, likely_tokens, most_tokens
from annotation.judges.protocol import RANKINGS
from annotation.judges.providers.base import Completion, Question, Reply
from annotation.projects.models import Criterion
from core.exceptions import InvalidInput
from core.hashing import content_hash

from . import orders, planning
from .layout import Example, Material, escaped, messages
from .material import Refused, material_of
from .planning import Plan, Sizes
from .replies import read
from .setup import Setup, setup_of
from .shots import example_of
from .wording import AGAIN


class Asker:
    """Made once for a run: it holds the prompt, the guideline and the index of examples."""

    def __init__(self, judge: Judge, criterion: Criterion) -> None:
        self.judge = judge
        self.criterion = criterion
        self.setup: Setup = setup_of(judge, criterion)
        self.wording = cache(self.setup.wording)
        self.example = cache(partial(example_of, setup=self.setup))
        self._bank = Bank(self._shots()) if self.setup.examples else Bank([])
        self._why_not: dict[str, str] = {}

    def questions(self, instance_ids: Sequence[int]) -> list[Question]:
        """All questions about these instances; an instance that is not there has none.

        One that cannot be asked (it has an image, say) has a single question without messages:
        `refusal` answers it. Two queries.
        """
        instances = self._instances(instance_ids)
        shots = self._bank.nearest(instances, self.setup.examples)
        return [
            question
            for instance in instances
            for question in self._about(instance, shots[instance.pk])
        ]

    def probe(self, instance: Instance, texts: Sequence[str], order: orders.Order) -> Question:
        """The question about a pair with other texts in its place, which is about no instance.

        Raises:
            InvalidInput: the judge cannot be asked about this instance, or scores completions.
        """
        material = self._material(instance)
        if isinstance(material, Refused) or self.setup.shape == Shape.SCORES:
            raise InvalidInput("This judge cannot be asked about the instance as a pair.")
        changed = replace(material, texts=tuple(escaped(text) for text in texts))
        shots = self._bank.nearest([instance], self.setup.examples)[instance.pk]
        question = self._question(instance, changed, Shape.PAIR, order, shots)
        return replace(question, instance_id=None)

    def plan(self, instance: Instance) -> Plan | None:
        """How this instance is asked; None where it cannot be."""
        material = self._material(instance)
        if isinstance(material, Refused):
            return None
        return self._plan(
            material, self._bank.nearest([instance], self.setup.examples)[instance.pk]
        )

    def again(self, question: Question) -> Question | None:
        """The question once more, with a reminder of its form, after a reply without a verdict."""
        if question.attempt or not question.messages:
            return None
        *before, last = question.messages
        content = f"{last['content']}\n{AGAIN}"
        return self._priced(
            replace(
                question,
                key=content_hash([question.key, "again"]),
                attempt=1,
                messages=(*before, {**last, "content": content}),
                # Reasons that were cut off get room; a token stays one.
                max_tokens=question.max_tokens * (1 if self.setup.token else 2),
            )
        )

    def refusal(self, question: Question) -> Reply | None:
        """The reply to a question that is not to be sent, which costs nothing; else None."""
        if question.messages:
            return None
        return Reply(CallState.FAILED, Failure.BAD_REQUEST, error=self._why_not[question.key])

    def read(self, question: Question, completion: Completion, milliseconds: int) -> Reply:
        """What the completion says; touches no database. See `replies.read`."""
        return read(self.setup, question, completion, milliseconds)

    def _instances(self, instance_ids: Sequence[int]) -> list[Instance]:
        found = Instance.objects.filter(pk__in=instance_ids).prefetch_related("completions")
        by_pk = {instance.pk: instance for instance in found}
        return [by_pk[pk] for pk in instance_ids if pk in by_pk]

    def _shots(self) -> list[Shot]:
        """The examples that can be shown in the shape of the questions."""
        shots = shots_of(self.criterion)
        return [shot for shot in shots if self.example(shot, shape=self.setup.shape)]

    def _shown(self, shots: Sequence[Shot], shape: Shape) -> list[Example]:
        return [example for shot in shots if (example := self.example(shot, shape=shape))]

    def _about(self, instance: Instance, shots: Sequence[Shot]) -> list[Question]:
        material = self._material(instance)
        if isinstance(material, Refused):
            return [self._refused(instance, material.reason)]
        return [
            self._question(instance, material, shape, order, shots)
            for shape, order in self._calls(instance, material, shots)
        ]

    def _material(self, instance: Instance) -> Material | Refused:
        material = material_of(instance, use_reference=self.setup.use_reference)
        alone = isinstance(material, Material) and len(material.texts) < 2
        if alone and self.setup.shape != Shape.SCORES:
            return Refused("the instance has one completion: there is nothing to compare")
        return material

    def _calls(
        self, instance: Instance, material: Material, shots: Sequence[Shot]
    ) -> list[tuple[Shape, orders.Order]]:
        size = len(material.texts)
        if self.setup.shape == Shape.SCORES:
            return [(Shape.SCORES, (position,)) for position in range(size)]
        if self._plan(material, shots).method != RANKINGS:
            return [(Shape.PAIR, order) for order in orders.all_pairs(size)]
        count = planning.orders_of(self.judge)
        salt = instance.prompt_hash
        return [(Shape.RANKING, each) for each in orders.rankings(material.texts, count, salt=salt)]

    def _plan(self, material: Material, shots: Sequence[Shot]) -> Plan:
        bare = replace(material, texts=())
        shape, size = self.setup.shape, len(material.texts)
        if shape != Shape.SCORES and size == 2:
            shape = Shape.PAIR
        wording = self.wording(shape, {Shape.SCORES: 1, Shape.PAIR: 2}.get(shape, size))
        fixed = likely_tokens(messages(wording, bare, (), self._shown(shots, shape)))
        each = tuple(likely_tokens([{"content": text}]) for text in material.texts)
        return planning.plan(self.judge, self.setup.shape, self.setup.ask.mode, Sizes(fixed, each))

    def _question(
        self,
        instance: Instance,
        material: Material,
        shape: Shape,
        order: orders.Order,
        shots: Sequence[Shot] = (),
    ) -> Question:
        size = len(order)
        said = messages(self.wording(shape, size), material, order, self._shown(shots, shape))
        request = self.setup.request(shape, size)
        # The order and the criterion are named too: equal completions are two questions still.
        # The instance is not: pairs in which models wrote the same words are asked about once.
        identity = {
            "model": self.judge.model,
            "prompt version": self.judge.prompt_version,
            "messages": said,
            "parameters": request,
            "criterion": self.criterion.key,
            "order": order,
        }
        if shape != Shape.PAIR:
            identity["shape"] = shape
        return self._priced(
            Question(
                instance.pk,
                order,
                content_hash(identity),
                shape,
                said,
                self.setup.ask.labels(shape, size) if self.setup.logprobs(shape) else (),
                self.setup.most_tokens(shape, size),
                tuple(shot.instance.pk for shot in shots),
            )
        )

    def _priced(self, question: Question) -> Question:
        return replace(
            question,
            ceiling=ceiling(self.judge, question.messages, question.max_tokens),
            tokens=most_tokens(question.messages) + question.max_tokens,
        )

    def _refused(self, instance: Instance, reason: str) -> Question:
        key = content_hash(["refused", self.judge.model, self.criterion.key, instance.pk])
        self._why_not[key] = reason
        return Question(instance.pk, (), key)


def asker_of(judge: Judge, criterion: Criterion) -> Asker:
    """The asker of a run: made once for each judge in memory and criterion."""
    known: dict[int, Asker] = judge.__dict__.setdefault("_askers", {})
    if criterion.pk not in known:
        known[criterion.pk] = Asker(judge, criterion)
    return known[criterion.pk]
