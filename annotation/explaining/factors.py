"""What can be told of a completion's text by counting: the factors that a preference may go with.

No model reads the text; each factor is one number that anybody can check by hand. Words are runs
of letters and digits, so texts without spaces between words count as few long ones: of those the
length in characters and what markdown adds still say what they say. The lists of words are
English; in other languages those factors are 0 on both sides and are left out. Pure.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .languages import language_of

WORD = re.compile(r"\w+(?:['’]\w+)?")
# Texts beyond this are measured by their beginning: a completion of a megabyte is no answer.
LONGEST = 200_000


@dataclass(frozen=True)
class Text:
    """A completion prepared once for all factors; `words` in lower case, `asked` those of the
    prompt's last turn."""

    text: str
    words: tuple[str, ...]
    asked: tuple[str, ...]
    prompt: str


def prepare(text: str, prompt: str) -> Text:
    text, prompt = text[:LONGEST], prompt[:LONGEST]
    return Text(text, words_of(text), words_of(prompt), prompt)


def words_of(text: str) -> tuple[str, ...]:
    return tuple(WORD.findall(text.lower()))


def length(of: Text) -> float:
    """log(1 + characters): an answer twice as long is 0.69 more, however long it is."""
    return math.log1p(len(of.text))


def sentence(of: Text) -> float:
    """Words per sentence; a sentence ends with . ! ? or a line."""
    ends = len(re.findall(r"[.!?。！？]+(?=\s|$)|\n+", of.text.strip())) or 1
    return min(len(of.words) / ends, 80.0)


def variety(of: Text) -> float:
    """Moving-average type-token ratio: distinct words in each window of 50, on average.

    Covington & McFall 2010; unlike the plain ratio it does not fall with the length of the text.
    """
    words, window = of.words, 50
    if not words:
        return 0.0
    if len(words) <= window:
        return len(set(words)) / len(words)
    starts = range(0, len(words) - window + 1, max(1, (len(words) - window) // 40))
    return sum(len(set(words[at : at + window])) for at in starts) / (len(starts) * window)


def echo(of: Text) -> float:
    """Share of the completion's word triples that the prompt has too: how far it repeats it."""
    mine = list(zip(of.words, of.words[1:], of.words[2:], strict=False))
    if not mine:
        return 0.0
    theirs = set(zip(of.asked, of.asked[1:], of.asked[2:], strict=False))
    return sum(each in theirs for each in mine) / len(mine)


def foreign(of: Text) -> float:
    """1 where prompt and completion are told apart as different languages, else 0."""
    asked, answered = language_of(of.prompt), language_of(of.text)
    return float(bool(asked and answered and asked != answered))


def _count(pattern: str) -> Callable[[Text], float]:
    """log(1 + how often): the first heading says more than the tenth."""
    compiled = re.compile(pattern, re.MULTILINE)
    return lambda of: math.log1p(sum(1 for _ in compiled.finditer(of.text)))


def _density(pattern: str) -> Callable[[Text], float]:
    """How often per hundred words, at most 20."""
    compiled = re.compile(pattern, re.IGNORECASE)
    return lambda of: min(
        20.0, 100 * sum(1 for _ in compiled.finditer(of.text)) / max(len(of.words), 20)
    )


def _present(pattern: str) -> Callable[[Text], float]:
    """1 where it occurs, else 0."""
    compiled = re.compile(pattern, re.IGNORECASE)
    return lambda of: float(compiled.search(of.text) is not None)


HEDGES = (
    r"\b(?:may|might|could|perhaps|possibly|probably|maybe|likely|unlikely|seems?|appears?"
    r"|suggests?|generally|typically|usually|often|sometimes|somewhat|relatively|arguably"
    r"|i (?:think|believe|guess|suppose)|in my opinion|it depends"
    r"|not (?:entirely )?(?:sure|certain)|to my knowledge|as far as i know)\b"
)
REFUSALS = (
    r"\b(?:i(?:['’]m| am) (?:unable|not able) to|i (?:can(?:['’]?t|not| not)|won['’]?t|will not)"
    r" (?:help|assist|provide|answer|do|fulfil|fulfill|comply|create|write|generate|give|discuss"
    r"|engage|support)|i(?:['’]m| am) sorry,? but (?:i|as)|i must (?:decline|refuse)"
    r"|as an ai(?: language model)?,? i (?:can(?:['’]?t|not)|do not|don['’]?t|am (?:not|unable)))"
)
APOLOGIES = r"\b(?:sorry|apologi[sz]e|apologies|my (?:mistake|bad)|forgive me|regret)\b"
LINKS = (
    r"https?://\S+|\[[^\]\n]+\]\([^)\s]+\)|\[\d{1,3}\]|\([A-Z][\w-]+(?: (?:et al\.?|& [A-Z][\w-]+"
    r"|and [A-Z][\w-]+))?,? (?:19|20)\d\d\)|\bdoi:\s?10\.\S+|\baccording to [A-Z]"
)
AGREEMENTS = (
    r"\b(?:you(?:['’]re| are) (?:absolutely |completely |quite |totally )?(?:right|correct)"
    r"|i (?:completely |totally |fully )?agree|(?:good|great|excellent|wonderful|fantastic) "
    r"(?:question|point|idea)|absolutely|certainly|of course|i(?:['’]d| would) be (?:happy|glad)"
    r"|happy to help|well said|that(?:['’]s| is) (?:true|right|a great))\b"
)

# One number per completion, in the order of every array of factors.
FACTORS: dict[str, Callable[[Text], float]] = {
    "length": length,
    "sentences": sentence,
    "variety": variety,
    "headings": _count(r"^ {0,3}#{1,6} "),
    "lists": _count(r"^ *(?:[-*+•]|\d{1,3}[.)]) "),
    "emphasis": _count(r"\*\*[^*\n]+\*\*|__[^_\n]+__"),
    "code": _count(r"^ *(?:```|~~~)|(?<!`)`[^`\n]+`(?!`)"),
    "tables": _count(r"^ *\|.*\| *$"),
    "links": _count(LINKS),
    "numbers": _density(r"(?<![\w.])\d[\d.,]*"),
    "hedging": _density(HEDGES),
    "refusal": _present(REFUSALS),
    "apology": _present(APOLOGIES),
    "agreement": _present(AGREEMENTS),
    "echo": echo,
    "questions": _count(r"[?？](?=\s|$|[\"')”])"),
    "second person": _density(r"\b(?:you|your|yours|yourself)\b"),
    "first person": _density(r"\b(?:i|i['’]m|i['’]ve|i['’]d|i['’]ll|me|my|mine|myself)\b"),
    "exclamation": _count(r"[!！]"),
    "foreign": foreign,
}
KEYS = tuple(FACTORS)


def measure(text: str, prompt: str) -> list[float]:
    """One number per factor of `KEYS`.

    >>> found = dict(zip(KEYS, measure("# Yes\\n- one\\n- two", "Two?"), strict=True))
    >>> round(found["lists"], 2), round(found["headings"], 2), found["refusal"]
    (1.1, 0.69, 0.0)
    """
    prepared = prepare(text, prompt)
    return [each(prepared) for each in FACTORS.values()]


def measure_all(texts: Sequence[str], prompt: str) -> list[list[float]]:
    """(completions, factors) of one instance."""
    return [measure(text, prompt) for text in texts]
