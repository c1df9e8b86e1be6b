"""Which language a text is in, as far as its letters and its commonest words tell. Pure.

Only enough to see that somebody asked in one language and was answered in another: where in doubt
the answer is "nobody knows".
"""

import re

SCRIPTS: tuple[tuple[str, str], ...] = (
    ("ja", r"[\u3040-\u30ff]"),
    ("ko", r"[\uac00-\ud7af]"),
    ("zh", r"[\u4e00-\u9fff]"),
    ("ru", r"[\u0400-\u04ff]"),
    ("ar", r"[\u0600-\u06ff]"),
    ("he", r"[\u0590-\u05ff]"),
    ("el", r"[\u0370-\u03ff]"),
    ("hi", r"[\u0900-\u097f]"),
    ("th", r"[\u0e00-\u0e7f]"),
)
COMPILED = tuple((name, re.compile(pattern)) for name, pattern in SCRIPTS)
LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
# The commonest words of each that the others have not.
COMMON = {
    "en": "the and of to is that with for are this was have not you what how",
    "de": "der die und das ist nicht ein eine mit für auf den sich auch wie werden",
    "fr": "le les des et est une dans pour que qui pas sur avec vous nous sont",
    "es": "el los las y es una por con para que del como más pero sus está",
    "it": "il gli che di è una per con non sono della del come più anche nel",
    "pt": "os as e é uma para com não que do da em como mais mas são",
    "nl": "de het een en van is dat niet met voor op zijn ook wordt aan bij",
}
WORDS = {name: frozenset(words.split()) for name, words in COMMON.items()}
# So many letters or common words are needed to say anything, and so much more than the next.
FEWEST, AHEAD, LOOKED_AT = 4, 1.5, 3000


def language_of(text: str) -> str:
    """The code of a language, or blank where it cannot be told.

    >>> language_of("What is the capital of France and why is that?")
    'en'
    >>> language_of("print(x)")
    ''
    """
    text = text[:LOOKED_AT]
    latin = len(LATIN.findall(text))
    for name, pattern in COMPILED:
        if len(pattern.findall(text)) > max(FEWEST, latin / 2):
            return name
    return _by_words(re.findall(r"[^\W\d_]+", text.lower()))


def _by_words(words: list[str]) -> str:
    counts = sorted(
        ((sum(word in common for word in words), name) for name, common in WORDS.items()),
        reverse=True,
    )
    (most, name), (second, _) = counts[:2]
    return name if most >= FEWEST and most > AHEAD * second else ""
