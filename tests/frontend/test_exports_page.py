"""The page of exports: what may be sent to the Hub from it."""

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from annotation.datasets.models import Export
from jobs.models import Job

from .world import World


@pytest.fixture
def export(ours: World) -> Export:
    row = Export.objects.get(snapshot__project=ours.project)
    row.format = "huggingface"
    row.save()
    return row


def test_an_export_is_sent_where_the_operator_has_a_token(
    ours: World, export: Export, client: Client, settings: Settings
) -> None:
    client.force_login(ours.people["owner"])
    page, send = reverse("exports", args=[ours.project.slug]), [ours.project.slug, export.pk]
    settings.HUB_PUSH_TOKEN = ""
    assert "Send to the Hub" not in client.get(page).text
    settings.HUB_PUSH_TOKEN = "hf_of_the_operator"
    shown = client.get(page).text
    assert "Send to the Hub" in shown
    assert "hf_of" not in shown
    assert client.post(reverse("export-push", args=send), {"repo": "no"}).status_code == 422
    client.post(reverse("export-push", args=send), {"repo": "lab/answers"})
    job = Job.objects.get(kind="annotation.push")
    assert job.arguments == {"export": export.pk, "repo": "lab/answers", "private": True}


@pytest.mark.parametrize(("anonymised", "kept"), [("", True), ("on", False)])
def test_rationales_stay_here_in_an_anonymised_release(
    ours: World, export: Export, client: Client, anonymised: str, kept: bool
) -> None:
    client.force_login(ours.people["owner"])
    form = {
        "snapshot": str(export.snapshot_id),
        "shape": "labels",
        "format": "jsonl",
        "rationale": "on",
        "anonymised": anonymised,
    }
    made = client.post(reverse("export-new", args=[ours.project.slug]), form)
    assert made.status_code == 302, made.text
    assert Job.objects.get(kind="annotation.export").arguments["options"]["rationale"] is kept
