"""Routing rules: what people have laid down, what each rule catches now, and older versions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.labels.models import Annotator
from annotation.tagging.vocabulary import TAGS
from core.exceptions import ApplicationError, InvalidInput
from frontend.pages import project_page, user_of
from routing.rules.matching import DROP, EXPERTS, JUDGE, METADATA, PEOPLE, TAG, VERIFIER, Rule
from routing.rules.preview import Catch, catch
from routing.rules.selectors import InForce, in_force, versions
from routing.rules.services import MOST_RULES, save_rules

PARTS = ("order", "source", "name", "value", "to", "qualification")
# Rows to write new rules in.
EMPTY = 2
SOURCES = ((TAG, gettext_lazy("tag")), (METADATA, gettext_lazy("metadata")))
TARGETS = (
    (PEOPLE, gettext_lazy("people")),
    (EXPERTS, gettext_lazy("experts")),
    (JUDGE, gettext_lazy("judge")),
    (VERIFIER, gettext_lazy("program")),
    (DROP, gettext_lazy("drop it")),
)


@dataclass(frozen=True)
class Caught:
    """A line of the list beside the form; without a rule: what is left to the strategy."""

    rule: Rule | None
    waiting: int
    everywhere: int


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def rules(request: HttpRequest, slug: str) -> HttpResponse:
    """The rules in force; POST counts what those of the form would catch, or saves them."""
    user = user_of(request)
    if request.method != "POST":
        project = project_for(user, slug, Action.SEE_ROUTING)
        now = in_force(project)
        return _page(request, project, now.rules, now)
    project = project_for(user, slug, Action.MANAGE_BUDGETS)
    sent: Sequence[Rule] = ()
    try:
        sent = _sent(request.POST)
        if request.POST.get("do") == "save":
            save_rules(project=project, rules=sent, version=_version(request.POST), by=user)
            messages.success(request, _("Saved. They decide from now on."))
            return redirect("routing-rules", slug)
    except ApplicationError as error:
        return _page(request, project, sent, in_force(project), error=error)
    return _page(request, project, sent, in_force(project), saved=False)


def _page(
    request: HttpRequest,
    project: Project,
    shown: Sequence[Rule],
    now: InForce,
    *,
    saved: bool = True,
    error: ApplicationError | None = None,
) -> HttpResponse:
    """The page; htmx gets the counts alone."""
    counted = catch(project, shown)
    about: dict[str, Any] = {
        "caught": _caught(shown, counted),
        "counted": counted,
        "error": error,
        "saved": saved and error is None,
        "project": project,
    }
    if request.headers.get("HX-Request"):
        response = render(request, "routing/rules_catch.html", about)
    else:
        blank = [Rule(TAG, "", "", PEOPLE)] * min(EMPTY, MOST_RULES - len(shown))
        del about["project"]
        response = project_page(
            request,
            "routing/rules_page.html",
            project,
            "routing-rules",
            rows=[*shown, *blank],
            now=now,
            version=request.POST.get("version", now.version),
            history=versions(project),
            sources=SOURCES,
            targets=TARGETS,
            names=sorted(TAGS),
            values=sorted({value for given in TAGS.values() for value in given}),
            qualifications=_qualifications(project),
            **about,
        )
    response.status_code = error.status if error else 200
    return response


def _caught(shown: Sequence[Rule], counted: Catch) -> list[Caught]:
    return [
        Caught(rule, waiting, everywhere)
        for rule, waiting, everywhere in zip(
            [*shown, None], counted.waiting, counted.everywhere, strict=True
        )
    ]


def _qualifications(project: Project) -> list[str]:
    rows = Annotator.objects.filter(project=project).exclude(qualifications=[])
    return sorted(
        {each for given in rows.values_list("qualifications", flat=True) for each in given}
    )


def _sent(form: QueryDict) -> list[Rule]:
    """The rules of the form in the order that its numbers say; rows without a name are none.

    Raises:
        InvalidInput: the form lacks a part of a row, or an order is no number.
    """
    columns = {part: [text.strip() for text in form.getlist(part)] for part in PARTS}
    counts = {len(column) for column in columns.values()}
    if len(counts) != 1 or max(counts) > MOST_RULES:
        raise InvalidInput(_("There are %(most)s rules at most.") % {"most": MOST_RULES})
    rows = [dict(zip(PARTS, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    placed = [(_place(row.pop("order")), at, row) for at, row in enumerate(rows) if row["name"]]
    return [_rule(row) for _place_, _at, row in sorted(placed, key=lambda each: each[:2])]


def _rule(row: dict[str, str]) -> Rule:
    """A qualification counts only where experts are asked: others keep what was typed for later."""
    rule = Rule.from_json(row)
    return rule if rule.to == EXPERTS else Rule(rule.source, rule.name, rule.value, rule.to)


def _place(text: str) -> int:
    if not text:
        return 10**6
    if not (text.isascii() and text.isdigit() and len(text) < 5):
        raise InvalidInput(_("The order of a rule is a whole number."))
    return int(text)


def _version(form: QueryDict) -> int:
    text = form.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else -1
