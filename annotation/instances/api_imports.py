"""REST: importing files from anywhere, looking into them first, and small imports at once."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Project
from accounts.policies import Action, project_for
from core.bodies import Body
from core.exceptions import InvalidInput

from .adapters import ADAPTERS
from .small import MOST_INSTANCES, import_small
from .sources.given import Given, parse_source
from .sources.looking import Look, look_into
from .uploads import Bundle, Choices, first_of, forget, import_bundle, keep_upload

SOURCE_EXAMPLES = [
    OpenApiExample(
        "A URL",
        value={"source": {"kind": "url", "url": "https://example.org/pairs.jsonl.gz"}},
        request_only=True,
    ),
    OpenApiExample(
        "A data set of the hub",
        value={
            "source": {"kind": "hub", "dataset": "Anthropic/hh-rlhf", "config": "helpful-base"},
            "reveal": False,
            "dry_run": True,
        },
        request_only=True,
    ),
    OpenApiExample(
        "A table with columns named by hand",
        value={
            "source": {"kind": "path", "path": "corpora/pairs.csv"},
            "adapter": "columns",
            "options": {"prompt": "question", "completions": ["a", "b"], "winner": "better"},
        },
        request_only=True,
    ),
]
INSTANCE_EXAMPLE = OpenApiExample(
    "Two answers to one question",
    value={
        "instances": [
            {
                "id": "q1",
                "prompt": "Name a prime number.",
                "responses": [{"text": "Seven."}, {"text": "Nine."}],
                "human": [{"annotator": "ann", "ranking": [1, 2]}],
            }
        ]
    },
    request_only=True,
)


class ImportBody(Body):
    """A file (multipart) or a source (JSON), and how it is read."""

    file = serializers.FileField(required=False)
    source = serializers.DictField(  # type: ignore[assignment]
        required=False, help_text="kind url, path or hub with url, path or dataset."
    )
    adapter = serializers.ChoiceField(["auto", *ADAPTERS], default="auto")
    options = serializers.DictField(default=dict, help_text="What the adapter is told; JSON.")
    reveal = serializers.BooleanField(
        default=True, help_text="Labels that come along count at once."
    )
    dry_run = serializers.BooleanField(default=False)
    create_criteria = serializers.BooleanField(default=False)


class ImportStarted(serializers.Serializer[dict[str, object]]):
    job = serializers.IntegerField()


class GuessSerializer(serializers.Serializer[Any]):
    adapter = serializers.CharField()
    confidence = serializers.FloatField()
    why = serializers.CharField()


class ColumnSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    values = serializers.ListField(child=serializers.CharField())


class ReportSerializer(serializers.Serializer[Any]):
    """What an import did or would do; the counts are of instances, `labels` of labels."""

    created = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    updated = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    labels = serializers.IntegerField()
    refused = serializers.IntegerField()
    errors = serializers.ListField(child=serializers.DictField())  # type: ignore[assignment]
    notes = serializers.DictField(child=serializers.IntegerField())


class LookSerializer(serializers.Serializer[Any]):
    """What is in a file, and what importing its first rows would do."""

    guesses = GuessSerializer(many=True)
    adapter = serializers.CharField(allow_blank=True)
    sure = serializers.BooleanField()
    columns = ColumnSerializer(many=True)
    rows = serializers.ListField(child=serializers.DictField())
    instances = serializers.ListField(child=serializers.DictField())
    lines = serializers.IntegerField()
    more = serializers.BooleanField()
    report = ReportSerializer(allow_null=True)


class InstancesBody(Body):
    """Up to a thousand objects of the interchange format."""

    instances = serializers.ListField(
        child=serializers.DictField(), allow_empty=False, max_length=MOST_INSTANCES
    )
    reveal = serializers.BooleanField(default=True)
    create_criteria = serializers.BooleanField(default=False)


class ImportView(APIView):
    parser_classes = [MultiPartParser, JSONParser]

    @extend_schema(
        request={"multipart/form-data": ImportBody, "application/json": ImportBody},
        responses={202: ImportStarted},
        examples=SOURCE_EXAMPLES,
    )
    def post(self, request: Request, slug: str) -> Response:
        """Import a file, or what a source leads to, as a job; its result is the report."""
        project = project_for(request.user, slug, Action.IMPORT)
        values = read_import(request)
        job = import_bundle(
            project=project,
            bundle=_bundle(values),
            choices=_choices(values),
            created_by=request.user if request.user.is_authenticated else None,
        )
        return Response({"job": job.pk}, status=202)


class PreviewView(APIView):
    parser_classes = [MultiPartParser, JSONParser]

    @extend_schema(
        request={"multipart/form-data": ImportBody, "application/json": ImportBody},
        responses=LookSerializer,
        examples=SOURCE_EXAMPLES,
    )
    def post(self, request: Request, slug: str) -> Response:
        """Look into a file without importing it: its format, columns and a trial of its head.

        Files of other machines are fetched while one waits, up to 64 MB in 20 seconds; a dry run
        (`imports/` with `dry_run`) looks into larger ones.
        """
        project = project_for(request.user, slug, Action.IMPORT)
        values = read_import(request)
        bundle = _bundle(values)
        try:
            return Response(_looked(project, first_of(bundle), values))
        finally:
            forget(bundle)


def import_instances(request: Request, slug: str) -> Response:
    """The answer to posted instances: what became of each of them."""
    project = project_for(request.user, slug, Action.IMPORT)
    given = InstancesBody(data=request.data)
    given.is_valid(raise_exception=True)
    values = given.validated_data
    report = import_small(
        project=project,
        instances=values["instances"],
        reveal=values["reveal"],
        create_criteria=values["create_criteria"],
        by=request.user if request.user.is_authenticated else None,
    )
    return Response(report.as_dict())


def read_import(request: Request) -> dict[str, Any]:
    """The checked body, of a form as of JSON: what a form leaves out has its default too.

    Raises:
        ValidationError: a field is unknown or wrong, or there is neither a file nor a source.
    """
    data: Any = request.data
    if request.content_type.startswith("multipart/"):
        data = {name: data[name] for name in data}
        for name in ("options", "source"):
            if isinstance(data.get(name), str):
                data[name] = _parsed(name, data[name])
    given = ImportBody(data=data)
    given.is_valid(raise_exception=True)
    values = dict(given.validated_data)
    if (values.get("file") is None) == (values.get("source") is None):
        raise InvalidInput(_("Hand in either a file or a source."))
    return values


def _parsed(name: str, text: str) -> Any:
    try:
        return json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise ValidationError({name: [_("This is no JSON.")]}) from error


def _bundle(values: Mapping[str, Any]) -> Bundle:
    file = values.get("file")
    if file is None:
        return Bundle.of_source(parse_source(values["source"]))
    return Bundle.of_upload(keep_upload(name=file.name, chunks=file.chunks()))


def _choices(values: Mapping[str, Any]) -> Choices:
    names = ("adapter", "options", "reveal", "dry_run", "create_criteria")
    return Choices(**{name: values[name] for name in names})


def _looked(project: Project, given: Given | None, values: Mapping[str, Any]) -> dict[str, Any]:
    look = look_into(
        project=project, given=given, adapter=values["adapter"], options=values["options"]
    )
    if look.large:
        raise InvalidInput(_("It is too large to look into while you wait: make a dry run."))
    return _as_dict(look)


def _as_dict(look: Look) -> dict[str, Any]:
    trial = look.trial
    return {
        "guesses": [asdict(each) for each in look.guesses],
        "adapter": look.adapter,
        "sure": look.sure,
        "columns": [asdict(each) for each in look.columns],
        "rows": look.rows,
        "instances": [_instance(each) for each in trial.instances] if trial else [],
        "lines": trial.lines if trial else 0,
        "more": trial.more if trial else False,
        "report": trial.report.as_dict() if trial else None,
    }


def _instance(instance: Any) -> dict[str, Any]:
    return {
        "external_id": instance.external_id,
        "messages": instance.messages,
        "context": instance.context,
        "metadata": instance.metadata,
        "tags": instance.tags,
        "completions": [
            {"position": each.position, "text": each.text, "generator": each.generator}
            for each in instance.completions.all()
        ],
    }
