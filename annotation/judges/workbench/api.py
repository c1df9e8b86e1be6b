"""REST: prompts with their versions, trying them, and promoting what is better."""

from dataclasses import asdict
from typing import Any

from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Project
from accounts.policies import Action, project_for
from accounts.requests import person_of
from annotation.judges import prompting
from annotation.judges.api import JudgeOutput
from annotation.judges.api_runs import JudgeRunOutput
from annotation.judges.injection.services import start_measuring
from annotation.judges.mined import MINED
from annotation.judges.models import JudgeRun, Prompt
from annotation.judges.selectors import budget_in
from annotation.projects.models import Criterion
from annotation.projects.selectors import criteria_of
from core.bodies import Body, filters, finite, read_body, read_query
from core.exceptions import InvalidInput, NotFound
from core.paging import described, paged

from .promoting import promote
from .results import disagreements, trial_result
from .trials import Trial, bases_of, trial_in, trials_of, try_prompt

MOST_DISAGREEMENTS = 200


class PromptBody(Body, serializers.ModelSerializer[Prompt]):
    class Meta:
        model = Prompt
        fields = ["name", *sorted(prompting.SETTABLE)]


class PromptVersionBody(Body, serializers.ModelSerializer[Prompt]):
    class Meta:
        model = Prompt
        fields = sorted(prompting.SETTABLE)


class PromptOutput(serializers.ModelSerializer[Prompt]):
    class Meta:
        model = Prompt
        fields = [
            "id",
            "name",
            "version",
            *sorted(prompting.SETTABLE),
            "parent",
            "promoted_at",
            "created_at",
        ]


class PromptQuery(Body):
    name = serializers.CharField(required=False, max_length=60)


class TryBody(Body):
    judge = serializers.IntegerField(help_text="On whose model.")
    criterion = serializers.CharField(required=False, max_length=40)
    count = serializers.IntegerField(default=30, help_text="Of instances that people labelled.")
    budget = serializers.IntegerField(required=False)


class InjectionBody(Body):
    budget = serializers.IntegerField(required=False)


class StartedOutput(serializers.Serializer[Any]):
    job = serializers.IntegerField(allow_null=True)
    run = serializers.IntegerField()


class TrialOutput(JudgeRunOutput):
    prompt = serializers.IntegerField(source="judge.prompt_id", allow_null=True)

    class Meta(JudgeRunOutput.Meta):
        fields = [*JudgeRunOutput.Meta.fields, "prompt"]


class TrialDetail(TrialOutput):
    result = serializers.SerializerMethodField(help_text="How it did where people labelled.")
    apart = serializers.SerializerMethodField(help_text="Instances where they differ.")

    class Meta(TrialOutput.Meta):
        fields = [*TrialOutput.Meta.fields, "result", "apart"]

    @extend_schema_field(dict[str, Any])
    def get_result(self, run: JudgeRun) -> Any:
        found = trial_result(run)
        run.__dict__["found"] = found
        names = (
            *("instances", "answered", "states", "failures", "calls"),
            *("input_tokens", "output_tokens", "cost_micros"),
        )
        return {name: getattr(found, name) for name in names} | {
            "figures": finite(asdict(found.figures))
        }

    @extend_schema_field(serializers.ListField(child=serializers.DictField()))
    def get_apart(self, run: JudgeRun) -> Any:
        found = disagreements(run.__dict__["found"])[:MOST_DISAGREEMENTS]
        return [
            {
                "instance": each.instance.pk,
                "pair": list(each.pair),
                "people": each.people,
                "judge": each.judge,
                "flipped": each.flipped,
            }
            for each in found
        ]


def prompt_in(project: Project, prompt_id: int) -> Prompt:
    """One version of a prompt of the project.

    Raises:
        NotFound: there is no such version in this project.
    """
    found = Prompt.objects.filter(project=project, pk=prompt_id).select_related("project")
    if (prompt := found.first()) is None:
        raise NotFound(_("There is no such prompt in this project."))
    return prompt


def criterion_in(project: Project, key: str | None) -> Criterion:
    """The criterion of this key; the first where none is named.

    Raises:
        InvalidInput: there is no such criterion.
    """
    criteria = criteria_of(project)
    found = next((each for each in criteria if key in (None, each.key)), None)
    if found is None:
        raise InvalidInput(_("The project has no criterion %(key)r.") % {"key": key})
    return found


