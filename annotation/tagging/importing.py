"""Tags in files of others: under which names they come, and how their values are written. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .vocabulary import LANGUAGES, TAGS

# Keys of metadata, or names before a colon, as they are written elsewhere.
ALIASES = {
    "subject": "domain",
    "subjects": "domain",
    "subject_of_expertise": "domain",
    "subjects_of_expertise": "domain",
    "expert_level": "expertise",
    "expertise_level": "expertise",
    "languages": "language",
    "lang": "language",
    "open_endedness": "openendedness",
    "open-endedness": "openendedness",
    "safety_concern": "safety",
    "complexity_of_intents": "complexity",
    "complexity_of_user_intents": "complexity",
    "type_of_in_context_material": "context",
    "types_of_in_context_material": "context",
    "format_constraints": "format",
}
NAMED = {name: name for name in TAGS} | ALIASES
# Under other names than ours these hold a list of kinds: any at all means that there is one.
LISTS = ("context", "format")
NONE = ("", "none", "no", "absent")
VALUES = {
    "domain": {
        "math": "mathematics",
        "maths": "mathematics",
        "coding": "computer-science",
        "programming": "computer-science",
        "computer-sciences": "computer-science",
        "earth-sciences": "earth-science",
        "environmental-science": "environment",
        "fine-arts": "art",
        "cinema": "film",
        "culinary-arts": "cooking",
        "human-resources": "careers",
        "health-and-wellness": "health",
        "law-and-legal": "law",
        "political-science": "politics",
        "sport": "sports",
        "others": "everyday",
    },
    "expertise": {
        "general-public": "general",
        "basic-domain": "basic",
        "basic-domain-knowledge": "basic",
        "expert-domain": "expert",
        "expert-domain-knowledge": "expert",
    },
    "language": {meaning.casefold(): code for code, meaning in LANGUAGES.items()},
}


def recognised(metadata: Mapping[str, Any], tags: Iterable[str]) -> list[str]:
    """The tags of an instance, sorted: those that it brings, and those that its metadata names.

    What is written under a name known elsewhere is written as the vocabulary has it; what the
    vocabulary does not know stays as it came. A name that the tags bring is not read in metadata.
    """
    brought = [_rewritten(tag) for tag in tags]
    names = {tag.partition(":")[0] for tag in brought}
    told = [tag for tag in _named(metadata) if tag.partition(":")[0] not in names]
    return sorted({*brought, *told})


def _rewritten(tag: str) -> str:
    key, colon, value = tag.partition(":")
    name = NAMED.get(key.strip().casefold())
    known = _value(name, value) if colon and name else None
    return f"{name}:{known}" if known else tag


def _named(metadata: Mapping[str, Any]) -> Iterator[str]:
    for key, given in metadata.items():
        name = NAMED.get(key.strip().casefold())
        if name is None:
            continue
        if name in LISTS and key != name and isinstance(given, Sequence):
            yield f"{name}:{_present(given)}"
            continue
        for each in given if isinstance(given, list) else [given]:
            if isinstance(each, str) and (known := _value(name, each)):
                yield f"{name}:{known}"


def _present(given: Sequence[Any]) -> str:
    kinds = [given] if isinstance(given, str) else given
    some = any(str(kind).strip().casefold() not in NONE for kind in kinds)
    return "present" if some else "absent"


def _value(name: str, raw: str) -> str | None:
    """The vocabulary's word for it; None where it has none."""
    plain = "-".join(raw.casefold().replace("_", " ").replace("-", " ").split())
    known = VALUES.get(name, {}).get(plain, plain)
    return known if known in TAGS[name] else None
