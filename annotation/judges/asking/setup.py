"""What is read once about a judge and a criterion, before anything is asked."""

from dataclasses import dataclass
from typing import Any

from annotation.judges.models import Judge, Mode, Prompt, Shape
from annotation.labels.answers import SCORED
from annotation.projects.models import Criterion, Guideline, TieKind
from annotation.projects.selectors import guideline_of, protocol_of
from core.exceptions import InvalidInput

from .wording import Ask, Texts, Wording, built_in, levels_of, own

# Parameters of the judge that say how it is reached or asked: no field of the request, and no
# part of a cache key (what they change is in the messages and orders).
OPERATION = frozenset({"base_url", "concurrency", "timeout", "attempts", "rpm", "tpm"})
PROTOCOL = frozenset({"mode", "rankings", "method"})
TOP_LOGPROBS = 10
REASONED_MOST = 1024
# A short ranking in letters.
TOKENS_PER_LETTER = 6


@dataclass(frozen=True)
class Setup:
    """How a judge asks one criterion. `shape` RANKING allows pairs too; `guideline` if shown."""

    judge: Judge
    criterion: Criterion
    prompt: Prompt | None
    shape: Shape
    ask: Ask
    guideline: Guideline | None
    temperature: Any

    @property
    def token(self) -> bool:
        return self.ask.mode == Mode.TOKEN

    @property
    def use_reference(self) -> bool:
        return self.prompt is not None and self.prompt.use_reference

    @property
    def examples(self) -> int:
        """How many examples a question shows, at most."""
        return self.prompt.examples if self.prompt else 0

    @property
    def texts(self) -> Texts:
        prompt = self.prompt
        if prompt is None:
            return Texts()
        shown = self.guideline.text if self.guideline and prompt.show_guideline else ""
        return Texts(prompt.system, prompt.instructions, prompt.rubric, shown)

    def wording(self, shape: Shape, size: int) -> Wording:
        """What is said around the material of one call.

        Raises:
            InvalidInput: the judge names a built-in prompt that is not there.
        """
        if self.prompt is None:
            return built_in(self.judge.prompt_version, shape, self.ask, size)
        return own(self.texts, shape, self.ask, size)

    def logprobs(self, shape: Shape) -> bool:
        """One token decides, and its alternatives are asked for."""
        return self.token and shape != Shape.RANKING

    def most_tokens(self, shape: Shape, size: int) -> int:
        """Most tokens of a reply."""
        if not self.token:
            return int(self.judge.parameters.get("max_tokens", REASONED_MOST))
        return TOKENS_PER_LETTER * size if shape == Shape.RANKING else 1

    def request(self, shape: Shape, size: int) -> dict[str, Any]:
        """The fields of a request that can change its answer: what a cache key covers."""
        fields: dict[str, Any] = {
            "temperature": self.temperature,
            "max_tokens": self.most_tokens(shape, size),
        }
        if self.logprobs(shape):
            fields |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
        unused = OPERATION | PROTOCOL | {"max_tokens"}
        return fields | {k: v for k, v in self.judge.parameters.items() if k not in unused}


def setup_of(judge: Judge, criterion: Criterion) -> Setup:
    """Reads the prompt, the protocol and the guideline: three queries.

    Raises:
        InvalidInput: the judge's prompt does not fit the way in which the criterion is answered.
    """
    protocol, prompt = protocol_of(judge.project), judge.prompt
    kind = criterion.asks(protocol)
    mode = prompt.mode if prompt else judge.parameters.get("mode", Mode.TOKEN)
    scored = kind in SCORED
    ask = Ask(
        question=criterion.question or criterion.name,
        mode=mode,
        # The built-in prompt offers a tie with reasons only, whatever the project says.
        ties=TieKind.TIE in protocol.ties if prompt else mode == Mode.REASONED,
        levels=levels_of(criterion.values(kind), criterion.labels) if scored else (),
    )
    return Setup(
        judge=judge,
        criterion=criterion,
        prompt=prompt,
        shape=_shape(prompt, criterion, scored),
        ask=ask,
        guideline=guideline_of(judge.project),
        temperature=judge.parameters.get("temperature", 0),
    )


def _shape(prompt: Prompt | None, criterion: Criterion, scored: bool) -> Shape:
    if prompt is None:
        return Shape.SCORES if scored else Shape.RANKING
    if (prompt.shape == Shape.SCORES) != scored:
        wanted = "scores" if scored else "a comparison"
        raise InvalidInput(
            f"The prompt {prompt} asks for {prompt.shape}, and the criterion {criterion.name!r} "
            f"takes {wanted}: use another prompt for it."
        )
    return Shape(prompt.shape)
