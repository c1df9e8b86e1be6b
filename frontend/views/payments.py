"""Money: what people earned, rates, bonuses, payouts and the file for payroll."""

import csv
import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.policies import Action, project_for
from accounts.selectors import member_in
from annotation.labels.people import annotator_for
from annotation.projects.selectors import protocol_of
from annotation.workforce import payments as pay
from annotation.workforce import selectors
from annotation.workforce.models import Basis
from core.exceptions import InvalidInput
from frontend.pages import project_page, user_of
from frontend.paging import page_of
from frontend.reading import day, micros, whole


@require_safe
@login_required
def payments(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.PAY_PEOPLE)
    owed = selectors.owed(project)
    return project_page(
        request,
        "workforce/payments.html",
        project,
        "people",
        owed=owed,
        currencies=sorted({one.currency for one in owed if one.amount > 0}),
        payouts=selectors.payouts_of(project)[:50],
        rates=selectors.rates_of(project)[:50],
        bases=Basis.choices,
        cohorts=selectors.cohorts_of(project),
    )


@require_POST
@login_required
def earnings_derive(request: HttpRequest, slug: str) -> HttpResponse:
    """Bring the lines up to date now; the clock does it every minute."""
    project = project_for(user_of(request), slug, Action.PAY_PEOPLE)
    written = pay.derive(project=project)
    messages.success(request, _("%(n)d lines were added.") % {"n": written})
    return redirect("payments", slug)


@require_POST
@login_required
def rate_add(request: HttpRequest, slug: str) -> HttpResponse:
    user, form = user_of(request), request.POST
    project = project_for(user, slug, Action.PAY_PEOPLE)
    pay.add_rate(
        project=project,
        actor=user,
        basis=form.get("basis", ""),
        micros=micros(form, "amount", _("Amount")),
        currency=form.get("currency", ""),
        cohort=form.get("cohort", ""),
        valid_from=day(form, "valid_from", _("Valid from")),
        most_seconds=whole(form, "most_seconds", _("Most seconds"), default=600),
    )
    pay.derive(project=project)
    messages.success(request, _("The rate is added."))
    return redirect("payments", slug)


@require_POST
@login_required
def bonus_add(request: HttpRequest, slug: str, member_id: int) -> HttpResponse:
    user, form = user_of(request), request.POST
    project = project_for(user, slug, Action.PAY_PEOPLE)
    row = member_in(project, member_id)
    try:
        key = uuid.UUID(form.get("key", ""))
    except ValueError as error:
        raise InvalidInput(_("The form is not complete: load the page again.")) from error
    pay.add_bonus(
        annotator=annotator_for(project=project, user=row.user),
        actor=user,
        micros=micros(form, "amount", _("Amount")),
        currency=form.get("currency", ""),
        reason=form.get("reason", ""),
        key=key,
    )
    messages.success(request, _("The bonus is added."))
    return redirect("person", slug, member_id)


@require_POST
@login_required
def payout_approve(request: HttpRequest, slug: str) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.PAY_PEOPLE)
    pay.approve(project=project, currency=request.POST.get("currency", ""), actor=user)
    messages.success(request, _("Approved: these lines are frozen now."))
    return redirect("payments", slug)


@require_POST
@login_required
def payout_paid(request: HttpRequest, slug: str, payout_id: int) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.PAY_PEOPLE)
    row = selectors.payout_in(project, payout_id)
    pay.mark_paid(payout=row, reference=request.POST.get("reference", ""), actor=user)
    return redirect("payments", slug)


@require_POST
@login_required
def payout_withdraw(request: HttpRequest, slug: str, payout_id: int) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.PAY_PEOPLE)
    pay.withdraw(payout=selectors.payout_in(project, payout_id), actor=user)
    messages.success(request, _("Withdrawn: its lines are owed again."))
    return redirect("payments", slug)


@require_safe
@login_required
def payout_csv(request: HttpRequest, slug: str, payout_id: int) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.PAY_PEOPLE)
    row = selectors.payout_in(project, payout_id)
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{slug}-payout-{row.pk}.csv"'
    writer = csv.writer(response)
    writer.writerow(selectors.PAYROLL)
    writer.writerows(selectors.payroll(row))
    return response


@require_safe
@login_required
def earnings(request: HttpRequest, slug: str) -> HttpResponse:
    """What one has earned oneself, line by line."""
    user = user_of(request)
    project = project_for(user, slug, Action.LABEL)
    mine = selectors.earnings_of(annotator_for(project=project, user=user))
    return project_page(
        request,
        "workforce/earnings.html",
        project,
        "earnings",
        page=page_of(mine, request),
        open=selectors.balances(mine.filter(payout_line__isnull=True).order_by()),
        total=selectors.balances(mine.order_by()),
        board=protocol_of(project).leaderboard,
    )
