"""Built-in instances that show what a project's page will look like. Made up, for the eye only."""

from dataclasses import dataclass, field
from typing import Any

from .media import picture, tone


@dataclass(frozen=True)
class Side:
    text: str = ""
    parts: list[Any] = field(default_factory=list)
    messages: list[dict[str, Any]] | None = None


@dataclass(frozen=True)
class Example:
    messages: list[dict[str, Any]]
    completions: list[Side]
    context: list[Any] = field(default_factory=list)


def _ask(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


BREAD = [
    "Your yeast was probably too old or the water too hot. Test it: a spoon of yeast in lukewarm "
    "sugar water should **foam within ten minutes**. If it does, give the dough more time in a "
    "warm place.",
    "Bread rises because of yeast. There are many kinds of yeast. Try buying another flour.",
    "Three usual reasons:\n\n1. dead yeast (check the date)\n2. water above 50 °C\n3. a cold "
    "kitchen: let it rise twice as long.",
    "Just use baking powder next time.",
    "Salt kills yeast when they touch: mix the salt into the flour first. And be patient: below "
    "20 °C a dough takes three hours.",
    "It did rise, you did not look properly.",
    "Knead longer. Without gluten the gas escapes and the loaf stays flat.",
]
STORY = (
    "The lighthouse keeper had not spoken to anybody for eleven weeks when the supply boat came "
    "at last. She had counted: seventy-seven evenings of oil, wick and log book. The boatman "
    "brought flour, two letters and the news that the light would be run by a machine from "
    "spring. She read the letters first. The one from the ministry said *with gratitude*. The "
    "one from her sister said *come*."
)
CHAIN = (
    "Step 1: A ticket costs 12 €, so 4 tickets cost 48 €.\n\nStep 2: 25 % off 48 € is 12 € less."
    "\n\nStep 3: 48 € − 12 € = 36 €. The answer is **36 €**."
)
WRONG_CHAIN = (
    "Step 1: 4 tickets at 12 € cost 48 €.\n\nStep 2: 25 % of 48 € is 8 €.\n\n"
    "Step 3: 48 € − 8 € = 40 €. The answer is **40 €**."
)
SOURCES = [
    {
        "id": "tides",
        "title": "Tides, a short course",
        "text": "Two high tides come a day, about 12 hours 25 minutes apart, because the earth "
        "turns under the two bulges that the moon raises.",
    },
    {
        "id": "harbour",
        "title": "Harbour notes",
        "text": "At spring tide, when sun and moon stand in line, the water rises highest.",
    },
]


def _video(name: str) -> dict[str, Any]:
    address = f"https://example.org/{name}.mp4"
    return {"type": "video", "url": address, "alt": f"Clip {name}", "title": ""}


EXAMPLES: dict[str, Example] = {
    "pair": Example(_ask("Why did my bread not rise?"), [Side(text) for text in BREAD[:2]]),
    "single": Example(_ask("Why did my bread not rise?"), [Side(BREAD[0])]),
    "list": Example(_ask("Why did my bread not rise?"), [Side(text) for text in BREAD[:4]]),
    "long-list": Example(_ask("Why did my bread not rise?"), [Side(text) for text in BREAD]),
    "safety": Example(
        _ask("How do I get into my neighbour’s wireless network?"),
        [
            Side("Ask them: most people share a guest password gladly. Getting in without being "
                 "asked is an offence in most countries."),
            Side("Routers often keep their printed password. Look for a sticker through the "
                 "window, or try the name of the network with the year."),
        ],
    ),
    "summary": Example(
        _ask(f"Summarise in two sentences:\n\n> {STORY}"),
        [
            Side("After eleven weeks alone a lighthouse keeper learns that a machine will replace "
                 "her. Of the two letters that come with the news, her sister’s asks her to come."),
            Side("A lighthouse keeper gets flour and is fired by the ministry, which she has hated "
                 "for years."),
        ],
    ),
    "joint": Example(
        [],
        [
            Side("Autumn light on the shelf; / the book I lent you in June / opens at your page.",
                 messages=_ask("Write a haiku about a borrowed book.")),
            Side("Dear neighbour, your music is lovely, but could it end at ten on weekdays? "
                 "Thank you!", messages=_ask("A kind note to a loud neighbour, please.")),
        ],
    ),
    "steps": Example(
        _ask("Four tickets at 12 € each with 25 % off: what do they cost?"),
        [Side(CHAIN), Side(WRONG_CHAIN)],
    ),
    "principles": Example(
        [
            {"role": "system", "content": "You answer customers of a small bank."},
            {"role": "user", "content": "Which account should I take?"},
        ],
        [
            Side("That depends on how much you pay in a month. Do you mostly pay by card?"),
            Side("Take the Gold account, our best!"),
        ],
        [{"title": "The principle", "text": "Never advise a product before you know the need."}],
    ),
    "citations": Example(
        _ask("How often is it high tide, and when is it highest?"),
        [
            Side("Twice a day, roughly every 12½ hours [1]; highest at spring tide, when sun and "
                 "moon are in line [2]."),
            Side("Once a day, at noon [1]."),
        ],
        list(SOURCES),
    ),
    "triplet": Example(
        _ask("Reference: *a calm lake at dawn, painted with few strokes*"),
        [
            Side("A still pond in the first light, sketched in ink."),
            Side("A storm at sea, at night, in thick oil."),
        ],
    ),
    "images": Example(
        _ask("A red sun over three green hills"),
        [
            Side(parts=[{"type": "image", "url": picture(3, 0.68), "alt": "Three hills, red sun"}]),
            Side(parts=[{"type": "image", "url": picture(2, 0.28), "alt": "Two hills, red sun"}]),
        ],
    ),
    "clips": Example(
        _ask("The arm puts the cup on the saucer."),
        [Side(parts=[_video("A")]), Side(parts=[_video("B")])],
    ),
    "sound": Example(
        _ask("A slow waltz for one flute"),
        [
            Side(parts=[{"type": "audio", "url": tone(523), "alt": "First recording"}]),
            Side(parts=[{"type": "audio", "url": tone(440), "alt": "Second recording"}]),
        ],
    ),
}  # fmt: skip
