"""The prompt workbench: writing, previewing, trying, reading, comparing, promoting, accepting."""

import re

import pytest
from django.test import Client

from accounts.models import Project, Role
from annotation.judges.injection.services import CALLS
from annotation.judges.models import Judge, JudgeCall, JudgeRun, Mining, Prompt, Stage
from annotation.judges.prompting import create_prompt, new_version
from annotation.judges.workbench.mining import Order, mine
from annotation.judges.workbench.trials import Trial, try_prompt
from annotation.labels.models import Annotation
from annotation.ledger.models import Budget
from annotation.projects.selectors import main_criterion
from annotation.projects.services import publish_guideline
from frontend.workbench.comparison import comparison_of
from tests.annotation.chat_server import ChatServer, serving
from tests.annotation.workbench_scene import (
    follows_the_prompt,
    make_budget,
    make_judge,
    make_pairs,
    run_jobs,
    trial_of,
)
from tests.factories import make_member, make_project, make_user

pytestmark = pytest.mark.django_db
BASE = "/p/bench/judges"


@pytest.fixture
def project() -> Project:
    return make_project("bench", owner=make_user("chief"), slug="bench")


@pytest.fixture
def chief(project: Project, client: Client) -> Client:
    client.login(username="chief", password="secret")
    return client


def tried(project: Project, server: ChatServer, *rubrics: str) -> list[JudgeRun]:
    """A version for each rubric, and a trial of each on all of the project's pairs."""
    judge, budget = make_judge(project, server.url), make_budget(project)
    first = create_prompt(project=project, name="kind", rubric=rubrics[0])
    versions = [first, *(new_version(prompt=first, rubric=each) for each in rubrics[1:])]
    return [
        trial_of(try_prompt(trial=Trial(each, judge, main_criterion(project), 12, budget), by=None))
        for each in versions
    ]


def test_a_prompt_is_written_and_its_change_is_shown(chief: Client, project: Project) -> None:
    assert "No prompt of your own yet" in chief.get(f"{BASE}/prompts/").content.decode()
    form = {"name": "kind", "rubric": "- be <polite>", "shape": "pair", "mode": "reasoned"}
    made = chief.post(f"{BASE}/prompts/save/", {**form, "act": "save"}, follow=True)
    assert "be &lt;polite&gt;" in made.content.decode()
    first = Prompt.objects.get()
    assert (first.version, first.created_by) == (1, project.memberships.get().user)
    change = {**form, "rubric": "- be brief", "from": first.pk, "note": "shorter", "act": "save"}
    page = chief.post(f"{BASE}/prompts/save/", change, follow=True).content.decode()
    assert "What changed since version 1" in page
    assert "<ins>brief</ins>" in page
    listed = chief.get(f"{BASE}/prompts/").content.decode()
    assert "Version 2" in listed
    assert "shorter" in listed


def test_a_bad_prompt_comes_back_with_what_was_typed(chief: Client) -> None:
    form = {"name": "kind", "rubric": "Mind {nothing}.", "shape": "pair", "act": "save"}
    page = chief.post(f"{BASE}/prompts/save/", form)
    assert page.status_code == 422
    assert "is no placeholder" in page.content.decode()
    assert "Mind {nothing}." in page.content.decode()
    assert not Prompt.objects.exists()


def test_the_preview_has_the_exact_messages_in_both_orders(chief: Client, project: Project) -> None:
    make_pairs(project, 3)
    make_judge(project, "http://127.0.0.1:9/v1")
    form = {"rubric": "- be polite", "shape": "pair", "mode": "reasoned", "act": "preview"}
    for url, wanted in (("preview", 200), ("save", 200)):
        page = chief.post(f"{BASE}/prompts/{url}/", form)
        text = page.content.decode()
        assert page.status_code == wanted
        assert "Completions in the order 1, 2" in text
        assert "Completions in the order 2, 1" in text
        assert "&lt;rubric&gt;\n- be polite\n&lt;/rubric&gt;" in text
        assert "at most 0.0" in text
    assert not Prompt.objects.exists()
    assert Judge.objects.count() == 1


def test_a_trial_is_started_watched_and_read(chief: Client, project: Project) -> None:
    make_pairs(project, 12)
    with serving(follows_the_prompt) as server:
        judge, budget = make_judge(project, server.url), make_budget(project)
        prompt = create_prompt(project=project, name="plain", instructions="Think.")
        form = {"base": judge.pk, "count": "12", "budget": budget.pk}
        started = chief.post(f"{BASE}/prompts/{prompt.pk}/try/", form)
        address = started["Location"]
        assert 'hx-trigger="every 2s"' in chief.get(address).content.decode()
        run_jobs()
    live = chief.get(address, headers={"hx-request": "true"}).content.decode()
    assert "hx-trigger" not in live
    assert "<html" not in live
    assert "50.0" in live
    listed = chief.get(f"{address}disagreements/").content.decode()
    assert listed.count('class="card pad disagreement"') == 6
    assert "It is kinder, says person-0." in listed
    assert "It reads better in every way." in listed
    some = chief.get(f"{address}disagreements/?kind=01").content.decode()
    assert 0 < some.count('class="card pad disagreement"') < 6
    assert (
        "They differ on nothing here"
        in chief.get(f"{address}disagreements/?kind=99").content.decode()
    )


