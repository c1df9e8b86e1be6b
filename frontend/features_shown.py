"""How the feature explorer names and draws features: words, bars of a histogram, intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from annotation.tagging.vocabulary import TITLES
from frontend.numbers import local
from routing.features.binning import FLAGS
from routing.features.exploring import Estimate, Explored, FeatureFacts
from routing.features.extractors import ENCODED_FEATURES, TEXT_FEATURES

# Title, and one sentence that says what is measured.
WORDS: dict[str, tuple[str, str]] = {
    "prompt_tokens": (_("Prompt length"), _("Words and numbers of the prompt.")),
    "shorter_tokens": (
        _("Length of the shorter completion"),
        _("Words and numbers of the shortest completion."),
    ),
    "longer_tokens": (
        _("Length of the longer completion"),
        _("Words and numbers of the longest completion."),
    ),
    "token_difference": (
        _("Difference in length"),
        _("How many words more the longest completion has than the shortest."),
    ),
    "rouge1_f": (
        _("Shared words"),
        _("ROUGE-1 F: the share of words that completions have in common, order aside."),
    ),
    "entity_overlap": (
        _("Shared names and numbers"),
        _("Numbers and capitalised words inside sentences: those in common of all there are."),
    ),
    "embedding_cosine": (
        _("Similar meaning"),
        _("Cosine of the completions’ embeddings."),
    ),
    "bertscore_f1": (
        _("Similar word by word"),
        _("BERTScore F1: each token beside the one most like it in the other completion."),
    ),
    "bertscore_f1_length": (
        _("Similar word by word and in length"),
        _("BERTScore F1 times exp(1 − longer / shorter)."),
    ),
    "judge_confidence": (
        _("Confidence of the judge"),
        _("How far its probability is from one half: 0 undecided, 1 certain."),
    ),
    "judge_flip": (
        _("Judge flips"),
        _("Whether it names the other completion when they are shown in the other order."),
    ),
    "judge_gap": (
        _("Gap between the orders"),
        _("How far its probabilities in the two orders are apart."),
    ),
    "panel_disagreement": (
        _("Judges disagree"),
        _("Whether those judges who were asked name different completions."),
    ),
    "panel_spread": (
        _("Spread of the judges"),
        _("Standard deviation of the judges’ probabilities."),
    ),
    "strong_confidence": (
        _("Confidence of the stronger judge"),
        _("The same of the dearest judge that costs more than the chosen one."),
    ),
    "reward_margin": (
        _("Reward margin"),
        _("How far apart the reward models put the completions, the mean over their versions."),
    ),
    "reward_variance": (
        _("Reward models differ"),
        _("Variance of the margin over the versions of the reward model."),
    ),
}
# The picture of a histogram, and of an interval, in units of its own.
WIDTH, HEIGHT, GAP = 264.0, 56.0, 1.5


@dataclass(frozen=True)
class Bar:
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Shown:
    """A feature with its words, its picture, and the ends and the middle of its axis."""

    facts: FeatureFacts
    title: str
    sentence: str
    extractor: str
    flag: bool
    bars: tuple[Bar, ...]
    low: str
    median: str
    high: str
    largest: str
    alike: tuple[tuple[str, str, float], ...]


@dataclass(frozen=True)
class Forest:
    """A row of the overview: a feature and how its ranks go with the disagreement."""

    name: str
    title: str
    estimate: Estimate
    dot: float
    low: float | None
    width: float | None
    clear: bool


def shown(explored: Explored, extractors: dict[str, str]) -> list[tuple[str, list[Shown]]]:
    """The features in groups of one origin, in the order of the table."""
    groups: dict[str, list[Shown]] = {}
    for facts in explored.features:
        if facts.name in TEXT_FEATURES:
            group, extractor = gettext("From the texts"), extractors["text"]
        elif facts.name in ENCODED_FEATURES:
            group, extractor = gettext("From the encoder"), extractors.get("embedding", "")
        else:
            group, extractor = gettext("From judges and reward models"), ""
        groups.setdefault(group, []).append(_shown(facts, extractor))
    return list(groups.items())


def forest(explored: Explored) -> tuple[list[Forest], str]:
    """Features by how strongly they go with the disagreement, and where the axis ends."""
    known = [(each.name, each.association) for each in explored.features if each.association]
    ends = [abs(end) for _, e in known for end in (e.value, e.low, e.high) if end is not None]
    reach = min(1.0, math.ceil(10 * max(ends, default=1)) / 10)
    rows = [_forest(name, found, reach) for name, found in known]
    return sorted(rows, key=lambda row: -abs(row.estimate.value)), local(f"{reach:.1f}")


def title_of(name: str) -> str:
    return gettext(WORDS[name][0]) if name in WORDS else name


def tag_title(name: str) -> str:
    return gettext(TITLES[name]) if name in TITLES else name


def _shown(facts: FeatureFacts, extractor: str) -> Shown:
    sentence = gettext(WORDS[facts.name][1]) if facts.name in WORDS else ""
    alike = tuple((name, title_of(name), rho) for name, rho in facts.alike)
    low, median, high, largest = (
        _figure(each) for each in (facts.low, facts.median, facts.high, facts.largest)
    )
    return Shown(
        facts=facts,
        title=title_of(facts.name),
        sentence=sentence,
        extractor=extractor,
        flag=facts.name in FLAGS,
        bars=histogram(facts.bars),
        low=low,
        median=median,
        high=high,
        largest=largest,
        alike=alike,
    )


def _figure(value: float) -> str:
    """Whole from ten on, as lengths are; two places below, as similarities have."""
    return local(f"{value:.0f}" if value == round(value) or abs(value) >= 10 else f"{value:.2f}")


def _forest(name: str, found: Estimate, reach: float) -> Forest:
    def place(rho: float) -> float:
        # Room for the dot at both ends.
        return round(WIDTH / 2 + (WIDTH / 2 - 6) * rho / reach, 1)

    low, high = found.low, found.high
    clear = low is not None and high is not None and (low > 0 or high < 0)
    start = None if low is None else place(low)
    width = None if start is None or high is None else round(place(high) - start, 1)
    return Forest(name, title_of(name), found, place(found.value), start, width, clear)


def histogram(counts: Sequence[int]) -> tuple[Bar, ...]:
    """Bars side by side; one that holds anything is at least a line high."""
    most = max(counts, default=0)
    if not most:
        return ()
    step = WIDTH / len(counts)
    heights = [max(1.0, count / most * HEIGHT) if count else 0.0 for count in counts]
    return tuple(
        Bar(round(i * step, 2), round(HEIGHT - h, 2), round(step - GAP, 2), round(h, 2))
        for i, h in enumerate(heights)
    )
