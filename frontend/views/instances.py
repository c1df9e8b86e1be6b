"""Instances: the list with its filters, and one with the labels and the decision behind it."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from accounts.policies import Action, project_for
from frontend.judges.opinions import opinions_on
from frontend.pages import project_page, user_of
from frontend.paging import page_of
from frontend.reads import FILTERS, LINKED, filtered_instances, instance_view
from frontend.tagging import tag_rows


@require_safe
@login_required
def instance_list(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.SEE_INSTANCES)
    chosen = {name: request.GET.get(name, "") for name in (*FILTERS, *LINKED)}
    page = page_of(filtered_instances(project, chosen), request)
    filters = [(name, values, chosen[name]) for name, (_, values) in FILTERS.items()]
    linked = [(name, chosen[name]) for name in LINKED if chosen[name]]
    context = {
        "page": page,
        "filters": filters,
        "linked": linked,
        "filtered": any(chosen.values()),
    }
    return project_page(request, "instances/page.html", project, "instances", **context)


@require_safe
@login_required
def instance_detail(request: HttpRequest, slug: str, instance_id: int) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.SEE_INSTANCES)
    view = instance_view(project, instance_id)
    opinions = opinions_on(project, view.labels, view.calls)
    context = {"view": view, "opinions": opinions, "tags": tag_rows(view.instance)}
    return project_page(request, "instances/detail.html", project, "instances", **context)
