"""Budgets: what may be spent on whom and for how long, what is left, and until when."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.judges.models import Judge
from annotation.ledger.models import Unit
from core.exceptions import ApplicationError, InvalidInput
from frontend.budget_charts import spending_chart
from frontend.budget_words import PERIODS, SPENDERS, UNITS, unit_word
from frontend.pages import project_page, user_of
from frontend.reading import micros, whole
from routing.budgets import alerts, services
from routing.budgets.models import Period, Spender
from routing.budgets.selectors import Spending, allowance_in, main_unit, outlines, spent
from routing.live.minimum import check_audit_arm

MOST_JUDGES = 200


@require_safe
@login_required
def budgets(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.SEE_ROUTING)
    return _page(request, project)


def _page(
    request: HttpRequest,
    project: Project,
    *,
    error: ApplicationError | None = None,
    changed: int | None = None,
) -> HttpResponse:
    """The page; `error` stands at the form that was sent: that of `changed`, or the new one."""
    rows = outlines(project)
    unit = main_unit([row.allowance for row in rows])
    spending = spent(project, unit)
    currency = next((r.allowance.currency for r in rows if r.allowance.unit == Unit.MONEY), "")
    word = unit_word(unit, currency)
    response = project_page(
        request,
        "routing/budgets_page.html",
        project,
        "budgets",
        rows=rows,
        unit_word=word,
        currency=currency,
        chart=spending_chart(spending, word, timezone.now().date()),
        shares=_shares(spending),
        units=[(each.value, UNITS[each]) for each in Unit],
        periods=[(each.value, PERIODS[each]) for each in Period],
        spenders=[(each.value, SPENDERS[each]) for each in Spender],
        judges=list(Judge.objects.filter(project=project).order_by("name")[:MOST_JUDGES]),
        sent=request.POST,
        error=error,
        changed=changed,
    )
    if error is not None:
        response.status_code = error.status
    return response


def _shares(spending: Sequence[Spending]) -> list[dict[str, Any]]:
    """What went to each pool and each judge, the largest first."""
    found: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in spending:
        total = found[row.spender, row.judge]
        total[0] += row.amount
        total[1] += row.purchases
    everything = sum(amount for amount, _purchases in found.values())
    return [
        {
            "spender": spender,
            "judge": judge,
            "amount": amount,
            "purchases": purchases,
            "share": amount / everything if everything else 0,
        }
        for (spender, judge), (amount, purchases) in sorted(
            found.items(), key=lambda each: -each[1][0]
        )
    ]


@require_POST
@login_required
def budget_new(request: HttpRequest, slug: str) -> HttpResponse:
    user, form = user_of(request), request.POST
    project = project_for(user, slug, Action.MANAGE_BUDGETS)
    try:
        with transaction.atomic():
            made = services.create_allowance(
                project=project,
                name=form.get("name", ""),
                unit=form.get("unit", ""),
                limit=micros(form, "limit", _("Limit")),
                period=form.get("period", ""),
                spender=form.get("spender", ""),
                judge=_judge(project, form.get("judge", "")),
                currency=form.get("currency", "") or "USD",
                by=user,
            )
            check_audit_arm(made)
    except InvalidInput as error:
        return _page(request, project, error=error)
    messages.success(request, _("The budget %(name)s is there.") % {"name": made.name})
    return redirect("budgets", slug)


def _judge(project: Project, typed: str) -> Judge | None:
    if not typed:
        return None
    rows = Judge.objects.filter(project=project, pk=typed) if typed.isdecimal() else None
    found = rows.first() if rows is not None and len(typed) < 19 else None
    if found is None:
        raise InvalidInput(_("Choose a judge of this project."))
    return found


@require_POST
@login_required
def budget_change(request: HttpRequest, slug: str, allowance_id: int) -> HttpResponse:
    """Another limit. Who saves what somebody else has changed meanwhile is shown the new state."""
    user, form = user_of(request), request.POST
    project = project_for(user, slug, Action.MANAGE_BUDGETS)
    allowance = allowance_in(project, allowance_id)
    try:
        with transaction.atomic():
            changed = services.change_limit(
                allowance=allowance,
                limit=micros(form, "limit", _("Limit")),
                version=whole(form, "version", _("Version")),
                by=user,
            )
            check_audit_arm(changed)
    except ApplicationError as error:
        return _page(request, project, error=error, changed=allowance.pk)
    messages.success(request, _("The limit of %(name)s is changed.") % {"name": allowance.name})
    return redirect("budgets", slug)


@require_POST
@login_required
def budget_end(request: HttpRequest, slug: str, allowance_id: int) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_BUDGETS)
    allowance = allowance_in(project, allowance_id)
    try:
        version = whole(request.POST, "version", _("Version"))
        services.end_allowance(allowance=allowance, version=version, by=user)
    except ApplicationError as error:
        return _page(request, project, error=error, changed=allowance.pk)
    messages.success(request, _("The budget %(name)s is ended.") % {"name": allowance.name})
    return redirect("budgets", slug)


@require_POST
@login_required
def budget_alerts_seen(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.MANAGE_BUDGETS)
    alerts.put_away(project)
    return redirect("budgets", slug)
