"""Rules: which one an instance falls under. Pure."""

from routing.rules.matching import (
    DROP,
    EXPERTS,
    JUDGE,
    METADATA,
    PEOPLE,
    TAG,
    Facts,
    Rule,
    first,
    fits,
)

FACTS = Facts.of(
    ["domain:medicine", "domain:law", "safety:low", "urgent"], {"source": "app", "empty": ""}
)


def test_a_tag_fits_by_any_of_its_values_and_a_bare_word_by_its_name() -> None:
    assert fits(Rule(TAG, "domain", "law", JUDGE), FACTS)
    assert fits(Rule(TAG, "domain", "", JUDGE), FACTS)
    assert fits(Rule(TAG, "urgent", "", PEOPLE), FACTS)
    assert not fits(Rule(TAG, "domain", "Law", JUDGE), FACTS)
    assert not fits(Rule(TAG, "language", "", JUDGE), FACTS)


def test_metadata_and_tags_do_not_answer_for_each_other() -> None:
    assert fits(Rule(METADATA, "source", "app", DROP), FACTS)
    assert fits(Rule(METADATA, "empty", "", DROP), FACTS)
    assert not fits(Rule(METADATA, "domain", "law", DROP), FACTS)
    assert not fits(Rule(TAG, "source", "app", DROP), FACTS)


def test_the_first_that_fits_decides() -> None:
    rules = [
        Rule(TAG, "domain", "physics", JUDGE),
        Rule(TAG, "domain", "law", EXPERTS, "law"),
        Rule(TAG, "domain", "", PEOPLE),
    ]
    assert first(rules, FACTS) == 1
    assert first(rules[::-1], FACTS) == 0
    assert first(rules[:1], FACTS) is None
    assert first([], FACTS) is None


def test_a_rule_reads_aloud_and_is_read_back() -> None:
    rule = Rule(TAG, "domain", "law", EXPERTS, "law")
    assert rule.sentence == "rule: domain is law → experts (law)"
    assert Rule(METADATA, "source", "", DROP).sentence == "rule: has source → drop"
    assert Rule.from_json(rule.to_json()) == rule
