"""`python -m training judge`: verdicts as a plain forward pass gives them, in batches, by id."""

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from training.fit.models.loading import load_model
from training.fit.models.tokenizer import load_tokenizer
from training.fit.verdicts import Verdicts, padded_batches, without_system

from .command import ROOT
from .judges import save_model

WORDS = ("hello", "there", "how", "are", "you", "A", "B", "1", "2")
ARCHITECTURES = ("llama", "gemma2", "qwen3")


def question(number: int, length: int, labels: tuple[str, ...] = ("A", "B")) -> dict[str, Any]:
    words = random.Random(number).choices(WORDS, k=length)
    messages = [{"role": "user", "content": " ".join(words)}]
    return {"id": str(number), "messages": messages, "labels": list(labels), "max_tokens": 1}


def judge(folder: Path, lines: list[str]) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and answers of the command; the first line says that the model is loaded."""
    done = subprocess.run(
        [sys.executable, "-m", "training", "judge", "--model", str(folder), "--threads", "1"],
        check=False,
        input="\n".join(lines),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def top(answer: dict[str, Any]) -> dict[str, float]:
    return {each["token"]: each["logprob"] for each in answer["top"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_log_probabilities_are_those_of_a_plain_forward_pass(
    architecture: str, tmp_path: Path
) -> None:
    folder = save_model(tmp_path / "model", architecture=architecture)
    model, tokenizer = load_model(folder, "policy").eval(), load_tokenizer(folder)
    verdicts = Verdicts(model, tokenizer, token_budget=4096)
    questions = [question(number, length) for number, length in enumerate((1, 40, 7, 90))]
    answers = {answer["id"]: answer for answer in verdicts.answer(questions)}
    bare, spaced = tokenizer("A")["input_ids"], tokenizer(" A")["input_ids"]
    spelled = sorted({ids[0] for ids in (bare, spaced) if len(ids) == 1})
    for each in questions:
        text = tokenizer.apply_chat_template(
            each["messages"], tokenize=False, add_generation_prompt=True
        )
        ids = tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logprobs = torch.log_softmax(model(ids).logits[0, -1], -1)
        expected = torch.logsumexp(logprobs[spelled], 0).item()
        assert top(answers[each["id"]])["A"] == pytest.approx(expected, abs=1e-4)
        assert answers[each["id"]]["input_tokens"] == ids.shape[1]


def test_the_spellings_of_a_label_are_added(folder: Path) -> None:
    model, tokenizer = load_model(folder, "policy").eval(), load_tokenizer(folder)
    tokenizer.add_tokens([" A"])
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    verdicts = Verdicts(model, tokenizer, token_budget=4096)
    (answer,) = verdicts.answer([question(1, 5)])
    logprobs = verdicts._next([verdicts._prompt(question(1, 5))])[0]
    both = [tokenizer(text)["input_ids"][0] for text in ("A", " A")]
    assert len(set(both)) == 2
    assert top(answer)["A"] == pytest.approx(torch.logsumexp(logprobs[both], 0).item(), abs=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_batch_says_what_single_questions_say(architecture: str, tmp_path: Path) -> None:
    folder = save_model(tmp_path / "model", architecture=architecture)
    model, tokenizer = load_model(folder, "policy").eval(), load_tokenizer(folder)
    questions = [question(number, 1 + 9 * number) for number in range(9)]
    spoken = [{**question(20 + k, 3 + 20 * k, ()), "max_tokens": 6} for k in range(4)]
    together = Verdicts(model, tokenizer, 10_000).answer(questions + spoken)
    alone = Verdicts(model, tokenizer, 1).answer(questions + spoken)
    first, second = ({answer["id"]: answer for answer in each} for each in (together, alone))
    assert set(first) == {each["id"] for each in questions + spoken}
    for name, answer in first.items():
        assert answer["text"] == second[name]["text"]
        assert answer["input_tokens"] == second[name]["input_tokens"]
        for label in ("A", "B") if answer["top"] else ():
            assert top(answer)[label] == pytest.approx(top(second[name])[label], abs=1e-4)


def test_batches_pad_to_their_longest_within_the_budget() -> None:
    costs = [10, 100, 11, 500, 90]
    batches = padded_batches(costs, 200)
    assert batches == [[3], [1, 4], [2, 0]]
    assert all(max(costs[k] for k in b) * len(b) <= 200 or len(b) == 1 for b in batches)


@pytest.mark.parametrize(
    ("asked", "failure"),
    [
        ({"labels": ["zebra"]}, "no-logprobs"),
        ({"messages": [{"role": "user", "content": "a " * 5000}]}, "context"),
        ({"max_tokens": 5000, "labels": []}, "context"),
    ],
)
def test_what_cannot_be_answered_says_why(
    folder: Path, asked: dict[str, Any], failure: str
) -> None:
    verdicts = Verdicts(load_model(folder, "policy").eval(), load_tokenizer(folder), 4096)
    good = question(2, 5)
    answers = {a["id"]: a for a in verdicts.answer([question(1, 5) | asked, good])}
    assert answers["1"]["failure"] == failure
    assert answers["1"]["error"]
    assert answers["2"]["text"] in ("A", "B")


def test_numbers_that_are_none_are_no_verdict(folder: Path) -> None:
    model = load_model(folder, "policy").eval()
    with torch.no_grad():
        model.lm_head.weight.fill_(float("nan"))
    (answer,) = Verdicts(model, load_tokenizer(folder), 4096).answer([question(1, 5)])
    assert answer["failure"] == "no-logprobs"


def test_a_template_without_system_turns_reads_it_before_the_user(folder: Path) -> None:
    tokenizer = load_tokenizer(folder)
    tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    )
    verdicts = Verdicts(load_model(folder, "policy").eval(), tokenizer, 4096)
    asked = question(1, 3)
    asked["messages"].insert(0, {"role": "system", "content": "Be fair."})
    (answer,) = verdicts.answer([asked])
    assert answer["text"] in ("A", "B")
    assert without_system(asked["messages"])[0]["content"].startswith("Be fair.\n\n")


@pytest.mark.slow
def test_the_command_answers_every_line_by_its_id(folder: Path) -> None:
    questions = [question(number, 1 + number % 30) for number in range(40)]
    code, lines = judge(folder, [*map(json.dumps, questions), "rubbish", '{"id": "x"}'])
    assert code == 0
    assert lines[0]["event"] == "ready"
    answers = {line["id"]: line for line in lines[1:]}
    assert len(answers) == len(lines) - 1 == 42
    assert answers[None]["failure"] == answers["x"]["failure"] == "bad-request"
    assert all(answers[each["id"]]["text"] in ("A", "B") for each in questions)


@pytest.mark.slow
def test_only_safetensors_without_code_are_loaded(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "pickled"
    other.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (other / name).write_text((folder / name).read_text())
    torch.save({}, other / "pytorch_model.bin")
    code, lines = judge(other, [json.dumps(question(1, 3))])
    assert code == 2
    assert lines[-1]["event"] == "error"
    assert "no weights as safetensors" in lines[-1]["message"]
