"""Rules in live routing: after the arms, before the strategy, inside the budget."""

import pytest

from accounts.models import Project
from annotation.instances.models import Instance, InstanceState
from annotation.ledger.models import Entry
from annotation.queue.models import Arm, Assignment, Destination, Slot
from audit.models import Event
from core.exceptions import Conflict, InvalidInput
from routing.decisions.models import Decision
from routing.live.batches import UNPAID
from routing.live.services import live_of
from routing.rules.matching import DROP, EXPERTS, JUDGE, METADATA, PEOPLE, TAG, VERIFIER, Rule
from routing.rules.preview import catch
from routing.rules.selectors import in_force, versions
from routing.rules.services import save_rules
from tests.endpoint.client import endpoint
from tests.factories import make_annotator, make_project, make_user
from tests.routing.live_scene import HUMAN, holds, route, scene

pytestmark = pytest.mark.django_db

FOUR = ("medicine", "law", "chat", "spam")


def tagged(project: Project) -> None:
    """Every fourth of the instances of one of the domains."""
    rows = list(project.instances.order_by("pk"))
    for number, row in enumerate(rows):
        row.tags = [f"domain:{FOUR[number % 4]}"]
    Instance.objects.bulk_update(rows, ["tags"])


def by_domain(domain: str, to: str, qualification: str = "") -> Rule:
    return Rule(TAG, "domain", domain, to, qualification)


def put(project: Project, *rules: Rule) -> None:
    save_rules(project=project, rules=rules, version=in_force(project).version, by=None)


def of(project: Project, domain: str) -> list[Decision]:
    return list(
        Decision.objects.filter(
            project=project, instance__tags__contains=[f"domain:{domain}"], arm=Arm.ROUTED
        ).order_by("instance")
    )


@pytest.mark.parametrize("reads_judge", [True, False])
def test_rules_decide_before_the_strategy_and_say_so(reads_judge: bool) -> None:
    with endpoint() as server:
        project = scene(
            server, 80, strategy="judge-uncertainty" if reads_judge else "random", people_share=0.5
        )
        tagged(project)
        make_annotator(project, qualifications=["doctor"])
        put(
            project,
            by_domain("medicine", EXPERTS, "doctor"),
            by_domain("law", PEOPLE),
            by_domain("chat", JUDGE),
            by_domain("spam", DROP),
        )
        route(project)
    live = live_of(project)
    kept = live.audit_share + (1 - live.audit_share) * live.explore_share
    for domain, destination, e, sentence in (
        ("medicine", Destination.HUMAN, 1, "rule: domain is medicine → experts (doctor)"),
        ("law", Destination.HUMAN, 1, "rule: domain is law → people"),
        ("chat", Destination.JUDGE, kept, "rule: domain is chat → judge"),
        ("spam", Destination.DROP, kept, "rule: domain is spam → drop"),
    ):
        found = of(project, domain)
        assert found
        assert {row.destination for row in found} == {destination}
        assert {row.reason for row in found} == {sentence}
        assert [row.propensity for row in found] == pytest.approx([e] * len(found))
        assert {row.rules_id for row in found} == {in_force(project).row_id}
        assert {row.gain for row in found} == {None}
    # What was dropped is no data any more; what was drawn was drawn all the same.
    dropped = Instance.objects.filter(project=project, state=InstanceState.DROPPED)
    assert dropped.count() == len(of(project, "spam"))
    drawn = Decision.objects.filter(project=project, arm__in=[Arm.AUDIT, Arm.EXPLORE])
    assert drawn.exists()
    assert not drawn.filter(rules__isnull=False).exists()
    # Experts have their price, and their places take the qualification.
    places = Slot.objects.filter(instance__tags__contains=["domain:medicine"])
    assert {tuple(slot.pool.requires) for slot in places if slot.pool} == {("doctor",)}
    assert {row.price_micros for row in of(project, "medicine")} == {live.expert_price_micros}
    assert holds(project)


def test_what_rules_want_is_bought_first_and_never_beyond_the_budget() -> None:
    with endpoint() as server:
        # The audit arm, the judge and a few labels.
        project = scene(server, 60, money=10 * HUMAN, strategy="random", explore_share=0)
        tagged(project)
        put(project, by_domain("law", PEOPLE))
        route(project)
    law = of(project, "law")
    paid = [row for row in law if row.destination == Destination.HUMAN]
    unpaid = [row for row in law if row.destination == Destination.JUDGE]
    assert paid
    assert unpaid
    assert {row.reason for row in unpaid} == {f"rule: domain is law → people; {UNPAID}"}
    assert [row.propensity for row in unpaid] == pytest.approx([0.05] * len(unpaid))
    others = [row for name in ("medicine", "chat", "spam") for row in of(project, name)]
    assert not [row for row in others if row.destination == Destination.HUMAN]
    assert holds(project)


