"""The closed vocabulary of tags, with a line for each that a person or a judge can read. Pure.

Judges read the lines in English; pages show them in the language of whoever reads.

A tag is a name with a value, written `name:value` on an instance. A prompt has up to three
domains and one value of every other name.
"""

from collections.abc import Iterable, Mapping


def _(text: str) -> str:
    """Marks the text for the catalogues; pages translate it. Needs no settings, unlike Django's."""
    return text


MOST_DOMAINS = 3

TITLES: dict[str, str] = {
    "domain": _("Subject of expertise"),
    "expertise": _("Expertise needed"),
    "language": _("Language"),
    "openendedness": _("Open-endedness"),
    "safety": _("Safety concern"),
    "complexity": _("Complexity of intents"),
    "context": _("In-context material"),
    "format": _("Format constraints"),
}
NAMES: dict[str, str] = {
    "domain": _("The fields one must know to judge an answer"),
    "expertise": _("How much one must know to judge an answer"),
    "language": _("The language that the answer is wanted in"),
    "openendedness": _("How many different answers would be equally good"),
    "safety": _("How much harm an answer could do"),
    "complexity": _("How many things are wanted at once, and how they depend on each other"),
    "context": _("Whether the prompt brings material to work on: a text, code, a table, documents"),
    "format": _("Whether the prompt says how the answer has to look: length, form, style"),
}

DOMAINS: dict[str, str] = {
    "agriculture": _("farming, gardening, animals that are kept"),
    "anthropology": _("peoples, customs, folklore"),
    "architecture": _("buildings, cities, interior design"),
    "art": _("painting, sculpture, photography, visual design"),
    "astronomy": _("stars, planets, space flight"),
    "biology": _("living things, genetics, ecology"),
    "careers": _("applications, work relations, professions"),
    "business": _("companies, management, sales, marketing"),
    "chemistry": _("substances and reactions"),
    "computer-science": _("programming, software, algorithms, networks"),
    "cooking": _("recipes, food, drinks"),
    "data-science": _("statistics, machine learning, analysis of data"),
    "earth-science": _("geology, oceans, weather and climate"),
    "economics": _("markets, trade, prices, public money"),
    "education": _("teaching, learning, schools, exams"),
    "electronics": _("circuits, signals, hardware"),
    "engineering": _("machines, construction, materials, energy"),
    "entertainment": _("celebrities, television, events"),
    "environment": _("pollution, conservation, sustainability"),
    "ethics": _("right and wrong, dilemmas, values"),
    "fashion": _("clothes, beauty, cosmetics"),
    "film": _("cinema, series, screenwriting"),
    "finance": _("investing, banking, personal money, taxes"),
    "games": _("video games, board games, puzzles, riddles"),
    "geography": _("places, countries, maps"),
    "health": _("fitness, nutrition, well-being, first aid"),
    "history": _("the past, its people and sources"),
    "home": _("household, repairs, crafts, do it yourself"),
    "journalism": _("news, media, reporting"),
    "law": _("statutes, contracts, courts, rights"),
    "linguistics": _("grammar, languages, translation"),
    "literature": _("fiction, poetry, drama, criticism"),
    "logic": _("deduction, proofs of reasoning, paradoxes"),
    "mathematics": _("numbers, algebra, geometry, proofs"),
    "medicine": _("diseases, diagnosis, treatment, drugs"),
    "military": _("war, weapons, strategy, defence"),
    "music": _("songs, instruments, theory of music"),
    "philosophy": _("knowledge, being, mind, schools of thought"),
    "physics": _("matter, motion, fields, quanta"),
    "politics": _("government, elections, policy, international relations"),
    "psychology": _("mind, behaviour, relationships, therapy"),
    "religion": _("faiths, scriptures, theology, myths"),
    "security": _("attacks on systems, privacy, cryptography"),
    "sociology": _("groups, institutions, social questions"),
    "sports": _("games of skill, athletes, training"),
    "technology": _("devices, consumer software, how to use them"),
    "transport": _("cars, trains, ships, aviation, logistics"),
    "travel": _("trips, sights, hotels"),
    "everyday": _("small talk and advice that needs no field of its own"),
}

LANGUAGES: dict[str, str] = {
    "ar": _("Arabic"),
    "bg": _("Bulgarian"),
    "bn": _("Bengali"),
    "ca": _("Catalan"),
    "cs": _("Czech"),
    "da": _("Danish"),
    "de": _("German"),
    "el": _("Greek"),
    "en": _("English"),
    "es": _("Spanish"),
    "fa": _("Persian"),
    "fi": _("Finnish"),
    "fr": _("French"),
    "he": _("Hebrew"),
    "hi": _("Hindi"),
    "hr": _("Croatian"),
    "hu": _("Hungarian"),
    "id": _("Indonesian"),
    "it": _("Italian"),
    "ja": _("Japanese"),
    "ko": _("Korean"),
    "ms": _("Malay"),
    "nl": _("Dutch"),
    "no": _("Norwegian"),
    "pl": _("Polish"),
    "pt": _("Portuguese"),
    "ro": _("Romanian"),
    "ru": _("Russian"),
    "sr": _("Serbian"),
    "sv": _("Swedish"),
    "sw": _("Swahili"),
    "ta": _("Tamil"),
    "th": _("Thai"),
    "tr": _("Turkish"),
    "uk": _("Ukrainian"),
    "ur": _("Urdu"),
    "vi": _("Vietnamese"),
    "zh": _("Chinese"),
    "mixed": _("more than one language"),
    "other": _("a language that is not listed"),
}

LEVELS: dict[str, dict[str, str]] = {
    "expertise": {
        "general": _("anybody can judge it"),
        "basic": _("it takes the basics of the field, as after an introductory course"),
        "expert": _("it takes somebody trained in the field"),
    },
    "openendedness": {
        "no": _("one answer is right"),
        "low": _("a few answers are right, or one in several wordings"),
        "moderate": _("many answers can be good, within clear bounds"),
        "high": _("anything goes: stories, ideas, opinions"),
    },
    "safety": {
        "safe": _("no answer would do harm"),
        "low": _("a careless answer could do slight harm"),
        "moderate": _("a bad answer could do real harm: health, money, law, prejudice"),
        "high": _("an answer could help to do serious harm, or the prompt asks for it"),
    },
    "complexity": {
        "simple": _("one thing is wanted"),
        "moderate": _("a few things, or one with conditions"),
        "complex": _("many things that depend on each other, or several steps"),
    },
    "context": {
        "present": _("the prompt brings material to work on"),
        "absent": _("it brings none"),
    },
    "format": {
        "present": _("the prompt says how the answer has to look"),
        "absent": _("it leaves that open"),
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
