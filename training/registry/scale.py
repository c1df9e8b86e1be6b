"""The scale of rewards: a retrained model starts from another zero and another unit."""

from collections.abc import Sequence

import numpy as np

from training.fit.figures.metrics import Outcome

from .models import ModelVersion


def recentred(version: ModelVersion, rewards: Sequence[float]) -> list[float]:
    """Rewards of a version on the scale that all versions of its project share.

    (reward - offset) * factor: on the probe their mean is 0 and their spread is that of the
    version that was in production, whose differences keep their meaning as log-odds. Rewards of
    a version that was never measured on a probe come back as they are.
    """
    offset, factor = offset_and_factor(version)
    return [(reward - offset) * factor for reward in rewards]


def offset_and_factor(version: ModelVersion) -> tuple[float, float]:
    """What `recentred` takes away and multiplies with."""
    return float(version.scale.get("offset", 0.0)), float(version.scale.get("factor", 1.0))


def scale_on(
    outcomes: Sequence[Outcome], other: tuple[ModelVersion, Sequence[Outcome]] | None
) -> dict[str, float]:
    """Offset and factor of a version from its rewards on the probe.

    Args:
        other: the version in production with its rewards there; its recentred spread is taken
            over. Without one, the rewards keep their own.
    """
    rewards = np.asarray([score for outcome in outcomes for score in outcome.scores])
    spread = float(rewards.std())
    wanted = spread
    if other is not None:
        version, said = other
        theirs = np.asarray([score for outcome in said for score in outcome.scores])
        wanted = float(theirs.std()) * offset_and_factor(version)[1]
    usable = spread > 0 and wanted > 0
    return {"offset": float(rewards.mean()), "factor": wanted / spread if usable else 1.0}
