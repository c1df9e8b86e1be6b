"""Which prompts a round asks, and which it keeps for measuring."""

from collections.abc import Sequence
from typing import Any

from accounts.models import Project
from annotation.instances.content import text_of
from annotation.instances.models import Instance, InstanceState
from core.exceptions import InvalidInput
from core.hashing import unit_interval

# Their prompts are known answers, or were set aside.
NOT_ASKED = (InstanceState.GOLD, InstanceState.FLAGGED, InstanceState.DROPPED)
MOST_HELD_OUT = 100
Prompts = dict[str, int]


def drawn(project: Project, *, count: int, test_share: float, seed: int) -> tuple[Prompts, Prompts]:
    """Prompt hashes with an instance that has them: those to ask, and those to measure on.

    The prompts to measure on are the same in every round of a project: a round never learns from
    them. Of the others, those that no round has asked yet come first, in an order that depends on
    `seed` and the project only.

    Raises:
        InvalidInput: the project has no prompt to ask, or none is left to measure on.
    """
    rows = Instance.objects.filter(project=project).exclude(state__in=NOT_ASKED).order_by("-pk")
    known = dict(rows.values_list("prompt_hash", "pk"))
    asked = set(rows.filter(metadata__has_key="round").values_list("prompt_hash", flat=True))
    salt = project.protocol.salt
    held_out = {h: pk for h, pk in known.items() if is_held_out(h, salt, test_share)}
    fresh = sorted(
        set(known) - set(held_out), key=lambda h: (h in asked, unit_interval(salt, seed, "ask", h))
    )
    if not fresh or not held_out:
        raise InvalidInput(
            f"The project has {len(known)} prompts, too few to ask some and keep others for "
            "measuring: import instances with other prompts, or change `test_share`."
        )
    measured = sorted(held_out, key=lambda h: unit_interval(salt, "measure", h))
    return (
        {h: known[h] for h in fresh[:count]},
        {h: held_out[h] for h in measured[:MOST_HELD_OUT]},
    )


def is_held_out(prompt_hash: str, salt: str, test_share: float) -> bool:
    """Whether no round asks this prompt."""
    return unit_interval(salt, "online-test", prompt_hash) < test_share


def messages_of(instances: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """The turns of each instance's prompt as plain words."""
    rows = Instance.objects.filter(pk__in=instances).values_list("pk", "messages")
    return {
        pk: [{"role": m["role"], "content": text_of(m["content"])} for m in messages]
        for pk, messages in rows
    }
