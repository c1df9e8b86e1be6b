"""REST: exports of snapshots and of queries, and their files."""

from pathlib import Path
from typing import Any

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
from core.downloads import send_archive, send_file
from core.exceptions import InvalidInput, NotFound
from core.paging import described, one_of, paged
from jobs import services as jobs

from .exporters import NAMES, check, files_of, folder_of
from .formats import FORMATS
from .models import Export, Snapshot
from .pushing import MOST_AT_ONCE, check_repo, push
from .selectors import exports_of

EXPORT, PUSH = "annotation.export", "annotation.push"


class FileSerializer(serializers.Serializer[Any]):
    path = serializers.CharField()
    bytes = serializers.IntegerField()
    sha256 = serializers.CharField()


class ExportSerializer(serializers.ModelSerializer[Export]):
    content_hash = serializers.CharField(source="snapshot.content_hash")
    files = serializers.SerializerMethodField()

    class Meta:
        model = Export
        fields = [
            "id",
            "snapshot",
            "content_hash",
            "shape",
            "format",
            "options",
            "rows",
            "bytes",
            "sha256",
            "files",
            "job",
            "created_at",
        ]

    def get_files(self, row: Export) -> list[dict[str, Any]]:
        return files_of(row)


class WholeExportSerializer(ExportSerializer):
    class Meta(ExportSerializer.Meta):
        fields = [*ExportSerializer.Meta.fields, "manifest"]


class ExportBody(Body):
    snapshot = serializers.IntegerField(required=False, min_value=1)
    query = serializers.DictField(required=False)
    name = serializers.CharField(required=False, max_length=120, allow_blank=True)
    shape = serializers.ChoiceField(NAMES)
    format = serializers.ChoiceField(list(FORMATS))
    options = serializers.DictField(required=False)


class PushBody(Body):
    repo = serializers.CharField(max_length=200)
    private = serializers.BooleanField(default=True)
    token = serializers.CharField(required=False, max_length=300, write_only=True)


class StartedSerializer(serializers.Serializer[Any]):
    job = serializers.IntegerField()


