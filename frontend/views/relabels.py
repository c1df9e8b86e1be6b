"""The relabel queue: any list of instances sends to it."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts.policies import Action, project_for
from annotation.quality import services
from annotation.quality.relabelling import Requested, relabels_of
from core.exceptions import NotFound
from frontend.pages import project_page, user_of
from frontend.paging import page_of


@require_safe
@login_required
def relabels(request: HttpRequest, slug: str) -> HttpResponse:
    """Instances that wait for one more opinion, or had it."""
    project = project_for(user_of(request), slug, Action.SEE_QUALITY)
    done = request.GET.get("done") == "1"
    context = {"page": page_of(relabels_of(project, done=done), request), "done": done}
    return project_page(request, "quality/relabels.html", project, "quality", **context)


@require_POST
@login_required
def relabel(request: HttpRequest, slug: str) -> HttpResponse:
    """Send the chosen instances to others, from any list."""
    user = user_of(request)
    project = project_for(user, slug, Action.REVIEW)
    asked = services.request_relabel(
        project=project,
        instance_ids=chosen_ids(request),
        report=request.POST.get("report", ""),
        reason=request.POST.get("reason", ""),
        by=user,
    )
    tell(request, asked)
    return redirect("relabels", slug)


def chosen_ids(request: HttpRequest) -> list[int]:
    """The marked instances of a list.

    Raises:
        NotFound: one is no id.
    """
    chosen = request.POST.getlist("instance")
    if not all(each.isascii() and each.isdigit() and len(each) < 19 for each in chosen):
        raise NotFound(_("There is no such instance in this project."))
    return [int(each) for each in chosen]


def tell(request: HttpRequest, asked: Requested) -> None:
    opened = ngettext("%d place is open.", "%d places are open.", asked.opened)
    messages.success(request, opened % asked.opened)
    for why in sorted(set(asked.refused.values())):
        messages.warning(request, why)
