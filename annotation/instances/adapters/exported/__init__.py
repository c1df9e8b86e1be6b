"""Our own exports, so that a file that was exported comes back: every shape that has texts.

A consensus becomes one label of "consensus"; labels of people and judges keep their makers. Rows
of one instance follow each other in an export. The interchange shape is the one that keeps
everything; MultiPref, HelpSteer3 and RewardBench shapes are read by their own adapters.
Schema: annotation/datasets/shapes.
"""

from collections.abc import Callable, Iterator

from ..base import Adapter, Instance, Options, Row, Unfit
from . import preferences, singles, whole
from .cells import typed
from .reading import Rows, id_of


def fits(row: Row) -> bool:
    return _shape(row) is not None


def _shape(row: Row) -> str | None:
    found = (shape for shape, columns in COLUMNS.items() if columns <= row.keys())
    return next(found, None)


def instances(row: Row, options: Options) -> Iterator[Instance]:
    rows = [typed(each) for each in row["rows"]]
    shape = _shape(rows[0])
    if shape is None or any(_shape(each) != shape for each in rows):
        raise Unfit("the rows of an instance are not of one shape of our exports")
    yield SHAPES[shape](rows, options)


SHAPES: dict[str, Callable[[Rows, Options], Instance]] = {
    "labels": whole.all_labels,
    "annotations": whole.no_texts,
    "pairs": preferences.pairs,
    "listwise": preferences.listwise,
    "joint": preferences.joint,
    "triples": preferences.triples,
    "edits": whole.edits,
    "rationales": whole.rationales,
    "trl": preferences.trl,
    "unpaired": singles.unpaired,
    "scored": singles.scored,
    "ratings": singles.ratings,
}
# What tells a shape; "simulated" is in every export, also in one without provenance.
COLUMNS = {
    "labels": {"annotator", "kind", "asks", "purpose", "responses"},
    "annotations": {"annotator", "kind", "asks", "purpose"},
    "pairs": {"simulated", "completion_a", "completion_b", "p", "weight"},
    "listwise": {"simulated", "completions", "ranking", "score", "generators"},
    "joint": {"simulated", "prompt_chosen", "chosen", "prompt_rejected", "rejected"},
    "triples": {"simulated", "gold", "chosen", "rejected", "score_gold"},
    "edits": {"simulated", "gold", "chosen", "annotator", "criterion"},
    "rationales": {"simulated", "chosen", "rejected", "rationale", "annotator", "kind"},
    "trl": {"simulated", "chosen", "rejected", "score_chosen", "score_rejected", "p"},
    "unpaired": {"simulated", "completion", "label", "share", "votes"},
    "scored": {"simulated", "completion", "score", "rank"},
    "ratings": {"simulated", "response", "annotators", "generator", "position"},
}


def same_instance(row: Row) -> str | None:
    return id_of(row) or None


ADAPTER = Adapter(
    name="tandem",
    title="Tandem export",
    reads="every shape of our exports that has texts; rows of an instance follow each other",
    recognised_by="it has the columns of one of our exports",
    fits=fits,
    confidence=0.99,
    instances=instances,
    gathers=same_instance,
)
