"""Gold: instances whose answer is known, how people do on them, and making more."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.instances.models import Instance
from annotation.labels.selectors import current
from annotation.quality import services
from annotation.quality.gold import gold_of, results_of
from annotation.quality.models import Gold, GoldKind
from core.exceptions import InvalidInput, NotFound
from frontend.gold_form import gold_form, read_gold, spoken_gold
from frontend.pages import project_page, user_of
from frontend.paging import page_of

from .relabels import chosen_ids, tell


@require_safe
@login_required
def gold(request: HttpRequest, slug: str) -> HttpResponse:
    """All gold with its answers, and how often people get it right."""
    project = project_for(user_of(request), slug, Action.SEE_QUALITY)
    page = page_of(gold_of(project), request)
    results = results_of(project, [row.instance_id for row in page.rows])
    rows = [(row, spoken_gold(row), results.get(row.instance_id)) for row in page.rows]
    return project_page(request, "quality/gold.html", project, "quality", page=page, rows=rows)


@require_POST
@login_required
def gold_find(request: HttpRequest, slug: str) -> HttpResponse:
    """From the external id of an instance to the form of its right answers."""
    project = project_for(user_of(request), slug, Action.MANAGE_PROJECT)
    name = request.POST.get("instance", "").strip()
    if not name:
        raise InvalidInput(_("Name the instance by its external id."))
    rows = Instance.objects.filter(project=project, external_id=name)
    return redirect("gold-set", slug, _only(rows.first()).pk)


def _only(instance: Instance | None) -> Instance:
    if instance is None:
        raise NotFound(_("There is no such instance in this project."))
    return instance


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def gold_set(request: HttpRequest, slug: str, instance_id: int) -> HttpResponse:
    """Say what is right on an instance, for every criterion; once more for another answer."""
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_PROJECT)
    instance = _only(Instance.objects.filter(project=project, pk=instance_id).first())
    there = Gold.objects.filter(instance=instance, active=True).first()
    if request.method != "POST":
        return _page(request, project, instance, there)
    try:
        answers = read_gold(request.POST, instance)
        if there is None:
            kind, feedback = request.POST.get("kind", ""), request.POST.get("feedback", "")
            services.make_gold(
                instance=instance,
                kind=kind,
                answers=answers,
                by=user,
                feedback=feedback,
                labelled=request.POST.get("labelled") == "1",
            )
        else:
            services.accept_also(gold=there, answers=answers, by=user)
    except InvalidInput as refusal:
        return _page(request, project, instance, there, str(refusal))
    messages.success(request, _("Kept. While it is gold, this instance is no data."))
    return redirect("gold-set", slug, instance_id)


def _page(
    request: HttpRequest,
    project: Project,
    instance: Instance,
    there: Gold | None,
    problem: str = "",
) -> HttpResponse:
    sent = request.POST if problem else None
    context: dict[str, Any] = {
        "instance": instance,
        "form": gold_form(instance, sent, problem),
        "gold": there,
        "answers": spoken_gold(there) if there else [],
        "kinds": GoldKind.choices,
        "labelled": current(project).filter(instance=instance).exists(),
        "sent": sent,
    }
    response = project_page(request, "quality/gold_set.html", project, "quality", **context)
    response.status_code = 422 if problem else 200
    return response


@require_POST
@login_required
def gold_promote(request: HttpRequest, slug: str, instance_id: int) -> HttpResponse:
    """What people agree on is right: one click on the page of an instance."""
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_PROJECT)
    instance = _only(Instance.objects.filter(project=project, pk=instance_id).first())
    services.promote(instance=instance, by=user, kind=request.POST.get("kind", GoldKind.GOLD))
    messages.success(request, _("The instance is gold now and no longer data."))
    return redirect("gold-set", slug, instance_id)


@require_POST
@login_required
def gold_retire(request: HttpRequest, slug: str, gold_id: int) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_PROJECT)
    row = Gold.objects.filter(instance__project=project, pk=gold_id).first()
    if row is None:
        raise NotFound(_("There is no such gold instance in this project."))
    services.retire_gold(gold=row, by=user)
    messages.success(request, _("The instance is data again."))
    return redirect("gold", slug)


@require_POST
@login_required
def gold_question(request: HttpRequest, slug: str) -> HttpResponse:
    """Retire the marked gold, and send its instances to somebody else."""
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_PROJECT)
    wanted = set(chosen_ids(request))
    if not wanted:
        raise InvalidInput(_("Mark at least one instance."))
    rows = list(gold_of(project).filter(instance__in=wanted, active=True))
    if len(rows) != len(wanted):
        raise NotFound(_("There is no such gold instance in this project."))
    tell(request, services.question_gold(gold=rows, by=user))
    return redirect("relabels", slug)
