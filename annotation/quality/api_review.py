"""REST: the queue of reviewers, their verdicts, and what they say to annotators."""

from typing import Any

from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.policies import Action, project_for
from accounts.requests import person_of
from annotation.consensus.api import ConsensusOutput
from annotation.consensus.models import Consensus, Scope
from annotation.instances.models import Instance
from annotation.labels.api import SavedOutput, ShownOutput, SubmitBody, answers_of
from annotation.labels.api_annotations import AnnotationOutput
from annotation.labels.models import Annotator
from annotation.labels.people import annotator_for
from annotation.labels.selectors import annotator_in, current, label_view
from annotation.projects.selectors import criteria_of
from annotation.queue.models import Slot
from core.bodies import Body, filters, read_body, read_query
from core.exceptions import Conflict, InvalidInput, NotFound
from core.paging import page_of, short

from . import reviewing, services
from .models import Remark
from .qualification import feedback_for

MOST_ROWS = 100


class QueueQuery(Body):
    criterion = serializers.CharField(required=False, max_length=40)
    tag = serializers.CharField(default="", max_length=80)


class ReviewOutput(serializers.Serializer[Any]):
    slot = ShownOutput(help_text="As the reviewer sees it.")
    labels = AnnotationOutput(many=True, help_text="Everybody else's, by canonical position.")
    consensus = ConsensusOutput(many=True)
    majority = serializers.BooleanField(help_text="There is a majority to accept.")


class AcceptBody(Body):
    client_id = serializers.UUIDField()
    seconds = serializers.FloatField(default=None, allow_null=True)


class RemarkBody(Body):
    annotation = serializers.IntegerField()
    agrees = serializers.BooleanField(
        default=None, allow_null=True, help_text="Null: a note without a verdict."
    )
    note = serializers.CharField(default="", allow_blank=True, max_length=1000)
    drawn = serializers.BooleanField(
        default=False, help_text="It came by the random draw of this annotator's labels."
    )


class RemarkOutput(serializers.ModelSerializer[Remark]):
    class Meta:
        model = Remark
        fields = ["id", "annotation", "agrees", "note", "drawn", "created_at"]


class NoteOutput(serializers.ModelSerializer[Remark]):
    """What a reviewer left on a label; not who."""

    slot = serializers.UUIDField(source="annotation.slot.key", default=None, allow_null=True)
    criterion = serializers.CharField(source="annotation.criterion.key")

    class Meta:
        model = Remark
        fields = ["annotation", "slot", "criterion", "note", "created_at"]


class QualificationOutput(serializers.Serializer[Any]):
    qualified = serializers.BooleanField()
    right = serializers.BooleanField(allow_null=True, help_text="Of the last answer; null: none.")
    text = serializers.CharField()


def _place(request: Request, slug: str, instance_id: int) -> tuple[Slot, Annotator]:
    user = person_of(request)
    project = project_for(user, slug, Action.REVIEW)
    instance = Instance.objects.filter(project=project, pk=instance_id).first()
    if instance is None:
        raise NotFound(_("There is no such instance in this project."))
    reviewer = annotator_for(project=project, user=user)
    return services.place_for(instance=instance, reviewer=reviewer), reviewer


class ReviewQueue(APIView):
    @extend_schema(parameters=[filters(QueueQuery)], responses=page_of(ConsensusOutput))
    def get(self, request: Request, slug: str) -> Response:
        """Instances on which people disagree: the hundred most uncertain first."""
        project = project_for(request.user, slug, Action.REVIEW)
        wish = read_query(request, QueueQuery)
        criteria = {row.key: row.pk for row in criteria_of(project)}
        if (key := wish.get("criterion")) and key not in criteria:
            raise InvalidInput(_("The project has no criterion %(key)r.") % {"key": key})
        rows = reviewing.disagreements(
            project, criterion=criteria.get(wish.get("criterion", "")), tag=wish["tag"]
        )
        return short(list(rows[:MOST_ROWS]), ConsensusOutput)


class ReviewView(APIView):
    @extend_schema(responses=ReviewOutput)
    def get(self, request: Request, slug: str, instance_id: int) -> Response:
        """An instance for its reviewer, with everybody's labels."""
        slot, reviewer = _place(request, slug, instance_id)
        labels = current(slot.project, excluded=True).filter(instance=slot.instance)
        consensus = Consensus.objects.filter(instance=slot.instance).exclude(scope=Scope.MIXED)
        body = {
            "slot": label_view(slot),
            "labels": labels.exclude(annotator=reviewer)
            .select_related("annotator", "criterion", "instance")
            .order_by("criterion__position", "pk"),
            "consensus": consensus.select_related("criterion", "instance").order_by("pk"),
            "majority": _has_majority(slot.instance),
        }
        return Response(ReviewOutput(body).data)


