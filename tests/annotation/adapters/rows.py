"""Rows as the formats' documentation shows them, written for these tests."""

from typing import Any

Rows = list[dict[str, Any]]


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


TRL: Rows = [
    {"prompt": "The sky is", "chosen": " blue.", "rejected": " green.", "margin": 2.0},
    {
        "prompt": [user("Which colour has the sky?")],
        "chosen": [assistant("Blue.")],
        "rejected": [assistant("Green.")],
        "score_chosen": 4.5,
        "score_rejected": 1.0,
    },
    {
        "chosen": [user("Which colour has the sky?"), assistant("Blue.")],
        "rejected": [user("Which colour has the sky?"), assistant("Green.")],
    },
    {"chosen": "The sky is blue.", "rejected": "The sky is green."},
    {"prompt": "The sky is", "completion": " blue.", "label": True},
    {"prompt": [user("Sky?")], "completion": [assistant("Green.")], "label": False},
    {
        "prompt": "Which is larger, 9.8 or 9.11?",
        "completions": ["The fraction of 9.8 is 0.8.", "0.11 is larger than 0.8."],
        "labels": [True, False],
    },
]
HH: Rows = [
    {
        "chosen": "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Why?\n\nAssistant: Because.",
        "rejected": "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Why?\n\nAssistant: No.",
    },
    {"prompt": "\n\nHuman: Hi\n\nAssistant:", "chosen": " Hello", "rejected": " Go away"},
]


def multipref_annotation(evaluator: str, pref: str, **other: Any) -> dict[str, Any]:
    aspects = ("helpful", "truthful", "harmless")
    return {
        "evaluator": evaluator,
        "overall_pref": pref,
        "overall_confidence": "fairly-confident",
        **{f"{aspect}_pref": "Tie" for aspect in aspects},
        **{f"{aspect}_confidence": "absolutely-confident" for aspect in aspects},
        **{f"{aspect}_checked_reasons": [] for aspect in aspects},
        **{f"{aspect}_own_reason": "" for aspect in aspects},
        "timestamp": "2024-03-01T10:00:00",
        "time_spent": 61,
    } | other


_PAIR = {"completion_a": "Yes.", "completion_b": "No.", "model_a": "m1", "model_b": "m2"}
MULTIPREF: Rows = [
    {
        "comparison_id": "c-1",
        "prompt_id": "p-1",
        "text": "Is it so?",
        **_PAIR,
        "source": "sharegpt",
        "category": "Open QA",
        "subject_study": "Science",
        "highest_level_degree": "Bachelor's",
        "normal_worker_annotations": [
            multipref_annotation("w1", "A-is-slightly-better", helpful_checked_reasons=["Correct"]),
            multipref_annotation("w2", "Tie"),
        ],
        "expert_worker_annotations": [multipref_annotation("w3", "B-is-clearly-better")],
    },
    {"id": "c-2", "text": "And?", **_PAIR, "pref_human": "a-is-better", "pref_gpt4": "Tie"},
]
MULTIPREF_LONG: Rows = [
    {"comparison_id": "c-3", "text": "Why?", **_PAIR, "cohort": "expert"}
    | multipref_annotation(who, "B-is-clearly-better")
    for who in ("a1", "a2")
]
_SCORES = {"helpfulness": 4, "correctness": 3, "coherence": 4, "complexity": 1, "verbosity": 2}
HELPSTEER: Rows = [
    {"prompt": "Say hi", "response": "Hi!", **_SCORES},
    {"prompt": "Say hi", "response": "Hello there, friend.", **_SCORES, "verbosity": 3},
    {"prompt": "Say bye", "response": "Bye!", **{key: [1, 2, 4] for key in _SCORES}},
]
HELPSTEER_PREFERENCE: Rows = [
    {
        "split": "train",
        "prompt": "a\n<extra_id_1>Assistant\nb\n<extra_id_1>User\nc",
        "response_1": "One.",
        "response_2": "Two.",
        "preference_strength": 1,
        "preference_statement": "@Response 2 is slightly better.",
        "preference_elaboration": "It is longer.",
        "three_most_similar_preferences": [
            {"statement": "@Response 2 is better.", "elaboration": "", "strength": 1}
        ],
        "all_preferences_unprocessed": [
            {"strength": 1, "justification": "@Response 2 is better."},
            {"strength": -3, "justification": "@Response 1 is much better."},
            {"strength": -100, "justification": "Neither can be read."},
        ],
    },
    {
        "domain": "general",
        "language": "english",
        "context": [user("a"), assistant("b"), user("c")],
        "response1": "One.",
        "response2": "Two.",
        "overall_preference": -2,
        "individual_preference": [
            {"score": -2, "reasoning": "First.", "feedback1": "good", "feedback2": "bad"},
            {"score": 0, "reasoning": "Same.", "feedback1": "", "feedback2": ""},
        ],
    },
]


