"""Why an instance goes to people: the columns that weigh most, in words."""

from collections.abc import Sequence
from typing import overload

import numpy as np
import numpy.typing as npt

from routing.features.table import Floats, Ints

NOTHING = "nothing about it speaks for people"


class Phrases(Sequence[str]):
    """n sentences kept as codes, so that a million of them take no memory until they are read.

    `codes` (n, k) are places in `words`; −1 says nothing. Words of one row are joined by "; ".
    """

    def __init__(self, codes: Ints, words: Sequence[str], nothing: str = NOTHING) -> None:
        self.codes, self.words, self.nothing = codes, tuple(words), nothing

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> "Phrases": ...
    def __getitem__(self, place: int | slice) -> "str | Phrases":
        if isinstance(place, slice):
            return Phrases(self.codes[place], self.words, self.nothing)
        said = [self.words[code] for code in self.codes[place] if code >= 0]
        return "; ".join(said) or self.nothing


def strongest(
    one_hot: npt.NDArray[np.uint8], contrast: Floats, columns: Sequence[str], most: int = 2
) -> Phrases:
    """For each of n instances the `most` columns with the largest positive contrast."""
    codes = np.full((len(one_hot), most), -1, dtype=np.int64)
    # From the weakest to the strongest: a stronger one pushes those before it back.
    for column in np.argsort(contrast, kind="stable"):
        if contrast[column] > 0:
            fires = np.flatnonzero(one_hot[:, column])
            codes[fires, 1:] = codes[fires, :-1]
            codes[fires, 0] = column
    return Phrases(codes, columns)
