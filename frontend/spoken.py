"""An annotation in words, in the letters its annotator saw. Pure but for the row it reads."""

from itertools import groupby

from django.utils.translation import gettext as _

from annotation.labels.models import Annotation
from annotation.labels.selectors import letter_of
from frontend.naming import named


def letters(annotation: Annotation, count: int, *, canonical: bool) -> list[str]:
    """The letter of every canonical position; numbers where they are asked for or all there is."""
    order = annotation.shown_order
    if canonical or not order:
        return [str(position + 1) for position in range(count)]
    return [letter_of(order.index(position)) for position in range(count)]


def spoken(annotation: Annotation, *, canonical: bool = False) -> str:
    """`A is clearly better`, `B > A = C, D unranked`, `A 3, B –`, or the kind of tie.

    With `canonical` completions go by number instead of the letters their annotator saw.
    """
    if annotation.tie_kind:
        return named(annotation.get_tie_kind_display())
    count = len(annotation.scores or annotation.ranking)
    names = letters(annotation, count, canonical=canonical)
    if annotation.scores:
        given = zip(names, annotation.scores, strict=True)
        return ", ".join(f"{name} {'–' if score is None else score}" for name, score in given)
    if len(annotation.ranking) == 2:
        return _pair(annotation, names)
    return _order(annotation, names)


def _pair(annotation: Annotation, names: list[str]) -> str:
    name = names[annotation.ranking.index(1)]
    if annotation.strength is None:
        return _("%(name)s is better") % {"name": name}
    if annotation.strength > 0.5:
        return _("%(name)s is clearly better") % {"name": name}
    return _("%(name)s is slightly better") % {"name": name}


def _order(annotation: Annotation, names: list[str]) -> str:
    left_out, last = set(annotation.unranked), max(annotation.ranking, default=0)
    placed = sorted((rank, names[place]) for place, rank in enumerate(annotation.ranking))
    bottom = {names[place] for place in left_out if annotation.ranking[place] == last}
    ranked = [(rank, name) for rank, name in placed if name not in bottom]
    groups = [
        " = ".join(name for _rank, name in group)
        for _rank, group in groupby(ranked, key=lambda each: each[0])
    ]
    text = " > ".join(groups)
    if not bottom:
        return text
    return _("%(order)s, %(names)s unranked") % {"order": text, "names": ", ".join(sorted(bottom))}
