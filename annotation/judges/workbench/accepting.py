"""What becomes of a criterion that was found: a line of a rubric, or a question to everybody."""

from collections.abc import Sequence

from django.utils.text import slugify
from django.utils.translation import gettext as _

from accounts.models import User
from annotation.judges.models import Mining, Prompt
from annotation.judges.prompting import create_prompt, new_version
from annotation.projects.models import Criterion
from annotation.projects.services import add_criterion
from core.exceptions import InvalidInput

CARRIED = ("shape", "mode", "system", "instructions", "examples", "use_reference", "show_guideline")
KEY_LENGTH = Criterion._meta.get_field("key").max_length or 40
NAME_LENGTH = Criterion._meta.get_field("name").max_length or 80


def texts_of(mining: Mining, numbers: Sequence[int]) -> list[str]:
    """The candidates of these numbers, from 1, as they are listed in the mining.

    Raises:
        InvalidInput: none is chosen, or one is not there.
    """
    candidates = [row["text"] for row in mining.candidates if row["source"] != "base"]
    if not numbers or any(not 1 <= number <= len(candidates) for number in numbers):
        raise InvalidInput(_("Mark the criteria to accept."))
    return [candidates[number - 1] for number in sorted(set(numbers))]


def as_rubric(
    *, mining: Mining, texts: Sequence[str], before: Prompt | None, name: str, by: User | None
) -> Prompt:
    """A new version of a prompt with these lines at the end of its rubric; or a new prompt.

    Raises:
        InvalidInput: the prompt would break a rule, or all lines are in it already.
    """
    rubric = before.rubric if before else ""
    known = {line.lstrip("- ").casefold() for line in rubric.splitlines()}
    lines = [f"- {text}" for text in texts if text.casefold() not in known]
    if not lines:
        raise InvalidInput(_("These criteria are lines of this rubric already."))
    fields = {
        "rubric": "\n".join([rubric, *lines]).strip(),
        "note": _("criteria found in what people chose (search %d)") % mining.pk,
    }
    if before is None:
        return create_prompt(project=mining.project, name=name.strip(), by=by, **fields)
    carried = {name: getattr(before, name) for name in CARRIED}
    return new_version(prompt=before, by=by, **carried, **fields)


def as_criterion(*, mining: Mining, texts: Sequence[str], name: str, by: User | None) -> Criterion:
    """Ask everybody this question too; the guideline gets a new version.

    Raises:
        InvalidInput: not one candidate, no name, or the project has a criterion of this name.
    """
    if len(texts) != 1:
        raise InvalidInput(_("Mark one criterion to ask everybody about."))
    name = " ".join(name.split())[:NAME_LENGTH]
    key = slugify(name)[:KEY_LENGTH]
    if not key:
        raise InvalidInput(_("Give the criterion a name."))
    return add_criterion(project=mining.project, by=by, key=key, name=name, question=texts[0])