def test_versions_side_by_side(chief: Client, project: Project) -> None:
    make_pairs(project, 12)
    with serving(follows_the_prompt) as server:
        runs = tried(project, server, "- be backwards", "- be polite")
    page = chief.get(f"{BASE}/trials/compare/?run={runs[0].pk}&run={runs[1].pk}").content.decode()
    assert "+50.0" in page
    assert "12 : 0" in page
    assert "Instances on which they differ" in page
    alone = chief.get(f"{BASE}/trials/compare/?run={runs[0].pk}").content.decode()
    assert "Nothing to compare yet" in alone


def test_shares_stand_on_the_same_pairs_as_their_difference(
    chief: Client, project: Project
) -> None:
    pairs = make_pairs(project, 12)
    with serving(follows_the_prompt) as server:
        polite, longer = tried(project, server, "- be polite", "- be clear")
    # The first has no verdict where the second, which names the longer one, is wrong.
    wrong = [pair.pk for number, pair in enumerate(pairs) if number % 4 > 1]
    JudgeCall.objects.filter(judge=polite.judge, instance__in=wrong).delete()
    found = comparison_of([polite, longer])
    shares = [side.result.figures.agreement for side in found.sides]
    assert [(share.value, share.labels) for share in shares if share] == [(1.0, 6), (1.0, 6)]
    against = found.sides[1].against
    assert against is not None
    assert (against.value, against.units) == (0.0, 6)
    page = chief.get(f"{BASE}/trials/compare/?run={polite.pk}&run={longer.pk}").content.decode()
    assert page.count('<td class="n">6</td>') == 2
    assert "12 instances asked of all" in page


def test_a_version_without_a_verdict_hides_nothing_of_the_others(project: Project) -> None:
    make_pairs(project, 12)
    with serving(follows_the_prompt) as server:
        runs = tried(project, server, "- be polite", "- be clear", "- be kind")
    JudgeCall.objects.filter(judge=runs[2].judge).delete()
    found = comparison_of(runs)
    assert [side.result.figures.units for side in found.sides] == [12, 12, 0]
    assert found.sides[2].against is None


def test_budgets_say_what_is_left_of_them(chief: Client, project: Project) -> None:
    make_pairs(project, 4)
    with serving(follows_the_prompt) as server:
        make_judge(project, server.url)
        make_budget(project, 3_000_000)
    Budget.objects.update(settled=500_000, reserved=250_000)
    prompt = create_prompt(project=project, name="plain", instructions="Think.")
    for address in (f"{BASE}/prompts/{prompt.pk}/", f"{BASE}/criteria/"):
        assert "judges: 2.25 USD left" in chief.get(address).content.decode()


def test_promoting_says_what_it_does_first(chief: Client, project: Project) -> None:
    make_pairs(project, 8)
    with serving(follows_the_prompt) as server:
        (run,) = tried(project, server, "- be polite")
    told = chief.get(f"{BASE}/trials/{run.pk}/promotion/").content.decode()
    assert "Its stored verdicts on 8 instances become labels" in told
    assert "<b>critic</b> retires" in told
    assert not Annotation.objects.filter(annotator__judge__isnull=False).exists()
    done = chief.post(f"{BASE}/trials/{run.pk}/promote/")
    assert done["Location"] == f"{BASE}/{run.judge_id}/"
    assert Judge.objects.get(pk=run.judge_id).stage == Stage.ACTIVE
    assert Annotation.objects.filter(annotator__judge=run.judge_id).count() == 8
    assert "in use" in chief.get(f"{BASE}/prompts/").content.decode()
    assert chief.post(f"{BASE}/trials/{run.pk}/promote/").status_code == 409


