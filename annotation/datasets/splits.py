"""Splits by prompt: a prompt never crosses from one split to another. Pure."""

from collections.abc import Iterable, Mapping

from core.exceptions import InvalidInput
from core.hashing import unit_interval

TRAIN = "train"


def split_prompts(
    prompt_hashes: Iterable[str],
    *,
    salt: str,
    shares: Mapping[str, float],
    minimum: int = 2,
) -> dict[str, str]:
    """The split of every prompt.

    Prompts are ordered by salted hash; each split named in `shares` takes the next round(share·n)
    of them, at least `minimum`, and `train` the rest.

    Args:
        shares: share of the prompts per split, in (0, 1); `train` need not be named.

    Raises:
        InvalidInput: a share is out of range, or the prompts are too few; says how many there are.
    """
    prompts = sorted(set(prompt_hashes), key=lambda p: (unit_interval(salt, "split", p), p))
    counted = sizes(len(prompts), shares, minimum=minimum)
    train = counted.pop(TRAIN)
    names = [name for name, size in counted.items() for _ in range(size)] + [TRAIN] * train
    return dict(zip(prompts, names, strict=True))


def sizes(prompts: int, shares: Mapping[str, float], *, minimum: int = 2) -> dict[str, int]:
    """How many of so many prompts each split gets, `train` last.

    Raises:
        InvalidInput: as `split_prompts`.
    """
    named = {name: share for name, share in shares.items() if name != TRAIN}
    if any(not 0 < share < 1 for share in shares.values()) or sum(named.values()) >= 1:
        raise InvalidInput("Each split needs a share between 0 and 1, and train must keep some.")
    found = {name: max(minimum, round(share * prompts)) for name, share in named.items()}
    needed = sum(found.values()) + minimum
    if prompts < needed:
        raise InvalidInput(
            f"There are {prompts} prompts; splits into {', '.join([*named, TRAIN])} need "
            f"{needed}: add instances with other prompts, or ask for fewer splits."
        )
    return found | {TRAIN: prompts - sum(found.values())}
