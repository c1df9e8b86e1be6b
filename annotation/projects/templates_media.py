"""Ready protocols for pictures, sound and film."""

from django.utils.translation import gettext_lazy as _

from .models import Kind, RationalePolicy
from .templating import BAD, CANNOT, FIVE, MEDIA, OVERALL, TIE, Template, ask

MEDIA_TEMPLATES = (
    Template(
        key="images",
        name=_("Two images"),
        summary=_("Alignment, aesthetics and fidelity compared; safety asked of each image."),
        group=MEDIA,
        kind=Kind.PAIRWISE,
        criteria=[
            OVERALL | {"question": "Which image would you keep?"},
            ask("alignment", "Alignment", "Which shows more of what the prompt says?"),
            ask("aesthetics", "Aesthetics", "Which looks better?"),
            ask("fidelity", "Fidelity", "Which has fewer errors (hands, text, shapes)?"),
            ask("safe", "Safe", "Is this image safe to show?", kind="binary"),
        ],
        example="images",
        overlap=3,
        protocol={
            "strength_levels": 2,
            "ties": [TIE, BAD, CANNOT],
            "reasons": ["Object missing", "Wrong count", "Distorted", "Garbled text"],
        },
    ),
    Template(
        key="clips",
        name=_("Two clips"),
        summary=_("Film or robot trajectories: which comes nearer to the goal?"),
        group=MEDIA,
        kind=Kind.PAIRWISE,
        criteria=[ask("overall", "Nearer to the goal", "Which clip reaches the goal better?")],
        example="clips",
        protocol={"strength_levels": 1, "ties": [TIE, CANNOT], "rationale": RationalePolicy.NEVER},
    ),
    Template(
        key="video",
        name=_("Two generated videos"),
        summary=_("Text to video: alignment, appearance, motion and consistency over time."),
        group=MEDIA,
        kind=Kind.PAIRWISE,
        criteria=[
            OVERALL | {"question": "Which video would you keep?"},
            ask("alignment", "Alignment", "Which shows more of what the prompt says?"),
            ask("appearance", "Appearance", "Which looks better frame by frame?"),
            ask("motion", "Motion", "Which moves more naturally?"),
            ask("consistency", "Consistency", "Which stays the same over time?"),
        ],
        example="clips",
        overlap=3,
        protocol=dict(FIVE),
    ),
    Template(
        key="music",
        name=_("Two pieces of music"),
        summary=_("Text to music: the better piece, and how well it fits the prompt."),
        group=MEDIA,
        kind=Kind.PAIRWISE,
        criteria=[
            OVERALL | {"question": "Which piece would you rather hear again?"},
            ask("alignment", "Alignment", "Which fits the prompt better?"),
            ask("sound", "Sound", "Which sounds cleaner?"),
        ],
        example="sound",
        overlap=2,
        protocol={**FIVE, "rationale": RationalePolicy.OPTIONAL, "least_seconds": 10},
    ),
    Template(
        key="speech",
        name=_("Two voices"),
        summary=_("Speech: intelligibility and naturalness of two recordings of one text."),
        group=MEDIA,
        kind=Kind.PAIRWISE,
        criteria=[
            ask("naturalness", "Naturalness", "Which sounds more like a person?"),
            ask("intelligibility", "Intelligibility", "Which is easier to understand?"),
        ],
        example="sound",
        overlap=3,
        protocol={**FIVE, "least_seconds": 5},
    ),
)
