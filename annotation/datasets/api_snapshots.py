"""REST: snapshots, what a query would hold, and what differs between two."""

import csv
import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Project, User
from accounts.policies import Action, project_for
from core import artifacts
from core.bodies import Body, read_body
from core.exceptions import InvalidInput, NotFound
from core.paging import described, one_of, paged
from core.spreadsheets import as_text
from jobs import services as jobs

from .cards import limits_of, markdown
from .counts import count
from .diffs import Change, Diff, changes, diff
from .models import Snapshot
from .queries import checked_for
from .selectors import snapshots_of

BUILD = "annotation.snapshot"
QUERY = {
    "criterion": "overall",
    "splits": {"test": 0.2},
    "exclude_ties": True,
    "kinds": ["person"],
    "agreement": {"least": 0.7},
    "tags": {"without": ["draft"]},
    "signals": {"difficulty": [0.2, None]},
}
COLUMNS = ("instance_id", "what", "before", "after")


class SnapshotSerializer(serializers.ModelSerializer[Snapshot]):
    rows = serializers.SerializerMethodField()
    instances = serializers.SerializerMethodField()

    class Meta:
        model = Snapshot
        fields = ["id", "name", "content_hash", "query", "rows", "instances", "created_at"]

    def get_rows(self, row: Snapshot) -> dict[str, int]:
        found: dict[str, int] = row.manifest.get("rows", {})
        return found

    def get_instances(self, row: Snapshot) -> int:
        return int(row.manifest.get("instances", 0))


class SnapshotDetailSerializer(SnapshotSerializer):
    manifest = serializers.JSONField()
    card = serializers.SerializerMethodField()
    limits = serializers.SerializerMethodField()

    class Meta(SnapshotSerializer.Meta):
        fields = [*SnapshotSerializer.Meta.fields, "manifest", "card", "limits"]

    def get_card(self, row: Snapshot) -> str:
        """Markdown with the header of the Hugging Face hub."""
        return markdown(row.manifest, name_of(row))

    def get_limits(self, row: Snapshot) -> list[str]:
        return limits_of(row.manifest)


class QueryBody(Body):
    query = serializers.DictField(default=dict, help_text="See docs: what is absent is as usual.")
    exact = serializers.BooleanField(default=False, help_text="Count all, also of very many.")


class SnapshotBody(Body):
    name = serializers.CharField(max_length=120, default="", allow_blank=True)
    query = serializers.DictField(default=dict)


class SnapshotStartedSerializer(serializers.Serializer[Any]):
    job = serializers.IntegerField()


class LeftSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    left = serializers.IntegerField()
    removed = serializers.IntegerField()


class CountsSerializer(serializers.Serializer[Any]):
    instances = serializers.IntegerField()
    rows = serializers.IntegerField()
    pairs = serializers.IntegerField()
    prompts = serializers.DictField(child=serializers.IntegerField())
    labels = serializers.DictField(child=serializers.IntegerField())
    all_labels = serializers.IntegerField()
    steps = LeftSerializer(many=True)
    about = serializers.BooleanField(help_text="Counted from a share of the prompts.")
    problem = serializers.CharField(help_text="Why nothing can be built; empty where it can.")


class ChangeSerializer(serializers.Serializer[Any]):
    instance_id = serializers.CharField()
    what = serializers.CharField()
    before = serializers.CharField()
    after = serializers.CharField()


class DiffSerializer(serializers.Serializer[Any]):
    query = serializers.DictField(help_text="[before, after] of each key that differs.")
    counts = serializers.DictField(child=serializers.IntegerField())
    changes = ChangeSerializer(many=True)