class ExportList(APIView):
    @described(
        ExportSerializer,
        OpenApiParameter("shape", str, enum=NAMES),
        OpenApiParameter("format", str, enum=list(FORMATS)),
    )
    def get(self, request: Request, slug: str) -> Response:
        """The project's exports, newest first."""
        project = project_for(request.user, slug, Action.EXPORT)
        rows = exports_of(project)
        for name, known in (("shape", NAMES), ("format", list(FORMATS))):
            if value := one_of(request, name, known):
                rows = rows.filter(**{name: value})
        return paged(request, rows, ExportSerializer)

    @extend_schema(
        request=ExportBody,
        responses={202: StartedSerializer},
        examples=[
            OpenApiExample(
                "Of a snapshot",
                {
                    "snapshot": 3,
                    "shape": "trl",
                    "format": "parquet",
                    "options": {"anonymised": True, "mask": True},
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Make an export of a snapshot, or of a query whose snapshot is built first."""
        project = project_for(request.user, slug, Action.EXPORT)
        given = read_body(request, ExportBody)
        check(given["shape"], given["format"], given.get("options"))
        if ("snapshot" in given) == ("query" in given):
            raise InvalidInput("Give either a snapshot or a query.")
        if "snapshot" in given:
            _snapshot(project, given["snapshot"])
        job = jobs.submit(kind=EXPORT, project=project, arguments=given, created_by=_user(request))
        return Response({"job": job.pk}, status=202)


class ExportDetail(APIView):
    @extend_schema(responses=WholeExportSerializer)
    def get(self, request: Request, slug: str, export_id: int) -> Response:
        """One export with its manifest: what was done, and every file with its sha256."""
        return Response(WholeExportSerializer(_export(request, slug, export_id)).data)


class ExportFile(APIView):
    @extend_schema(responses={(200, "*/*"): OpenApiTypes.BINARY, (206, "*/*"): OpenApiTypes.BINARY})
    def get(self, request: Request, slug: str, export_id: int, file: str) -> HttpResponseBase:
        """A file of an export; `Range`, `If-Range` and `If-None-Match` are understood."""
        row = _export(request, slug, export_id)
        path, told = file_of(row, file)
        return send_file(request._request, path, **told)


class ExportArchive(APIView):
    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY})
    def get(self, request: Request, slug: str, export_id: int) -> HttpResponseBase:
        """All files of an export as one ZIP."""
        return archive_of(_export(request, slug, export_id))


class ExportPush(APIView):
    @extend_schema(
        request=PushBody,
        responses={200: OpenApiTypes.OBJECT, 202: StartedSerializer},
        examples=[OpenApiExample("Private", {"repo": "lab/answers"}, request_only=True)],
    )
    def post(self, request: Request, slug: str, export_id: int) -> Response:
        """Send an export in the format huggingface to the Hub.

        With the operator's token it is a job. With a `token` of the request the files are sent
        at once, up to 256 MiB, and the token is stored nowhere.
        """
        row = _export(request, slug, export_id)
        given = read_body(request, PushBody)
        check_repo(given["repo"])
        if token := given.get("token"):
            if row.bytes > MOST_AT_ONCE:
                raise InvalidInput("This is too large to be sent with a token of the request.")
            url = push(row=row, repo=given["repo"], private=given["private"], token=token)
            return Response({"url": url})
        arguments = {"export": row.pk, "repo": given["repo"], "private": given["private"]}
        job = jobs.submit(
            kind=PUSH,
            project=row.snapshot.project,
            arguments=arguments,
            created_by=_user(request),
        )
        return Response({"job": job.pk}, status=202)


def file_of(row: Export, name: str) -> tuple[Path, dict[str, str]]:
    """Where a file of an export lies, its name as a download and its sha256.

    Raises:
        NotFound: the export has no such file, or it is gone.
    """
    found = next((each for each in files_of(row) if each["path"] == name), None)
    if found is None:
        raise NotFound("This export has no such file.")
    path = artifacts.fetch(folder_of(row)) / name
    if not path.is_file():
        raise NotFound("The file of this export is gone: make the export again.")
    return path, {"name": f"{_stem(row)}-{Path(name).name}", "sha256": found["sha256"]}


def archive_of(row: Export) -> HttpResponseBase:
    """All files of an export as one ZIP.

    Raises:
        NotFound: one of them is gone.
    """
    names = [each["path"] for each in files_of(row)]
    paths = [file_of(row, name)[0] for name in names]
    folder = paths[0].parents[len(Path(names[0]).parts) - 1]
    return send_archive(folder, names, name=f"{_stem(row)}-{row.shape}.zip")


def _stem(row: Export) -> str:
    return f"{row.snapshot.project.slug}-{row.snapshot.content_hash[:8]}"


def _export(request: Request, slug: str, export_id: int) -> Export:
    project = project_for(request.user, slug, Action.EXPORT)
    row = exports_of(project).filter(pk=export_id).first()
    if row is None:
        raise NotFound("There is no such export in this project.")
    return row


def _snapshot(project: Project, pk: int) -> Snapshot:
    row = Snapshot.objects.filter(project=project, pk=pk).first()
    if row is None:
        raise NotFound("There is no such snapshot in this project.")
    return row


def _user(request: Request) -> User | None:
    return request.user if isinstance(request.user, User) else None


P = "projects/<slug:slug>/exports/"
urlpatterns: list[URLPattern] = [
    path(P, ExportList.as_view(), name="export-list"),
    path(f"{P}<int:export_id>/", ExportDetail.as_view(), name="export"),
    path(f"{P}<int:export_id>/archive", ExportArchive.as_view(), name="export-archive"),
    path(f"{P}<int:export_id>/push", ExportPush.as_view(), name="export-push"),
    path(f"{P}<int:export_id>/files/<path:file>", ExportFile.as_view(), name="export-file"),
]
