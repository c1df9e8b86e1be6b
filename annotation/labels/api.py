"""REST: labelling, as blind as the page: what is shown, and what somebody said themselves.

Nothing here may tell who wrote a completion, what others or judges said, whether the answer is
known, which arm an instance is in, or its tags.
"""

import uuid
from typing import Any

from django.urls import URLPattern, path
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Project
from accounts.policies import Action, project_for
from accounts.requests import person_of
from annotation.projects.models import Criterion, Kind, RationalePolicy, TieKind
from annotation.projects.terms import terms_of
from annotation.queue import services as queue
from annotation.queue.barriers import Barrier, why_empty
from annotation.queue.models import SkipKind, Slot
from core.bodies import Body, read_body
from core.paging import described, paged

from . import services
from .answers import Answer
from .models import Annotation, Annotator
from .revising import revise
from .selectors import LabelView, held_slot, history_of, label_view, own_slot, progress_of


class CriterionShown(serializers.Serializer[Criterion]):
    key = serializers.CharField()
    name = serializers.CharField()
    question = serializers.CharField()
    kind = serializers.ChoiceField(choices=Kind.choices, source="asked_as")
    lowest = serializers.IntegerField()
    levels = serializers.IntegerField()
    labels = serializers.ListField(child=serializers.CharField())
    reasons = serializers.ListField(child=serializers.CharField())


class CompletionShown(serializers.Serializer[Any]):
    letter = serializers.CharField()
    position = serializers.IntegerField(help_text="What rankings and scores are indexed by.")
    text = serializers.CharField()
    parts = serializers.ListField()
    messages = serializers.ListField(
        allow_null=True, help_text="Its own prompt; null: that of the instance."
    )


class Rules(serializers.Serializer[Any]):
    """What an answer may say, beside what each criterion asks."""

    ties = serializers.ListField(child=serializers.CharField())
    strength_levels = serializers.IntegerField()
    ask_confidence = serializers.BooleanField()
    post_edit = serializers.BooleanField()
    mark_steps = serializers.BooleanField()
    rationale = serializers.ChoiceField(choices=RationalePolicy.choices)
    reasons = serializers.ListField(child=serializers.CharField())


class ShownOutput(serializers.Serializer[LabelView]):
    """An instance as it is shown to who labels it: completions in the order of the screen."""

    slot = serializers.UUIDField(source="slot_key")
    messages = serializers.ListField()
    context = serializers.ListField()  # type: ignore[assignment]
    completions = CompletionShown(many=True)
    criteria = serializers.SerializerMethodField()
    rules = Rules(source="protocol")
    rationale_due = serializers.BooleanField(
        source="rationale_drawn", help_text="The draw asks for a rationale here."
    )
    groups = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()),
        help_text="Where best and worst are chosen: positions by group.",
    )
    guideline_version = serializers.IntegerField()
    draft = serializers.DictField()
    draft_revision = serializers.IntegerField()

    @extend_schema_field(CriterionShown(many=True))
    def get_criteria(self, view: LabelView) -> Any:
        for each in view.criteria:
            each.__dict__["asked_as"] = each.asks(view.protocol)
        return CriterionShown(view.criteria, many=True).data  # type: ignore[arg-type] # a list


class NextOutput(serializers.Serializer[Any]):
    slot = ShownOutput(allow_null=True)
    why = serializers.ChoiceField(
        choices=Barrier.choices, allow_null=True, help_text="Why there is none."
    )


class EditBody(Body):
    position = serializers.IntegerField(min_value=0)
    text = serializers.CharField(trim_whitespace=False)


class GroupBody(Body):
    shown = serializers.ListField(child=serializers.IntegerField(min_value=0))
    best = serializers.IntegerField(min_value=0)
    worst = serializers.IntegerField(min_value=0)


class AttributesBody(Body):
    edit = EditBody(required=False, help_text="The improved text of a completion ranked first.")
    first_error = serializers.ListField(
        child=serializers.IntegerField(min_value=0, allow_null=True),
        required=False,
        help_text="The first wrong step of each completion from 0, null for none.",
    )
    best_worst = GroupBody(many=True, required=False)