class PromptList(APIView):
    @described(PromptOutput, filters(PromptQuery))
    def get(self, request: Request, slug: str) -> Response:
        """Every version of every prompt, newest first."""
        project = project_for(request.user, slug, Action.SEE_QUALITY)
        wish = read_query(request, PromptQuery)
        rows = Prompt.objects.filter(project=project, **wish).exclude(name__startswith=MINED)
        return paged(request, rows.order_by("-pk"), PromptOutput)

    @extend_schema(request=PromptBody, responses={201: PromptOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Write version 1 of a prompt."""
        user = person_of(request)
        project = project_for(user, slug, Action.TRAIN)
        values = read_body(request, PromptBody)
        made = prompting.create_prompt(project=project, by=user, **values)
        return Response(PromptOutput(made).data, status=status.HTTP_201_CREATED)


class PromptView(APIView):
    @extend_schema(responses=PromptOutput)
    def get(self, request: Request, slug: str, prompt_id: int) -> Response:
        """One version: what it says."""
        project = project_for(request.user, slug, Action.SEE_QUALITY)
        return Response(PromptOutput(prompt_in(project, prompt_id)).data)


class PromptVersionView(APIView):
    @extend_schema(request=PromptVersionBody(partial=True), responses={201: PromptOutput})
    def post(self, request: Request, slug: str, prompt_id: int) -> Response:
        """Write the next version; what is not named stays as it is."""
        user = person_of(request)
        prompt = prompt_in(project_for(user, slug, Action.TRAIN), prompt_id)
        if prompt.name.startswith(MINED):
            raise NotFound(_("There is no such prompt in this project."))
        values = read_body(request, PromptVersionBody, partial=True)
        made = prompting.new_version(prompt=prompt, by=user, **values)
        return Response(PromptOutput(made).data, status=status.HTTP_201_CREATED)


class PromptTryView(APIView):
    @extend_schema(request=TryBody, responses={202: StartedOutput})
    def post(self, request: Request, slug: str, prompt_id: int) -> Response:
        """Ask a model with this prompt about instances that people have labelled, as a job."""
        user = person_of(request)
        project = project_for(user, slug, Action.TRAIN)
        prompt, values = prompt_in(project, prompt_id), read_body(request, TryBody)
        base = bases_of(project).filter(pk=values["judge"]).first()
        if base is None:
            raise InvalidInput(_("Choose the judge that is asked."))
        trial = Trial(
            prompt=prompt,
            base=base,
            criterion=criterion_in(project, values.get("criterion")),
            count=values["count"],
            budget=budget_in(project, values.get("budget")),
        )
        run = try_prompt(trial=trial, by=user)
        body = {"job": run.job_id, "run": run.pk}
        return Response(body, status=status.HTTP_202_ACCEPTED)


class TrialList(APIView):
    @described(TrialOutput)
    def get(self, request: Request, slug: str) -> Response:
        """The trials of prompts, newest first."""
        project = project_for(request.user, slug, Action.SEE_QUALITY)
        return paged(request, trials_of(project).order_by("-pk"), TrialOutput)


class TrialView(APIView):
    @extend_schema(responses=TrialDetail)
    def get(self, request: Request, slug: str, trial_id: int) -> Response:
        """How a trial went, and where people and the judge differ."""
        project = project_for(request.user, slug, Action.SEE_QUALITY)
        return Response(TrialDetail(trial_in(project, trial_id)).data)


class TrialPromoteView(APIView):
    @extend_schema(request=None, responses=JudgeOutput)
    def post(self, request: Request, slug: str, trial_id: int) -> Response:
        """Let the judge that was tried label from now on; it retires the one it replaces."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PROJECT)
        judge = promote(judge=trial_in(project, trial_id).judge, by=user)
        return Response(JudgeOutput(judge).data)


class TrialInjectionView(APIView):
    @extend_schema(request=InjectionBody, responses={202: StartedOutput})
    def post(self, request: Request, slug: str, trial_id: int) -> Response:
        """Measure how far it can be talked round by what stands in a completion, as a job."""
        user = person_of(request)
        project = project_for(user, slug, Action.TRAIN)
        run = trial_in(project, trial_id)
        job = start_measuring(
            judge=run.judge,
            criterion=criterion_in(project, run.criteria[0]),
            budget=budget_in(project, read_body(request, InjectionBody).get("budget")),
            by=user,
        )
        body = {"job": job.pk, "run": run.pk}
        return Response(body, status=status.HTTP_202_ACCEPTED)


P = "projects/<slug:slug>/prompts/"
T = "projects/<slug:slug>/trials/"
urlpatterns: list[URLPattern] = [
    path(P, PromptList.as_view(), name="prompts"),
    path(P + "<int:prompt_id>/", PromptView.as_view(), name="prompt"),
    path(P + "<int:prompt_id>/versions", PromptVersionView.as_view(), name="prompt-version"),
    path(P + "<int:prompt_id>/try", PromptTryView.as_view(), name="prompt-try"),
    path(T, TrialList.as_view(), name="trials"),
    path(T + "<int:trial_id>/", TrialView.as_view(), name="trial"),
    path(T + "<int:trial_id>/promote", TrialPromoteView.as_view(), name="trial-promote"),
    path(T + "<int:trial_id>/injection", TrialInjectionView.as_view(), name="trial-injection"),
]