def _completion(model: str, rating: str, overall: float) -> dict[str, Any]:
    aspects = ("helpfulness", "honesty", "instruction_following", "truthfulness")
    rated = {aspect: {"Rating": rating, "Rationale": f"It is {rating}."} for aspect in aspects}
    return {
        "model": model,
        "response": f"Answer of {model}.",
        "principle": "helpfulness",
        "annotations": rated,
        "critique": "Fine.",
        "overall_score": overall,
        "fine-grained_score": 4.0,
    }


ULTRAFEEDBACK: Rows = [
    {
        "source": "sharegpt",
        "instruction": "Write a limerick.",
        "models": ["alpaca-7b", "gpt-4", "bard"],
        "completions": [
            _completion("alpaca-7b", "2", 3.0),
            _completion("gpt-4", "5", 8.5),
            _completion("bard", "N/A", 3.0),
        ],
    }
]
ULTRAFEEDBACK_BINARIZED: Rows = [
    {
        "prompt": "Write a limerick.",
        "prompt_id": "f0e37e9f7800261167ce91143f98f511f768847236f133f2d0aed60b444ebe57",
        "chosen": [user("Write a limerick."), assistant("There was …")],
        "rejected": [user("Write a limerick."), assistant("No.")],
        "messages": [user("Write a limerick."), assistant("There was …")],
        "score_chosen": 8.5,
        "score_rejected": 3.0,
    }
]
ARENA: Rows = [
    {
        "question_id": "58210e39b3fd4441a2bd4a518bb44c2d",
        "model_a": "chatglm-6b",
        "model_b": "koala-13b",
        "winner": winner,
        "judge": "arena_user_973",
        "conversation_a": [user("What is OpenCL?"), assistant("A language.")],
        "conversation_b": [user("What is OpenCL?"), assistant("I do not know.")],
        "turn": 1,
        "anony": True,
        "language": "English",
        "tstamp": 1682351591.1322,
    }
    for winner in ("model_a",)
]
ARENA_55K: Rows = [
    {
        "id": 30192,
        "model_a": "gpt-4-1106-preview",
        "model_b": "gpt-4-0613",
        "prompt": '["Is it morally right?", "OK, next?"]',
        "response_a": '["It depends.", "Yes."]',
        "response_b": '["No.", null]',
        "winner_model_a": 0,
        "winner_model_b": 0,
        "winner_tie": 1,
    }
]
PANDALM: Rows = [
    {
        "idx": 7,
        "motivation_app": "Grammarly",
        "cmp_key": "bloom-7b_llama-7b",
        "instruction": "Rewrite.",
        "input": "A wordy sentence.",
        "response1": "A sentence.",
        "response2": "",
        "annotator1": 1,
        "annotator2": 2,
        "annotator3": 0,
        "gpt_result": "1",
        "gpt_reason": "It is concise.",
    }
]
LLMBAR: Rows = [{"input": "Sum up.", "output_1": "Short.", "output_2": "Wrong.", "label": 2}]
JUDGEBENCH: Rows = [
    {
        "pair_id": "e302b0a0-28d5-5a3c-b1af-fedcf5543e72",
        "original_id": "1420",
        "source": "mmlu-pro-law",
        "question": "Which is right?",
        "response_model": "gpt-4o-2024-05-13",
        "response_A": "AAAAA",
        "response_B": "CCCCC",
        "label": "A>B",
        "judge_name": "arena_hard",
        "judgments": [
            {"judgment": {"judge_model": "o1-mini", "response": "[[A>>B]]"}, "decision": "A>B"},
            {"judgment": {"judge_model": "o1-mini", "response": "[[B>A]]"}, "decision": "B>A"},
        ],
    }
]
REWARDBENCH: Rows = [
    {
        "prompt": "How do I detail a car?",
        "chosen": "Wash it.",
        "chosen_model": "GPT4-Turbo",
        "rejected": "Buy one.",
        "rejected_model": "alpaca-7b",
        "subset": "alpacaeval-easy",
        "id": 0,
    }
]
REWARDBENCH2: Rows = [
    {
        "id": "ties-1",
        "prompt": "Name a colour of the rainbow.",
        "chosen": ["Red.", "Blue."],
        "rejected": ["Black.", "Brown."],
        "num_correct": 2,
        "num_incorrect": 2,
        "total_completions": 4,
        "models": ["m1", "m2", "m3", "m4"],
        "subset": "Ties",
        "additional_metadata": None,
    }
]


