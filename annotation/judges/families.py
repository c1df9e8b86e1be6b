"""Which family of models a name belongs to. Pure.

A judge favours what resembles its own writing, so a judge whose family wrote some of the
completions is flagged.
"""

import re
from collections.abc import Iterable

# The first that is found in a name decides: fine-tuned models name what they were made of first
# or say it in their own name.
FAMILIES: tuple[tuple[str, str], ...] = (
    # These have another family's name in their own.
    (r"neox|gpt-?neo|gpt-?j\b", "pythia"),
    (r"gpt|chatgpt|davinci|openai|\bo[134]\b", "gpt"),
    (r"claude|anthropic", "claude"),
    (r"gemini|gemma|palm|bard|bison", "gemini"),
    (r"deepseek", "deepseek"),
    (r"qwen|qwq|tongyi", "qwen"),
    (r"mistral|mixtral|ministral|zephyr", "mistral"),
    (r"vicuna|koala|alpaca|llama|tulu|guanaco|wizardlm", "llama"),
    (r"command|cohere", "command"),
    (r"phi\b|phi-?\d", "phi"),
    (r"yi-|\byi\b", "yi"),
    (r"glm|zhipu", "glm"),
    (r"grok", "grok"),
    (r"nova|titan", "nova"),
    (r"falcon", "falcon"),
    (r"olmo|molmo", "olmo"),
    (r"pythia|dolly|oasst|redpajama|stablelm|neox", "pythia"),
    (r"\bopt\b|opt-\d", "opt"),
    (r"bloom", "bloom"),
    (r"kimi|moonshot", "kimi"),
)
# Copies of other models' answers are no family; these words are.
NO_MODEL = re.compile(r"^(human|crowd|expert|volunteer)", re.IGNORECASE)


def family_of(name: str) -> str:
    """The family of a model, a judge or a generator by its name; blank where none is known."""
    if NO_MODEL.match(name):
        return ""
    low = name.lower()
    return next((family for words, family in FAMILIES if re.search(words, low)), "")


def shared_family(model: str, family: str, generators: Iterable[str]) -> list[str]:
    """The generators of a judge's own family, by name. `family`, where given, overrides the name.

    An unknown family is shared with nobody.
    """
    own = family.strip().lower() or family_of(model)
    if not own:
        return []
    return sorted({name for name in generators if name and family_of(name) == own})
