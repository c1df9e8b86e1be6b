"""Judges as annotators, and asking them: both orders, one label, every call on the books."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Max, Q

from accounts.models import Project
from annotation.instances.models import Origin, RecordedLabel
from annotation.instances.readers import unstorable
from annotation.labels.models import Annotator, AnnotatorKind
from annotation.labels.people import ImportedNames, pseudonym
from annotation.ledger.models import Budget
from annotation.projects.models import Criterion
from annotation.projects.selectors import protocol_of
from core.exceptions import InvalidInput

from . import locks, verdicts
from .models import CallState, Connection, Judge, Prompt, Stage
from .models import Provider as ProviderName
from .running.books import recover
from .running.engine import Engine
from .running.handed import still_open
from .running.session import counting, engine_for, labelling, labels, sources_of

# What a strong language model costs for one pair in both orders: $5.5 per 1000 pairs
# (AlpacaEval's table, algorithms.md §2). A stated default, not a measured price.
PAIR_PRICE_MICROS = 5_500
NAME_LENGTH, VERSION_LENGTH = 120, 40
# Texts of a judge, and how long each may be.
LONGEST = {"name": NAME_LENGTH, "model": 120, "family": 40}
# What a version of a judge may change.
VERSIONED = (
    "model",
    "provider",
    "connection",
    "prompt",
    "prompt_version",
    "parameters",
    "family",
    "price_known",
    "price_per_call_micros",
    "price_per_1k_input_micros",
    "price_per_1k_output_micros",
)
Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class AskReport:
    """Instances by outcome; only answered ones have a label. `spent_micros` is this ask alone.

    `incomplete`: one order only is known. `unknown`: a call died in flight, stays charged and is
    asked again only with `retry_unknown`.
    """

    answered: int
    unparsable: int
    failed: int
    spent_micros: int
    incomplete: int = 0
    unknown: int = 0


@transaction.atomic
def create_judge(
    *,
    project: Project,
    name: str,
    model: str,
    provider: str = ProviderName.OPENAI,
    connection: Connection | None = None,
    prompt: Prompt | None = None,
    prompt_version: str = "1",
    parameters: Mapping[str, Any] | None = None,
    simulated: bool = False,
    label_price_micros: int = 0,
    **fields: Any,
) -> Judge:
    """A judge and its annotator.

    `label_price_micros`: what one label is expected to cost, for plans. `fields`: the judge's
    three `price_…_micros`, which are what is charged, `price_known`, `family`, `stage`, `version`
    and `replaces`.

    Raises:
        InvalidInput: the name is taken, a text is too long or cannot be stored, the provider is
            unknown or not the connection's, or the connection or the prompt is another project's.
    """
    if provider not in ProviderName.values:
        raise InvalidInput(f"Unknown provider {provider!r}: one of {', '.join(ProviderName)}.")
    fields["family"] = fields.get("family", "").strip().lower()
    _check_texts({"name": name, "model": model, "family": fields["family"]})
    locks.naming(project)
    if Judge.objects.filter(project=project, name=name).exists():
        raise InvalidInput(f"The project has a judge named {name!r}: choose another name.")
    if any(used and used.project_id != project.pk for used in (connection, prompt)):
        raise InvalidInput("The connection and the prompt of a judge belong to its own project.")
    if connection is not None and connection.provider != provider:
        raise InvalidInput(f"The connection {connection.name!r} is of {connection.provider}.")
    judge = Judge.objects.create(
        project=project,
        name=name,
        provider=provider,
        model=model,
        connection=connection,
        prompt=prompt,
        prompt_version=str(prompt)[:VERSION_LENGTH] if prompt else prompt_version,
        parameters=dict(parameters or {}),
        **fields,
    )
    _annotator(judge, simulated=simulated, price_micros=label_price_micros)
    return judge


def _check_texts(texts: Mapping[str, str]) -> None:
    for field, text in texts.items():
        if len(text) > LONGEST[field]:
            raise InvalidInput(f"The {field} of a judge has at most {LONGEST[field]} letters.")
        if reason := unstorable([text]):
            raise InvalidInput(f"The {field} cannot be stored: {reason}.")


@transaction.atomic
def new_version(*, judge: Judge, **changes: Any) -> Judge:
    """A draft that is to replace a judge, with some of its fields changed; the old one stays.

    It is named after the judge with its number. Promoting it retires the judge it replaces.

    Raises:
        InvalidInput: a field is no part of what a judge is, or as `create_judge`.
    """
    if unknown := sorted(set(changes) - set(VERSIONED)):
        raise InvalidInput(f"A version of a judge cannot change {unknown[0]!r}.")
    same = {name: getattr(judge, name) for name in VERSIONED}
    # Two people who make a version at once get two numbers: the second waits here.
    locks.naming(judge.project)
    family = Judge.objects.filter(project=judge.project, name__startswith=_root(judge.name))
    number = max(each.version for each in [*family, judge]) + 1
    suffix = f" v{number}"
    return create_judge(
        project=judge.project,
        name=f"{_root(judge.name)[: NAME_LENGTH - len(suffix)]}{suffix}",
        simulated=judge.annotator.simulated,
        label_price_micros=judge.annotator.price_micros,
        stage=Stage.DRAFT,
        version=number,
        replaces=judge,
        **{**same, **changes},
    )


def _root(name: str) -> str:
    return re.sub(r" v\d+\Z", "", name)


def _annotator(judge: Judge, **values: Any) -> Annotator:
    """The judge's annotator; one that an import revealed labels of is the same."""
    salt = protocol_of(judge.project).salt
    is_program = judge.provider == ProviderName.VERIFIER
    kind = AnnotatorKind.VERIFIER if is_program else AnnotatorKind.JUDGE
    values["pseudonym"] = pseudonym(salt=salt, kind=kind, name=judge.name)
    annotator, _ = Annotator.objects.update_or_create(
        project=judge.project,
        kind=kind,
        name=judge.name,
        defaults={"judge": judge, **values},
    )
    return annotator


