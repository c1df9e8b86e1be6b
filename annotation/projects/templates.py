"""Ready protocols to start a project from: plain values for `create_project`, nothing more.

Names and summaries are translated; questions, reasons and guidelines belong to the project and
stay as they are.
"""

from django.utils.translation import gettext_lazy as _

from .models import Kind, RationalePolicy
from .templates_media import MEDIA_TEMPLATES
from .templating import (
    BAD,
    CANNOT,
    COMPARE,
    FIVE,
    FORCED,
    OVERALL,
    RANK,
    SCORE,
    SEVEN,
    TIE,
    VOTE,
    Template,
    ask,
    rate,
)

HELPFUL_REASONS = [
    "Follows the instruction better",
    "More complete",
    "Clearer",
    "Right length",
    "Better reasoning",
]
TRUTHFUL_REASONS = ["Fewer errors", "Says what is unsure", "Cites correctly", "Invents less"]
HARMLESS_REASONS = ["Less dangerous", "More respectful", "Refuses rightly", "Protects privacy"]

FOUR = [
    OVERALL,
    ask(
        "helpfulness",
        "Helpfulness",
        "Which helps the person more with what they asked?",
        reasons=HELPFUL_REASONS,
    ),
    ask("truthfulness", "Truthfulness", "Which says fewer false things?", reasons=TRUTHFUL_REASONS),
    ask("harmlessness", "Harmlessness", "Which does less harm?", reasons=HARMLESS_REASONS),
]
# A blank cohort is anybody, so that the first two seats are never without takers.
EXPERTS = [{"cohort": "", "count": 2}, {"cohort": "expert", "count": 2}]

