"""Adding a judge in two steps: where its answers come from, then which model says them."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.judges import selectors
from annotation.judges.hosts import HOSTS
from annotation.judges.models import Connection, Prompt, Provider
from annotation.judges.providers.openai_chat import CONSTRAINTS
from annotation.judges.services import create_judge
from annotation.judges.verifier.sandbox import available
from core.exceptions import ApplicationError, InvalidInput, NotFound
from frontend.judges.forms import MODES, parameters, prices, text_of
from frontend.pages import project_page, user_of
from training.registry.judging import reward_models
from training.runs.folders import models_at_hand

OWN = (Provider.LOCAL, Provider.REWARD, Provider.VERIFIER)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def judge_new(request: HttpRequest, slug: str) -> HttpResponse:
    """Without a source in the address: choose one; with it: the form of such a judge."""
    project = project_for(user_of(request), slug, Action.TRAIN)
    connection = _connection(project, request.GET.get("connection", ""))
    provider = connection.provider if connection else request.GET.get("source", "")
    if not connection and provider not in OWN:
        return _sources(request, project)
    if request.method != "POST":
        return _form(request, project, provider, connection, sent={})
    try:
        judge = create_judge(
            project=project, provider=provider, connection=connection, **_fields(project, request)
        )
    except ApplicationError as error:
        return _form(request, project, provider, connection, sent=request.POST, error=error)
    messages.success(request, _("Added. Now say what it is asked about."))
    return redirect("judge", slug, judge.pk)


def _connection(project: Project, raw: str) -> Connection | None:
    if not raw:
        return None
    if not (raw.isascii() and raw.isdigit() and len(raw) < 19):
        raise NotFound(_("There is no such connection in this project."))
    return selectors.connection_in(project, int(raw))


def _fields(project: Project, request: HttpRequest) -> dict[str, Any]:
    form = request.POST
    fields = {
        "name": text_of(form, "name"),
        "model": text_of(form, "model"),
        "prompt": _prompt(project, form),
        "family": text_of(form, "family"),
        "parameters": parameters(form),
        **prices(form),
    }
    if not fields["name"] or not fields["model"]:
        raise InvalidInput(_("A judge needs a name and a model."))
    return fields


def _prompt(project: Project, form: QueryDict) -> Prompt | None:
    """The prompt chosen; none stands for the built-in one."""
    chosen = form.get("prompt", "")
    if chosen in ("", *MODES):  # a reward model and a verifier have no prompt
        return None
    own = chosen.isascii() and chosen.isdigit() and len(chosen) < 19
    found = Prompt.objects.filter(project=project, pk=int(chosen)).first() if own else None
    if found is None:
        raise NotFound(_("There is no such prompt in this project."))
    return found


def _sources(request: HttpRequest, project: Project) -> HttpResponse:
    return project_page(
        request,
        "judges/sources.html",
        project,
        "judges",
        connections=selectors.connections_of(project),
        hosts=HOSTS,
    )


def _form(
    request: HttpRequest,
    project: Project,
    provider: str,
    connection: Connection | None,
    *,
    sent: Any,
    error: ApplicationError | None = None,
) -> HttpResponse:
    """The form, filled with what was sent where that was refused."""
    response = project_page(
        request,
        "judges/new.html",
        project,
        "judges",
        provider=provider,
        connection=connection,
        sent=sent,
        error=error,
        prompts=Prompt.objects.filter(project=project).order_by("name", "-version"),
        models=_models(project, provider),
        constraints=("tool",) if provider == Provider.ANTHROPIC else CONSTRAINTS,
        hindrance=_hindrance() if provider == Provider.VERIFIER else "",
    )
    response.status_code = error.status if error else 200
    return response


def _hindrance() -> str:
    """Why no check would run on this machine; blank where one would."""
    if not settings.VERIFIERS:
        return _("Checks by program are off: whoever runs the installation sets VERIFIERS=1.")
    found = available()
    if found.kind:
        return ""
    return _("No sandbox works on this machine, so no check would run: %(reason)s") % {
        "reason": found.reason
    }


def _models(project: Project, provider: str) -> list[str]:
    """What can be chosen where the models are at hand."""
    if provider == Provider.REWARD:
        return reward_models(project)
    return models_at_hand() if provider == Provider.LOCAL else []
