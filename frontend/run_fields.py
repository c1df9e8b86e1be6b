"""The fields of the form for a new run: names of options, words, hints and usual values."""

from django.utils.translation import gettext_lazy as _

from frontend.run_field import HEAD_NAMES, NAMES, Field, Group, Words
from frontend.run_row_fields import BANDS, HEAD, HEAD_KIND, ROWS
from training.runs.preparing.options import SIGNALS

__all__ = [
    "BANDS",
    "DRAWER",
    "EPOCHS",
    "HEAD_KIND",
    "HEAD_NAMES",
    "NAMES",
    "SIGNAL_BANDS",
    "Field",
    "Group",
    "Words",
    "fields_of",
]

SIZE = Group(
    _("Small model from random weights"),
    (
        Field(
            "scratch.architecture",
            _("Architecture"),
            _("Used only where the run starts from random weights."),
            "choice",
            "llama",
            ("llama", "qwen2", "qwen3", "gemma"),
        ),
        Field("scratch.hidden_size", _("Width"), _("Numbers per token inside."), "whole", 128),
        Field("scratch.layers", _("Layers"), _("One reads what another wrote."), "whole", 4),
        Field("scratch.heads", _("Attention heads"), _("Must divide the width."), "whole", 4),
        Field(
            "scratch.vocab_size",
            _("Vocabulary"),
            _("Pieces of words, learnt from the data."),
            "whole",
            4096,
        ),
    ),
)
LENGTHS = Group(
    _("Lengths and batches"),
    (
        Field(
            "max_length",
            _("Longest row, tokens"),
            _("Longer completions are cut at the end; the report counts them."),
            "whole",
            512,
        ),
        Field(
            "max_prompt_length",
            _("Longest prompt, tokens"),
            _("Empty: half of the longest row. The beginning of a longer prompt is dropped."),
            "whole",
        ),
        Field(
            "token_budget",
            _("Tokens of a micro-batch"),
            _("Less needs less memory and is slower."),
            "whole",
            2048,
        ),
        Field(
            "accumulate",
            _("Micro-batches of a step"),
            _("Their gradients are added before the weights move."),
            "whole",
            1,
        ),
        Field(
            "processes",
            _("Processes"),
            _("That train together, one per GPU."),
            "whole",
            1,
        ),
        Field(
            "device",
            _("Device"),
            _("auto takes a GPU where the worker has one."),
            "choice",
            "auto",
            ("auto", "cpu", "cuda"),
        ),
        Field(
            "precision",
            _("Precision"),
            _("bfloat16 is faster on GPUs and a little less exact."),
            "choice",
            "fp32",
            ("fp32", "bf16"),
        ),
        Field(
            "layout",
            _("Layout"),
            _("shared encodes a prompt once for all its completions; auto takes it where exact."),
            "choice",
            "auto",
            ("auto", "shared", "plain"),
        ),
        Field(
            "gradient_checkpointing",
            _("Gradient checkpointing"),
            _("Less memory for about a third more time."),
            "flag",
            False,
        ),
    ),
)
LEARNING = Group(
    _("Learning"),
    (
        Field(
            "learning_rate",
            _("Learning rate"),
            _("0.0005 suits a small model from random weights, 0.00001 a large one."),
            "number",
            5e-4,
        ),
        Field(
            "schedule",
            _("Schedule"),
            _("How the learning rate falls from its peak."),
            "choice",
            "cosine",
            ("constant", "linear", "cosine", "wsd"),
        ),
        Field(
            "warmup",
            _("Warm-up"),
            _("Under 1 a share of all steps, else steps, in which the rate rises."),
            "number",
            0.05,
        ),
        Field(
            "decay",
            _("Fall at the end"),
            _("Share of the steps in which a flat schedule falls."),
            "number",
            0.2,
        ),
        Field("weight_decay", _("Weight decay"), _("Pulls weights to zero."), "number", 0),
        Field(
            "max_grad_norm",
            _("Longest gradient"),
            _("A longer one is shortened to this."),
            "number",
            1,
        ),
        Field(
            "steps",
            _("Steps"),
            _("Instead of passes over the data; empty leaves it to them."),
            "whole",
        ),
        Field("seed", _("Seed"), _("The same seed and data give the same curve."), "whole", 0),
        Field(
            "sft_warmup_steps",
            _("Language steps first"),
            _("Next-token steps on preferred completions. Empty: 100 from random weights, else 0."),
            "whole",
            "",
            (),
            "policy",
        ),
        Field(
            "sft_learning_rate",
            _("Their learning rate"),
            _("Empty: the same as above."),
            "number",
            "",
            (),
            "policy",
        ),
        Field(
            "order",
            _("Order of the rows"),
            _("Random, or by how clear their labels are."),
            "choice",
            "random",
            ("random", "easy_first", "hard_first"),
        ),
        Field(
            "condition_on",
            _("Rating to reach"),
            _("An attribute that prompts then name, so that good and bad answers both teach."),
            "text",
            "",
            (),
            "policy",
        ),
        Field(
            "dropout",
            _("Dropout"),
            _("Put over every rate of the model; comparing with a reference needs 0."),
            "number",
            0,
        ),
        Field(
            "freeze_layers",
            _("Frozen layers"),
            _("First layers, with the embeddings, that stay as they are."),
            "whole",
            0,
        ),
    ),
)
LORA = Group(
    _("LoRA"),
    (
        Field(
            "lora.r",
            _("Rank"),
            _("Trains small adapters instead of all weights; empty trains all."),
            "whole",
        ),
        Field("lora.alpha", _("Alpha"), _("Scale of the adapters."), "whole", 16),
        Field("lora.dropout", _("Dropout"), _("Of the adapters' input."), "number", 0),
    ),
)
KEEPING = Group(
    _("Checks, checkpoints and the end"),
    (
        Field(
            "eval_every",
            _("Steps between checks"),
            _("On held-out prompts; 0 checks four times in a run."),
            "whole",
            25,
        ),
        Field(
            "checkpoint_every",
            _("Steps between checkpoints"),
            _("Where a stopped run goes on from."),
            "whole",
            50,
        ),
        Field(
            "early_stop",
            _("Stop early after"),
            _("So many checks without gain; 0 never stops early."),
            "whole",
            0,
        ),
        Field(
            "early_stop_delta",
            _("Least gain"),
            _("A smaller one counts as none."),
            "number",
            0,
        ),
        Field(
            "select",
            _("Judged by"),
            _("Held-out figure that says which weights are best."),
            "choice",
            "accuracy",
            ("accuracy", "loss"),
        ),
        Field(
            "keep",
            _("Weights to keep"),
            _("Those of the best check, or the last."),
            "choice",
            "best",
            ("best", "last"),
        ),
        Field(
            "sample_prompts",
            _("Prompts for samples"),
            _("Continued before and after; 0 writes none."),
            "whole",
            3,
            (),
            "policy",
        ),
        Field("sample_tokens", _("Tokens of a sample"), _("At most."), "whole", 48, (), "policy"),
    ),
)
EPOCHS = Field(
    "epochs",
    _("Passes over the data"),
    _("One is usual; more learn small data by heart."),
    "number",
    1,
)
DRAWER = (LENGTHS, LEARNING, LORA, KEEPING, HEAD, ROWS, SIZE)
SIGNAL_BANDS = ("agreement", *SIGNALS)


def fields_of(kind: str) -> list[Field]:
    """All fields of a form for one kind of run."""
    listed = [EPOCHS, HEAD_KIND, *BANDS]
    listed += [field for group in DRAWER for field in group.fields]
    return [field for field in listed if field.only in ("", kind)]