@transaction.atomic
def ensure_recorded(*, project: Project, pair_price_micros: int = PAIR_PRICE_MICROS) -> list[Judge]:
    """One judge for each judge name found in the project's recorded labels, oldest name first.

    A judge recorded in both orders is charged half of `pair_price_micros` for each, one recorded
    once all of it: a pair costs the same either way. Its annotator is simulated when all its
    labels are. Judges that exist keep their price. One that can be asked is never taken for the
    source of imported labels: these have a judge of their own, "… (imported)".
    """
    found = (
        RecordedLabel.objects.filter(instance__project=project, origin=Origin.JUDGE)
        .values("annotator")
        .annotate(
            orders=Max("ordinal") + 1,
            labels=Count("pk"),
            simulated=Count("pk", filter=Q(simulated=True)),
        )
        .order_by("annotator")
    )
    known = {judge.name: judge for judge in Judge.objects.filter(project=project)}
    names = ImportedNames.of(project)
    judges: dict[str, Judge] = {}
    for row in found:
        name = names(row["annotator"])
        judges[name] = (
            known.get(name)
            or judges.get(name)
            or create_judge(
                project=project,
                name=name,
                model=row["annotator"],
                provider=ProviderName.RECORDED,
                simulated=row["simulated"] == row["labels"],
                label_price_micros=pair_price_micros,
                price_per_call_micros=pair_price_micros // row["orders"],
            )
        )
    return list(judges.values())


def set_accuracy(*, judge: Judge, accuracy: float) -> Judge:
    """What a hard verdict is worth from now on: the judge's accuracy measured on A-calibrate.

    Raises:
        InvalidInput: not within [0, 1].
    """
    if not 0 <= accuracy <= 1:
        raise InvalidInput("An accuracy lies between 0 and 1.")
    judge.accuracy = accuracy
    judge.save(update_fields=["accuracy"])
    return judge


def ask(
    *,
    judge: Judge,
    instance_ids: Sequence[int],
    criterion: Criterion,
    budget: Budget | None = None,
    progress: Progress | None = None,
    decision_of: Mapping[int, UUID] | None = None,
    retry_unknown: bool = False,
) -> AskReport:
    """Ask the judge about each instance in both orders, and label those with a verdict.

    Replies stored before are used and never bought again; instances asked before a refusal of the
    budget keep their labels. A hard verdict stands for the judge's accuracy, 0.75 where it was
    never measured. `progress(done, total)` counts instances.

    Raises:
        BudgetExceeded: the next call does not fit; it was not asked.
        Conflict: another process is asking this judge.
        InvalidInput: the judge cannot be asked.
    """
    total = len(instance_ids)

    def look(engine: Engine) -> None:
        if progress is not None:
            progress(engine.done, total)

    sources = sources_of(judge, [criterion])
    with locks.asking(judge):
        handed_in = [key for row in still_open(judge) for key in row.keys]
        recover(judge, bought=sources[0].provider.buys, except_keys=handed_in)
        engine = engine_for(
            judge,
            sources,
            instance_ids,
            budget=budget,
            label=labelling(judge, decision_of) if labels(judge, trial=False) else counting,
            look=look,
            retry_unknown=retry_unknown,
        )
        engine.run(sources)
        look(engine)
    return _report(engine)


def _report(engine: Engine) -> AskReport:
    outcome = engine.outcome
    return AskReport(
        answered=outcome["answered"],
        unparsable=outcome[CallState.UNPARSABLE],
        failed=outcome[CallState.FAILED],
        spent_micros=engine.spent,
        incomplete=outcome[verdicts.INCOMPLETE],
        unknown=outcome[CallState.UNKNOWN],
    )
