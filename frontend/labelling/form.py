"""All that the form of one slot shows: what is said of each completion stands in its card, what is
said of the instance in the dock below.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from django.utils.translation import gettext as _

from annotation.instances.content import text_of
from annotation.labels.selectors import LabelView, ShownCompletion
from annotation.projects.models import Criterion, Kind, Protocol, RationalePolicy, TieKind
from core.content.steps import split_steps

from .scales import Option, beside, pair_scale
from .values import NONE, Values, first, values_of

# So many ranks fit a card as buttons; beyond them there is a menu.
MOST_BUTTONS = 10
SURE = (("1", "unsure"), ("3", "fairly sure"), ("5", "certain"))
SCORED = frozenset({Kind.RATING, Kind.BINARY})


@dataclass(frozen=True)
class Group:
    """A group of best–worst scaling: a radio of each completion, for the best and for the worst."""

    number: int
    places: list[int]
    best: list[Option]
    worst: list[Option]


@dataclass(frozen=True)
class CriterionForm:
    """One question in the dock. `kind` is that of the protocol, or `groups` for best–worst."""

    criterion: Criterion
    kind: str
    scale: list[Option]
    beside: list[Option]
    groups: list[Group]
    reasons: list[tuple[str, bool]]
    sure: list[Option]
    rationale: str


@dataclass(frozen=True)
class Cell:
    """What one criterion asks of one completion: a radio group, or a menu where it is long."""

    criterion: Criterion
    kind: str
    name: str
    options: list[Option]
    as_menu: bool = False


@dataclass(frozen=True)
class Step:
    text: str
    checked: bool


@dataclass(frozen=True)
class Card:
    """A completion with what is asked of it alone."""

    place: int
    completion: ShownCompletion
    side: str
    ranks: list[Cell]
    scores: list[Cell]
    steps: list[Step]
    no_wrong_step: bool
    edit: str
    edited: bool


@dataclass(frozen=True)
class SlotForm:
    """All that the form of one slot needs."""

    view: LabelView
    order: str
    client_id: uuid.UUID
    criteria: list[CriterionForm]
    cards: list[Card]
    ask_rationale: bool
    # Why a reason is due whatever the answer: `always`, `drawn`, or nothing.
    due: str
    # Every completion has a prompt of its own.
    joint: bool
    problem: str = ""

    @property
    def gist(self) -> str:
        """The last turn of the prompt, for the closed prompt."""
        messages = self.view.messages
        return text_of(messages[-1]["content"])[:160] if messages else ""

    @property
    def layout(self) -> str:
        """How the cards stand: two beside each other, or a grid."""
        return {1: "single", 2: "pair"}.get(len(self.cards), "grid")


def slot_form(view: LabelView, values: Values | None = None, problem: str = "") -> SlotForm:
    """The form of a slot, filled with its draft, or with what was just sent and refused."""
    values = values_of(view) if values is None else values
    policy = view.protocol.rationale
    due = "always" if policy == RationalePolicy.ALWAYS else "drawn" if view.rationale_drawn else ""
    return SlotForm(
        view=view,
        order=",".join(str(completion.position) for completion in view.completions),
        client_id=uuid.uuid4(),
        criteria=[_criterion_form(each, view, values) for each in view.criteria],
        cards=[_card(place, each, view, values) for place, each in enumerate(view.completions)],
        ask_rationale=policy != RationalePolicy.NEVER,
        due=due,
        joint=all(completion.messages for completion in view.completions),
        problem=problem,
    )


def _kind(criterion: Criterion, view: LabelView) -> str:
    kind = criterion.asks(view.protocol)
    return "groups" if kind == Kind.LISTWISE and view.groups else str(kind)


def _criterion_form(criterion: Criterion, view: LabelView, values: Values) -> CriterionForm:
    key, protocol, kind = criterion.key, view.protocol, _kind(criterion, view)
    value = first(values, f"answer-{key}")
    chosen = set(values.get(f"reasons-{key}", ()))
    sure = first(values, f"confidence-{key}")
    return CriterionForm(
        criterion=criterion,
        kind=kind,
        scale=pair_scale(protocol, value) if kind == Kind.PAIRWISE else [],
        beside=beside(protocol, kind, value),
        groups=list(_groups(key, view, values)) if kind == "groups" else [],
        reasons=[(reason, reason in chosen) for reason in criterion.reasons or protocol.reasons],
        sure=_sure(sure) if protocol.ask_confidence else [],
        rationale=first(values, f"rationale-{key}"),
    )


def _sure(value: str) -> list[Option]:
    names = {"unsure": _("unsure"), "fairly sure": _("fairly sure"), "certain": _("certain")}
    return [Option(level, names[name], checked=level == value) for level, name in SURE]


def _groups(key: str, view: LabelView, values: Values) -> Iterator[Group]:
    order = [completion.position for completion in view.completions]
    for number, group in enumerate(view.groups):
        places = sorted(order.index(position) for position in group)
        best, worst = (first(values, f"{end}-{key}-{number}") for end in ("best", "worst"))
        option = partial(_letter_option, view)
        yield Group(
            number,
            places,
            [option(place, best) for place in places],
            [option(place, worst) for place in places],
        )


def _letter_option(view: LabelView, place: int, value: str) -> Option:
    return Option(str(place), view.completions[place].letter, checked=str(place) == value)


def _card(place: int, completion: ShownCompletion, view: LabelView, values: Values) -> Card:
    kinds = [(criterion, _kind(criterion, view)) for criterion in view.criteria]
    step, edit = first(values, f"step-{place}"), first(values, f"edit-{place}")
    steps = split_steps(completion.text) if view.protocol.mark_steps else []
    return Card(
        place=place,
        completion=completion,
        side=("a", "b")[place] if len(view.completions) == 2 else "",
        ranks=[_rank(each, place, view, values) for each, kind in kinds if kind == Kind.LISTWISE],
        scores=[_score(each, place, view, values) for each, kind in kinds if kind in SCORED],
        steps=[Step(text, str(number) == step) for number, text in enumerate(steps)],
        no_wrong_step=step == NONE,
        edit=edit or completion.text,
        edited=bool(edit),
    )


def _rank(criterion: Criterion, place: int, view: LabelView, values: Values) -> Cell:
    name, count = f"rank-{criterion.key}-{place}", len(view.completions)
    value = first(values, name)
    ranks = [
        Option(str(rank), str(rank), checked=str(rank) == value) for rank in range(1, count + 1)
    ]
    options = [*ranks, Option("", "–", checked=not value, title=_("unranked"))]
    return Cell(criterion, Kind.LISTWISE, name, options, as_menu=count + 1 > MOST_BUTTONS)


def _score(criterion: Criterion, place: int, view: LabelView, values: Values) -> Cell:
    kind = criterion.asks(view.protocol)
    name = f"score-{criterion.key}-{place}"
    value = first(values, name)
    levels = list(criterion.values(kind))
    texts = _thumbs(criterion) if kind == Kind.BINARY else [str(level) for level in levels]
    options = [
        Option(str(level), text, checked=str(level) == value, title=label, side=side)
        for level, text, label, side in zip(
            levels, texts, _labels(criterion, levels, kind), _sides(kind, levels), strict=True
        )
    ]
    if kind == Kind.BINARY:
        options.reverse()
    if TieKind.CANNOT_JUDGE in view.protocol.ties:
        unknown = Option(NONE, "–", checked=value == NONE, title=_("cannot judge this one"))
        options.append(unknown)
    return Cell(criterion, kind, name, options)


def _thumbs(criterion: Criterion) -> list[str]:
    return list(criterion.labels) if len(criterion.labels) == 2 else [_("no"), _("yes")]


def _labels(criterion: Criterion, levels: list[int], kind: Kind) -> list[str]:
    """The name of each level, for the eye that rests on it and for screen readers."""
    if kind != Kind.BINARY and len(criterion.labels) == len(levels):
        return list(criterion.labels)
    return [""] * len(levels)


def _sides(kind: Kind, levels: list[int]) -> list[str]:
    return ["no", "yes"] if kind == Kind.BINARY else [""] * len(levels)


def strongest(protocol: Protocol) -> int:
    """The strength that counts as strong; 0 where strength has one level only."""
    return protocol.strength_levels if protocol.strength_levels > 1 else 0
