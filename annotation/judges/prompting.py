"""Prompts of a project: texts in versions. A version never changes, for replies are kept under it.

A prompt adds words; what makes a question safe (the tags around the material, the sentence that
it is material, the form of the reply, both orders) is added by `asking` whatever the texts say.
"""

from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from accounts.models import Project, User
from annotation.instances.readers import unstorable
from audit.services import record
from core.exceptions import InvalidInput

from . import locks
from .asking.placeholders import check
from .mined import MINED
from .models import Mode, Prompt, Shape

TEXTS = ("system", "instructions", "rubric")
SETTABLE = (*TEXTS, "shape", "mode", "examples", "use_reference", "show_guideline", "note")
MOST_TEXT = 20_000
MOST_NAME, MOST_NOTE = 60, 300
MOST_EXAMPLES = 16


@transaction.atomic
def create_prompt(*, project: Project, name: str, by: User | None = None, **fields: Any) -> Prompt:
    """Version 1 of a prompt. `fields`: what `SETTABLE` names.

    Raises:
        InvalidInput: the name is taken or blank, a text is too long or has an unknown placeholder,
            or a value is out of range.
    """
    name = name.strip()
    if not name or len(name) > MOST_NAME:
        raise InvalidInput(
            _("A prompt needs a name of at most %(most)s letters.") % {"most": MOST_NAME}
        )
    if name.startswith(MINED):
        raise InvalidInput(
            _("Names that begin with %(word)s are kept for criteria.") % {"word": MINED}
        )
    locks.naming(project)
    if Prompt.objects.filter(project=project, name=name).exists():
        raise InvalidInput(
            _("There is a prompt named %(name)s: write a new version of it.") % {"name": name}
        )
    return _written(Prompt(project=project, name=name, created_by=by, **_checked(fields)))


@transaction.atomic
def new_version(*, prompt: Prompt, by: User | None = None, **changes: Any) -> Prompt:
    """The next version of a prompt; what is not named stays as it is.

    Raises:
        InvalidInput: nothing changed, the shape did, or a value is refused as in `create_prompt`.
    """
    before = {name: getattr(prompt, name) for name in SETTABLE}
    after = _checked(before | changes)
    if after["shape"] != before["shape"]:
        raise InvalidInput(_("A version asks for what its prompt asks for: make another prompt."))
    if all(after[name] == before[name] for name in SETTABLE if name != "note"):
        raise InvalidInput(_("Nothing changed: this is the version that is there."))
    # Two people who save at once get two numbers: the second waits here.
    locks.naming(prompt.project)
    versions = Prompt.objects.filter(project=prompt.project_id, name=prompt.name)
    newest = versions.aggregate(newest=Max("version"))["newest"]
    return _written(
        Prompt(
            project_id=prompt.project_id,
            name=prompt.name,
            version=newest + 1,
            parent=prompt,
            created_by=by,
            **after,
        )
    )


def _written(prompt: Prompt) -> Prompt:
    prompt.save(force_insert=True)
    record(
        action="prompt written",
        actor=prompt.created_by,
        project=prompt.project,
        target=str(prompt),
    )
    return prompt


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields without blanks around them; steps in the order in which a person reads them."""
    if unknown := sorted(set(fields) - set(SETTABLE)):
        raise InvalidInput(_("A prompt has no %(name)s.") % {"name": unknown[0]})
    texts = {name: str(fields[name]).strip() for name in (*TEXTS, "note") if name in fields}
    checked = fields | texts
    for name in TEXTS:
        _check_text(texts.get(name, ""), name)
    if len(texts.get("note", "")) > MOST_NOTE:
        raise InvalidInput(_("The note has at most %(most)s letters.") % {"most": MOST_NOTE})
    if checked.get("shape", Shape.PAIR) not in Shape.values:
        raise InvalidInput(_("A prompt asks for a pair, a ranking or scores."))
    if checked.get("mode", Mode.REASONED) not in Mode.values:
        raise InvalidInput(_("A prompt asks for one token or for reasons."))
    count = checked.get("examples", 0)
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= MOST_EXAMPLES:
        raise InvalidInput(_("A prompt shows 0 to %(most)s examples.") % {"most": MOST_EXAMPLES})
    return checked


def _check_text(text: str, name: str) -> None:
    if reason := unstorable([text]):
        raise InvalidInput(_("The text cannot be stored: %(reason)s.") % {"reason": reason})
    if len(text) > MOST_TEXT:
        raise InvalidInput(
            _("%(name)s has at most %(most)s letters.") % {"name": name, "most": MOST_TEXT}
        )
    check(text, name)
