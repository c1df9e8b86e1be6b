"""What becomes what, by the documented schema of each format."""

from typing import Any

import pytest

from . import rows
from .reading import lines_of, ranked, read
from .rows import assistant, user


def test_trl_with_and_without_a_prompt() -> None:
    standard, turns, implicit, text, *_ = read("trl", rows.TRL)
    assert standard["prompt"] == "The sky is"
    assert ranked(standard) == {"unnamed": [" blue.", " green."]}
    assert standard["human"][0]["attributes"] == {"margin": 2}
    assert turns["prompt"] == implicit["prompt"] == [user("Which colour has the sky?")]
    # The same two completions of one prompt are one instance, however the row was written.
    assert turns["id"] == implicit["id"]
    assert text["prompt"] == "The sky is "
    assert ranked(text) == {"unnamed": ["blue.", "green."]}


def test_trl_scores_stand_in_the_order_of_the_completions() -> None:
    value = read("trl", rows.TRL)[1]
    scores = dict(zip([each["text"] for each in value["responses"]], [4.5, 1], strict=True))
    assert value["human"][0]["attributes"]["score"] == list(scores.values())
    assert scores == {"Blue.": 4.5, "Green.": 1}


def test_trl_unpaired_and_stepwise() -> None:
    up, down, steps = read("trl", rows.TRL)[4:]
    assert [up["human"][0]["scores"], down["human"][0]["scores"]] == [[1], [0]]
    assert steps["human"] == [
        {"annotator": "unnamed", "scores": [0], "attributes": {"steps": [True, False]}}
    ]


def test_trl_prompts_alone_are_refused_with_a_reason() -> None:
    (line,) = lines_of("trl", [{"prompt": "Hi"}])
    assert line.error == "TRL: there are only prompts: nothing that could be compared or rated"


def test_sides_that_go_on_differently_bring_prompts_of_their_own() -> None:
    (value,) = read(
        "trl",
        [
            {
                "prompt": [user("a")],
                "chosen": [assistant("b"), user("c"), assistant("d")],
                "rejected": [assistant("x"), user("c"), assistant("y")],
            }
        ],
    )
    assert value["prompt"] == [user("a")]
    assert {each["text"]: each["prompt"][1]["content"] for each in value["responses"]} == {
        "d": "b",
        "y": "x",
    }


def test_labels_without_a_maker_are_signed_by_the_options() -> None:
    row = {"prompt": "a", "completion": "b", "label": True}
    assert read("trl", [row], judge="gpt-4")[0]["ai"] == [{"judge": "gpt-4", "scores": [1]}]
    assert read("trl", [row], annotator="ann")[0]["human"][0]["annotator"] == "ann"


def test_hh_prompt_is_what_both_begin_with() -> None:
    whole, continued = read("hh", rows.HH)
    assert whole["prompt"] == [user("Hi"), assistant("Hello"), user("Why?")]
    assert ranked(whole) == {"hh-anonymous": ["Because.", "No."]}
    assert continued["prompt"] == [user("Hi")]
    assert ranked(continued) == {"hh-anonymous": ["Hello", "Go away"]}


def test_multipref_has_a_label_per_annotator_and_criterion() -> None:
    value, hybrid = read("multipref", rows.MULTIPREF)
    assert ranked(value) == {"w1": ["Yes.", "No."], "w2": ["Yes.", "No."], "w3": ["No.", "Yes."]}
    overall, helpful, *_ = value["human"]
    assert (overall["strength"], overall["confidence"], overall["seconds"]) == (0.5, 3, 61)
    assert helpful["criterion"] == "helpfulness"
    assert helpful["reasons"] == ["Correct"]
    assert [label["attributes"]["cohort"] for label in value["human"]] == ["normal"] * 8 + [
        "expert"
    ] * 4
    assert hybrid["ai"] == [{"judge": "gpt-4", "ranking": [1, 1]}]


