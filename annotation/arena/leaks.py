"""Answers that say who speaks: a vote on them is no blind one. Pure."""

import re
from collections.abc import Iterable, Sequence

TAG = "arena: names a model"
# Makers and families of models, as assistants name themselves.
FAMILIES = (
    r"ai21|alibaba|anthropic|chatglm|chatgpt|claude|cohere|command r|deepmind|deepseek|gemini|gemma"
    r"|glm-?\d|gpt-?\d\w*|grok|kimi|llama(?:-?\d)?|meta ai|minimax|mistral|mixtral|moonshot|olmo"
    r"|openai|phi-\d|qwen\d*|tongyi|t[uü]lu|vicuna|xai"
)


def names_model(answers: Iterable[str], prompts: Sequence[str], names: Iterable[str]) -> bool:
    """Whether an answer has the name of a contestant, or of a family of models, that no prompt
    has: what the visitor asked about is no sign of who answers."""
    own = "|".join(re.escape(name.lower()) for name in names if len(name) > 2)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(filter(None, (own, FAMILIES)))})(?!\w)")
    asked = "\n".join(prompts).lower()
    return any(
        found.group() not in asked
        for answer in answers
        for found in pattern.finditer(answer.lower())
    )
