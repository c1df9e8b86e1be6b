"""What takes a side in a project's instances, read from what is stored."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from django.db.models.functions import Length

from annotation.instances.models import Completion

from .evidence import directed
from .habits import Habits
from .models import Embedding
from .rows import Rows, among
from .table import Floats

Singles = npt.NDArray[np.float32]
Names = list[tuple[str, str]]


def sided(
    rows: Rows,
    prompts: Sequence[str],
    stored: Mapping[str, Floats],
    others: Mapping[str, Floats],
    habits: Habits,
) -> dict[str, Floats]:
    """The columns of `evidence.directed`, each (n,). Two queries for every 10,000 instances.

    `stored` are the text features, `others` P(first preferred) of the other judges by name.
    Embeddings are read and left again a chunk at a time.
    """
    generators, longer = completions_of(rows)
    tokens = np.log1p(stored["longer_tokens"]) - np.log1p(stored["shorter_tokens"])
    found = directed(prompts, habits, others=others, longer=tokens * longer, generators=generators)
    return found | (_by_text(rows, prompts, habits) if habits.by_text else {})


def completions_of(rows: Rows) -> tuple[Names, Floats]:
    """The generators of the first two completions, and (n,) 1 where the first has more characters,
    −1 where the second has. What stands beside a text is not counted."""
    generators, length = np.full((len(rows), 2), "", dtype=object), np.zeros((len(rows), 2))
    for chunk in rows.chunks():
        both = Completion.objects.filter(instance__in=among(chunk), position__lt=2).order_by()
        found = list(both.values_list("instance_id", "position", "generator", Length("text")))
        if not found:
            continue
        instances, place, names, lengths = zip(*found, strict=True)
        at = rows.of(instances), np.array(place)
        generators[at], length[at] = names, lengths
    pairs = [(str(first), str(second)) for first, second in generators]
    return pairs, np.sign(length[:, 0] - length[:, 1])


def _by_text(rows: Rows, prompts: Sequence[str], habits: Habits) -> dict[str, Floats]:
    """The columns that read embeddings: of the encoder that the habits were learned on."""
    found: dict[str, Floats] = {}
    for chunk in rows.chunks():
        at = rows.of(chunk)
        D = differences_of(Rows(chunk), habits.encoder)
        if D is None:
            continue
        said = directed([prompts[i] for i in at], habits, others={}, differences=D)
        for name, margin in said.items():
            found.setdefault(name, np.full(len(rows), np.nan))[at] = margin
    return found


def differences_of(rows: Rows, encoder: str) -> Singles | None:
    """(n, d) the first completion's vector minus the second's; None where nothing is stored."""
    found: Singles | None = None
    for chunk in rows.chunks():
        stored = Embedding.objects.filter(instance__in=among(chunk), extractor=encoder)
        held = list(stored.values_list("instance_id", "vectors", "dimensions"))
        pairs = [(pk, kept) for pk, kept, size in held if len(kept) == 4 * size]
        if not pairs:
            continue
        packed = b"".join(bytes(kept) for _, kept in pairs)
        vectors = np.frombuffer(packed, "<f2").reshape(len(pairs), 2, -1).astype(np.float32)
        if found is None:
            found = np.full((len(rows), vectors.shape[2]), np.nan, np.float32)
        found[rows.of([pk for pk, _ in pairs])] = vectors[:, 0] - vectors[:, 1]
    return found