def test_multipref_rows_of_one_comparison_are_one_instance() -> None:
    (value,) = read("multipref", rows.MULTIPREF_LONG)
    assert ranked(value) == {"a1": ["No.", "Yes."], "a2": ["No.", "Yes."]}
    # GPT-4's annotations have the same columns.
    (judged,) = read("multipref", rows.MULTIPREF_LONG, judge="gpt-4")
    assert "human" not in judged
    assert {label["judge"] for label in judged["ai"]} == {"gpt-4"}


def test_helpsteer_rows_of_one_prompt_are_one_instance() -> None:
    pair, single = read("helpsteer", rows.HELPSTEER)
    assert [each["text"] for each in pair["responses"]] == ["Hi!", "Hello there, friend."]
    scores = {label["criterion"]: label["scores"] for label in pair["human"]}
    assert scores["helpfulness"] == [4, 4]
    assert scores["verbosity"] == [2, 3]
    assert len(single["human"]) == 15


def test_helpsteer_preferences_by_annotator() -> None:
    second, third = read("helpsteer_preference", rows.HELPSTEER_PREFERENCE)
    assert second["prompt"] == third["prompt"] == [user("a"), assistant("b"), user("c")]
    slightly, much, neither = second["human"]
    assert (slightly["ranking"], slightly["strength"]) == ([2, 1], pytest.approx(1 / 3))
    assert (much["ranking"], much["strength"]) == ([1, 2], 1)
    assert neither["tie_kind"] == "cannot judge"
    assert third["human"][0]["attributes"]["feedback"] == ["good", "bad"]
    assert third["human"][1]["ranking"] == [1, 1]


def test_ultrafeedback_has_gpt4_on_every_aspect() -> None:
    (value,) = read("ultrafeedback", rows.ULTRAFEEDBACK)
    overall, helpfulness, *_ = value["ai"]
    assert overall["ranking"] == [2, 1, 2]
    assert overall["scores"] == [3, 8.5, 3]
    assert helpfulness["criterion"] == "helpfulness"
    assert helpfulness["scores"] == [2, 5, None]
    (binary,) = read("ultrafeedback_binarized", rows.ULTRAFEEDBACK_BINARIZED)
    assert binary["prompt"] == [user("Write a limerick.")]
    assert ranked(binary, "ai") == {"gpt-4": ["There was …", "No."]}


@pytest.mark.parametrize(
    ("winner", "expected"),
    [
        ("model_b", {"ranking": [2, 1]}),
        ("tie", {"ranking": [1, 1]}),
        ("tie (bothbad)", {"ranking": [1, 1], "tie_kind": "both bad"}),
    ],
)
def test_arena_votes(winner: str, expected: dict[str, Any]) -> None:
    (value,) = read("arena", [rows.ARENA[0] | {"winner": winner}])
    (label,) = value["human"]
    assert label["annotator"] == "arena_user_973"
    assert {key: label[key] for key in expected} == expected
    assert [each["model"] for each in value["responses"]] == ["chatglm-6b", "koala-13b"]


def test_mt_bench_judgments_of_one_pair_are_one_instance() -> None:
    told = rows.ARENA[0] | {"question_id": 81, "turn": 1}
    second = [user("And?"), assistant("More.")]
    told["conversation_a"] = [*told["conversation_a"], *second]
    told["conversation_b"] = [*told["conversation_b"], *second]
    (value,) = read("arena", [told | {"judge": "expert_1"}, told | {"judge": "gpt4_pair"}])
    assert value["id"] == "mt-bench-81-chatglm-6b-koala-13b-1"
    # The first turn was judged.
    assert [each["text"] for each in value["responses"]] == ["A language.", "I do not know."]
    assert (value["human"][0]["annotator"], value["ai"][0]["judge"]) == ("expert_1", "gpt4_pair")


def test_arena_turns_in_one_cell() -> None:
    (value,) = read("arena", rows.ARENA_55K)
    assert value["id"] == "arena-30192"
    assert [each["text"] for each in value["responses"]] == ["Yes.", ""]
    assert [len(each["prompt"]) for each in value["responses"]] == [3, 3]


