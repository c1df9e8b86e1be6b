"""Gold looks like every other instance to a browser, and to whoever watches its traffic.

Not looked at: the clock itself. The number of statements stands for it.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Project, Role
from annotation.instances.models import Instance
from annotation.labels.models import Annotation
from annotation.labels.people import annotator_for
from annotation.quality.services import make_gold
from annotation.queue.models import Slot
from annotation.queue.services import AssignmentItem, assign
from tests.factories import make_instance, make_member, make_project, make_user

pytestmark = pytest.mark.django_db
RIGHT = {"overall": {"accept": [{"ranking": [1, 2]}]}}
FIELDS = re.compile(r'name="(slot|client_id|order)" value="([^"]*)"')
KEYS = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|csrfmiddlewaretoken\" value=\"[^\"]+\"")
ORDER = re.compile(r'name="order" value="[01],[01]"')
TEXTS = re.compile(r"(First|Second) completion \d{3}|Question \d{3}")
# A label may settle its instance, and an undo unsettle it; gold has nothing to settle.
SLACK = 5
# The dice are thrown as ever, but no gold comes by them: a reply that happens to bring gold is
# looked at by itself, in the last test.
NEVER = 1e-12


def instance_of(project: Project, number: int) -> Instance:
    """All texts are of one length."""
    texts = (f"First completion {number:03}", f"Second completion {number:03}")
    return make_instance(project, texts, prompt=f"Question {number:03}")


@pytest.fixture
def project() -> Project:
    project = make_project("hidden", owner=make_user("chief"), slug="hidden")
    for number in range(100, 112):
        make_gold(instance=instance_of(project, number), kind="gold", answers=RIGHT, by=None)
    instances = [instance_of(project, number) for number in range(200, 240)]
    items = [AssignmentItem(each.pk, "human", "routed", 1.0) for each in instances]
    assign(project=project, items=items)
    return project


class Watcher:
    """An annotator who notes all that the browser gets."""

    def __init__(self, project: Project) -> None:
        user = make_member(project, Role.ANNOTATOR, "labeller")
        self.project, self.annotator = project, annotator_for(project=project, user=user)
        self.client = Client()
        self.client.force_login(user)

    def share(self, share: float) -> None:
        self.project.protocol.gold_share = share
        self.project.protocol.save(update_fields=["gold_share"])

    def front(self, purpose: str) -> dict[str, str]:
        """Label on until a slot of this purpose is in front; the fields of its form."""
        self.share(0.5 if purpose == "gold" else NEVER)
        for _ in range(15):
            page = self.client.get("/p/hidden/label/").content.decode()
            form = dict(FIELDS.findall(page))
            if Slot.objects.get(key=form["slot"]).purpose == purpose:
                self.share(NEVER)
                # One waits behind it, as the page asks for.
                self.post("next", {})
                return form
            self.post("submit", form)
        raise AssertionError(f"no {purpose} slot came")

    def post(self, act: str, form: dict[str, str], **fields: str) -> Any:
        return self.client.post(
            f"/p/hidden/label/{act}/",
            {**form, "answer-overall": "a1", "seconds": "9", **fields},
            headers={"HX-Request": "true"},
        )


def traits(reply: Any) -> dict[str, Any]:
    """What a reply shows, without what differs between any two of the same kind."""
    body = reply.content.decode()
    return {
        "status": reply.status_code,
        "headers": {name: plain(value) for name, value in reply.headers.items() if kept(name)},
        "cookies": sorted(reply.cookies),
        "length": len(counted(KEYS.sub("KEY", body))),
        "body": bare(body),
        "names": sorted(re.findall(r'(?:name|id|class|data-[\w-]+)="', body)),
    }


def kept(name: str) -> bool:
    return name.lower() not in {"date", "x-request-id", "content-length", "server-timing"}


def plain(value: str) -> str:
    return KEYS.sub("KEY", re.sub(r"'nonce-[^']+'", "NONCE", value))


def bare(body: str) -> str:
    """A page without keys, tokens, texts, order and counts."""
    body = TEXTS.sub("TEXT", ORDER.sub("ORDER", KEYS.sub("KEY", body)))
    return re.sub(r'nonce="?[^" ]+"?', "", counted(body))


def counted(body: str) -> str:
    return re.sub(r'(id="done">|id="total">|value="|max=")\d+', r"\1N", body)


def page(watcher: Watcher, form: dict[str, str]) -> Any:
    return watcher.client.get("/p/hidden/label/")


def draft(watcher: Watcher, form: dict[str, str]) -> Any:
    return watcher.post("draft", form, revision="1")


def submit(watcher: Watcher, form: dict[str, str]) -> Any:
    return watcher.post("submit", form)


def wrong_submit(watcher: Watcher, form: dict[str, str]) -> Any:
    return watcher.post("submit", form, **{"answer-overall": ""})


def repeated_submit(watcher: Watcher, form: dict[str, str]) -> Any:
    watcher.post("submit", form)
    return watcher.post("submit", form)


def undo(watcher: Watcher, form: dict[str, str]) -> Any:
    watcher.post("submit", form)
    return watcher.post("undo", {})


def skip(watcher: Watcher, form: dict[str, str]) -> Any:
    return watcher.post("skip", form, kind="pass")


def following(watcher: Watcher, form: dict[str, str]) -> Any:
    return watcher.post("next", {})


ACTS = [page, draft, submit, wrong_submit, repeated_submit, undo, skip, following]


@pytest.mark.parametrize("act", ACTS)
def test_no_reply_tells_gold_from_an_ordinary_instance(
    act: Callable[[Watcher, dict[str, str]], Any], project: Project
) -> None:
    watcher = Watcher(project)
    seen: dict[str, dict[str, Any]] = {}
    asked: dict[str, int] = {}
    # Once before, so that what is asked once is known; from then on the two are alike.
    watcher.front("label")
    for purpose in ("label", "gold"):
        form = watcher.front(purpose)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            reply = act(watcher, form)
        seen[purpose], asked[purpose] = traits(reply), len(queries)
    assert seen["label"] == seen["gold"]
    assert abs(asked["label"] - asked["gold"]) <= SLACK, asked


def test_ones_history_shows_gold_like_every_other_label(project: Project) -> None:
    watcher = Watcher(project)
    for purpose in ("gold", "label", "gold"):
        watcher.post("submit", watcher.front(purpose))
    labels = Annotation.objects.filter(annotator=watcher.annotator)
    assert set(labels.values_list("purpose", flat=True)) == {"gold", "label"}
    found = watcher.client.get("/p/hidden/history/").content.decode()
    rows = re.findall(r"<tr>\s*<t[hd].*?</tr>", found.split("<tbody>")[1], re.S)
    assert len(rows) == labels.count()
    when = re.compile(r"[AB] is|<time.*?</time>", re.S)
    assert len({when.sub("X", bare(row)) for row in rows}) == 1


def test_a_gold_label_is_changed_like_every_other(project: Project) -> None:
    watcher = Watcher(project)
    seen = {}
    for purpose in ("label", "gold"):
        form = watcher.front(purpose)
        watcher.post("submit", form)
        seen[purpose] = traits(watcher.client.get(f"/p/hidden/history/{form['slot']}/"))
    assert seen["label"] == seen["gold"]


def test_a_reply_that_brings_gold_is_like_one_that_brings_an_ordinary_instance(
    project: Project,
) -> None:
    watcher = Watcher(project)
    form = watcher.front("label")
    watcher.share(0.5)
    brought: dict[str, tuple[dict[str, Any], int]] = {}
    for _ in range(40):
        with CaptureQueriesContext(connection) as queries:
            reply = watcher.post("submit", form)
        purpose = Slot.objects.get(key=dict(FIELDS.findall(reply.content.decode()))["slot"]).purpose
        # The instance answered is an ordinary one each time.
        if purpose not in brought and answered(form) == "label":
            brought[purpose] = traits(reply), len(queries)
        if len(brought) == 2:
            break
        form = dict(FIELDS.findall(watcher.client.get("/p/hidden/label/").content.decode()))
    (label, asked), (gold, more) = brought["label"], brought["gold"]
    assert label == gold
    assert abs(asked - more) <= SLACK, (asked, more)


def answered(form: dict[str, str]) -> str:
    return Slot.objects.get(key=form["slot"]).purpose
