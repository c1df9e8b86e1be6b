"""Text features of instances, computed once per extractor version and kept."""

from collections.abc import Mapping, Sequence

from .models import FeatureVector
from .text import EXTRACTOR, FEATURES, extract


def text_features(
    texts: Mapping[int, tuple[str, Sequence[str]]],
) -> dict[int, dict[str, float]]:
    """The `FEATURES` of each instance: stored ones are read, the others computed and stored.

    Args:
        texts: prompt and completions by instance id.
    """
    stored = FeatureVector.objects.filter(instance__in=texts, extractor=EXTRACTOR)
    values = dict(stored.values_list("instance_id", "values"))
    fresh = {}
    for key, (prompt, completions) in texts.items():
        if key not in values:
            found = extract(prompt, completions)
            fresh[key] = [found[name] for name in FEATURES]
    FeatureVector.objects.bulk_create(
        (
            FeatureVector(instance_id=key, extractor=EXTRACTOR, values=row)
            for key, row in fresh.items()
        ),
        batch_size=1000,
        ignore_conflicts=True,
    )
    return {key: dict(zip(FEATURES, row, strict=True)) for key, row in (values | fresh).items()}