class SnapshotList(APIView):
    @described(SnapshotSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """The project's snapshots, newest first."""
        project = project_for(request.user, slug, Action.EXPORT)
        return paged(request, snapshots_of(project), SnapshotSerializer)

    @extend_schema(
        request=SnapshotBody,
        responses={202: SnapshotStartedSerializer},
        examples=[OpenApiExample("By people", {"name": "v1", "query": QUERY}, request_only=True)],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Freeze what a query asks for; the job's result is `{"snapshot", "content_hash"}`."""
        project = project_for(request.user, slug, Action.EXPORT)
        given = read_body(request, SnapshotBody)
        checked_for(project, given["query"])
        user = request.user if isinstance(request.user, User) else None
        job = jobs.submit(kind=BUILD, project=project, arguments=given, created_by=user)
        return Response({"job": job.pk}, status=202)


class SnapshotDetail(APIView):
    @extend_schema(responses=SnapshotDetailSerializer)
    def get(self, request: Request, slug: str, snapshot_id: int) -> Response:
        """One snapshot with its manifest and its data card."""
        project = project_for(request.user, slug, Action.EXPORT)
        return Response(SnapshotDetailSerializer(snapshot_in(project, snapshot_id)).data)


class SnapshotCount(APIView):
    @extend_schema(
        request=QueryBody,
        responses=CountsSerializer,
        examples=[OpenApiExample("By people", {"query": QUERY}, request_only=True)],
    )
    def post(self, request: Request, slug: str) -> Response:
        """What a query would hold now, and what each of its filters takes away."""
        project = project_for(request.user, slug, Action.EXPORT)
        given = read_body(request, QueryBody)
        return Response(count(project, given["query"], exact=given["exact"]).as_json())


class SnapshotDiff(APIView):
    @extend_schema(
        parameters=[
            OpenApiParameter("with", int, required=True, description="Id of the later snapshot."),
            OpenApiParameter("as", str, enum=["json", "jsonl", "csv"]),
        ],
        responses={(200, "application/json"): DiffSerializer, (200, "text/csv"): OpenApiTypes.STR},
    )
    def get(self, request: Request, slug: str, snapshot_id: int) -> HttpResponseBase:
        """What differs: keys of the query, instances, splits, winners, labels. JSON has the first
        200 changes; `as=jsonl` and `as=csv` stream all."""
        project = project_for(request.user, slug, Action.EXPORT)
        before = snapshot_in(project, snapshot_id)
        other = request.query_params.get("with", "")
        if not other.isascii() or not other.isdecimal() or len(other) > 18:
            raise InvalidInput("`with` must be the id of a snapshot.", parameter="with")
        after = snapshot_in(project, int(other))
        kind = one_of(request, "as", ("json", "jsonl", "csv")) or "json"
        if kind != "json":
            return download(before, after, kind)
        return Response(difference(before, after).as_json())


def snapshot_in(project: Project, snapshot_id: int) -> Snapshot:
    """A snapshot of the project.

    Raises:
        NotFound: there is none with this id.
    """
    found = snapshots_of(project).filter(pk=snapshot_id).first()
    if found is None:
        raise NotFound("There is no such snapshot in this project.")
    return found


def name_of(snapshot: Snapshot) -> str:
    return snapshot.name or f"{snapshot.project.name} ({snapshot.content_hash[:8]})"


def difference(before: Snapshot, after: Snapshot) -> Diff:
    """What differs between two snapshots.

    Raises:
        NotFound: the files of one are gone.
        InvalidInput: one was built by an early version, whose files do not compare.
    """
    return diff(_folder(before), _folder(after), (before.query, after.query))


def download(before: Snapshot, after: Snapshot, kind: str) -> StreamingHttpResponse:
    """All changes as a file, streamed; `kind` is jsonl or csv."""
    walk = changes(_folder(before), _folder(after))
    lines = _csv(walk) if kind == "csv" else (json.dumps(vars(each)) + "\n" for each in walk)
    media = "text/csv; charset=utf-8" if kind == "csv" else "application/x-ndjson"
    response = StreamingHttpResponse(lines, content_type=media)
    name = f"{before.content_hash[:8]}-{after.content_hash[:8]}.{kind}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _csv(walk: Iterator[Change]) -> Iterator[str]:
    yield ",".join(COLUMNS) + "\r\n"
    for each in walk:
        line = StringIO()
        csv.writer(line).writerow([as_text(getattr(each, name)) for name in COLUMNS])
        yield line.getvalue()


def _folder(snapshot: Snapshot) -> Path:
    folder = artifacts.fetch(snapshot.folder)
    if not (folder / "instances.parquet").is_file():
        raise NotFound("The files of this snapshot are gone: build it again with the same query.")
    return folder


P = "projects/<slug:slug>/snapshots/"
urlpatterns: list[URLPattern] = [
    path(P, SnapshotList.as_view(), name="snapshot-list"),
    path(f"{P}count", SnapshotCount.as_view(), name="snapshot-counts"),
    path(f"{P}<int:snapshot_id>/", SnapshotDetail.as_view(), name="snapshot-detail"),
    path(f"{P}<int:snapshot_id>/diff", SnapshotDiff.as_view(), name="snapshot-difference"),
]
