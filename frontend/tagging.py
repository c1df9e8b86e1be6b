"""Tags on pages: the rows of an instance, and the forms that give or ask for them."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Project
from annotation.instances.models import Instance
from annotation.judges.models import Judge
from annotation.ledger.models import Budget
from annotation.tagging.models import TagSource
from annotation.tagging.runs import ALL, UNTAGGED, TagEstimate, estimate, taggers_of
from annotation.tagging.selectors import Coverage, coverage, given_tags
from annotation.tagging.vocabulary import MEANINGS, NAMES, TITLES, by_name, most_of
from core.exceptions import ApplicationError, InvalidInput, NotFound
from frontend.workbench.fields import number
from frontend.workbench.wishes import budget_of

SOURCES = {
    TagSource.IMPORT: gettext_lazy("import"),
    TagSource.PERSON: gettext_lazy("people"),
    TagSource.JUDGE: gettext_lazy("judges"),
}
# So many values of a name are shown at once.
SHOWN = 8
Meanings = list[tuple[str, str]]


@dataclass(frozen=True)
class TagRow:
    """One name on an instance: what counts, who said what, and the choices of a form.

    `chosen` has a value, or none, for each place that a form offers.
    """

    name: str
    title: str
    meaning: str
    values: tuple[str, ...]
    said: list[tuple[str, str]]
    chosen: list[str]
    choices: Meanings

    @property
    def unlisted(self) -> list[str]:
        """Values that count and that the vocabulary does not know: an import's own."""
        return [value for value in self.values if value not in MEANINGS[self.name]]


def instance_in(project: Project, instance_id: int) -> Instance:
    """One instance of the project.

    Raises:
        NotFound: there is no such instance in this project.
    """
    instance = Instance.objects.filter(project=project, pk=instance_id).first()
    if instance is None:
        raise NotFound(_("There is no such instance in this project."))
    instance.project = project
    return instance


def tag_rows(instance: Instance) -> list[TagRow]:
    """Every name of the vocabulary. One query."""
    said: defaultdict[str, dict[str, list[str]]] = defaultdict(dict)
    for row in given_tags(instance):
        who = row.judge.name if row.judge else _who(row.source, str(row.by or ""))
        said[row.name].setdefault(who, []).append(row.value)
    counting = by_name(instance.tags)
    return [
        TagRow(
            name=name,
            title=_(TITLES[name]),
            meaning=_(meaning),
            values=counting.get(name, ()),
            said=[(who, ", ".join(values)) for who, values in said[name].items()],
            chosen=_places(counting.get(name, ()), most_of(name)),
            choices=meanings_of(name),
        )
        for name, meaning in NAMES.items()
    ]


def _places(values: tuple[str, ...], most: int) -> list[str]:
    """The values, and empty places up to the most."""
    return [*values, *[""] * (most - len(values))]


def _who(source: str, name: str) -> str:
    return str(SOURCES[TagSource.IMPORT]) if source == TagSource.IMPORT else name or _("a person")


def meanings_of(name: str) -> Meanings:
    """The values of a name with a line about each."""
    return [(value, _(meaning)) for value, meaning in MEANINGS[name].items()]


@dataclass(frozen=True)
class CoverageRow:
    """One name with its coverage: (value, meaning, instances), the most first, and by source.

    `rest`: the rarer values, where there are many.
    """

    coverage: Coverage
    title: str
    meaning: str
    values: list[tuple[str, str, int]]
    rest: list[tuple[str, str, int]]
    sources: list[tuple[str, int]]


def coverage_rows(project: Project) -> list[CoverageRow]:
    """Every name of the vocabulary with the values that instances have."""
    rows = []
    for each in coverage(project):
        known = dict(meanings_of(each.name))
        values = [
            (value, known.get(value, _("not in the vocabulary")), count)
            for value, count in each.values.items()
        ]
        sources = [
            (str(SOURCES[TagSource(source)]), count) for source, count in each.sources.items()
        ]
        title, meaning = _(TITLES[each.name]), _(NAMES[each.name])
        rows.append(CoverageRow(each, title, meaning, values[:SHOWN], values[SHOWN:], sources))
    return rows


def read_tags(form: QueryDict, instance: Instance) -> dict[str, tuple[str, ...]]:
    """The names that somebody changed, with what they chose; the rest stays whoever's it is."""
    counting = by_name(instance.tags)
    chosen = {
        name: tuple(dict.fromkeys(value for value in form.getlist(name) if value))
        for name in NAMES
        if name in form
    }
    # In another order they are the same tags.
    return {name: each for name, each in chosen.items() if set(each) != set(counting.get(name, ()))}


@dataclass(frozen=True)
class TagWish:
    """Whom to ask about which prompts, out of which budget."""

    judge: Judge
    of: str = UNTAGGED
    budget: Budget | None = None


@dataclass(frozen=True)
class TagCost:
    """What a wish will cost, or why it cannot be had."""

    estimate: TagEstimate | None = None
    currency: str = ""
    left_micros: int | None = None
    problem: str = ""

    @property
    def short(self) -> bool:
        """What is expected does not fit; the run stops where the money ends."""
        left, found = self.left_micros, self.estimate
        return found is not None and left is not None and left < found.expected_micros


def wish_of(project: Project, form: Mapping[str, str] | QueryDict) -> TagWish:
    """The form as it was sent; what is not in it is as the page offers it first.

    Raises:
        InvalidInput, NotFound: a field says what is not there.
    """
    offered = taggers_of(project)
    typed = form.get("judge")
    judge = offered.first() if typed is None else offered.filter(pk=number(typed, 0)).first()
    if judge is None:
        raise InvalidInput(_("Choose the judge that is asked."))
    of = form.get("of", UNTAGGED)
    if of not in (UNTAGGED, ALL):
        raise InvalidInput(_("Choose which prompts the judge is asked about."))
    return TagWish(judge, of, budget_of(project, form.get("budget", "")))


def cost_of(project: Project, form: Mapping[str, str] | QueryDict) -> TagCost:
    """What the form's wish would take."""
    try:
        wish = wish_of(project, form)
        if not wish.judge.price_known:
            raise InvalidInput(_("Nobody has said what this judge costs: enter its prices first."))
        found = estimate(wish.judge, wish.of)
    except ApplicationError as error:
        return TagCost(problem=error.message)
    budget = wish.budget
    if budget is None:
        return TagCost(found)
    left = budget.limit - budget.settled - budget.reserved - budget.unknown
    return TagCost(found, budget.currency, left)
