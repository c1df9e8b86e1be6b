"""The page of a project that is not there yet: an example instance in the labelling templates."""

import uuid
from string import ascii_uppercase
from typing import Any

from accounts.models import Project
from annotation.labels.best_worst import FEWEST, draw_groups
from annotation.labels.selectors import LabelView, ShownCompletion
from annotation.projects.models import Criterion, Kind, Protocol
from annotation.projects.services import protocol_rows
from annotation.projects.templates import TEMPLATES
from frontend.labelling import SlotForm, slot_form

from .examples import EXAMPLES, Example
from .fields import Plan, arguments_of


def preview_of(plan: Plan) -> dict[str, Any]:
    """The context of `label/_slot.html`. Reads and writes no row.

    Raises:
        InvalidInput: the plan cannot become a project yet; says why.
    """
    arguments = arguments_of(plan)
    guideline = arguments.pop("guideline")
    protocol, criteria = protocol_rows(**arguments)
    example = example_for(str(plan.values.get("template", "")), protocol)
    return {
        "form": form_of(protocol, criteria, example, guideline),
        "project": Project(slug="preview", name=plan.name),
    }


def form_of(
    protocol: Protocol, criteria: list[Criterion], example: Example, guideline: str = ""
) -> SlotForm:
    """The form of the example as this protocol asks about it."""
    count = len(example.completions)
    grouped = protocol.best_worst and count >= FEWEST
    return slot_form(
        LabelView(
            slot_key=uuid.uuid4(),
            messages=example.messages,
            context=example.context,
            completions=[
                ShownCompletion(ascii_uppercase[place], place, each.text, each.parts, each.messages)
                for place, each in enumerate(example.completions)
            ],
            criteria=criteria,
            protocol=protocol,
            guideline=guideline,
            guideline_version=1,
            draft={},
            draft_revision=0,
            groups=draw_groups(count, "preview") if grouped else [],
        )
    )


def example_for(template: str, protocol: Protocol) -> Example:
    """The template's own example where it still fits what is asked, else one that does."""
    found = EXAMPLES.get(TEMPLATES[template].example) if template in TEMPLATES else None
    if protocol.mark_steps:
        return EXAMPLES["steps"]
    if protocol.kind == Kind.LISTWISE:
        fits = found is not None and len(found.completions) > 2
        wanted = EXAMPLES["long-list" if protocol.best_worst else "list"]
        return found if found and fits and not protocol.best_worst else wanted
    if protocol.kind == Kind.PAIRWISE and (found is None or len(found.completions) != 2):
        return EXAMPLES["pair"]
    return found or EXAMPLES["pair"]
