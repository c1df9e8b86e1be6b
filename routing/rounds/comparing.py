"""The round's summary table: what other mixes would have given, as measured by the lab."""

from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np

from annotation.instances.models import RecordedLabel
from annotation.judges.protocol import Verdict, pair_ranking
from annotation.labels.models import Annotation, AnnotatorKind
from annotation.labels.selectors import current
from core.exceptions import ApplicationError
from routing.features.signals import with_judge
from routing.features.text import token_count
from routing.lab.comparison import compare
from routing.lab.dual import DualSet
from routing.lab.plan import Options
from routing.lab.report import render

from .population import Member, vote
from .work import MICROS, Work

NO_VERDICT = "have no label of the judge"
NO_VOTE = "have no human label"


def compare_mixes(work: Work) -> dict[str, Any]:
    """`{"comparison", "text"}`, or `{"not_compared"}` with the reason in words.

    Only instances with both sources can be compared. In replay those are all of the round; where
    people label live, the seed, the audit arm and the held-out prompts.
    """
    try:
        comparison = compare(dual_set(work), _options(work))
    except ApplicationError as error:
        return {"not_compared": error.message}
    return {"comparison": comparison.to_json(), "text": render(comparison)}


def _options(work: Work) -> Options:
    options = work.options
    return Options(
        budget=options.budget_share,
        seed_share=options.seed_share,
        audit_share=options.audit_share,
        test_share=options.test_share,
        seeds=max(2, options.seeds),
        mixes=options.mixes,
        salt=work.project.protocol.salt,
    )


def dual_set(work: Work) -> DualSet:
    """The round's instances that carry a human label and a label of the round's judge."""
    members = list(work.population.members)
    if not work.options.replay:
        members = _with_labels(work, members)
    left_out = dict(work.population.left_out)
    for reason, count in (
        (NO_VOTE, sum(not m.votes for m in members)),
        (NO_VERDICT, sum(m.verdict is None for m in members)),
    ):
        if count:
            left_out[reason] = count
    chosen = [m for m in members if m.votes and m.verdict is not None]
    verdicts = [m.verdict for m in chosen if m.verdict is not None]
    judge = np.array([verdict.p for verdict in verdicts], dtype=np.float64)
    flips = np.array([np.nan if v.flipped is None else float(v.flipped) for v in verdicts])
    lengths = [[token_count(text) for text in m.completions] for m in chosen]
    return DualSet(
        keys=tuple(m.external_id for m in chosen),
        prompts=tuple(m.prompt_hash for m in chosen),
        votes=tuple(m.votes for m in chosen),
        judge=judge,
        features=with_judge(work.features(chosen), judge, flips if len(flips) else None),
        length_difference=np.array([float(a - b) for a, b in lengths]),
        vote_cost=np.full(len(chosen), work.options.human_price_micros / MICROS),
        judge_cost=np.full(len(chosen), work.judge_price / MICROS),
        differences=work.differences(chosen),
        judge_name=work.judge.name,
        unit="USD",
        simulated=_simulated(work),
        left_out=left_out,
    )


def _simulated(work: Work) -> bool:
    rows = RecordedLabel.objects.filter(instance__project=work.project, simulated=True)
    return work.options.replay and rows.exists()


def _with_labels(work: Work, members: list[Member]) -> list[Member]:
    """The members with the labels that people and the judge gave in the project."""
    votes: dict[int, list[float]] = defaultdict(list)
    verdicts: dict[int, Verdict] = {}
    rows = (
        current(work.project)
        .filter(criterion=work.criterion, instance__in=[m.pk for m in members])
        .select_related("annotator")
        .order_by("pk")
    )
    for row in rows:
        if len(row.ranking) != 2:
            continue
        if row.annotator.kind in {AnnotatorKind.PERSON, AnnotatorKind.IMPORT}:
            votes[row.instance_id].append(vote(row.ranking))
        elif row.annotator.judge_id == work.judge.pk:
            verdicts[row.instance_id] = _verdict(row)
    return [replace(m, votes=tuple(votes[m.pk]), verdict=verdicts.get(m.pk)) for m in members]


def _verdict(row: Annotation) -> Verdict:
    """The judge's label as it was given; its probability was stored beside it."""
    p = float(row.attributes["verdict"]["p"])
    return Verdict(pair_ranking(p), p)