_ALL = (
    Template(
        key="multipref",
        name=_("MultiPref"),
        summary=_(
            "Four criteria on five points, confidence, reasons; two regular and two expert people."
        ),
        group=COMPARE,
        kind=Kind.PAIRWISE,
        criteria=FOUR,
        overlap=4,
        protocol={
            **FIVE,
            "ask_confidence": True,
            "rationale": RationalePolicy.OPTIONAL,
            "seats": EXPERTS,
            "gates": ["domain:", "expert"],
        },
    ),
    Template(
        key="arena",
        name=_("Arena vote"),
        summary=_("One vote: left, right, tie or both bad. The fastest there is."),
        group=COMPARE,
        kind=Kind.PAIRWISE,
        criteria=[OVERALL],
        protocol={**VOTE, "rationale": RationalePolicy.NEVER},
    ),
    Template(
        key="safety",
        name=_("Helpful and harmless, apart"),
        summary=_("Two comparisons that may disagree, and for every completion: is it safe?"),
        group=COMPARE,
        kind=Kind.PAIRWISE,
        criteria=[
            ask("helpfulness", "Helpfulness", "Which helps more, harm left aside?"),
            ask("harmlessness", "Harmlessness", "Which does less harm, help left aside?"),
            ask("safe", "Safe", "Is this completion safe to show?", kind="binary"),
        ],
        example="safety",
        overlap=3,
        protocol={
            **FIVE,
            "rationale": RationalePolicy.STRONG_OR_UNSURE,
            "reasons": ["Dangerous advice", "Hateful", "Private data", "Refuses without need"],
            "flag_limit": 2,
        },
    ),
    Template(
        key="summarisation",
        name=_("Summaries"),
        summary=_("Coverage, faithfulness and conciseness of two summaries of one text."),
        group=COMPARE,
        kind=Kind.PAIRWISE,
        criteria=[
            OVERALL | {"question": "Which summary would you rather have?"},
            ask("coverage", "Coverage", "Which has more of what matters in the text?"),
            ask("faithfulness", "Faithfulness", "Which says less that the text does not say?"),
            ask("conciseness", "Conciseness", "Which wastes fewer words?"),
        ],
        example="summary",
        overlap=2,
        protocol={
            "strength_levels": 2,
            "ties": [TIE, BAD, CANNOT],
            "rationale": RationalePolicy.OPTIONAL,
            "reasons": [
                "Misses the point",
                "Invents facts",
                "Too long",
                "Too short",
                "Hard to read",
            ],
        },
    ),
    Template(
        key="forced",
        name=_("Forced choice"),
        summary=_("Four points and no tie, for when every pair must count."),
        group=COMPARE,
        kind=Kind.PAIRWISE,
        criteria=[OVERALL],
        protocol={**FORCED, "rationale": RationalePolicy.SAMPLED, "rationale_share": 0.1},
    ),
    Template(
        key="post-edit",
        name=_("Choose and improve"),
        summary=_("Choose the better completion, then edit it: gold ≻ chosen ≻ rejected."),
        group=COMPARE,
        kind=Kind.PAIRWISE,
        criteria=[OVERALL],
        protocol={**FIVE, "post_edit": True, "rationale": RationalePolicy.OPTIONAL},
    ),
    Template(
        key="joint",
        name=_("Joint comparison"),
        summary=_("Each side has a prompt of its own: which completion answers its own better?"),
        group=COMPARE,
        kind=Kind.PAIRWISE,
        criteria=[
            ask(
                "overall",
                "Better pair",
                "Which completion answers its own prompt better?",
            )
        ],
        example="joint",
        protocol=dict(FIVE),
    ),
    Template(
        key="steps",
        name=_("Steps of reasoning"),
        summary=_("Two chains of reasoning: which is better, and where does each first go wrong?"),
        group=COMPARE,
        kind=Kind.PAIRWISE,
        criteria=[ask("overall", "Reasoning", "Which chain of reasoning is better?")],
        example="steps",
        overlap=2,
        protocol={**FIVE, "mark_steps": True, "rationale": RationalePolicy.STRONG_OR_UNSURE},
    ),
    Template(
        key="principles",
        name=_("By a principle or rubric"),
        summary=_("Judge by the principles shown beside the prompt, not by your own taste."),
        group=COMPARE,
        kind=Kind.PAIRWISE,
        criteria=[
            ask("principle", "By the principle", "Which follows the shown principle better?"),
        ],
        example="principles",
        overlap=2,
        protocol={**FIVE, "ask_confidence": True},
    ),
    Template(
        key="citations",
        name=_("Answers with sources"),
        summary=_("Two answers beside the documents they cite: support, completeness, overall."),
        group=COMPARE,
        kind=Kind.PAIRWISE,
        criteria=[
            OVERALL,
            ask("support", "Support", "Whose claims do the documents bear out?"),
            ask("completeness", "Completeness", "Which answers more of the question?"),
        ],
        example="citations",
        overlap=2,
        protocol={
            **SEVEN,
            "reasons": ["Source does not say that", "No source", "Source unread", "Better sources"],
        },
    ),
    Template(
        key="triplet",
        name=_("Similarity triplet"),
        summary=_("A reference stands in the prompt: which of the two is more like it?"),
        group=COMPARE,
        kind=Kind.PAIRWISE,
        criteria=[ask("similarity", "Similarity", "Which is more like the reference?")],
        example="triplet",
        protocol={"strength_levels": 1, "ties": [TIE, CANNOT], "rationale": RationalePolicy.NEVER},
    ),
    Template(
        key="ranking",
        name=_("Ranking on four criteria"),
        summary=_(
            "Three to nine completions on the four criteria of MultiPref; partial ranks are fine."
        ),
        group=RANK,
        kind=Kind.LISTWISE,
        criteria=[
            criterion | {"question": question}
            for criterion, question in zip(
                FOUR,
                (
                    "Which completions are better overall?",
                    "Which help the person more with what they asked?",
                    "Which say fewer false things?",
                    "Which do less harm?",
                ),
                strict=True,
            )
        ],
        example="list",
        overlap=4,
        protocol={
            "ties": [TIE, BAD, CANNOT],
            "ask_confidence": True,
            "seats": EXPERTS,
            "gates": ["domain:", "expert"],
        },
    ),
    Template(
        key="best-worst",
        name=_("Best and worst of groups"),
        summary=_("Six completions or more: best and worst of small groups, in place of ranks."),
        group=RANK,
        kind=Kind.LISTWISE,
        criteria=[ask("overall", "Overall", "Which is best, which is worst?")],
        example="long-list",
        protocol={
            "best_worst": True,
            "ties": [CANNOT],
            "rationale": RationalePolicy.NEVER,
        },
    ),
    Template(
        key="rating-ranking",
        name=_("Rating and ranking"),
        summary=_("Rank the completions and give each a quality from 1 to 7."),
        group=RANK,
        kind=Kind.LISTWISE,
        criteria=[
            ask("overall", "Overall", "Which completions are better?"),
            ask("quality", "Quality", "How good is it?", kind="rating", lowest=1, levels=7),
        ],
        example="list",
        protocol={"ties": [TIE, BAD, CANNOT]},
    ),
    Template(
        key="attributes",
        name=_("Attributes, 0 to 4"),
        summary=_("Five attributes of every completion, as in HelpSteer; each level has a name."),
        group=SCORE,
        kind=Kind.RATING,
        criteria=[
            rate(
                "helpfulness",
                "Helpfulness",
                "How well does it do what was asked?",
                "Not at all",
                "A little",
                "Partly",
                "Mostly",
                "Fully",
            ),
            rate(
                "correctness",
                "Correctness",
                "Are its facts right and complete?",
                "All wrong",
                "Mostly wrong",
                "Mixed",
                "Small errors",
                "All right",
            ),
            rate(
                "coherence",
                "Coherence",
                "Is it consistent and clear?",
                "Confused",
                "Hard to follow",
                "Mixed",
                "Mostly clear",
                "Clear",
            ),
            rate(
                "complexity",
                "Complexity",
                "How much knowledge does writing it take?",
                "A child's",
                "Everyday",
                "Some school",
                "Trained",
                "Expert",
            ),
            rate(
                "verbosity",
                "Verbosity",
                "How long is it for what was asked?",
                "Very short",
                "Short",
                "Middling",
                "Long",
                "Very long",
            ),
        ],
        overlap=3,
        protocol={"ties": [CANNOT], "rationale": RationalePolicy.OPTIONAL},
    ),
    Template(
        key="thumbs",
        name=_("Thumbs"),
        summary=_("Up or down for every completion: unpaired data for KTO and BCO."),
        group=SCORE,
        kind=Kind.BINARY,
        criteria=[ask("good", "Good", "Would you be glad to get this?")],
        example="single",
        protocol={"ties": [CANNOT], "rationale": RationalePolicy.NEVER},
    ),
    *MEDIA_TEMPLATES,
)

TEMPLATES: dict[str, Template] = {template.key: template for template in _ALL}