def test_benchmarks_with_one_right_answer() -> None:
    (llmbar,) = read("llmbar", rows.LLMBAR)
    assert ranked(llmbar) == {"llmbar-authors": ["Wrong.", "Short."]}
    (judgebench,) = read("judgebench", rows.JUDGEBENCH)
    assert ranked(judgebench) == {"judgebench-key": ["AAAAA", "CCCCC"]}
    # The second decision is on exchanged places.
    first, second = judgebench["ai"]
    assert first["ranking"] == second["ranking"] == [1, 2]
    assert (first["order"], second["order"]) == ([0, 1], [1, 0])


def test_rewardbench_and_its_ties() -> None:
    (pair,) = read("rewardbench", rows.REWARDBENCH)
    assert ranked(pair) == {"rewardbench-key": ["Wash it.", "Buy one."]}
    (ties,) = read("rewardbench2", rows.REWARDBENCH2)
    by_model = zip(ties["responses"], ties["human"][0]["ranking"], strict=True)
    assert {each["model"]: rank for each, rank in by_model} == {"m1": 1, "m2": 1, "m3": 3, "m4": 3}


def test_openassistant_siblings_are_ranked() -> None:
    root, deeper = read("oasst", rows.OASST)
    # Unranked replies are left out.
    assert ranked(root) == {"oasst-consensus": ["text of m2", "text of m1"]}
    assert [turn["role"] for turn in deeper["prompt"]] == ["user", "assistant", "user"]
    assert read("oasst_messages", rows.OASST_MESSAGES) == [root, deeper]


def test_alpaca_eval_preferences() -> None:
    (value,) = read("alpaca_eval", rows.ALPACA_EVAL)
    assert value["ai"][0]["ranking"] == [1, 2]
    assert value["ai"][0]["probability"] == 0.75
    assert [label["ranking"] for label in value["human"]] == [[1, 1], [2, 1]]


def test_argilla_responses_and_suggestions() -> None:
    (nested,) = read("argilla", rows.ARGILLA)
    preference, rating = nested["human"]
    assert preference["ranking"] == [2, 1]
    assert preference["rationale"] == "Friendlier."
    assert (rating["criterion"], rating["scores"]) == ("rating", [4, 2])
    assert nested["ai"] == [{"judge": "gpt-4", "ranking": [1, 2]}]
    (flat,) = read("argilla", rows.ARGILLA_FLAT)
    # The discarded response is left out.
    assert flat["human"] == [{"annotator": "u1", "scores": [5]}]
    assert flat["meta"] == {"topic": "greeting"}
    (old,) = read("argilla", rows.ARGILLA_OLD)
    assert ranked(old) == {"u1": ["Hello", "Go away"]}
    assert ranked(old, "ai") == {"judge": ["Go away", "Hello"]}


def test_label_studio_results() -> None:
    pair, ranker = read("label_studio", rows.LABEL_STUDIO)
    pairwise, rating, tie = pair["human"]
    assert (pairwise["annotator"], pairwise["ranking"], pairwise["seconds"]) == ("5", [1, 2], 12.5)
    assert (rating["criterion"], rating["scores"]) == ("rating", [4, None])
    assert (tie["annotator"], tie["ranking"]) == ("6", [1, 1])
    assert ranked(pair, "ai") == {"judge-1": ["Go away", "Hello"]}
    assert ranked(ranker) == {"5": ["Third", "First", "Second"], "6": ["Second", "First", "Third"]}
    (joined,) = read("label_studio_rows", rows.LABEL_STUDIO_ROWS)
    assert ranked(joined) == {"5": ["Hello", "Go away"], "6": ["Go away", "Hello"]}


def test_criteria_are_chosen_and_renamed() -> None:
    (value,) = read("multipref", rows.MULTIPREF[:1], criteria=[""])
    assert [label["annotator"] for label in value["human"]] == ["w1", "w2", "w3"]
    (value,) = read("multipref", rows.MULTIPREF[:1], criteria={"helpfulness": "useful"})
    assert {label["criterion"] for label in value["human"]} == {"useful"}
