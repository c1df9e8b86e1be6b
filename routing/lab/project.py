"""A project's instances with both labels, as input of a replay.

Human labels are what people said here, and what came recorded with an import; a judge's are its
verdicts here, and recorded ones. Recorded labels are read without being revealed: a replay shows
figures, never a label.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from accounts.models import Project
from annotation.instances.models import (
    Completion,
    Instance,
    InstanceState,
    Origin,
    RecordedLabel,
    Signal,
)
from annotation.judges.models import Judge, Stage
from annotation.judges.protocol import Answer, merge
from annotation.judges.verdicts import signal_name
from annotation.labels.models import AnnotatorKind
from annotation.labels.selectors import current
from annotation.projects.models import Criterion
from annotation.projects.selectors import main_criterion
from annotation.queue.models import Arm
from core.exceptions import InvalidInput
from routing.decisions.models import Decision
from routing.features.evidence import with_evidence
from routing.features.judging import FLIP, P
from routing.features.project import ProjectTable, feature_table
from routing.features.rows import CHUNK, Rows
from routing.features.sides import completions_of
from routing.features.table import Bools, Floats
from routing.features.taught import habits_of
from routing.features.text import token_count
from routing.lab.dual import DualSet
from routing.strategies import audit

NO_PAIR = "do not have exactly two completions"
NO_VERDICT = "have no label of the judge"
NO_EMBEDDING = "have no embedding: the model level was left out"
LEARNED_FROM = (Arm.SEED, Arm.EXPLORE, Arm.AUDIT)

Votes = dict[int, list[float]]
Said = dict[int, tuple[float, float]]


def dual_of(
    project: Project,
    judge: Judge,
    criterion: Criterion | None = None,
    *,
    only: Collection[int] | None = None,
    as_live: bool = False,
) -> DualSet:
    """Every pair with a human label and one of the judge; `only` these instances.

    `as_live`: with the columns that live routing reads, instead of those of recorded verdicts.

    Raises:
        InvalidInput: there is none.
    """
    criterion = criterion or main_criterion(project)
    votes = votes_of(project, criterion)
    ids = _pairs(project, [pk for pk in votes if only is None or pk in only])
    panel = _verdicts(project, criterion, ids)
    mine = panel.pop(judge.pk, {})
    kept = [pk for pk in ids if pk in mine]
    if not kept:
        raise InvalidInput(
            f"No instance carries both a human label and one of {judge.name}: label some with both."
        )
    habits = habits_of(project, judge, criterion) if as_live else None
    table = feature_table(
        project, kept, judge=judge, criterion=criterion, embeddings=True, habits=habits
    )
    left_out = {NO_PAIR: len(votes) - len(ids) if only is None else 0}
    left_out[NO_VERDICT] = len(ids) - len(kept)
    dual = _dual(judge, table, votes, mine, panel, left_out)
    return replace(dual, features=table.table) if as_live else dual


def _dual(  # noqa: PLR0917
    judge: Judge,
    table: ProjectTable,
    votes: Votes,
    mine: Said,
    panel: Mapping[int, Said],
    left_out: Mapping[str, int],
) -> DualSet:
    ids = table.ids.tolist()
    lengths = _tokens(ids)
    tokens = np.array([lengths[pk] for pk in ids])
    p = np.array([mine[pk][0] for pk in ids])
    lacking = 0 if table.differences is None else int(np.isnan(table.differences).any(axis=1).sum())
    whole = table.differences is not None and not lacking
    differences = np.asarray(table.differences, dtype=np.float64) if whole else None
    flips = np.array([mine[pk][1] for pk in ids])
    names = dict(Judge.objects.filter(pk__in=panel).values_list("pk", "name"))
    features = with_evidence(
        # The judges' columns are made again, from what is recorded too.
        table.table.without_judge(),
        table.prompts,
        p,
        others={names[pk]: _column(said, ids) for pk, said in panel.items()},
        flip=None if np.isnan(flips).all() else flips,
        longer=np.log1p(tokens[:, 0]) - np.log1p(tokens[:, 1]),
        generators=completions_of(Rows(ids))[0],
        differences=differences,
    )
    return DualSet(
        keys=table.keys,
        prompts=table.prompts,
        votes=tuple(tuple(votes[pk]) for pk in ids),
        judge=p,
        features=features,
        length_difference=tokens[:, 0] - tokens[:, 1],
        vote_cost=np.ones(len(ids)),
        judge_cost=np.zeros(len(ids)),
        differences=differences,
        judge_name=judge.name,
        simulated=RecordedLabel.objects.filter(instance__in=ids[:CHUNK], simulated=True).exists(),
        left_out={
            why: count for why, count in {**left_out, NO_EMBEDDING: lacking}.items() if count
        },
    )


def report_of(project: Project, judge: Judge) -> tuple[DualSet, Bools]:
    """Instances of the live project, and which of them (n,) routers may be fitted on.

    The others are A-report. A prompt of A-report is nowhere fitted on.

    Raises:
        InvalidInput: no instance has both labels.
    """
    arms = dict(
        Decision.objects.filter(project=project, arm__in=LEARNED_FROM)
        .order_by("created_at")
        .values_list("instance_id", "arm")
    )
    dual = dual_of(project, judge, only=set(arms), as_live=True)
    arm_of = _arms(project, dual.keys, arms)
    reported = audit.reporting(dual.prompts, project.protocol.salt)
    audited = np.array([arm_of[key] == Arm.AUDIT for key in dual.keys], dtype=bool)
    held = {p for p, here in zip(dual.prompts, audited & reported, strict=True) if here}
    of_report = np.array([prompt in held for prompt in dual.prompts], dtype=bool)
    # Another instance of such a prompt that is not of A-report is neither fitted on nor scored.
    kept = ~of_report | (audited & reported)
    return dual.take(kept), ~of_report[kept]


def _arms(project: Project, keys: Sequence[str], arms: Mapping[int, str]) -> dict[str, str]:
    rows = Instance.objects.filter(project=project, pk__in=arms).values_list("external_id", "pk")
    wanted = set(keys)
    return {key: arms[pk] for key, pk in rows if key in wanted}


def votes_of(project: Project, criterion: Criterion) -> Votes:
    """By instance what each person said, 1 for the first completion and ½ for a tie.

    Labels that an import revealed stand for the recorded ones of that instance.
    """
    found: Votes = defaultdict(list)
    rows = current(project).filter(
        criterion=criterion, annotator__kind__in=[AnnotatorKind.PERSON, AnnotatorKind.IMPORT]
    )
    for pk, ranking in rows.order_by("pk").values_list("instance_id", "ranking"):
        if len(ranking) == 2:
            found[pk].append(vote(ranking))
    if criterion.pk == main_criterion(project).pk:
        for pk, given in _recorded_votes(project).items():
            if len(given) > len(found.get(pk, ())):
                found[pk] = given
    return dict(found)


def vote(ranking: Sequence[int]) -> float:
    return 0.5 if ranking[0] == ranking[1] else float(ranking[0] < ranking[1])


def _recorded_votes(project: Project) -> Votes:
    found: Votes = defaultdict(list)
    rows = RecordedLabel.objects.filter(
        instance__project=project, origin=Origin.HUMAN, criterion=""
    )
    for pk, ranking in rows.order_by("pk").values_list("instance_id", "ranking"):
        if len(ranking) == 2:
            found[pk].append(vote(ranking))
    return found


def _pairs(project: Project, ids: Collection[int]) -> list[int]:
    """Those that have two completions and take part."""
    rows = (
        Instance.objects.filter(project=project, completions__position=1)
        .exclude(completions__position=2)
        .exclude(state=InstanceState.DROPPED)
    )
    wanted = set(ids)
    return [pk for pk in rows.order_by("pk").values_list("pk", flat=True) if pk in wanted]


def _verdicts(project: Project, criterion: Criterion, ids: Sequence[int]) -> dict[int, Said]:
    """By judge and instance (P(first preferred), 1 where the order changed it or NaN)."""
    judges = list(Judge.objects.filter(project=project).exclude(stage=Stage.DRAFT).order_by("pk"))
    main = criterion.pk == main_criterion(project).pk
    recorded = _recorded_verdicts(project) if main else {}
    rows, wanted = Rows(ids), set(ids)
    found: dict[int, Said] = {}
    for judge in judges:
        said = _signalled(rows, judge, None if main else criterion)
        said = recorded.get(judge.model, recorded.get(judge.name, {})) | said
        known = {pk: value for pk, value in said.items() if pk in wanted}
        if known:
            found[judge.pk] = known
    return found


def _signalled(rows: Rows, judge: Judge, criterion: Criterion | None) -> Said:
    columns = [
        rows.fill(Signal.objects.filter(name=signal_name(kind, judge, criterion)), "value")[:, 0]
        for kind in (P, FLIP)
    ]
    known = np.flatnonzero(~np.isnan(columns[0]))
    return {int(rows.ids[i]): (float(columns[0][i]), float(columns[1][i])) for i in known}


def _recorded_verdicts(project: Project) -> dict[str, Said]:
    """By the name that recorded labels came with."""
    answers: dict[tuple[str, int], list[Answer]] = defaultdict(list)
    said = RecordedLabel.objects.filter(instance__project=project, criterion="")
    rows = said.exclude(origin=Origin.HUMAN)
    for name, pk, ranking, order in rows.order_by("pk").values_list(
        "annotator", "instance_id", "ranking", "shown_order"
    ):
        if len(ranking) == 2:
            answers[name, pk].append(Answer(tuple(order) if order else None, tuple(ranking)))
    found: dict[str, Said] = defaultdict(dict)
    for (name, pk), given in answers.items():
        verdict = merge(given)
        if verdict and verdict.p is not None:
            flip = np.nan if verdict.flipped is None else float(verdict.flipped)
            found[name][pk] = (verdict.p, flip)
    return found


def _tokens(ids: Sequence[int]) -> dict[int, list[float]]:
    """By instance the tokens of its two completions."""
    found: dict[int, list[float]] = defaultdict(list)
    for start in range(0, len(ids), CHUNK):
        rows = Completion.objects.filter(instance__in=ids[start : start + CHUNK])
        for each in rows.order_by("instance_id", "position").iterator(chunk_size=2000):
            found[each.instance_id].append(float(token_count(each.whole_text)))
    return found


def _column(said: Said, ids: Sequence[int]) -> Floats:
    return np.array([said[pk][0] if pk in said else np.nan for pk in ids])