class AnswerBody(Body):
    criterion = serializers.CharField(max_length=40)
    ranking = serializers.ListField(
        child=serializers.IntegerField(min_value=1),
        default=list,
        help_text="1 is best.",
    )
    tie_kind = serializers.ChoiceField(choices=TieKind.choices, default="", allow_blank=True)
    strength = serializers.FloatField(
        default=None, allow_null=True, help_text="level / strength_levels of a pair."
    )
    confidence = serializers.IntegerField(default=None, allow_null=True, min_value=1, max_value=5)
    rationale = serializers.CharField(default="", allow_blank=True, max_length=10_000)
    reasons = serializers.ListField(child=serializers.CharField(max_length=60), default=list)
    unranked = serializers.ListField(child=serializers.IntegerField(min_value=0), default=list)
    scores = serializers.ListField(child=serializers.IntegerField(allow_null=True), default=list)
    attributes = AttributesBody(default=dict)


class SubmitBody(Body):
    client_id = serializers.UUIDField(
        help_text="Made by the client once per submit: sent again, nothing new is stored."
    )
    answers = AnswerBody(many=True, max_length=100)  # type: ignore[call-arg] # of its list
    seconds = serializers.FloatField(
        default=None, allow_null=True, help_text="Active time on the instance."
    )
    order = serializers.ListField(
        child=serializers.IntegerField(min_value=0),
        default=list,
        help_text="Positions as they stood on the screen; another order than shown is refused.",
    )


class DraftBody(Body):
    answers = AnswerBody(many=True, max_length=100)  # type: ignore[call-arg] # of its list
    revision = serializers.IntegerField(
        min_value=0, max_value=2**31 - 1, help_text="Counts up; a lower one changes nothing."
    )


class SkipBody(Body):
    kind = serializers.ChoiceField(
        choices=SkipKind.choices,
        default=SkipKind.PASS,
        help_text="broken, unsafe and personal flag the instance.",
    )
    note = serializers.CharField(default="", allow_blank=True, max_length=500)


class AheadBody(Body):
    ahead = serializers.BooleanField(
        default=False, help_text="The one after that in front, so that it is there in time."
    )


class LabelOutput(serializers.ModelSerializer[Annotation]):
    """What somebody said themselves, and nothing beside it."""

    slot = serializers.UUIDField(source="slot.key", default=None, allow_null=True)
    criterion = serializers.CharField(source="criterion.key")
    attributes = serializers.SerializerMethodField()
    changed = serializers.BooleanField(default=False, help_text="A later label takes its place.")

    class Meta:
        model = Annotation
        fields = [
            "id",
            "slot",
            "criterion",
            "ranking",
            "unranked",
            "scores",
            "tie_kind",
            "strength",
            "confidence",
            "rationale",
            "reasons",
            "attributes",
            "seconds",
            "retracted",
            "changed",
            "created_at",
        ]

    @extend_schema_field(AttributesBody)
    def get_attributes(self, row: Annotation) -> Any:
        known = AttributesBody().fields
        return {name: value for name, value in row.attributes.items() if name in known}


class SavedOutput(serializers.Serializer[Any]):
    labels = LabelOutput(many=True)


class RevisionOutput(serializers.Serializer[Any]):
    revision = serializers.IntegerField(help_text="Of the draft that stands.")


class ProgressOutput(serializers.Serializer[Any]):
    done = serializers.IntegerField()
    open = serializers.IntegerField()
    exact = serializers.BooleanField(help_text="In a large project `open` is an estimate.")


EXAMPLE = OpenApiExample(
    "The first completion is better",
    value={
        "client_id": "7d0a3c7e-5d1b-4f5e-9c49-0d7a2f1d9b11",
        "answers": [{"criterion": "overall", "ranking": [1, 2], "strength": 0.5}],
        "seconds": 41.5,
    },
    request_only=True,
)


def _enter(request: Request, slug: str) -> tuple[Project, Annotator]:
    user = person_of(request)
    project = project_for(user, slug, Action.LABEL)
    return project, services.annotator_for(project=project, user=user)


def answers_of(values: dict[str, Any]) -> list[Answer]:
    """The answers of a submit, by canonical position."""
    return [
        Answer(
            criterion_key=each["criterion"],
            **{name: value for name, value in each.items() if name != "criterion"},
        )
        for each in values["answers"]
    ]


def _shown(slot: Slot | None) -> Any:
    return ShownOutput(label_view(slot)).data if slot else None


class NextView(APIView):
    @extend_schema(request=AheadBody, responses=NextOutput)
    def post(self, request: Request, slug: str) -> Response:
        """Lease the next instance; the same one again until it is submitted or skipped."""
        project, annotator = _enter(request, slug)
        if read_body(request, AheadBody)["ahead"]:
            slot = queue.prefetch(project=project, annotator=annotator)
        else:
            slot = queue.claim(project=project, annotator=annotator, resume=True)
        why = None if slot else why_empty(project, annotator)
        return Response({"slot": _shown(slot), "why": why})


