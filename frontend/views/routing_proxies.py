"""Starting the comparison of cheap proxies with full fine-tunes; the page Router shows it."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.policies import Action, project_for
from core.exceptions import ApplicationError
from frontend.pages import user_of
from routing.frontier.selectors import router_in_use
from routing.proxies.services import compare_proxies


@require_POST
@login_required
def proxies_start(request: HttpRequest, slug: str) -> HttpResponse:
    """Train full proxies beside the judge of the router in use."""
    user = user_of(request)
    project = project_for(user, slug, Action.TRAIN)
    router = router_in_use(project)
    if router is None or router.judge is None:
        messages.error(request, _("Fit a router beside a judge first: its mixes are compared."))
        return redirect("router", slug)
    try:
        compare_proxies(project=project, judge=router.judge, by=user)
    except ApplicationError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, _("Proxies are being trained; this page shows what comes out."))
    return redirect("router", slug)