def _message(name: str, role: str, rank: int | None = None, *replies: Any) -> dict[str, Any]:
    told = {"message_id": name, "text": f"text of {name}", "role": role, "lang": "en"}
    return told | {"rank": rank, "deleted": False, "replies": list(replies)}


_TREE = _message(
    "m0",
    "prompter",
    None,
    _message(
        "m1",
        "assistant",
        1,
        _message(
            "m3", "prompter", 0, _message("m4", "assistant", 0), _message("m5", "assistant", 1)
        ),
    ),
    _message("m2", "assistant", 0),
    _message("m6", "assistant", None),
)
OASST: Rows = [{"message_tree_id": "m0", "tree_state": "ready_for_export", "prompt": _TREE}]


def _flat(message: dict[str, Any], parent: str | None) -> Rows:
    told = {key: value for key, value in message.items() if key != "replies"}
    rows = [told | {"message_tree_id": "m0", "parent_id": parent}]
    return rows + [row for each in message["replies"] for row in _flat(each, message["message_id"])]


OASST_MESSAGES: Rows = _flat(_TREE, None)
ALPACA_EVAL: Rows = [
    {
        "instruction": "Name three primes.",
        "output_1": "2, 3, 5",
        "generator_1": "text_davinci_003",
        "output_2": "1, 2, 3",
        "generator_2": "gpt4_1106_preview",
        "annotator": annotator,
        "preference": preference,
        "raw_completion": None,
        "price_per_example": 0.1,
    }
    for annotator, preference in (("weighted_alpaca_eval_gpt4_turbo", 1.25), (4, 0), (5, 2))
]
ARGILLA: Rows = [
    {
        "id": "r-1",
        "status": "completed",
        "_server_id": "b7a9",
        "fields": {"prompt": "Hi", "response_1": "Hello", "response_2": "Go away"},
        "metadata": {"topic": "greeting"},
        "suggestions": {
            "preference": {
                "value": [
                    {"rank": 1, "value": "response-1"},
                    {"rank": 2, "value": "response-2"},
                ],
                "score": None,
                "agent": "gpt-4",
            }
        },
        "responses": {
            "preference": [
                {
                    "value": [
                        {"rank": 2, "value": "response-1"},
                        {"rank": 1, "value": "response-2"},
                    ],
                    "user_id": "u1",
                },
            ],
            "rating_response_1": [{"value": 4, "user_id": "u1"}],
            "rating_response_2": [{"value": 2, "user_id": "u1"}],
            "comment": [{"value": "Friendlier.", "user_id": "u1"}],
        },
        "vectors": {},
    }
]
ARGILLA_FLAT: Rows = [
    {
        "id": "r-2",
        "status": "completed",
        "_server_id": "b7aa",
        "instruction": "Hi",
        "completion": "Hello",
        "topic": "greeting",
        "quality.responses": [5, 1],
        "quality.responses.users": ["u1", "u2"],
        "quality.responses.status": ["submitted", "discarded"],
        "quality.suggestion": 4,
        "quality.suggestion.agent": "gpt-4",
        "quality.suggestion.score": 0.9,
    }
]
ARGILLA_OLD: Rows = [
    {
        "prompt": "Hi",
        "response-a": "Hello",
        "response-b": "Go away",
        "choice": [{"user_id": "u1", "value": "response-a", "status": "submitted"}],
        "choice-suggestion": "response-b",
        "choice-suggestion-metadata": {"type": "model", "score": 0.5, "agent": "judge"},
        "external_id": "e-1",
        "metadata": '{"topic": "greeting"}',
    }
]


