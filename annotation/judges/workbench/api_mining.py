"""REST: searching for the criteria on which people's choices hang."""

from dataclasses import asdict, is_dataclass
from typing import Any

from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.policies import Action, project_for
from accounts.requests import person_of
from annotation.judges.models import Mining, Stage
from annotation.judges.selectors import budget_in
from core.bodies import Body, finite, read_body
from core.exceptions import InvalidInput
from core.paging import described, paged

from . import accepting
from .api import PromptOutput, criterion_in, prompt_in
from .candidates import measured
from .mining import Order, mine, mining_in, minings_of
from .trials import bases_of


class MiningBody(Body):
    judge = serializers.IntegerField(help_text="Who proposes, and whose verdicts are measured.")
    criterion = serializers.CharField(required=False, max_length=40)
    pairs = serializers.IntegerField(default=30)
    propose = serializers.BooleanField(default=True)
    own = serializers.ListField(
        child=serializers.CharField(max_length=500), default=list, help_text="Candidates of people."
    )
    most = serializers.IntegerField(default=8, help_text="Candidates that the judge proposes.")
    budget = serializers.IntegerField(required=False)


class MiningOutput(serializers.ModelSerializer[Mining]):
    criterion = serializers.CharField(source="criterion.key")
    state = serializers.CharField(source="job.state", default="")

    class Meta:
        model = Mining
        fields = ["id", "judge", "criterion", "pairs", "job", "state", "created_at"]


class MiningDetail(MiningOutput):
    candidates = serializers.ListField(help_text="Texts with who proposed them.")
    measured = serializers.SerializerMethodField(help_text="What each predicts, held out.")

    class Meta(MiningOutput.Meta):
        fields = [*MiningOutput.Meta.fields, "candidates", "measured"]

    @extend_schema_field(dict[str, Any])
    def get_measured(self, row: Mining) -> Any:
        return _plain(measured(row))


class RubricBody(Body):
    candidates = serializers.ListField(
        child=serializers.IntegerField(min_value=0), min_length=1, help_text="Places from 0."
    )
    name = serializers.CharField(default="", allow_blank=True, max_length=60)
    prompt = serializers.IntegerField(
        required=False, help_text="The prompt whose next version it becomes; else a new one."
    )


class CriterionOutput(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    question = serializers.CharField()


class AskedBody(Body):
    candidates = serializers.ListField(
        child=serializers.IntegerField(min_value=0), min_length=1, max_length=1
    )
    name = serializers.CharField(default="", allow_blank=True, max_length=80)


def _plain(value: Any) -> Any:
    """Figures without the texts and rows they stand on."""
    return finite(asdict(value)) if is_dataclass(value) and not isinstance(value, type) else value


class MiningList(APIView):
    @described(MiningOutput)
    def get(self, request: Request, slug: str) -> Response:
        """The searches, newest first."""
        project = project_for(request.user, slug, Action.SEE_QUALITY)
        return paged(request, minings_of(project).order_by("-pk"), MiningOutput)

    @extend_schema(request=MiningBody, responses={202: MiningOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Search for criteria, as a job."""
        user = person_of(request)
        project = project_for(user, slug, Action.TRAIN)
        values = read_body(request, MiningBody)
        judge = bases_of(project).filter(stage=Stage.ACTIVE, pk=values.pop("judge")).first()
        if judge is None:
            raise InvalidInput(_("Choose the judge that is asked."))
        criterion = criterion_in(project, values.pop("criterion", None))
        budget = budget_in(project, values.pop("budget", None))
        order = Order(judge=judge, criterion=criterion, budget=budget, **values)
        return Response(
            MiningOutput(mine(order=order, by=user)).data, status=status.HTTP_202_ACCEPTED
        )


class MiningView(APIView):
    @extend_schema(responses=MiningDetail)
    def get(self, request: Request, slug: str, mining_id: int) -> Response:
        """One search with its candidates and what each predicts."""
        project = project_for(request.user, slug, Action.SEE_QUALITY)
        return Response(MiningDetail(mining_in(project, mining_id)).data)


class MiningRubricView(APIView):
    @extend_schema(request=RubricBody, responses={201: PromptOutput})
    def post(self, request: Request, slug: str, mining_id: int) -> Response:
        """Make candidates lines of a rubric."""
        user = person_of(request)
        project = project_for(user, slug, Action.TRAIN)
        found, values = mining_in(project, mining_id), read_body(request, RubricBody)
        before = values.get("prompt")
        made = accepting.as_rubric(
            mining=found,
            texts=accepting.texts_of(found, values["candidates"]),
            before=prompt_in(project, before) if before is not None else None,
            name=values["name"],
            by=user,
        )
        return Response(PromptOutput(made).data, status=status.HTTP_201_CREATED)


class MiningCriterionView(APIView):
    @extend_schema(request=AskedBody, responses={201: CriterionOutput})
    def post(self, request: Request, slug: str, mining_id: int) -> Response:
        """Make one candidate a question to everybody."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PROJECT)
        found, values = mining_in(project, mining_id), read_body(request, AskedBody)
        texts = accepting.texts_of(found, values["candidates"])
        made = accepting.as_criterion(mining=found, texts=texts, name=values["name"], by=user)
        return Response(CriterionOutput(made).data, status=status.HTTP_201_CREATED)


P = "projects/<slug:slug>/minings/"
M = P + "<int:mining_id>/"
urlpatterns: list[URLPattern] = [
    path(P, MiningList.as_view(), name="minings"),
    path(M, MiningView.as_view(), name="mining"),
    path(M + "rubric", MiningRubricView.as_view(), name="mining-rubric"),
    path(M + "criterion", MiningCriterionView.as_view(), name="mining-criterion"),
]
