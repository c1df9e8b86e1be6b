"""What may be chosen of an export: checked, and written one way only. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from core.exceptions import InvalidInput

SHARD_ROWS = 500_000
LEAST_COHORT = 5
# How annotators are named: anew in every export, as in the project, or by numbers.
SALTED, STORED, NUMBERED = "salted", "project", "numbered"


@dataclass(frozen=True)
class Options:
    """Absent options have these values; `anonymised` changes some of them, as `read` says."""

    rationale: bool = True
    provenance: bool = True
    annotators: str = SALTED
    anonymised: bool = False
    # E-mail addresses, telephone numbers and handles in texts become [e-mail], [phone], [handle].
    mask: bool = False
    # Keys of the metadata that go out; None: all of them.
    metadata: tuple[str, ...] | None = None
    # A cohort or group of fewer annotators is not named. 0: all are.
    least_cohort: int = 0
    shard_rows: int = SHARD_ROWS
    # The pictures, sounds and films that parts name go along, as media.zip.
    media: bool = False

    @classmethod
    def read(cls, given: Mapping[str, Any] | None) -> Self:
        """The options of a request.

        An anonymised release has numbered annotators, no rationales and no metadata unless they
        are asked for, no cohort below five annotators, and days in the place of times.

        Raises:
            InvalidInput: an option is unknown or has another type; says which are known.
        """
        given = dict(given or {})
        known = [each.name for each in fields(cls)]
        for name, value in given.items():
            _check(name, value, known)
        if given.get("metadata") is not None:
            given["metadata"] = tuple(sorted(set(given["metadata"])))
        if given.get("anonymised"):
            if given.get("annotators", NUMBERED) != NUMBERED:
                raise InvalidInput("An anonymised release numbers its annotators.")
            given = {
                "rationale": False,
                "metadata": (),
                "least_cohort": LEAST_COHORT,
                "annotators": NUMBERED,
            } | {name: value for name, value in given.items() if value is not None}
        return cls(**given)

    def as_dict(self) -> dict[str, Any]:
        """Every option by name, as JSON."""
        values = asdict(self)
        chosen = values["metadata"]
        return values | {"metadata": None if chosen is None else list(chosen)}


def _check(name: str, value: Any, known: list[str]) -> None:
    if name not in known:
        raise InvalidInput(f"Unknown option {name!r} of an export: use {', '.join(known)}.")
    if name in {"rationale", "provenance", "anonymised", "mask", "media"}:
        good = isinstance(value, bool)
    elif name == "annotators":
        good = value in {SALTED, STORED, NUMBERED}
    elif name == "metadata":
        good = value is None or (
            isinstance(value, (list, tuple)) and all(isinstance(key, str) for key in value)
        )
    else:
        most = 1000 if name == "least_cohort" else 100_000_000
        least = 0 if name == "least_cohort" else 1
        good = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    if not good:
        raise InvalidInput(f"The option {name} cannot be {value!r}.")
