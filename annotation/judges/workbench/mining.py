"""Criteria from what people chose: proposed by a judge or written by hand, then measured.

A candidate is a prompt that asks for this one property, tried like any prompt on pairs that people
decided. One half of the pairs, by prompt, is shown to the judge that proposes; the other is held
out. What a candidate says is read from the stored replies whenever it is looked at.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import Project, User
from annotation.instances.models import Instance
from annotation.judges.mined import MINED
from annotation.judges.models import Judge, JudgeRun, Mining, Mode, Prompt, Shape
from annotation.ledger.models import Budget
from annotation.projects.models import Criterion
from annotation.projects.selectors import protocol_of
from core.exceptions import InvalidInput, NotFound
from core.hashing import unit_interval
from jobs.services import submit

from .comparing import TIE, Opinion, Unit
from .people import LOOKED_AT, draw, opinions_of, reasons_of
from .proposing import LONGEST, MOST_CANDIDATES, SHORTEST, Example
from .trials import Trial, ask_about, asked_again

KIND = "judges.mine"
FEWEST, MOST = 8, 300
MOST_REASONS = 3
ALONE = (
    "Decide by the one property that the rubric names and by nothing else, whatever else speaks "
    "for either completion. Neither is better where they do not differ in it."
)


@dataclass(frozen=True)
class Order:
    """What is wanted: criteria on which people's choices may hang, from so many of their pairs."""

    judge: Judge
    criterion: Criterion
    pairs: int = 30
    propose: bool = True
    own: Sequence[str] = field(default_factory=tuple)
    most: int = 8
    budget: Budget | None = None


@dataclass(frozen=True)
class Halves:
    """Pairs that people decided, by the half their prompt fell into."""

    fitted: dict[Unit, Opinion]
    held_out: dict[Unit, Opinion]

    @property
    def instances(self) -> list[int]:
        return sorted({unit[0] for unit in (*self.fitted, *self.held_out)})


@transaction.atomic
def mine(*, order: Order, by: User | None) -> Mining:
    """Ask for criteria as a job.

    Raises:
        InvalidInput: too few pairs that people decided, nothing to measure, or a criterion that
            is too short or too long.
        Conflict: this judge is being asked for criteria already.
    """
    shown, held_out = halves_to_be(order)
    project = order.judge.project
    mining = Mining.objects.create(
        project=project,
        judge=order.judge,
        criterion=order.criterion,
        pairs=order.pairs,
        shown=shown,
        held_out=held_out,
        created_by=by,
    )
    mining.job = submit(
        kind=KIND,
        project=project,
        arguments={
            "mining": mining.pk,
            "propose": order.propose,
            "own": list(order.own),
            "most": order.most,
            "budget": order.budget.pk if order.budget else None,
        },
        created_by=by,
        unique_key=f"{KIND}:{order.judge.pk}",
    )
    mining.save(update_fields=["job"])
    return mining


def halves_to_be(order: Order) -> tuple[list[int], list[int]]:
    """The instances that a search would show, and those that it would hold out.

    Raises:
        InvalidInput: as `mine`.
    """
    _check(order)
    found = decided(order.criterion, order.pairs)
    if len(found) < FEWEST:
        raise InvalidInput(
            _("People have decided too few pairs on this criterion that may be tuned on.")
        )
    return halved(order.judge.project, found)


def _check(order: Order) -> None:
    if not FEWEST <= order.pairs <= MOST:
        raise InvalidInput(
            _("Take %(fewest)d to %(most)d pairs.") % {"fewest": FEWEST, "most": MOST}
        )
    if not order.propose and not order.own:
        raise InvalidInput(_("Write a criterion, or let the judge propose some."))
    if len(order.own) > MOST_CANDIDATES or not 1 <= order.most <= MOST_CANDIDATES:
        raise InvalidInput(_("Measure at most %d criteria at a time.") % MOST_CANDIDATES)
    if any(not SHORTEST <= len(text) <= LONGEST for text in order.own):
        raise InvalidInput(
            _("A criterion has %(shortest)d to %(longest)d characters.")
            % {"shortest": SHORTEST, "longest": LONGEST}
        )