class SlotView(APIView):
    @extend_schema(responses=ShownOutput)
    def get(self, request: Request, slug: str, key: uuid.UUID) -> Response:
        """An instance that one holds or has labelled, as it was shown."""
        annotator = _enter(request, slug)[1]
        return Response(_shown(held_slot(annotator, key)))


class SubmitView(APIView):
    @extend_schema(request=SubmitBody, responses=SavedOutput, examples=[EXAMPLE])
    def post(self, request: Request, slug: str, key: uuid.UUID) -> Response:
        """Store the answers to all criteria asked; the same client id again stores nothing new."""
        project, annotator = _enter(request, slug)
        own_slot(annotator, key)
        values = read_body(request, SubmitBody)
        rows = services.submit(
            slot_key=key,
            annotator=annotator,
            client_id=values["client_id"],
            answers=answers_of(values),
            seconds=values["seconds"],
            order=values["order"],
            terms=terms_of(project),
        )
        return Response(SavedOutput({"labels": rows}).data)


class ReviseView(APIView):
    @extend_schema(request=SubmitBody, responses=SavedOutput)
    def post(self, request: Request, slug: str, key: uuid.UUID) -> Response:
        """Say something else on an instance that one has labelled."""
        annotator = _enter(request, slug)[1]
        own_slot(annotator, key)
        values = read_body(request, SubmitBody)
        rows = revise(
            slot_key=key,
            annotator=annotator,
            client_id=values["client_id"],
            answers=answers_of(values),
            seconds=values["seconds"],
        )
        return Response(SavedOutput({"labels": rows}).data)


class SkipView(APIView):
    @extend_schema(request=SkipBody, responses={204: None})
    def post(self, request: Request, slug: str, key: uuid.UUID) -> Response:
        """Pass on the instance for good, or flag it."""
        annotator = _enter(request, slug)[1]
        values = read_body(request, SkipBody)
        queue.skip(slot=own_slot(annotator, key), annotator=annotator, **values)
        return Response(status=204)


class DraftView(APIView):
    @extend_schema(request=DraftBody, responses=RevisionOutput)
    def put(self, request: Request, slug: str, key: uuid.UUID) -> Response:
        """Keep what is entered so far, and the lease with it."""
        annotator = _enter(request, slug)[1]
        slot = held_slot(annotator, key)
        values = read_body(request, DraftBody)
        answers = [vars(answer) for answer in answers_of(values)]
        draft = services.save_draft(
            slot_key=key,
            annotator=annotator,
            payload={"answers": answers},
            revision=values["revision"],
        )
        queue.renew(slot=slot, annotator=annotator)
        return Response({"revision": draft.revision})


class UndoView(APIView):
    @extend_schema(request=None, responses=NextOutput)
    def post(self, request: Request, slug: str) -> Response:
        """Take the last submit of ten minutes back; `slot` is null where there is none."""
        project, annotator = _enter(request, slug)
        return Response(
            {"slot": _shown(services.undo(annotator=annotator, project=project)), "why": None}
        )


class HistoryView(APIView):
    @described(LabelOutput)
    def get(self, request: Request, slug: str) -> Response:
        """What one has labelled, newest first, and nothing of anybody else."""
        annotator = _enter(request, slug)[1]
        return paged(request, history_of(annotator), LabelOutput)


class ProgressView(APIView):
    @extend_schema(responses=ProgressOutput)
    def get(self, request: Request, slug: str) -> Response:
        """How much one has labelled, and how much is open to one."""
        return Response(ProgressOutput(progress_of(_enter(request, slug)[1])).data)


P = "projects/<slug:slug>/label/"
S = P + "slots/<uuid:key>/"
urlpatterns: list[URLPattern] = [
    path(P + "next", NextView.as_view(), name="label-next"),
    path(P + "undo", UndoView.as_view(), name="label-undo"),
    path(P + "history/", HistoryView.as_view(), name="label-history"),
    path(P + "progress", ProgressView.as_view(), name="label-progress"),
    path(S, SlotView.as_view(), name="label-slot"),
    path(S + "submit", SubmitView.as_view(), name="label-submit"),
    path(S + "revise", ReviseView.as_view(), name="label-revise"),
    path(S + "skip", SkipView.as_view(), name="label-skip"),
    path(S + "draft", DraftView.as_view(), name="label-draft"),
]
