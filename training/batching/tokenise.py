"""Text to token ids: prompt once, each completion after it, lengths cut and counted."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from training.batching.rows import Message, Row
from training.errors import RefusalError
from training.objectives.preference import Preference, best_shares, is_informative
from training.objectives.presets import Objective

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\n' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)


# What a chat template can end in beside an error of its own kind.
PROGRAM_ERRORS = (
    *(ArithmeticError, AttributeError, LookupError),
    *(RecursionError, TypeError, ValueError),
)
# Private characters stand for contents while a template is rendered.
MARK = re.compile("\ue000(\\d+)\ue001")


def _mark(number: int) -> str:
    return f"\ue000{number}\ue001"


@dataclass(frozen=True, slots=True)
class TokenGroup:
    """Token ids of one prompt and its completions; every completion has at least one token.

    Where completions answer prompts of their own, `prompt` is what these begin with alike (it may
    be empty), and each completion has the rest of its prompt before it.

    Attributes:
        skips: leading tokens of each completion that belong to its own prompt and are not scored;
            () where there are none.
    """

    prompt: tuple[int, ...]
    completions: tuple[tuple[int, ...], ...]
    preference: Preference
    prompt_hash: str = ""
    instance_id: str = ""
    skips: tuple[int, ...] = ()

    @property
    def skipped(self) -> tuple[int, ...]:
        """`skips`, one number for each completion."""
        return self.skips or (0,) * len(self.completions)

    @property
    def shared_tokens(self) -> int:
        """Tokens of the group when the prompt is encoded once."""
        return len(self.prompt) + sum(map(len, self.completions))

    @property
    def longest(self) -> int:
        """Tokens of the prompt with its longest completion."""
        return len(self.prompt) + max(map(len, self.completions))


def best_only(group: TokenGroup) -> TokenGroup:
    """The group with its preferred completions alone: what likelihood training reads."""
    shares = best_shares(group.preference)
    kept = [k for k, share in enumerate(shares) if share > 0] or list(range(len(shares)))
    alone = replace(group.preference, relevance=(1.0,) * len(kept), pair_p=None)
    return replace(
        group,
        completions=tuple(group.completions[k] for k in kept),
        skips=tuple(group.skips[k] for k in kept) if group.skips else (),
        preference=alone,
    )


@dataclass(slots=True)
class Counts:
    """What was cut or left out on the way from rows to groups; part of every result."""

    rows: int = 0
    completions: int = 0
    prompts_truncated: int = 0
    completions_truncated: int = 0
    empty_completions: int = 0
    dropped_identical: int = 0
    dropped_uninformative: int = 0

    def as_dict(self) -> dict[str, int]:
        """Plain values for a report."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Limits:
    """Token limits; a completion always keeps at least `max_length - max_prompt_length`."""

    max_length: int
    max_prompt_length: int


