"""Saving the rules of a project: a new version each time."""

from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Project, User
from annotation.judges.models import Judge, Provider, Stage
from annotation.labels.models import Annotator
from audit.services import record
from core.exceptions import Conflict, InvalidInput
from routing.live.models import LiveRouting, Mode
from routing.live.services import ring

from .matching import EXPERTS, SOURCES, TARGETS, VERIFIER, Rule
from .models import RuleSet
from .selectors import in_force

MOST_RULES, LONGEST = 50, 80


@transaction.atomic
def save_rules(
    *, project: Project, rules: Sequence[Rule], version: int, by: User | None
) -> RuleSet:
    """Put these rules in force, in this order; none: the strategy decides about everything again.

    Live routing applies them to what it decides from now on, and moves what nobody has begun with
    between people and the judge.

    Raises:
        Conflict: somebody else saved since `version`.
        InvalidInput: a rule says nothing, is there twice, or goes to somebody who is not there.
    """
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    before = in_force(project)
    if before.version != version:
        raise Conflict(
            _("Somebody else has saved rules meanwhile: look at them, then change yours.")
        )
    _check(project, rules)
    row = RuleSet.objects.create(
        project=project,
        version=version + 1,
        rules=[rule.to_json() for rule in rules],
        saved_by=by,
    )
    record(
        action="routing rules saved",
        actor=by,
        project=project,
        target=f"rules:{row.pk}",
        version=row.version,
        rules=[rule.sentence for rule in rules],
        before=[rule.sentence for rule in before.rules],
    )
    if LiveRouting.objects.filter(project=project).exclude(mode=Mode.OFF).exists():
        ring(project, by=by)
    return row


def _check(project: Project, rules: Sequence[Rule]) -> None:
    if len(rules) > MOST_RULES:
        raise InvalidInput(_("There are %(most)s rules at most.") % {"most": MOST_RULES})
    seen: set[tuple[str, str, str]] = set()
    for rule in rules:
        _check_words(rule)
        condition = (rule.source, rule.name, rule.value)
        if condition in seen:
            raise InvalidInput(
                _("Two rules are about %(name)s %(value)s: the second would never be reached.")
                % {"name": rule.name, "value": rule.value}
            )
        seen.add(condition)
    _check_experts(project, rules)
    if any(rule.to == VERIFIER for rule in rules) and not _has_program(project):
        raise InvalidInput(_("No program in use checks the completions of this project."))


def _check_words(rule: Rule) -> None:
    if rule.source not in SOURCES or rule.to not in TARGETS:
        raise InvalidInput(_("Choose what a rule reads and where its instances go."))
    if not rule.name or ":" in rule.name:
        raise InvalidInput(_("A rule names a tag or a field, without a colon."))
    words = (rule.name, rule.value, rule.qualification)
    if any(len(word) > LONGEST or "\0" in word for word in words):
        raise InvalidInput(
            _("A name or a value has at most %(most)s characters.") % {"most": LONGEST}
        )
    if (rule.to == EXPERTS) != bool(rule.qualification):
        raise InvalidInput(
            _("Name the qualification of the experts of a rule, and of nobody else.")
        )


def _check_experts(project: Project, rules: Sequence[Rule]) -> None:
    """Raises InvalidInput where places would wait for somebody who is not there."""
    held = {
        each
        for given in Annotator.objects.filter(project=project).values_list(
            "qualifications", flat=True
        )
        for each in given
    }
    for rule in rules:
        if rule.to == EXPERTS and rule.qualification not in held:
            raise InvalidInput(
                _("Nobody in the project has the qualification %(name)s.")
                % {"name": rule.qualification}
            )


def _has_program(project: Project) -> bool:
    programs = Judge.objects.filter(project=project, provider=Provider.VERIFIER)
    return bool(programs.filter(stage=Stage.ACTIVE).exists())
