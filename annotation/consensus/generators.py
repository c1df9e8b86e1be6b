"""The leaderboard of a project's generators, from the labels of people, of judges or of both."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from django.db.models import Max
from django.utils.translation import gettext as _

from accounts.models import Project
from annotation.instances.models import Completion, Instance
from annotation.labels.models import Annotation
from annotation.projects.models import Criterion
from annotation.projects.selectors import criteria_of
from core.exceptions import InvalidInput
from jobs.models import Job

from . import bradley_terry as bt
from . import cycles
from .calibrating import calibrate_of
from .models import GeneratorReport, Scope
from .pairs import Pairs, read_all
from .posterior import pair_share
from .reading import Label, chosen_for
from .style import FEATURES, differences, with_style

WINDOW = 10_000
RESAMPLES = 200
MOST_LISTED, MOST_CYCLES = 20, 50
FEW_PROMPTS = 20


@dataclass(frozen=True)
class Settings:
    """What a leaderboard is asked for. Blank criterion: the first."""

    source: str = Scope.HUMAN
    criterion: str = ""

    def __post_init__(self) -> None:
        if self.source not in Scope.values:
            raise InvalidInput(
                _("Choose whose labels count: one of %(choices)s.")
                % {"choices": ", ".join(Scope.values)}
            )


@dataclass
class Met:
    """Every comparison of two named generators, in little memory."""

    names: dict[str, int] = field(default_factory=dict)
    prompts: dict[str, int] = field(default_factory=dict)
    codes: "array[int]" = field(default_factory=lambda: array("q"))
    amounts: "array[float]" = field(default_factory=lambda: array("d"))
    styles: "array[float]" = field(default_factory=lambda: array("d"))
    # By prompt: net wins of the first of two completions, and the instances they met in.
    edges: dict[int, dict[tuple[Hashable, Hashable], float]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(float))
    )
    places: dict[tuple[int, Hashable, Hashable], int] = field(default_factory=dict)
    unnamed: int = 0
    simulated: int = 0

    def comparisons(self) -> bt.Comparisons:
        codes = np.array(self.codes, dtype=np.intp).reshape(-1, 3)
        amounts = np.array(self.amounts, dtype=np.float64).reshape(-1, 3)
        styles = np.array(self.styles, dtype=np.float64).reshape(-1, 2, len(FEATURES))
        return bt.Comparisons(
            *(codes[:, 0], codes[:, 1]),
            *(amounts[:, 0], amounts[:, 1], amounts[:, 2]),
            cluster=codes[:, 2],
            contestants=len(self.names),
            style=differences(styles[:, 0], styles[:, 1]),
        )


def newest_of(project: Project) -> GeneratorReport | None:
    rows = GeneratorReport.objects.filter(project=project).select_related("job")
    return rows.order_by("-pk").first()


def measure(
    project: Project,
    settings: Settings,
    job: Job | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> GeneratorReport:
    """Compute and keep a leaderboard and its report of cycles.

    Raises:
        InvalidInput: the project has no such criterion.
    """
    rows = Annotation.objects.filter(project=project)
    newest = rows.aggregate(newest=Max("pk"))["newest"] or 0
    criterion = _criterion(project, settings.criterion)
    met = _read(project, criterion, Scope(settings.source), progress)
    return GeneratorReport.objects.create(
        project=project,
        job=job,
        settings=asdict(settings) | {"criterion": criterion.key},
        figures=_figures(met),
        newest_annotation=newest,
    )


def _criterion(project: Project, key: str) -> Criterion:
    criteria = criteria_of(project)
    found = next((each for each in criteria if each.key == key), None)
    if found is None and key:
        raise InvalidInput(_("This project does not ask for %(criterion)r.") % {"criterion": key})
    return found or criteria[0]


def _read(
    project: Project, criterion: Criterion, scope: Scope, progress: Callable[[int, int], None]
) -> Met:
    """All comparisons, some thousand instances at a time."""
    labelled = Annotation.objects.filter(project=project, criterion=criterion).order_by()
    instances = sorted(labelled.values_list("instance", flat=True).distinct())
    calibrate, met = calibrate_of(project), Met()
    for start in range(0, len(instances), WINDOW):
        progress(start, len(instances))
        window = instances[start : start + WINDOW]
        prompts = dict(Instance.objects.filter(pk__in=window).values_list("pk", "prompt_hash"))
        completions = _completions(window)
        pairs, others = read_all(project, range(window[0], window[-1] + 1), calibrate)
        mine = pairs.where(pairs.criterion == criterion.pk).inside(scope, together=True)
        _add_pairs(met, mine, prompts, completions)
        for (instance, asked), labels in others.items():
            chosen = chosen_for(scope, labels, together=True)
            if asked == criterion.pk and chosen:
                _add(met, instance, prompts[instance], chosen, completions[instance])
    return met


# Of an instance by position: the generator, and the numbers of its style.
Completions = Mapping[int, tuple[str, Sequence[float]]]


def _completions(instances: Sequence[int]) -> dict[int, dict[int, tuple[str, Sequence[float]]]]:
    found: dict[int, dict[int, tuple[str, Sequence[float]]]] = defaultdict(dict)
    rows = with_style(Completion.objects.filter(instance__in=instances))
    for instance, position, generator, *style in rows.values_list(
        "instance", "position", "generator", *FEATURES
    ):
        found[instance][position] = generator, style
    return found


def _add_pairs(
    met: Met,
    labels: Pairs,
    prompts: Mapping[int, str],
    completions: Mapping[int, Completions],
) -> None:
    """The comparisons of plain pairs: by instance what it is about, by label how it went."""
    met.simulated += int(labels.simulated.sum())
    told = labels.where(labels.told)
    subject = told.subject
    number, share = np.bincount(subject), np.bincount(subject, told.share)
    named = np.zeros(len(number), dtype=np.bool_)
    places: list[Sequence[int]] = []
    styles: list[Sequence[float]] = []
    for place, instance in enumerate(dict.fromkeys(told.instance.tolist())):
        both = completions[instance]
        net = float(share[place] - number[place] / 2)
        found = _meeting(met, instance, prompts[instance], (0, 1), both, net)
        if found is None:
            continue
        named[place] = bool(found)
        if found:
            places.append(found)
            styles.append((*both[0][1], *both[1][1]))
        else:
            met.unnamed += int(number[place])
    often, kept = number[named], told.where(named[subject])
    won = np.where(kept.tie, 0, kept.share)
    amounts = np.stack([won, np.where(kept.tie, 0, 1 - kept.share), kept.tie], axis=1)
    met.codes.frombytes(np.repeat(np.array(places, dtype=np.int64), often, axis=0).tobytes())
    met.amounts.frombytes(amounts.astype(np.float64).tobytes())
    met.styles.frombytes(np.repeat(np.array(styles, dtype=np.float64), often, axis=0).tobytes())


def _add(
    met: Met, instance: int, prompt: str, labels: Sequence[Label], completions: Completions
) -> None:
    met.simulated += sum(label.simulated for label in labels)
    for i, j in combinations(sorted(completions), 2):
        for label in labels:
            share = pair_share(label.vote, i, j)
            if share is None:
                continue
            found = _meeting(met, instance, prompt, (i, j), completions, share - 0.5)
            if not found:
                met.unnamed += found is not None
                continue
            tied = label.vote.p is None and share == 0.5
            met.codes.extend(found)
            met.amounts.extend((0, 0, 1) if tied else (share, 1 - share, 0))
            met.styles.extend((*completions[i][1], *completions[j][1]))


def _meeting(  # noqa: PLR0917 - one meeting, private
    met: Met,
    instance: int,
    prompt: str,
    pair: tuple[int, int],
    completions: Completions,
    net: float,
) -> Sequence[int] | None:
    """Note what the first of two completions won over the second on balance; the codes of the
    generators and of the prompt, () where one is not named, None where both are of one."""
    cluster = met.prompts.setdefault(prompt, len(met.prompts))
    names = [completions[place][0] for place in pair]
    first, second = (name or (instance, place) for name, place in zip(names, pair, strict=True))
    if first == second:
        return None
    _add_edge(met, cluster, instance, (first, second), net)
    if not all(names):
        return ()
    return (*(met.names.setdefault(name, len(met.names)) for name in names), cluster)


def _add_edge(
    met: Met, cluster: int, instance: int, nodes: tuple[Hashable, Hashable], net: float
) -> None:
    first, second = sorted(nodes, key=str)
    met.edges[cluster][first, second] += net if (first, second) == nodes else -net
    met.places[cluster, first, second] = instance


def _figures(met: Met) -> dict[str, Any]:
    common = {"unnamed": met.unnamed, "prompts": len(met.prompts), "simulated": met.simulated}
    inside = _inside(met)
    if not met.codes:
        empty = {"decided": 0, "cyclic": 0, "share": 0.0, "many": False, "examples": []}
        return {**common, "places": [], "comparisons": 0, "between": empty, "inside": inside}
    given, names = met.comparisons(), list(met.names)
    plain = bt.Comparisons(**{**vars(given), "style": None})
    return {
        **common,
        "comparisons": len(given.first),
        "tied": float(given.tied.sum()),
        "tie": bt.fit(plain).tie,
        "groups": len(bt.groups_of(given)),
        "few": len(met.prompts) < FEW_PROMPTS,
        "worth": dict(zip(FEATURES, (bt.POINTS * bt.fit(given).style).tolist(), strict=True)),
        "places": _places(names, given, plain),
        "between": _between(names, given),
        "inside": inside,
    }


def _places(
    names: Sequence[str], given: bt.Comparisons, plain: bt.Comparisons
) -> list[dict[str, Any]]:
    """A row per generator, the best first."""
    found, styled = bt.fit(plain), bt.fit(given)
    draws = bt.bootstrap(plain, resamples=RESAMPLES)
    first, last = bt.ranks(draws)
    low, high = (_points(ends) for ends in np.quantile(draws, [0.025, 0.975], axis=0))
    # Few prompts draw too alike: the wider of bootstrap and sandwich counts.
    robust = found.values - 1.96 * found.errors, found.values + 1.96 * found.errors
    low = [min(pair) for pair in zip(low, _points(robust[0]), strict=True)]
    high = [max(pair) for pair in zip(high, _points(robust[1]), strict=True)]
    shown = {
        "rating": _points(found.values),
        "low": low,
        "high": high,
        "rank_low": first,
        "rank_high": last,
        "styled": _points(styled.values),
        "styled_low": _points(styled.values - 1.96 * styled.errors),
        "styled_high": _points(styled.values + 1.96 * styled.errors),
        **_counts(given),
    }
    rows: list[dict[str, Any]] = [
        {"name": name, **{key: values[k] for key, values in shown.items()}}
        for k, name in enumerate(names)
    ]
    rows.sort(key=lambda row: -row["rating"])
    return [row | {"rank": place} for place, row in enumerate(rows, 1)]


def _points(strengths: bt.Vector) -> list[float]:
    found: list[float] = np.round(bt.MIDDLE + bt.POINTS * strengths, 2).tolist()
    return found


def _counts(given: bt.Comparisons) -> dict[str, list[float]]:
    """What each contestant met, won, tied and lost; judges' labels may be fractions."""
    n = given.contestants
    both = np.concatenate([given.first, given.second])
    sums = {
        "comparisons": np.ones(len(both)),
        "won": np.concatenate([given.won, given.lost]),
        "tied": np.concatenate([given.tied, given.tied]),
        "lost": np.concatenate([given.lost, given.won]),
    }
    return {key: np.round(np.bincount(both, values, n), 1).tolist() for key, values in sums.items()}


