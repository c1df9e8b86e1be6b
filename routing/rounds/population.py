"""Which instances take part in a round, what is known of each, and which were left out and why."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime

from accounts.models import Project
from annotation.datasets.splits import split_prompts
from annotation.instances.content import text_of
from annotation.instances.models import Instance, InstanceState, Origin, RecordedLabel
from annotation.judges.models import Judge, Provider
from annotation.judges.protocol import Answer, Verdict, merge
from core.exceptions import InvalidInput
from core.hashing import unit_interval

from .options import RoundOptions

# What neither the test nor the seed takes is the pool.
TEST, SEED, POOL = "test", "seed", "train"


@dataclass(frozen=True)
class Member:
    """One instance of the round. `votes` and `verdict` are what is recorded, for replay only.

    A vote is 1 where the first completion was preferred, 0 where the second was, 0.5 for a tie,
    in the fixed order in which votes are bought.
    """

    pk: int
    external_id: str
    prompt_hash: str
    split: str
    prompt: str
    completions: tuple[str, ...]
    domain: str
    votes: tuple[float, ...] = ()
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Population:
    members: tuple[Member, ...]
    left_out: dict[str, int]

    def of(self, *splits: str) -> list[Member]:
        return [member for member in self.members if member.split in splits]


def population_of(
    project: Project, judge: Judge, options: RoundOptions, started: datetime
) -> Population:
    """The round's instances with their split, drawn by prompt and salted hash.

    Those imported after the round `started` wait for the next one: they would move the splits of
    a round that is under way.

    Raises:
        InvalidInput: too few prompts for three splits, or nothing is usable.
    """
    salt = project.protocol.salt
    instances = list(
        Instance.objects.filter(project=project, created_at__lte=started)
        .exclude(state=InstanceState.DROPPED)
        .prefetch_related("completions")
        .order_by("pk")
    )
    left_out: Counter[str] = Counter()
    votes, verdicts = _recorded(project, judge, salt) if options.replay else ({}, {})
    usable = []
    for instance in instances:
        reason = _why_not(instance, options, votes, verdicts)
        if reason:
            left_out[reason] += 1
        else:
            usable.append(instance)
    if not usable:
        raise InvalidInput(
            "No instance can take part in this round"
            + "".join(f"; {count} {reason}" for reason, count in left_out.items())
            + "."
        )
    splits = split_prompts(
        (instance.prompt_hash for instance in usable),
        salt=f"{salt}:round",
        shares={TEST: options.test_share, SEED: options.seed_prompts},
    )
    members = tuple(
        _member(instance, splits[instance.prompt_hash], votes, verdicts) for instance in usable
    )
    return Population(members, dict(left_out))


def _why_not(
    instance: Instance,
    options: RoundOptions,
    votes: dict[int, tuple[float, ...]],
    verdicts: dict[int, Verdict],
) -> str:
    if len(instance.completions.all()) != 2:
        return "do not have exactly two completions"
    if options.replay and instance.pk not in votes:
        return "have no recorded human label"
    if options.replay and instance.pk not in verdicts:
        return "have no complete recorded label of the judge"
    return ""


def _member(
    instance: Instance,
    split: str,
    votes: dict[int, tuple[float, ...]],
    verdicts: dict[int, Verdict],
) -> Member:
    return Member(
        pk=instance.pk,
        external_id=instance.external_id,
        prompt_hash=instance.prompt_hash,
        split=split,
        prompt="\n".join(text_of(turn["content"]) for turn in instance.messages),
        completions=tuple(each.whole_text for each in instance.completions.all()),
        domain=str(instance.metadata.get("domain", "")),
        votes=votes.get(instance.pk, ()),
        verdict=verdicts.get(instance.pk),
    )


def _recorded(
    project: Project, judge: Judge, salt: str
) -> tuple[dict[int, tuple[float, ...]], dict[int, Verdict]]:
    """Recorded votes in the order in which `labels.services.reveal` buys them, and verdicts."""
    people: dict[int, list[tuple[float, float]]] = defaultdict(list)
    answers: dict[int, list[Answer]] = defaultdict(list)
    # A recorded judge may bear another name than its labels came with.
    given = judge.model if judge.provider == Provider.RECORDED else judge.name
    rows = RecordedLabel.objects.filter(instance__project=project, criterion="").order_by("pk")
    for row in rows.iterator(chunk_size=5000):
        if len(row.ranking) != 2:
            continue
        if row.origin == Origin.HUMAN:
            people[row.instance_id].append((unit_interval(salt, "vote", row.pk), vote(row.ranking)))
        elif row.annotator == given:
            order = tuple(row.shown_order) if row.shown_order else None
            answers[row.instance_id].append(Answer(order, tuple(row.ranking)))
    votes = {pk: tuple(value for _, value in sorted(drawn)) for pk, drawn in people.items()}
    verdicts = {pk: verdict for pk, given in answers.items() if (verdict := merge(given))}
    return votes, verdicts


def vote(ranking: list[int]) -> float:
    """1 where the first completion ranks better, 0 where the second does, 0.5 for a tie."""
    return 0.5 if ranking[0] == ranking[1] else float(ranking[0] < ranking[1])