def test_criteria_are_searched_and_accepted(chief: Client, project: Project) -> None:
    make_pairs(project, 20)
    with serving(follows_the_prompt) as server:
        judge, budget = make_judge(project, server.url), make_budget(project)
        form = {
            "base": judge.pk,
            "pairs": "20",
            "propose": "on",
            "most": "4",
            "own": "Which completion begins with a letter?\n\n",
            "budget": budget.pk,
        }
        address = chief.post(f"{BASE}/criteria/search/", form)["Location"]
        assert "asking for criteria" in chief.get(address).content.decode()
        run_jobs()
    page = chief.get(address).content.decode()
    assert "hx-trigger" not in page
    assert page.count("predicts</span>") == 1
    assert "Which completion begins with a letter?" in page
    assert str(Mining.objects.get().pk) in chief.get(f"{BASE}/criteria/").content.decode()
    none = chief.post(f"{address}accept/", {"act": "rubric", "name": "mined"})
    assert none.status_code == 422
    chief.post(f"{address}accept/", {"act": "rubric", "name": "found", "candidate": ["2"]})
    assert Prompt.objects.get(name="found").rubric == "- Which completion is polite?"
    chief.post(f"{address}accept/", {"act": "criterion", "name": "Manners", "candidate": ["2"]})
    assert project.criteria.get(key="manners").question == "Which completion is polite?"
    assert f"mined:{Mining.objects.get().pk}" not in chief.get(f"{BASE}/prompts/").content.decode()


def test_researchers_search_but_do_not_ask_everybody(client: Client, project: Project) -> None:
    make_pairs(project, 12)
    make_member(project, Role.RESEARCHER, "researcher")
    client.login(username="researcher", password="secret")
    with serving(follows_the_prompt) as server:
        judge, budget = make_judge(project, server.url), make_budget(project)
        order = Order(judge, main_criterion(project), pairs=12, budget=budget)
        mining = mine(order=order, by=None)
        run_jobs()
    address = f"{BASE}/criteria/{mining.pk}/"
    assert "Ask everybody about it" not in client.get(address).content.decode()
    wanted = {"act": "criterion", "name": "Manners", "candidate": ["1"]}
    assert client.post(f"{address}accept/", wanted).status_code == 403
    assert not project.criteria.filter(key="manners").exists()


def test_labels_under_an_older_guideline_are_told_of(chief: Client, project: Project) -> None:
    make_pairs(project, 8)
    with serving(follows_the_prompt) as server:
        (run,) = tried(project, server, "- be polite")
    chief.post(f"{BASE}/trials/{run.pk}/promote/")
    addresses = "/p/bench/settings/guideline/", "/p/bench/settings/"
    for address in addresses:
        assert "older guideline" not in chief.get(address).content.decode()
    publish_guideline(project=project, text="Kindness first.", by=None)
    for address in addresses:
        page = chief.get(address).content.decode()
        assert "Labels under an older guideline" in page
        assert "8 labels of" in page
        assert f"{BASE}/{run.judge_id}/ask/?of=stale" in page


def test_what_it_costs_stands_beside_the_button(chief: Client, project: Project) -> None:
    make_pairs(project, 12)
    make_judge(project, "http://127.0.0.1:1/v1"), make_budget(project)
    prompt = create_prompt(project=project, name="kind", rubric="- be polite")
    page = chief.get(f"{BASE}/prompts/{prompt.pk}/").content.decode()
    assert "24 calls about 12 instances" in " ".join(page.split())
    htmx = {"HX-Request": "true"}
    fragment = chief.get(f"{BASE}/prompts/{prompt.pk}/", {"count": "4"}, headers=htmx)
    text = " ".join(fragment.content.decode().split())
    assert "8 calls about 4 instances" in text
    assert re.search(r"Expected to cost <b>\w{3} 0\.0\d+</b>, 0\.\d+ at most", text)
    assert "<html" not in text
    page = chief.get(f"{BASE}/criteria/").content.decode()
    # Eight criteria and the judge as it is, in both orders, and the proposal.
    assert "217 calls about 12 instances" in " ".join(page.split())
    asked = {"pairs": "4", "own": "Which completion is polite?"}
    refused = chief.get(f"{BASE}/criteria/", asked, headers=htmx).content.decode()
    assert "Take 8 to 300 pairs." in refused
    one = chief.get(f"{BASE}/criteria/", {**asked, "pairs": "12"}, headers=htmx).content.decode()
    assert "48 calls about 12 instances" in " ".join(one.split())


def test_a_version_is_talked_round_for_a_stated_price(chief: Client, project: Project) -> None:
    make_pairs(project, 8)
    with serving(follows_the_prompt) as server:
        (run,) = tried(project, server, "- be polite")
        address = f"{BASE}/trials/{run.pk}/"
        before = chief.get(address).content.decode()
        assert f"{CALLS} calls, about 0." in before
        budget = project.budgets.get()
        chief.post(f"{address}injection/", {"budget": budget.pk})
        run_jobs()
    after = chief.get(address).content.decode()
    assert "a plain order" in after
    assert "harmless text" in after
    assert "Measure again" in after
    assert not Annotation.objects.filter(annotator__judge__isnull=False).exists()
