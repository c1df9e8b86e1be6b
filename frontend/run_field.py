"""What a field of the form for a new run is, and the words of its choices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Words = str | Promise
FieldKind = Literal["whole", "number", "choice", "flag", "names", "text"]


@dataclass(frozen=True)
class Field:
    """One option. A dot in the name is an object inside: `lora.r` is {"lora": {"r": …}}.

    `usual` is what the form shows before anything was entered; a field left empty leaves the
    choice to the trainer. `only` is the kind of run that has the field.
    """

    name: str
    label: Words
    hint: Words
    kind: FieldKind = "number"
    usual: Any = ""
    choices: Sequence[str] = ()
    only: str = ""


@dataclass(frozen=True)
class Group:
    """Fields under one heading of the expert drawer."""

    title: Words
    fields: tuple[Field, ...]


# Words of choices that do not speak for themselves.
NAMES: dict[str, Words] = {
    "wsd": _("flat, then a fall (wsd)"),
    "easy_first": _("clear labels first"),
    "hard_first": _("unclear labels first"),
    "consensus": _("one per instance, their consensus"),
    "annotators": _("one per label, with its annotator"),
    "none": _("none"),
    "propensity": _("inverse of the chance to be labelled"),
    "agreement": _("agreement of the labels"),
    "estimated": _("estimated from repeated labels"),
    "fp32": _("float32"),
    "bf16": _("bfloat16"),
    "scalar": _("one number"),
    "ensemble": _("ensemble, with its variance"),
    "attributes": _("one number per attribute"),
    "ideal_point": _("ideal points of annotators"),
    "mixture": _("mixture of tastes"),
    "preference": _("general preference, may be cyclic"),
    "distribution": _("mean and variance"),
    "length": _("quality apart from length"),
}
HEAD_NAMES = NAMES | {"annotators": _("one per annotator")}
