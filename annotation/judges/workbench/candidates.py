"""How well each candidate criterion predicts what people chose, on the half held out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from annotation.judges.models import JudgeRun, Mining, RunState
from annotation.quality.agreement import Matrix
from annotation.quality.bias import Share, clustered

from .comparing import TIE, Difference, Opinion, Said, Unit, at_least, credit, difference, holm
from .gains import Gain, conditional_gains, overlaps, verdict_matrix
from .mining import Halves, halves_of
from .results import Result, result_of

LEVEL = 0.05
# Verdicts so alike say the same thing.
ALIKE = 0.8
ENDED = (RunState.FINISHED, RunState.STOPPED, RunState.CANCELLED, RunState.FAILED)


@dataclass(frozen=True)
class Half:
    """A candidate on one half: pairs it gets right, wrong, or does not decide."""

    right: int
    wrong: int
    undecided: int
    agreement: Share | None

    @property
    def pairs(self) -> int:
        return self.right + self.wrong + self.undecided


@dataclass(frozen=True)
class Candidate:
    """A criterion, measured. `p`: probability that a coin does as well on the pairs it decides,
    corrected for the number of candidates. `kept`: better than the coin by that, or clearly better
    than the judge as it is. `gain`: nats per pair that the others miss without it. `alike`: other
    candidates that say the same.
    """

    number: int
    text: str
    source: str
    run: JudgeRun
    result: Result
    fitted: Half
    held_out: Half
    p: float
    against: Difference | None
    gain: float | None
    kept: bool
    alike: list[int] = field(default_factory=list)
    # Worth a line in a rubric: no better one says the same.
    suggested: bool = False

    @property
    def ended(self) -> bool:
        return self.run.state in ENDED


@dataclass(frozen=True)
class Measured:
    """All candidates of a mining, the judge as it is beside them, and how alike they are."""

    candidates: list[Candidate]
    base: Half | None
    halves: Halves
    overlap: list[list[float | None]]
    gain: Gain | None
    ended: bool


def measured(mining: Mining) -> Measured:
    """Read what every candidate said so far, and weigh it."""
    halves = halves_of(mining)
    rows = {row["run"]: row for row in mining.candidates}
    runs = JudgeRun.objects.select_related("judge__prompt").in_bulk(rows)
    results = {
        pk: result_of(runs[pk].judge, mining.criterion, halves.instances)
        for pk in rows
        if pk in runs
    }
    own = [pk for pk in results if rows[pk]["source"] != "base"]
    base = next((results[pk] for pk in results if rows[pk]["source"] == "base"), None)
    said = [results[pk].said for pk in own]
    held = [half_of(halves.held_out, each) for each in said]
    corrected = holm([at_least(each.right, each.right + each.wrong) for each in held])
    gain, overlap = _together(halves, said)
    candidates = []
    for place, pk in enumerate(own):
        against = difference(halves.held_out, base.said, said[place]) if base else None
        candidates.append(
            Candidate(
                number=place + 1,
                text=rows[pk]["text"],
                source=rows[pk]["source"],
                run=runs[pk],
                result=results[pk],
                fitted=half_of(halves.fitted, said[place]),
                held_out=held[place],
                p=corrected[place],
                against=against,
                gain=gain.without[place] if gain else None,
                kept=_kept(held[place], corrected[place], against),
                alike=_alike(overlap, place),
            )
        )
    return Measured(
        candidates=_suggested(sorted(candidates, key=_best_first)),
        base=half_of(halves.held_out, base.said) if base else None,
        halves=halves,
        overlap=overlap,
        gain=gain,
        ended=bool(runs) and all(run.state in ENDED for run in runs.values()),
    )


def half_of(people: Mapping[Unit, Opinion], said: Mapping[Unit, Said]) -> Half:
    """The candidate's answers on pairs that people decided; an undecided pair counts half."""
    pairs = [(people[unit], said[unit].answer) for unit in sorted(people.keys() & said.keys())]
    right = sum(opinion.answer == answer for opinion, answer in pairs)
    undecided = sum(answer == TIE for _, answer in pairs)
    shares = [(opinion.prompt, credit(opinion.answer, answer)) for opinion, answer in pairs]
    return Half(right, len(pairs) - right - undecided, undecided, clustered(shares))


def _kept(held: Half, p: float, against: Difference | None) -> bool:
    better = against is not None and against.low > 0
    return held.right > held.wrong and (p < LEVEL or better)


def _alike(overlap: Sequence[Sequence[float | None]], place: int) -> list[int]:
    row = overlap[place] if overlap else []
    return [
        other + 1
        for other, value in enumerate(row)
        if other != place and value is not None and value >= ALIKE
    ]


def _best_first(candidate: Candidate) -> tuple[bool, float, int]:
    found = candidate.held_out.agreement
    return not candidate.kept, -(found.value if found else 0.0), candidate.number


def _suggested(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those kept, the best of each that say the same."""
    taken: set[int] = set()
    found = []
    for each in candidates:
        chosen = each.kept and each.ended and not taken.intersection(each.alike)
        taken.update({each.number} if chosen else ())
        found.append(replace(each, suggested=chosen))
    return found


def _together(
    halves: Halves, said: Sequence[Mapping[Unit, Said]]
) -> tuple[Gain | None, list[list[float | None]]]:
    """What the candidates give together, on the pairs that all of them answered."""
    if not said:
        return None, []
    fitted, chosen = _matrix(halves.fitted, said)
    held, right = _matrix(halves.held_out, said)
    both = verdict_matrix([*fitted.tolist(), *held.tolist()], len(said))
    gain = conditional_gains(fitted, chosen, held, right) if len(chosen) and len(right) else None
    return gain, overlaps(both)


def _matrix(
    people: Mapping[Unit, Opinion], said: Sequence[Mapping[Unit, Said]]
) -> tuple[Matrix, Matrix]:
    units = sorted(set(people).intersection(*said))
    rows = [[_signed(each[unit].answer) for each in said] for unit in units]
    chosen = verdict_matrix([[_signed(people[unit].answer)] for unit in units], 1)[:, 0]
    return verdict_matrix(rows, len(said)), chosen


def _signed(answer: int) -> int:
    """+1 for the first of the pair, −1 for the second, 0 for neither."""
    return {0: 1, 1: -1, TIE: 0}[answer]
