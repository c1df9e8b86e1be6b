"""The stages that collect labels: prepare, embed, seed, fit, route, label, consensus."""

from typing import Any

import numpy as np
from django.db import transaction

from annotation.consensus import services as consensus
from annotation.judges import services as judges
from annotation.labels import services as labels
from annotation.ledger import services as ledger
from annotation.ledger.models import Budget
from annotation.queue.models import Arm, Destination, Slot, SlotState
from annotation.queue.services import settle_instances
from jobs import services as jobs
from jobs.context import JobContext
from jobs.waiting import wait
from routing.decisions.models import Decision
from routing.decisions.services import Choice, decide
from training.runs.commands import embed_texts

from .deciding import fit_router, result_of
from .deciding import route as route_pool
from .models import Round
from .population import POOL, SEED, TEST, Member
from .work import EVALUATION, JUDGES, PEOPLE, Waiting, Work, budget_name, texts_of

EMBED_KIND = "routing.embed"


def prepare(work: Work) -> dict[str, Any]:
    """Draw the splits and open the budgets."""
    population, options = work.population, work.options
    counts = {split: len(population.of(split)) for split in (TEST, SEED, POOL)}
    everything = work.human_price * (counts[SEED] + counts[POOL])
    limits = {
        # Prompts differ in size: a seed that came out larger than planned is still paid for.
        PEOPLE: max(round(everything * options.budget_share), work.human_price * counts[SEED]),
        JUDGES: work.judge_price * (counts[SEED] + counts[POOL]),
        EVALUATION: (work.human_price + work.judge_price) * counts[TEST]
        + _spare_votes(work) * options.human_price_micros,
    }
    for name, limit in limits.items():
        _open_budget(work, name, limit)
    return {
        "judge": work.judge.name,
        "instances": counts,
        "prompts": {split: len({m.prompt_hash for m in population.of(split)}) for split in counts},
        "left_out": population.left_out,
        "budgets_micros": limits,
    }


def _spare_votes(work: Work) -> int:
    """Votes of held-out instances beyond the overlap: replay reveals all of them for the truth."""
    return sum(max(0, len(m.votes) - work.overlap) for m in work.population.of(TEST))


def _open_budget(work: Work, name: str, limit: int) -> None:
    full_name = budget_name(work.row, name)
    if not Budget.objects.filter(project=work.project, name=full_name).exists():
        ledger.create_budget(project=work.project, name=full_name, limit_micros=limit)


def embed(work: Work) -> dict[str, Any]:
    """Embed every completion, on the queue of the training workers."""
    job = jobs.submit(
        kind=EMBED_KIND,
        project=work.project,
        arguments={"round": work.row.pk},
        parent=work.context.job,
    )
    (ended,) = wait(work.context, [job])
    outcome: dict[str, Any] = result_of(ended)
    return outcome


def run_embed(context: JobContext) -> dict[str, Any]:
    """The job behind `embed`: one process, its vectors kept in the round's folder."""
    work = Work(context, Round.objects.select_related("project").get(pk=context.arguments["round"]))
    members = list(work.population.members)
    texts = [texts_of(member) for member in members]
    # The same completion stands in many pairs; it is embedded once.
    distinct = sorted({text for pair in texts for text in pair})
    ids, vectors = embed_texts(context, [str(i) for i in range(len(distinct))], distinct)
    place = {distinct[int(key)]: row for row, key in enumerate(ids)}
    stacked = np.stack([[vectors[place[text]] for text in pair] for pair in texts])
    target = work.folder / "embeddings.npz"
    with target.with_suffix(".tmp").open("wb") as file:
        np.savez(file, ids=np.array([m.pk for m in members]), vectors=stacked)
    target.with_suffix(".tmp").replace(target)
    return {"texts": len(ids), "dimensions": int(stacked.shape[2])}


def seed(work: Work) -> dict[str, Any]:
    """Send the seed and the held-out evaluation to people and to the judge."""
    seeds, tests = work.population.of(SEED), work.population.of(TEST)
    for members, arm, budget, reason in (
        (seeds, Arm.SEED, PEOPLE, "drawn at random for the dual-labelled seed"),
        (tests, Arm.AUDIT, EVALUATION, "held out for the evaluation"),
    ):
        choices = [
            Choice(m.pk, Destination.BOTH, arm, 1.0, reason, work.human_price + work.judge_price)
            for m in members
        ]
        _decide(work, choices, budget)
    owed = _label(work, seeds, people=True, judge=True, budget=PEOPLE)
    owed += _label(work, tests, people=True, judge=True, budget=EVALUATION)
    if owed:
        raise Waiting(owed)
    consensus.update(project=work.project)
    return {"seed": len(seeds), "evaluation": len(tests)}