def test_new_rules_move_what_nobody_has_begun_with() -> None:
    with endpoint() as server:
        project = scene(server, 60, strategy="random", people_share=0.5)
        tagged(project)
        route(project)
        make_annotator(project, qualifications=["doctor"])
        put(project, by_domain("chat", JUDGE), by_domain("medicine", EXPERTS, "doctor"))
        route(project)
        standing = Decision.objects.filter(project=project, superseded_by__isnull=True)
        chat = standing.filter(arm=Arm.ROUTED, instance__tags__contains=["domain:chat"])
        assert set(chat.values_list("destination", flat=True)) == {Destination.JUDGE}
        moved = chat.filter(rules__isnull=False)
        assert moved.exists()
        assert set(moved.values_list("reason", flat=True)) == {"rule: domain is chat → judge"}
        came = standing.filter(rules__isnull=False, destination=Destination.BOTH)
        slots = Slot.objects.filter(instance__in=came.values("instance"), state="open")
        assert slots.exists()
        assert {tuple(slot.pool.requires) for slot in slots if slot.pool} == {("doctor",)}
        assert holds(project)
        # Without rules the strategy decides again.
        put(project)
        again = route(project)
    assert again["moved"] > 0
    assert holds(project)


def test_rules_go_before_every_criterion() -> None:
    with endpoint() as server:
        project = scene(server, 40, strategy="judge-uncertainty")
        project.criteria.create(key="tone", name="Tone", position=1)
        live = live_of(project)
        live.per_criterion = True
        live.save(update_fields=["per_criterion"])
        tagged(project)
        put(project, by_domain("law", PEOPLE), by_domain("chat", JUDGE), by_domain("spam", DROP))
        route(project)
    for domain, to, count in (("law", "human", 3), ("chat", "judge", 3), ("spam", "drop", 1)):
        found = of(project, domain)
        assert {row.destination for row in found} == {to}, domain
        assert all(row.reason.startswith("rule: ") for row in found)
        assert len(found) == count * len({row.instance_id for row in found})
    whole = Assignment.objects.filter(decision_id__in=[row.pk for row in of(project, "law")])
    assert {tuple(row.criteria) for row in whole} == {()}
    assert Entry.objects.exists()
    assert holds(project)


def test_what_each_rule_catches_is_counted_before_it_is_saved() -> None:
    with endpoint() as server:
        project = scene(server, 40, strategy="random")
    tagged(project)
    rows = list(project.instances.order_by("pk"))
    rows[0].metadata = {"source": "app"}
    rows[0].save()
    rows[1].state = InstanceState.ROUTED
    rows[1].save()
    found = catch(
        project,
        [Rule(METADATA, "source", "app", DROP), by_domain("law", PEOPLE), by_domain("", JUDGE)],
    )
    assert found.everywhere == (1, 10, 29, 0)
    assert found.waiting == (1, 9, 29, 0)
    assert (found.looked, found.more) == (40, False)
    assert catch(project, []).everywhere == (40,)


def test_every_version_is_kept_and_logged_and_an_older_one_is_not_saved_over() -> None:
    project, admin = make_project(), make_user()
    save_rules(project=project, rules=[by_domain("law", PEOPLE)], version=0, by=admin)
    with pytest.raises(Conflict, match="Somebody else"):
        save_rules(project=project, rules=[], version=0, by=admin)
    save_rules(project=project, rules=[], version=1, by=admin)
    assert [row.version for row in versions(project)] == [2, 1]
    assert in_force(project).rules == ()
    said = Event.objects.filter(project=project, action="routing rules saved").order_by("pk")
    assert [event.data["rules"] for event in said] == [["rule: domain is law → people"], []]
    assert said[1].data["before"] == ["rule: domain is law → people"]


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (Rule(TAG, "", "law", PEOPLE), "names a tag"),
        (Rule(TAG, "domain:law", "", PEOPLE), "without a colon"),
        (Rule("prompt", "domain", "law", PEOPLE), "what a rule reads"),
        (Rule(TAG, "domain", "law", "moon"), "where its instances go"),
        (Rule(TAG, "domain", "x" * 81, PEOPLE), "at most 80"),
        (Rule(TAG, "domain", "l\0w", PEOPLE), "at most 80"),
        (Rule(TAG, "domain", "law", EXPERTS), "qualification"),
        (Rule(TAG, "domain", "law", PEOPLE, "law"), "qualification"),
        (Rule(TAG, "domain", "law", EXPERTS, "lawyer"), "Nobody in the project"),
        (Rule(TAG, "domain", "law", VERIFIER), "No program"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(rule: Rule, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        save_rules(project=make_project(), rules=[rule], version=0, by=None)


def test_a_rule_that_is_never_reached_is_refused() -> None:
    rules = [by_domain("law", PEOPLE), by_domain("law", JUDGE)]
    with pytest.raises(InvalidInput, match="never be reached"):
        save_rules(project=make_project(), rules=rules, version=0, by=None)
    many = [by_domain(str(number), JUDGE) for number in range(51)]
    with pytest.raises(InvalidInput, match="50 rules at most"):
        save_rules(project=make_project(), rules=many, version=0, by=None)
