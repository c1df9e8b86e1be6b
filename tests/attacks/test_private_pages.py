"""What a browser or a proxy may keep of pages that are one person's own."""

import pytest
from django.test import Client

from accounts.models import Role
from tests.factories import make_instance, make_member, make_project

pytestmark = pytest.mark.django_db
PAGES = ("label/", "history/", "earnings/", "payments/", "people/", "quality/annotators.csv")


@pytest.mark.parametrize("page", PAGES)
def test_no_shared_cache_keeps_a_page_of_somebody(page: str) -> None:
    project = make_project("Private")
    make_instance(project)
    client = Client()
    client.force_login(make_member(project, Role.ADMIN))
    said = client.get(f"/p/private/{page}").headers.get("Cache-Control", "")
    assert "private" in said
    assert "no-cache" in said or "no-store" in said


def test_two_forms_of_an_address_are_kept_apart() -> None:
    """With htmx's header a page is a fragment: a history entry must not become one."""
    project = make_project("Private")
    client = Client()
    client.force_login(make_member(project, Role.ADMIN))
    assert "HX-Request" in client.get("/p/private/label/").headers.get("Vary", "")