def _has_majority(instance: Instance) -> bool:
    try:
        reviewing.majority_answers(instance)
    except Conflict:
        return False
    return True


class ReviewSubmitView(APIView):
    @extend_schema(request=SubmitBody, responses=SavedOutput)
    def post(self, request: Request, slug: str, instance_id: int) -> Response:
        """The reviewer's own label: it decides the instance."""
        slot, reviewer = _place(request, slug, instance_id)
        values = read_body(request, SubmitBody)
        rows = services.submit_review(
            slot=slot,
            reviewer=reviewer,
            client_id=values["client_id"],
            answers=answers_of(values),
            seconds=values["seconds"],
        )
        return Response(SavedOutput({"labels": rows}).data)


class ReviewAcceptView(APIView):
    @extend_schema(request=AcceptBody, responses=SavedOutput)
    def post(self, request: Request, slug: str, instance_id: int) -> Response:
        """Accept what the majority says as the reviewer's own label."""
        slot, reviewer = _place(request, slug, instance_id)
        rows = services.accept_majority(
            slot=slot, reviewer=reviewer, **read_body(request, AcceptBody)
        )
        return Response(SavedOutput({"labels": rows}).data)


class RemarkView(APIView):
    @extend_schema(request=RemarkBody, responses=RemarkOutput)
    def post(self, request: Request, slug: str) -> Response:
        """Agree or disagree with one label, and leave its annotator a note."""
        user = person_of(request)
        project = project_for(user, slug, Action.REVIEW)
        values = read_body(request, RemarkBody)
        rows = current(project, excluded=True).filter(pk=values.pop("annotation"))
        row = rows.select_related("annotator").first()
        if row is None:
            raise NotFound(_("There is no such label in this project."))
        drawn = values.pop("drawn") and row in reviewing.labels_to_check(row.annotator, user)
        made = services.remark(annotation=row, by=user, drawn=drawn, **values)
        return Response(RemarkOutput(made).data)


class CheckView(APIView):
    @extend_schema(responses=page_of(AnnotationOutput))
    def get(self, request: Request, slug: str, annotator_id: int) -> Response:
        """A random draw of one annotator's labels that this reviewer has not judged yet."""
        user = person_of(request)
        project = project_for(user, slug, Action.REVIEW)
        annotator = annotator_in(project, annotator_id)
        return short(reviewing.labels_to_check(annotator, user), AnnotationOutput)


class NoteList(APIView):
    @extend_schema(responses=page_of(NoteOutput))
    def get(self, request: Request, slug: str) -> Response:
        """What reviewers noted on one's own labels, the newest hundred, without their names."""
        user = person_of(request)
        project = project_for(user, slug, Action.LABEL)
        rows = reviewing.remarks_for(annotator_for(project=project, user=user))
        return short(list(rows.select_related("annotation__slot")[:MOST_ROWS]), NoteOutput)


class FeedbackView(APIView):
    @extend_schema(responses=QualificationOutput)
    def get(self, request: Request, slug: str) -> Response:
        """What to say about one's last answer of the qualification round, where there is one."""
        user = person_of(request)
        project = project_for(user, slug, Action.LABEL)
        annotator = annotator_for(project=project, user=user)
        found = feedback_for(annotator)
        body = {
            "qualified": annotator.qualified_at is not None,
            "right": found.right if found else None,
            "text": found.text if found else "",
        }
        return Response(QualificationOutput(body).data)


P = "projects/<slug:slug>/"
R = P + "review/<int:instance_id>/"
urlpatterns: list[URLPattern] = [
    path(P + "review/", ReviewQueue.as_view(), name="review"),
    path(P + "review/remarks", RemarkView.as_view(), name="review-remark"),
    path(R, ReviewView.as_view(), name="review-instance"),
    path(R + "submit", ReviewSubmitView.as_view(), name="review-submit"),
    path(R + "accept", ReviewAcceptView.as_view(), name="review-accept"),
    path(P + "annotators/<int:annotator_id>/check", CheckView.as_view(), name="annotator-check"),
    path(P + "label/qualification", FeedbackView.as_view(), name="label-qualification"),
    path(P + "label/notes", NoteList.as_view(), name="label-notes"),
]