def decided(criterion: Criterion, count: int) -> dict[Unit, Opinion]:
    """Up to `count` pairs that people decided, from those that `draw` allows."""
    pool = draw(criterion, LOOKED_AT * count // 4)
    found = _decided(criterion, pool)
    order = {pk: place for place, pk in enumerate(pool)}
    return dict(sorted(found.items(), key=lambda each: order[each[0][0]])[:count])


def _decided(criterion: Criterion, instance_ids: Sequence[int]) -> dict[Unit, Opinion]:
    """What people say of these pairs where it is no tie; lists are left out."""
    opinions = opinions_of(criterion, instance_ids)
    sizes = Counter(unit[0] for unit in opinions)
    return {
        unit: opinion
        for unit, opinion in opinions.items()
        if opinion.answer != TIE and sizes[unit[0]] == 1
    }


def halved(project: Project, opinions: Mapping[Unit, Opinion]) -> tuple[list[int], list[int]]:
    """The instances to show and those to hold out; a prompt lies in one half."""
    salt = protocol_of(project).salt
    prompts = sorted(
        {opinion.prompt for opinion in opinions.values()},
        key=lambda prompt: unit_interval(salt, "mining", prompt),
    )
    first = set(prompts[: len(prompts) // 2])
    shown = [unit[0] for unit, opinion in opinions.items() if opinion.prompt in first]
    held_out = [unit[0] for unit, opinion in opinions.items() if opinion.prompt not in first]
    return sorted(shown), sorted(held_out)


def halves_of(mining: Mining) -> Halves:
    """The halves as they were when the search began, with what people say by now.

    A pair that people are even on by now is left out of both.
    """
    opinions = _decided(mining.criterion, [*mining.shown, *mining.held_out])
    shown = set(mining.shown)
    return Halves(
        {unit: opinion for unit, opinion in opinions.items() if unit[0] in shown},
        {unit: opinion for unit, opinion in opinions.items() if unit[0] not in shown},
    )


def examples_of(criterion: Criterion, shown: Sequence[int]) -> list[Example]:
    """What a judge is shown of these pairs: both completions, the choice, some reasons."""
    opinions = _decided(criterion, shown)
    rows = Instance.objects.filter(pk__in=shown).prefetch_related("completions")
    instances = {row.pk: row for row in rows}
    labels = reasons_of(criterion, shown)
    found = []
    for (pk, _first, _second), opinion in opinions.items():
        texts = [each.whole_text for each in instances[pk].completions.all()]
        reasons = [label.rationale for label in labels[pk] if label.rationale]
        found.append(
            Example(
                instances[pk].messages,
                (texts[0], texts[1]),
                opinion.answer,
                reasons[:MOST_REASONS],
            )
        )
    return found


@transaction.atomic
def measure(
    *, mining: Mining, texts: Sequence[tuple[str, str]], budget: Budget | None
) -> list[JudgeRun]:
    """Start a trial of each candidate, and one of the judge as it is, on the mining's pairs.

    Args:
        texts: (criterion, who wrote it: "judge" or "people").
    """
    instances = sorted([*mining.shown, *mining.held_out])
    base = asked_again(mining.judge, mining.criterion, instances, budget, mining.created_by)
    runs, rows = [base], [{"run": base.pk, "source": "base", "text": ""}]
    for number, (text, source) in enumerate(texts, 1):
        trial = Trial(
            prompt=_prompt(mining, number, text),
            base=mining.judge,
            criterion=mining.criterion,
            count=len(instances),
            budget=budget,
        )
        run = ask_about(trial=trial, instances=instances, by=mining.created_by)
        runs.append(run)
        rows.append({"run": run.pk, "source": source, "text": text})
    mining.candidates = rows
    mining.save(update_fields=["candidates"])
    return runs


def _prompt(mining: Mining, number: int, text: str) -> Prompt:
    """The prompt that asks for one candidate; a job that starts again finds it there."""
    name = f"{MINED}{mining.pk}"
    known = Prompt.objects.filter(project=mining.project, name=name, version=number).first()
    if known is not None:
        return known
    prompt = candidate_prompt(mining.judge, text)
    prompt.name, prompt.version, prompt.created_by = name, number, mining.created_by
    prompt.save(force_insert=True)
    return prompt


def candidate_prompt(judge: Judge, text: str) -> Prompt:
    """What a judge is told to decide by one criterion alone; not saved."""
    mode = judge.prompt.mode if judge.prompt else judge.parameters.get("mode", Mode.TOKEN)
    return Prompt(
        project=judge.project, shape=Shape.PAIR, mode=mode, instructions=ALONE, rubric=text
    )


def minings_of(project: Project) -> QuerySet[Mining]:
    """Every search for criteria, newest first."""
    rows = Mining.objects.filter(project=project)
    return rows.select_related("judge", "criterion", "job", "created_by").order_by("-pk")


def mining_in(project: Project, mining_id: int) -> Mining:
    """One search of the project.

    Raises:
        NotFound: there is no such search in this project.
    """
    found = minings_of(project).filter(pk=mining_id).first()
    if found is None:
        raise NotFound(_("There is no such search for criteria in this project."))
    return found