def _result(name: str, kind: str, value: Any) -> dict[str, Any]:
    return {"id": "x", "from_name": name, "to_name": "txt", "type": kind, "value": value}


LABEL_STUDIO: Rows = [
    {
        "id": 12,
        "data": {"prompt": "Hi", "answer1": "Hello", "answer2": "Go away", "topic": "greeting"},
        "annotations": [
            {
                "id": 3,
                "completed_by": {"id": 5, "email": "someone@example.org"},
                "was_cancelled": False,
                "ground_truth": False,
                "created_at": "2023-05-01T10:00:00.123456Z",
                "lead_time": 12.5,
                "result": [
                    _result("comparison", "pairwise", {"selected": "left"}),
                    _result("answer1_rating", "rating", {"rating": 4}),
                    _result("reason", "textarea", {"text": ["Friendlier."]}),
                ],
            },
            {
                "id": 4,
                "completed_by": 6,
                "was_cancelled": False,
                "result": [_result("choice", "choices", {"choices": ["tie"]})],
            },
            {"id": 9, "completed_by": 7, "was_cancelled": True, "result": []},
        ],
        "predictions": [
            {
                "model_version": "judge-1",
                "score": 0.8,
                "result": [_result("comparison", "pairwise", {"selected": "right"})],
            }
        ],
    },
    {
        "id": 13,
        "data": {
            "prompt": "Rank",
            "items": [
                {"id": "x1", "title": "One", "body": "First"},
                {"id": "x2", "title": "Two", "body": "Second"},
                {"id": "x3", "title": "Three", "body": "Third"},
            ],
        },
        "annotations": [
            {
                "completed_by": 5,
                "result": [_result("rank", "ranker", {"ranker": ["x3", "x1", "x2"]})],
            },
            {
                "completed_by": 6,
                "result": [_result("rank", "ranker", {"ranker": {"_": ["x2", "x1", "x3"]}})],
            },
        ],
    },
]
LABEL_STUDIO_ROWS: Rows = [
    {
        "id": 12,
        "prompt": "Hi",
        "answer1": "Hello",
        "answer2": "Go away",
        "comparison": side,
        "annotator": who,
        "annotation_id": number,
        "created_at": "2023-05-01T10:00:00Z",
        "updated_at": "2023-05-01T10:00:00Z",
        "lead_time": "12.5",
    }
    for number, (who, side) in enumerate([(5, "left"), (6, "right")])
]
INTERCHANGE: Rows = [
    {
        "id": "i-1",
        "prompt": "Hi",
        "responses": [{"text": "Hello"}, {"text": "Go away"}],
        "human": [{"annotator": "a", "ranking": [1, 2]}],
    }
]
EXAMPLES: list[tuple[str, Rows]] = [
    ("interchange", INTERCHANGE),
    ("trl", TRL),
    ("hh", HH),
    ("multipref", MULTIPREF),
    ("multipref", MULTIPREF_LONG),
    ("helpsteer", HELPSTEER),
    ("helpsteer_preference", HELPSTEER_PREFERENCE),
    ("ultrafeedback", ULTRAFEEDBACK),
    ("ultrafeedback_binarized", ULTRAFEEDBACK_BINARIZED),
    ("arena", ARENA),
    ("arena", ARENA_55K),
    ("pandalm", PANDALM),
    ("llmbar", LLMBAR),
    ("judgebench", JUDGEBENCH),
    ("rewardbench", REWARDBENCH),
    ("rewardbench2", REWARDBENCH2),
    ("oasst", OASST),
    ("oasst_messages", OASST_MESSAGES),
    ("alpaca_eval", ALPACA_EVAL),
    ("argilla", ARGILLA),
    ("argilla", ARGILLA_FLAT),
    ("argilla", ARGILLA_OLD),
    ("label_studio", LABEL_STUDIO),
    ("label_studio_rows", LABEL_STUDIO_ROWS),
]
