"""Annotators: rows for people, and for those whose labels came with an import."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

from django.db import transaction

from accounts.models import Project, User
from annotation.judges.models import Judge, Provider
from annotation.projects.selectors import protocol_of
from core.hashing import content_hash

from .models import Annotator, AnnotatorKind

_PREFIX = {"person": "p", "judge": "j", "import": "i", "verifier": "v"}
SIMULATED = " (simulated)"
LONGEST = 120
# Raw, because every request of the labelling page asks this.
THERE = "SELECT * FROM annotation_annotator WHERE project_id = %s AND user_id = %s"


@dataclass(frozen=True)
class Name:
    """Who gave a recorded label. Labels nobody gave never share an annotator with real ones."""

    kind: AnnotatorKind
    given: str
    simulated: bool

    @property
    def stored(self) -> str:
        """A simulated person carries it in the name too; a judge's name is the judge's own."""
        marked = self.simulated and self.kind == AnnotatorKind.IMPORT
        return self.given + SIMULATED if marked else self.given


def pseudonym(*, salt: str, kind: str, name: str) -> str:
    """What others see instead of the name: salted, so that it cannot be looked up by hashing."""
    return f"{_PREFIX[kind]}-{content_hash([salt, kind, name])[:12]}"


@dataclass(frozen=True)
class ImportedNames:
    """What a project calls the judges that labels came from: a name that a judge which can be
    asked has already is not theirs, or its own labels could not be told from imported ones."""

    taken: frozenset[str]

    @classmethod
    def of(cls, project: Project) -> "ImportedNames":
        asked = Judge.objects.filter(project=project).exclude(provider=Provider.RECORDED)
        return cls(frozenset(asked.values_list("name", flat=True)))

    def __call__(self, given: str) -> str:
        """The name given, or the first free of "… (imported)", "… (imported 2)" and so on."""
        name = given
        for number in count(1):
            if name not in self.taken:
                break
            mark = " (imported)" if number == 1 else f" (imported {number})"
            name = f"{given[: LONGEST - len(mark)]}{mark}"
        return name


def annotator_for(*, project: Project, user: User) -> Annotator:
    """The annotator row of a person in this project, made on first use."""
    there = next(iter(Annotator.objects.raw(THERE, [project.pk, user.pk])), None)
    annotator = there or _made(project, user)
    annotator.project, annotator.user = project, user
    return annotator


@transaction.atomic
def _made(project: Project, user: User) -> Annotator:
    salt = protocol_of(project).salt
    name = user.get_username()
    annotator, _ = Annotator.objects.get_or_create(
        project=project,
        user=user,
        defaults={
            "kind": AnnotatorKind.PERSON,
            "name": name,
            "pseudonym": pseudonym(salt=salt, kind=AnnotatorKind.PERSON, name=name),
        },
    )
    return annotator


def annotators_named(
    *, project: Project, salt: str, names: Iterable[Name]
) -> dict[Name, Annotator]:
    """The annotators of these names, made where missing; a constant number of queries."""
    wanted = set(names)
    Annotator.objects.bulk_create(
        [
            Annotator(
                project=project,
                kind=name.kind,
                name=name.stored,
                pseudonym=pseudonym(salt=salt, kind=name.kind, name=name.stored),
                simulated=name.simulated,
            )
            for name in sorted(wanted, key=lambda name: (name.kind, name.stored))
        ],
        ignore_conflicts=True,
    )
    kinds, stored = {name.kind for name in wanted}, {name.stored for name in wanted}
    rows = Annotator.objects.filter(project=project, kind__in=kinds, name__in=stored)
    by_name = {(row.kind, row.name): row for row in rows}
    return {name: by_name[name.kind, name.stored] for name in wanted}
