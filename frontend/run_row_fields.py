"""The fields about reward heads and about the rows of a run."""

from django.utils.translation import gettext_lazy as _

from frontend.run_field import Field, Group
from training.fit.heads.settings import SIZES
from training.runs.preparing.options import MODES, NOISE, UNKNOWN, WEIGHTS

HEAD = Group(
    _("Head of the reward model"),
    (
        Field(
            "head.size",
            _("Size"),
            _("Members, features or dimensions; 0 takes the usual number of the head."),
            "whole",
            0,
            (),
            "reward",
        ),
        Field(
            "head.attributes",
            _("Attributes"),
            _("Names with commas; empty takes all that are rated."),
            "names",
            "",
            (),
            "reward",
        ),
        Field(
            "head.gate",
            _("Gate"),
            _("Mixes attributes or members by the prompt, or always alike."),
            "choice",
            "prompt",
            ("prompt", "constant"),
            "reward",
        ),
        Field(
            "head.weights",
            _("Weights of annotators"),
            _("Any numbers, or shares that sum to 1."),
            "choice",
            "free",
            ("free", "simplex"),
            "reward",
        ),
        Field(
            "head.prototypes",
            _("Ideal points"),
            _("That annotators mix."),
            "whole",
            4,
            (),
            "reward",
        ),
        Field(
            "head.learn_ties",
            _("Learn the width of ties"),
            _("For losses that know ties."),
            "flag",
            False,
            (),
            "reward",
        ),
        Field(
            "head.adapt",
            _("Train annotators alone"),
            _("Newcomers from few labels; everything else stays as the base has it."),
            "flag",
            False,
            (),
            "reward",
        ),
        Field(
            "head.prior",
            _("Pull to the shared taste"),
            _("As a number of labels; for heads of annotators."),
            "number",
            1,
            (),
            "reward",
        ),
    ),
)
HEAD_KIND = Field(
    "head.kind",
    _("Head"),
    _("What the reward model says of a completion."),
    "choice",
    "scalar",
    tuple(SIZES),
    "reward",
)
BANDS = tuple(
    Field(f"filters.{name}.{end}", label, hint)
    for name, words, why in (
        ("agreement", _("Agreement"), _("Of the labels behind a row, from 0.5 to 1.")),
        ("difficulty", _("Difficulty"), _("Log-ratio gap of the reference, from write-back.")),
        ("reward_margin", _("Reward margin"), _("Of a reward model, from write-back.")),
        ("reward_variance", _("Reward variance"), _("Of an ensemble, from write-back.")),
        ("label_trust", _("Trust in the label"), _("From write-back, from 0 to 1.")),
    )
    for end, label, hint in (("low", words, why), ("high", words, why))
)
ROWS = Group(
    _("Rows and filters"),
    (
        Field("data_mode", _("Rows"), _("What one row stands for."), "choice", MODES[0], MODES),
        Field("weight_by", _("Weights"), _("What a row counts by."), "choice", WEIGHTS[0], WEIGHTS),
        Field("weight_cap", _("Largest weight"), _("Larger ones are cut to it."), "number", 10),
        Field(
            "noise",
            _("Noise of sources"),
            _("Flip rates by label source, for losses that correct them."),
            "choice",
            NOISE[0],
            NOISE,
        ),
        Field(
            "filters.hardest",
            _("Drop the hardest"),
            _("Share from 0 to 0.95 of the rows with a known difficulty."),
            "number",
        ),
        Field(
            "filters.sources",
            _("Sources"),
            _("Names with commas; empty keeps labels of all."),
            "names",
        ),
        Field("filters.tags", _("With a tag of"), _("name:value with commas."), "names"),
        Field("filters.without", _("Without the tags"), _("name:value with commas."), "names"),
        Field(
            "filters.unknown",
            _("Rows without the signal"),
            _("Of a filter that is set."),
            "choice",
            UNKNOWN[0],
            UNKNOWN,
        ),
    ),
)
