"""A snapshot's query: checked, and written one way only, so that equal queries hash the same."""

from collections.abc import Mapping
from typing import Any

from accounts.models import Project
from annotation.consensus.models import Scope
from annotation.projects.models import Criterion
from annotation.queue.models import Arm, Destination
from core.exceptions import InvalidInput

from . import narrowing
from .files import LABEL_FILES
from .filters import strangers
from .splits import TRAIN

# In place of a criterion: the labels on all of them, and no rows for training.
EVERY = "*"
KEYS = (
    "criterion",
    "scope",
    "instances",
    "splits",
    "exclude_ties",
    "include_excluded",
    "pairs_from_ratings",
    "band",
    *narrowing.KEYS,
)
# What a band of pairs from ratings may say: the largest difference of the two mean scores, the
# least mean score of the better one, and the least variance over the instance's completions.
BAND = ("at_most", "least_score", "least_variance")
OBJECTS = ("instances", "splits", "band")
FILTERS: dict[str, tuple[str, ...] | None] = {
    "arms": tuple(Arm.values),
    "destinations": tuple(Destination.values),
    "external_ids": None,
}


def normalise(query: Mapping[str, Any], *, default_criterion: str) -> dict[str, Any]:
    """The query with every key present and its lists sorted.

    Raises:
        InvalidInput: an unknown key or value; says which are known.
    """
    _known("key", query, KEYS)
    for name, value in query.items():
        if name in OBJECTS and value is not None and not isinstance(value, Mapping):
            raise InvalidInput(f"`{name}` must be an object.")
    scope = query.get("scope", Scope.MIXED)
    _known("scope", [scope], Scope.values)
    gap = _gap(query.get("pairs_from_ratings"))
    checked: dict[str, Any] = {
        "criterion": str(query.get("criterion", default_criterion)),
        "scope": str(scope),
        "instances": _filters(query.get("instances") or {}),
        "splits": _splits(query.get("splits") or {}),
        "exclude_ties": bool(query.get("exclude_ties", False)),
        "include_excluded": bool(query.get("include_excluded", False)),
        "pairs_from_ratings": gap,
    }
    # Named only where they are asked for: queries of before keep their hash.
    band = _band(query.get("band") or {}, gap)
    checked |= ({"band": band} if band else {}) | narrowing.checked(query)
    if checked["criterion"] == EVERY:
        _every(checked)
    return checked


def _every(query: Mapping[str, Any]) -> None:
    """Without a criterion there is no consensus to choose by."""
    for name in (*narrowing.OF_CONSENSUS, "band"):
        if name in query:
            raise InvalidInput(f"`{name}` needs one criterion: name it in place of {EVERY}.")
    if query["pairs_from_ratings"] is not None:
        raise InvalidInput(f"Pairs from ratings need one criterion: name it in place of {EVERY}.")


def _gap(value: Any) -> float | None:
    """The least difference of mean scores that makes a pair; None makes none."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 10:
        raise InvalidInput("Pairs from ratings need the least difference: above 0, at most 10.")
    return float(value)


def _band(given: Mapping[str, Any], gap: float | None) -> dict[str, float]:
    _known("part of the band", given, BAND)
    if given and gap is None:
        raise InvalidInput("A band is one of pairs from ratings: give pairs_from_ratings too.")
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
            raise InvalidInput(f"The band's {name} is a number from 0 to 100.")
    if gap is not None and given.get("at_most", gap) < gap:
        raise InvalidInput("The largest difference of a band is below its least difference.")
    return {name: float(given[name]) for name in BAND if name in given}


def _filters(filters: Mapping[str, Any]) -> dict[str, list[str]]:
    _known("instance filter", filters, FILTERS)
    for name, values in filters.items():
        if not isinstance(values, (list, tuple, set)):
            raise InvalidInput(f"`{name}` is a list.")
        if (known := FILTERS[name]) is not None:
            _known(name, values, known)
    return {name: sorted({str(value) for value in values}) for name, values in filters.items()}


def _splits(splits: Mapping[str, Any]) -> dict[str, Any]:
    if "assigned" in splits:
        _known("key beside assigned", [key for key in splits if key != "assigned"], [])
        if not isinstance(splits["assigned"], Mapping):
            raise InvalidInput("`assigned` is an object: the split by prompt hash.")
        assigned = {str(prompt): str(name) for prompt, name in splits["assigned"].items()}
        _check_names(set(assigned.values()))
        return {"assigned": assigned}
    _check_names(set(splits))
    for name, share in splits.items():
        if isinstance(share, bool) or not isinstance(share, (int, float)):
            raise InvalidInput(f"The share of the split {name} must be a number.")
    return {name: float(share) for name, share in splits.items()}


def _check_names(names: set[str]) -> None:
    for name in names:
        if not (name.isidentifier() and name.isascii() and len(name) <= 40):
            raise InvalidInput(f"{name!r} cannot name a split: use letters, digits and _.")
        if name in LABEL_FILES:
            raise InvalidInput(f"A split cannot be named {name}: that file holds the labels.")


def _known(what: str, values: Any, known: Any) -> None:
    unknown = sorted(str(value) for value in values if value not in known)
    if unknown:
        raise InvalidInput(
            f"Unknown {what} {unknown[0]!r} in the query: use {', '.join(known) or 'none'}."
        )


def checked_for(project: Project, query: Mapping[str, Any]) -> dict[str, Any]:
    """The normal form of a query on a project's data.

    Raises:
        InvalidInput: the query is wrong, or names a criterion or an annotator that the project
            has not.
    """
    keys = list(Criterion.objects.filter(project=project).values_list("key", flat=True))
    checked = normalise(query, default_criterion=keys[0] if keys else "overall")
    if checked["criterion"] not in (*keys, EVERY):
        raise InvalidInput(
            f"The project has no criterion {checked['criterion']!r}: use {', '.join(keys)}."
        )
    unknown = strangers(project, checked)
    if unknown:
        raise InvalidInput(
            f"The project has no annotator {unknown[0]!r}: use their pseudonyms, or the names that "
            "judges and imported files have."
        )
    return checked


def split_names(splits: Mapping[str, Any]) -> list[str]:
    """The splits a normalised query asks for; `train` is always one."""
    names = splits["assigned"].values() if "assigned" in splits else splits
    return sorted({TRAIN, *names})