def _between(names: Sequence[str], given: bt.Comparisons) -> dict[str, Any]:
    """Cycles among the generators over all prompts."""
    wins = bt.wins_of(given)
    triads = cycles.count(wins)
    net = wins - wins.T
    clearest = sorted(
        cycles.cycles(wins), key=lambda t: -min(net[t[0], t[1]], net[t[1], t[2]], net[t[2], t[0]])
    )
    examples = [[names[k] for k in triad] for triad in clearest[:MOST_LISTED]]
    return _told(triads) | {"examples": examples}


def _inside(met: Met) -> dict[str, Any]:
    """Cycles among the completions of one prompt, with the instances behind them."""
    found: list[cycles.Triads] = []
    examples: list[dict[str, Any]] = []
    by_prompt: Counter[int] = Counter()
    for cluster, edges in met.edges.items():
        if len(edges) < 3:
            continue
        triads, cyclic = cycles.within(edges)
        found.append(triads)
        by_prompt[cluster] = len(cyclic)
        if len(examples) < MOST_CYCLES:
            examples += [_example(met, cluster, triad) for triad in cyclic[:3]]
    prompts = sum(number > 0 for number in by_prompt.values())
    return _told(cycles.total(found)) | {"examples": examples[:MOST_CYCLES], "prompts": prompts}


def _told(triads: cycles.Triads) -> dict[str, Any]:
    return asdict(triads) | {"share": triads.share, "many": triads.many}


def _example(met: Met, cluster: int, triad: Sequence[Hashable]) -> dict[str, Any]:
    """The names of three completions that go round, and the instances in which they met."""
    edges = [tuple(sorted(pair, key=str)) for pair in combinations(triad, 2)]
    instances = [met.places[cluster, first, second] for first, second in edges]
    names = [
        node if isinstance(node, str) else f"{chr(65 + node[1])}"  # type: ignore[index]
        for node in triad
    ]
    return {"names": names, "instances": list(dict.fromkeys(instances))}
