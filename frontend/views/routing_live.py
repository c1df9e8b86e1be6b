"""Live routing: its state and settings, and the decisions it has made."""

import json
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.judges.models import Judge, Stage
from annotation.queue.models import Arm, Destination
from core.exceptions import ApplicationError, InvalidInput
from frontend.pages import project_page, user_of
from frontend.routing_words import strategies
from routing.decisions.selectors import latest_router
from routing.lab.selectors import standing_of
from routing.live import selectors, services
from routing.live.models import Mode
from routing.live.options import grouped

MICROS = 1_000_000
# They weigh instances against those that are decided together with them.
TOGETHER = frozenset({"allocated", "active-preference"})
WHOLE = ("batch_size", "seed_size", "refit_after", "seconds_per_label")
SHARES = ("audit_share", "explore_share", "people_share")
PRICES = {"human_price": "human_price_micros", "expert_price": "expert_price_micros"}
PAGE = 50


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def live(request: HttpRequest, slug: str) -> HttpResponse:
    """The state of live routing; POST saves its settings."""
    user = user_of(request)
    if request.method != "POST":
        return _page(request, project_for(user, slug, Action.SEE_ROUTING))
    project = project_for(user, slug, Action.MANAGE_BUDGETS)
    try:
        services.change_settings(
            project=project, version=_version(request.POST), by=user, **_values(request, project)
        )
    except ApplicationError as error:
        return _page(request, project, sent=request.POST, error=error)
    messages.success(request, _("Saved."))
    return redirect("routing-live", slug)


@require_POST
@login_required
def live_start(request: HttpRequest, slug: str) -> HttpResponse:
    """Route what waits, or fit the router anew, now."""
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_BUDGETS)
    try:
        services.start(project=project, by=user, refit=request.POST.get("what") == "refit")
    except ApplicationError as error:
        return _page(request, project, error=error)
    messages.success(request, _("Routing is at work."))
    return redirect("routing-live", slug)


@require_POST
@login_required
def live_pause(request: HttpRequest, slug: str) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_BUDGETS)
    services.pause(project=project, by=user)
    messages.success(request, _("Live routing is off. What was sent to people stays with them."))
    return redirect("routing-live", slug)


@require_safe
@login_required
def decisions(request: HttpRequest, slug: str) -> HttpResponse:
    """Every decision with its reason, newest first."""
    project = project_for(user_of(request), slug, Action.SEE_ROUTING)
    chosen = selectors.Chosen(
        **{
            name: request.GET.get(name, "").strip()[:100]
            for name in selectors.Chosen.__annotations__
        }
    )
    replaced = request.GET.get("replaced") == "on"
    rows = selectors.decisions(project, chosen, replaced=replaced)
    if before := _moment(request.GET.get("before", "")):
        rows = rows.filter(created_at__lt=before)
    found = list(rows[: PAGE + 1])
    latest = latest_router(project)
    return project_page(
        request,
        "routing/decisions_page.html",
        project,
        "routing-live",
        rows=found[:PAGE],
        older=_older(request, found),
        first=before is None,
        chosen=chosen,
        replaced=replaced,
        arms=Arm.values,
        destinations=Destination.values,
        versions=range(latest.version, 0, -1) if latest else (),
    )


def _older(request: HttpRequest, found: list[Any]) -> str:
    if len(found) <= PAGE:
        return ""
    query = request.GET.copy()
    query["before"] = found[PAGE - 1].created_at.isoformat()
    return f"?{query.urlencode()}"


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _page(
    request: HttpRequest,
    project: Project,
    *,
    sent: QueryDict | None = None,
    error: ApplicationError | None = None,
) -> HttpResponse:
    view = selectors.live_view(project)
    judges = Judge.objects.filter(project=project, stage=Stage.ACTIVE).order_by("name")
    response = project_page(
        request,
        "routing/live_page.html",
        project,
        "routing-live",
        view=view,
        live=view.live,
        form=sent or _form(view.live),
        error=error,
        judges=judges,
        strategies=strategies(project),
        modes=_modes(),
        standing=standing_of(project),
        alone=view.live.mode == Mode.STREAM and view.live.strategy in TOGETHER,
        options=[(keys, known.items()) for keys, known in grouped()],
        percents={name: f"{100 * getattr(view.live, name):g}" for name in SHARES},
    )
    response.status_code = error.status if error else 200
    return response


def _modes() -> list[tuple[str, str, str]]:
    return [
        (Mode.OFF, _("Off"), _("New instances wait.")),
        (Mode.STREAM, _("Stream"), _("Each instance is routed as it arrives.")),
        (Mode.BATCH, _("Batches"), _("So many are routed together.")),
    ]


def _form(row: Any) -> dict[str, str]:
    """The settings as the form writes them: shares in per cent, prices in the currency."""
    return {
        "version": str(row.version),
        "mode": row.mode,
        "strategy": row.strategy,
        "judge": str(row.judge_id or ""),
        "strong_judge": str(row.strong_judge_id or ""),
        "per_criterion": "on" if row.per_criterion else "",
        "options": json.dumps(row.options, ensure_ascii=False) if row.options else "",
        **{name: str(getattr(row, name)) for name in WHOLE},
        **{name: f"{100 * getattr(row, name):g}" for name in SHARES},
        **{name: f"{getattr(row, field) / MICROS:g}" for name, field in PRICES.items()},
    }


def _version(form: QueryDict) -> int:
    text = form.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def _values(request: HttpRequest, project: Project) -> dict[str, Any]:
    """What the form says.

    Raises:
        InvalidInput: a number is none, or a judge is not of this project.
    """
    form = request.POST
    return {
        "mode": form.get("mode", ""),
        "strategy": form.get("strategy", ""),
        "judge": _judge(project, form.get("judge", "")),
        "strong_judge": _judge(project, form.get("strong_judge", "")),
        "per_criterion": form.get("per_criterion") == "on",
        "options": _options(form.get("options", "")),
        **{name: _whole(form.get(name, "")) for name in WHOLE},
        **{name: _number(form.get(name, "")) / 100 for name in SHARES},
        **{field: round(_number(form.get(name, "")) * MICROS) for name, field in PRICES.items()},
    }


def _options(text: str) -> Any:
    """Raises InvalidInput for what is no JSON."""
    if len(text) > 2000:
        raise InvalidInput(_("Options are an object, like {}."))
    try:
        return json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise InvalidInput(
            _("The options of the strategy are no JSON: %(what)s.") % {"what": error}
        ) from error


def _judge(project: Project, text: str) -> Judge | None:
    if not text:
        return None
    found = Judge.objects.filter(project=project)
    row = (
        found.filter(pk=int(text)).first()
        if text.isascii() and text.isdigit() and len(text) < 19
        else None
    )
    if row is None:
        raise InvalidInput(_("Choose a judge of this project."))
    return row


def _whole(text: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise InvalidInput(_("Enter whole numbers from 0 to 9,999,999."))
    return int(text)


def _number(text: str) -> float:
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1_000_000:
        raise InvalidInput(_("Enter numbers from 0 to 1,000,000."))
    return value