@dataclass(slots=True)
class Encoder:
    """Encodes prompts and completions with a transformers tokenizer.

    Causal models read `chat template(prompt)` followed by the completion and its end token;
    bidirectional encoders read the pair `[CLS] prompt [SEP] completion [SEP]`. In both cases a
    sequence is the prompt's ids followed by the completion's ids, so one layout serves both.

    A prompt over its limit loses its beginning, a completion over its limit loses its end.

    Texts cannot forge turns: where a prompt or a completion contains the text of a special token
    (a role marker, the end token), that text is read letter by letter, not as the token.
    """

    tokenizer: Any
    limits: Limits
    causal: bool = True
    counts: Counts = field(default_factory=Counts)
    specials: dict[int, str] = field(init=False)

    def __post_init__(self) -> None:
        added = self.tokenizer.added_tokens_decoder
        self.specials = {token: word.content for token, word in added.items() if word.special}

    def group(self, row: Row) -> TokenGroup:
        """Token ids of one row."""
        self.counts.rows += 1
        self.counts.completions += len(row.completions)
        self.counts.empty_completions += sum(not text.strip() for text in row.completions)
        if row.own_prompts:
            prompt, completions, skips = self._own_prompts(row)
        else:
            prompt, completions = self._encoded(row.prompt, row.completions)
            skips = ()
        return TokenGroup(
            tuple(prompt),
            tuple(map(tuple, completions)),
            row.preference,
            row.prompt_hash,
            row.instance_id,
            skips,
        )

    def _encoded(
        self, messages: Sequence[Message], texts: Sequence[str]
    ) -> tuple[list[int], list[list[int]]]:
        return self._chat(messages, texts) if self.causal else self._pair(messages, texts)

    def _own_prompts(self, row: Row) -> tuple[list[int], list[list[int]], tuple[int, ...]]:
        """Each side encoded alone; what their prompts begin with alike is shared."""
        sides = [
            self._encoded(messages, [text])
            for messages, text in zip(row.own_prompts, row.completions, strict=True)
        ]
        prompts = [prompt for prompt, _ in sides]
        alike = _alike(prompts)
        branches = [prompt[alike:] + completion for prompt, (completion,) in sides]
        return prompts[0][:alike], branches, tuple(len(prompt) - alike for prompt in prompts)

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """Ids a causal model continues from, cut from the left; never empty."""
        ids = self._prompt_tokens(messages) or [self._start_token()]
        return self._cut_prompt(ids, self.limits.max_prompt_length)

    def _chat(
        self, messages: Sequence[Message], texts: Sequence[str]
    ) -> tuple[list[int], list[list[int]]]:
        prompt = self.prompt_ids(messages)
        rendered = self._render(messages, add_generation_prompt=True)
        room = self.limits.max_length - len(prompt)
        return prompt, [
            self._cut_completion(self._completion_ids(messages, rendered, text), room)
            for text in texts
        ]

    def _completion_ids(self, messages: Sequence[Message], rendered: str, text: str) -> list[int]:
        forged = self._forges(text)
        turn = {"role": "assistant", "content": _mark(0) if forged else text}
        whole = self._render([*messages, turn], add_generation_prompt=False)
        # Some templates do not render the prompt the same way once an answer follows it.
        if not whole.startswith(rendered):
            found = self._ids(text, literal=forged)
        elif forged:
            found = self._filled(whole[len(rendered) :], [text])
        else:
            found = self._ids(whole[len(rendered) :])
        return self._ended(found) or [self._start_token()]

    def _prompt_tokens(self, messages: Sequence[Message]) -> list[int]:
        contents = [message["content"] for message in messages]
        if not any(map(self._forges, contents)):
            return self._ids(self._render(messages, add_generation_prompt=True))
        marked = [{**message, "content": _mark(k)} for k, message in enumerate(messages)]
        return self._filled(self._render(marked, add_generation_prompt=True), contents)

    def _filled(self, rendered: str, contents: Sequence[str]) -> list[int]:
        """Ids of a rendered template, each mark replaced by its content, read literally."""
        ids: list[int] = []
        for k, part in enumerate(MARK.split(rendered)):
            ids += self._ids(contents[int(part)], literal=True) if k % 2 else self._ids(part)
        return ids

    def _forges(self, text: str) -> bool:
        """Whether the text of a special token is in it."""
        return any(marker in text for marker in self.specials.values())

    def _ended(self, ids: list[int]) -> list[int]:
        """Ids up to their end token; templates may write white space after it."""
        special = {*self.tokenizer.all_special_ids, *self.specials}
        ends = [k for k, token in enumerate(ids) if token in special]
        if ends and not self.tokenizer.decode(ids[ends[-1] + 1 :]).strip():
            return ids[: ends[-1] + 1]
        end = self.tokenizer.eos_token_id
        return ids if end is None else [*ids, end]

    def _pair(
        self, messages: Sequence[Message], texts: Sequence[str]
    ) -> tuple[list[int], list[list[int]]]:
        head, middle, tail = self._special_runs()
        text = "\n\n".join(message["content"] for message in messages)
        limit = max(self.limits.max_prompt_length - len(head) - len(middle), 1)
        prompt = head + self._cut_prompt(self._literal(text), limit) + middle
        room = max(self.limits.max_length - len(prompt) - len(tail), 1)
        return prompt, [self._cut_completion(self._literal(t), room) + tail for t in texts]

    def _special_runs(self) -> tuple[list[int], list[int], list[int]]:
        """Special tokens before, between and after the two texts of a pair."""
        pair = self.tokenizer("a", "b")
        ids, sides = list(pair["input_ids"]), pair.sequence_ids()
        first_end = max(k for k, side in enumerate(sides) if side == 0)
        second_end = max(k for k, side in enumerate(sides) if side == 1)
        head, second = sides.index(0), sides.index(1)
        return ids[:head], ids[first_end + 1 : second], ids[second_end + 1 :]

    def _cut_prompt(self, ids: list[int], limit: int) -> list[int]:
        self.counts.prompts_truncated += len(ids) > limit
        return ids[-limit:]

    def _cut_completion(self, ids: list[int], limit: int) -> list[int]:
        self.counts.completions_truncated += len(ids) > limit
        return ids[:limit]

    def _literal(self, text: str) -> list[int]:
        return self._ids(text, literal=self._forges(text))

    def _ids(self, text: str, *, literal: bool = False) -> list[int]:
        options = {"split_special_tokens": True} if literal else {}
        return list(self.tokenizer(text, add_special_tokens=False, **options)["input_ids"])

    def _render(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
        """Raises jinja2's `TemplateError`, whatever the template met: it is a program of others."""
        from jinja2 import TemplateError  # torch brings it

        try:
            rendered = self.tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=add_generation_prompt
            )
        except PROGRAM_ERRORS as error:
            raise TemplateError(str(error)) from error
        return str(rendered)

    def _start_token(self) -> int:
        for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
            token = getattr(self.tokenizer, name)
            if token is not None:
                return int(token)
        return 0


def encode_all(
    encoder: Encoder, rows: Iterable[Row], objective: Objective | None
) -> list[TokenGroup]:
    """Groups of all rows; those that teach the objective nothing are left out and counted.

    Left out are groups whose completions are all the same token ids (every difference of scores
    is zero, so there is no gradient) and groups whose label the objective cannot use.

    Raises:
        RefusalError: the tokenizer's chat template refuses the turns of a row.
    """
    from jinja2 import TemplateError  # torch brings it

    groups = []
    for row in rows:
        try:
            group = encoder.group(row)
        except TemplateError as error:
            raise RefusalError(
                f"The chat template refuses the prompt of {row.instance_id or 'a row'}:"
                f" {str(error)[:200]}",
                "Leave out this row, or use a tokenizer whose template takes its turns.",
            ) from error
        if objective is not None:
            several = objective.link != "none" and len(group.completions) > 1
            if several and len(set(group.completions)) == 1:
                encoder.counts.dropped_identical += 1
                continue
            if not is_informative(group.preference, objective):
                encoder.counts.dropped_uninformative += 1
                continue
        groups.append(group)
    return groups


def _alike(sequences: Sequence[Sequence[int]]) -> int:
    """How many tokens all sequences begin with."""
    places = zip(*sequences, strict=False)
    same = itertools.takewhile(lambda place: len(set(place)) == 1, places)
    return sum(1 for _ in same)


def _identical(group: TokenGroup) -> bool:
    return len(set(zip(group.completions, group.skipped, strict=True))) == 1