def fit(work: Work) -> dict[str, Any]:
    """Fit the router on the seed."""
    router = fit_router(work)
    work.row.router = router
    work.row.save(update_fields=["router"])
    report: dict[str, Any] = router.report
    return {"router": router.version, "dual_labelled": router.dual_labelled} | report


def route(work: Work) -> dict[str, Any]:
    """Decide where every pool instance goes, inside the budget."""
    pool = work.population.of(POOL)
    if work.options.judge_first:
        # It reads what the judge says of each instance, so the judge labels all of them first.
        _label(work, pool, people=False, judge=True, budget=PEOPLE)
    decided = Decision.objects.filter(project=work.project, instance__in=[m.pk for m in pool])
    # Where an earlier attempt decided, its choices are paid for already: none is made twice.
    if decided.count() < len(pool):
        _decide(work, route_pool(work, pool), PEOPLE)
    counts = {"audit": 0, "people": 0, "judge": 0}
    for arm, destination in decided.values_list("arm", "destination"):
        if arm == Arm.AUDIT:
            counts["audit"] += 1
        counts["judge" if destination == Destination.JUDGE else "people"] += 1
    return counts


def label(work: Work) -> dict[str, Any]:
    """Get the labels of the pool: people's and the judge's, each where it was sent."""
    pool = {m.pk: m for m in work.population.of(POOL)}
    sent = dict(
        Decision.objects.filter(project=work.project, instance__in=pool).values_list(
            "instance_id", "destination"
        )
    )
    people = [m for pk, m in pool.items() if sent.get(pk) in {Destination.HUMAN, Destination.BOTH}]
    judged = [m for pk, m in pool.items() if sent.get(pk) in {Destination.JUDGE, Destination.BOTH}]
    _label(work, judged, people=False, judge=True, budget=PEOPLE)
    if owed := _label(work, people, people=True, judge=False, budget=PEOPLE):
        raise Waiting(owed)
    return {"people": len(people), "judge": len(judged)}


def settle(work: Work) -> dict[str, Any]:
    """Bring the labels of every instance together."""
    count = consensus.update(project=work.project)
    settle_instances(m.pk for m in work.population.members)
    return {"consensus": count}


def _decide(work: Work, choices: list[Choice], budget: str) -> None:
    """Write the decisions; where people label live, set the money for their slots aside."""
    with transaction.atomic():
        decided = decide(
            project=work.project,
            choices=choices,
            router=work.row.router,
            overlap=work.overlap,
            open_slots=not work.options.replay,
        )
        slots = Slot.objects.filter(instance__in=decided).values_list("key", flat=True)
        price = work.options.human_price_micros
        ledger.reserve_many(
            budget=work.budget(budget), amounts={f"slot:{key}": price for key in slots}
        )


def _label(work: Work, members: list[Member], *, people: bool, judge: bool, budget: str) -> int:
    """Ask the judge, and get people's labels: revealed in replay, awaited otherwise.

    Returns how many labels people still owe.
    """
    ids = [m.pk for m in members]
    decision_of = dict(
        Decision.objects.filter(project=work.project, instance__in=ids).values_list(
            "instance_id", "id"
        )
    )
    if judge and ids:
        judges.ask(
            judge=work.judge,
            instance_ids=ids,
            criterion=work.criterion,
            budget=work.budget(JUDGES if budget == PEOPLE else EVALUATION),
            decision_of=decision_of,
            progress=lambda done, total: work.context.progress(done, total, "asking the judge"),
        )
    if not people:
        return 0
    if work.options.replay:
        _replay(work, members, budget, decision_of)
        return 0
    owed = Slot.objects.filter(instance__in=ids, state__in=[SlotState.OPEN, SlotState.LEASED])
    return owed.count()


def _replay(work: Work, members: list[Member], budget: str, decision_of: dict[int, Any]) -> None:
    """Pay for and reveal recorded human labels: the overlap, or all of a held-out instance."""
    everything = budget == EVALUATION
    price = work.options.human_price_micros
    bought = {
        m.pk: len(m.votes) if everything else min(work.overlap, len(m.votes)) for m in members
    }
    amounts = {f"replay:{work.row.pk}:{pk}": votes * price for pk, votes in bought.items()}
    account = work.budget(budget)
    paid = set(account.entries.filter(subject__in=amounts).values_list("subject", flat=True))
    missing = {subject: amount for subject, amount in amounts.items() if subject not in paid}
    ledger.reserve_many(budget=account, amounts=missing)
    labels.reveal(
        instances=list(bought),
        origin="human",
        limit=None if everything else work.overlap,
        decision_of=decision_of,
    )
    ledger.settle_many(budget=account, amounts=amounts)
