"""The closed vocabulary of tags, with a line for each that a person or a judge can read. Pure.

A tag is a name with a value, written `name:value` on an instance. A prompt has up to three
domains and one value of every other name.
"""

from collections.abc import Iterable, Mapping

MOST_DOMAINS = 3

NAMES: dict[str, str] = {
    "domain": "Subject of expertise: the fields one must know to judge an answer",
    "expertise": "How much one must know to judge an answer",
    "language": "The language that the answer is wanted in",
    "openendedness": "How many different answers would be equally good",
    "safety": "How much harm an answer could do",
    "complexity": "How many things are wanted at once, and how they depend on each other",
    "context": "Whether the prompt brings material to work on: a text, code, a table, documents",
    "format": "Whether the prompt says how the answer has to look: length, form, style",
}

DOMAINS: dict[str, str] = {
    "agriculture": "farming, gardening, animals that are kept",
    "anthropology": "peoples, customs, folklore",
    "architecture": "buildings, cities, interior design",
    "art": "painting, sculpture, photography, visual design",
    "astronomy": "stars, planets, space flight",
    "biology": "living things, genetics, ecology",
    "careers": "applications, work relations, professions",
    "business": "companies, management, sales, marketing",
    "chemistry": "substances and reactions",
    "computer-science": "programming, software, algorithms, networks",
    "cooking": "recipes, food, drinks",
    "data-science": "statistics, machine learning, analysis of data",
    "earth-science": "geology, oceans, weather and climate",
    "economics": "markets, trade, prices, public money",
    "education": "teaching, learning, schools, exams",
    "electronics": "circuits, signals, hardware",
    "engineering": "machines, construction, materials, energy",
    "entertainment": "celebrities, television, events",
    "environment": "pollution, conservation, sustainability",
    "ethics": "right and wrong, dilemmas, values",
    "fashion": "clothes, beauty, cosmetics",
    "film": "cinema, series, screenwriting",
    "finance": "investing, banking, personal money, taxes",
    "games": "video games, board games, puzzles, riddles",
    "geography": "places, countries, maps",
    "health": "fitness, nutrition, well-being, first aid",
    "history": "the past, its people and sources",
    "home": "household, repairs, crafts, do it yourself",
    "journalism": "news, media, reporting",
    "law": "statutes, contracts, courts, rights",
    "linguistics": "grammar, languages, translation",
    "literature": "fiction, poetry, drama, criticism",
    "logic": "deduction, proofs of reasoning, paradoxes",
    "mathematics": "numbers, algebra, geometry, proofs",
    "medicine": "diseases, diagnosis, treatment, drugs",
    "military": "war, weapons, strategy, defence",
    "music": "songs, instruments, theory of music",
    "philosophy": "knowledge, being, mind, schools of thought",
    "physics": "matter, motion, fields, quanta",
    "politics": "government, elections, policy, international relations",
    "psychology": "mind, behaviour, relationships, therapy",
    "religion": "faiths, scriptures, theology, myths",
    "security": "attacks on systems, privacy, cryptography",
    "sociology": "groups, institutions, social questions",
    "sports": "games of skill, athletes, training",
    "technology": "devices, consumer software, how to use them",
    "transport": "cars, trains, ships, aviation, logistics",
    "travel": "trips, sights, hotels",
    "everyday": "small talk and advice that needs no field of its own",
}

LANGUAGES: dict[str, str] = {
    "ar": "Arabic",
    "bg": "Bulgarian",
    "bn": "Bengali",
    "ca": "Catalan",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "fa": "Persian",
    "fi": "Finnish",
    "fr": "French",
    "he": "Hebrew",
    "hi": "Hindi",
    "hr": "Croatian",
    "hu": "Hungarian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "ms": "Malay",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sr": "Serbian",
    "sv": "Swedish",
    "sw": "Swahili",
    "ta": "Tamil",
    "th": "Thai",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "ur": "Urdu",
    "vi": "Vietnamese",
    "zh": "Chinese",
    "mixed": "more than one language",
    "other": "a language that is not listed",
}

LEVELS: dict[str, dict[str, str]] = {
    "expertise": {
        "general": "anybody can judge it",
        "basic": "it takes the basics of the field, as after an introductory course",
        "expert": "it takes somebody trained in the field",
    },
    "openendedness": {
        "no": "one answer is right",
        "low": "a few answers are right, or one in several wordings",
        "moderate": "many answers can be good, within clear bounds",
        "high": "anything goes: stories, ideas, opinions",
    },
    "safety": {
        "safe": "no answer would do harm",
        "low": "a careless answer could do slight harm",
        "moderate": "a bad answer could do real harm: health, money, law, prejudice",
        "high": "an answer could help to do serious harm, or the prompt asks for it",
    },
    "complexity": {
        "simple": "one thing is wanted",
        "moderate": "a few things, or one with conditions",
        "complex": "many things that depend on each other, or several steps",
    },
    "context": {
        "present": "the prompt brings material to work on",
        "absent": "it brings none",
    },
    "format": {
        "present": "the prompt says how the answer has to look",
        "absent": "it leaves that open",
    },
}

MEANINGS: dict[str, dict[str, str]] = {
    name: {"domain": DOMAINS, "language": LANGUAGES}.get(name) or LEVELS[name] for name in NAMES
}
TAGS: dict[str, tuple[str, ...]] = {name: tuple(values) for name, values in MEANINGS.items()}

# Values of one prompt, by name.
Tags = Mapping[str, tuple[str, ...]]


def most_of(name: str) -> int:
    """How many values of this name a prompt has at most."""
    return MOST_DOMAINS if name == "domain" else 1


def problem(tags: Tags) -> str:
    """Why these are no tags of the vocabulary; blank if they are."""
    for name, values in tags.items():
        if name not in TAGS:
            return f"there is no tag {name[:40]!r}"
        if len(values) > most_of(name) or len(set(values)) < len(values):
            return f"too many values of {name}"
        if unknown := [value for value in values if value not in TAGS[name]]:
            return f"{unknown[0][:40]!r} is no value of {name}"
    return ""


def strings(tags: Tags) -> list[str]:
    """As they are written on an instance: `name:value`."""
    return [f"{name}:{value}" for name, values in tags.items() for value in values]


def by_name(written: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The values of the vocabulary's names among tags as written; any value, in their order."""
    found: dict[str, tuple[str, ...]] = {}
    for tag in written:
        name, colon, value = tag.partition(":")
        if colon and value and name in TAGS:
            found[name] = (*found.get(name, ()), value)
    return found
