"""Saved heads: plain transformers plus a small formula gives our rewards; runs go on exactly."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from training.batching.rows import read_rows
from training.batching.tokenise import Encoder, Limits
from training.errors import RefusalError
from training.fit import evaluate, fit, score
from training.fit.config import fit_config
from training.fit.heads.settings import read_spec
from training.fit.models.loading import load_model
from training.fit.models.tokenizer import load_tokenizer
from training.fit.scoring.scorers import make_scorer
from training.fit.verdicts import Rewards

from . import head_formulas
from .command import configure, fit_values
from .small import rows

HEADS: dict[str, dict[str, Any]] = {
    "scalar": {"head": {}},
    "ties": {"head": {"learn_ties": True}, "preset": "bt_rao_kupper"},
    "ensemble": {"head": {"kind": "ensemble"}},
    "attributes": {"head": {"kind": "attributes"}, "preset": "attributes"},
    "annotators": {"head": {"kind": "annotators", "size": 3}},
    "simplex": {"head": {"kind": "annotators", "weights": "simplex"}},
    "ideal_point": {"head": {"kind": "ideal_point", "size": 3}},
    "mixture": {"head": {"kind": "mixture"}},
    "preference": {"head": {"kind": "preference"}},
    "distribution": {"head": {"kind": "distribution"}, "preset": "dpl"},
    "length": {"head": {"kind": "length"}},
}
PERSONAL = ("annotators", "simplex", "ideal_point", "mixture")


@pytest.fixture(autouse=True)
def _leave_torch_as_it_was() -> Any:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


def labelled(count: int, start: int = 0) -> dict[str, list[Any]]:
    """Pairs whose annotators are a, b and nobody, with ratings of two attributes."""
    columns = rows(count, start=start)
    columns["annotator"] = [("a", "b", "")[k % 3] for k in range(count)]
    columns["attributes"] = [
        json.dumps({"help": [3.0 * s for s in scores], "tone": [None, 1.0]})
        for scores in columns["score"]
    ]
    return columns


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("data")
    pq.write_table(pa.table(labelled(24)), folder / "train.parquet")
    pq.write_table(pa.table(labelled(9, start=1000)), folder / "eval.parquet")
    return {"train": str(folder / "train.parquet"), "eval": str(folder / "eval.parquet")}


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory, data: dict[str, str]
) -> dict[str, tuple[Path, dict[str, Any]]]:
    """By head, the work folder of a short run and its report."""
    found = {}
    for name, options in HEADS.items():
        workdir = tmp_path_factory.mktemp(name)
        found[name] = workdir, fit.run(configure(workdir, fit_values(data, **options)))
    return found


def plain(folder: Path, data: str) -> list[tuple[Tensor, Tensor]]:
    """Logits and prompt state of each row, through transformers alone."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    encoder = Encoder(tokenizer, Limits(64, 32))
    found = []
    for row in read_rows(Path(data)):
        group = encoder.group(row)
        outputs = []
        for completion in group.completions:
            ids = torch.tensor([[*group.prompt, *completion]])
            with torch.no_grad():
                outputs.append(model(input_ids=ids, output_hidden_states=True))
        state = outputs[0].hidden_states[-1][0, len(group.prompt) - 1]
        found.append((torch.cat([o.logits for o in outputs]), state))
    return found


def ours(workdir: Path, folder: Path, data: str, **options: Any) -> dict[str, list[Any]]:
    values = {"model": str(folder), "data": data, "max_length": 64, "threads": 1, **options}
    score.run(configure(workdir, values))
    found: dict[str, list[Any]] = pq.read_table(workdir / "scores.parquet").to_pydict()
    return found


@pytest.mark.parametrize("name", [name for name in HEADS if name != "scalar"])
def test_plain_transformers_and_the_formula_give_our_rewards(
    name: str, trained: dict[str, Any], data: dict[str, str], tmp_path: Path
) -> None:
    folder = trained[name][0] / "model"
    whose = ("", "a") if name in PERSONAL else ("",)
    found = {}
    for annotator in whose:
        table = ours(tmp_path / f"of {annotator}", folder, data["eval"], annotator=annotator)
        found[annotator] = table["rewards"]
        rewards = zip(table["rewards"], plain(folder, data["eval"]), strict=True)
        for our, (logits, prompt) in rewards:
            expected = head_formulas.rewards(folder, logits, prompt, annotator)
            assert our == pytest.approx(expected.tolist(), abs=1e-4)
    assert len(whose) == 1 or found[""] != found["a"]


def test_the_plain_scalar_needs_no_formula(
    trained: dict[str, Any], data: dict[str, str], tmp_path: Path
) -> None:
    folder = trained["scalar"][0] / "model"
    assert not (folder / "head.json").exists()
    table = ours(tmp_path, folder, data["eval"])
    for our, (logits, _) in zip(table["rewards"], plain(folder, data["eval"]), strict=True):
        assert our == pytest.approx(logits[:, 0].tolist(), abs=1e-4)
    assert table["variance"] == [None] * 9
    assert table["attributes"] == [None] * 9


def test_the_classifier_is_saved_as_transformers_saves_one(trained: dict[str, Any]) -> None:
    for name in HEADS:
        folder = trained[name][0] / "model"
        _, report = AutoModelForSequenceClassification.from_pretrained(
            folder, output_loading_info=True
        )
        assert not any(report[key] for key in ("missing_keys", "unexpected_keys")), name


def test_scores_tell_variance_and_attributes(
    trained: dict[str, Any], data: dict[str, str], tmp_path: Path
) -> None:
    for name in ("ensemble", "distribution", "mixture"):
        table = ours(tmp_path / name, trained[name][0] / "model", data["eval"])
        assert all(len(values) == 2 for values in table["variance"])
        assert all(v >= 0 for values in table["variance"] for v in values)
    table = ours(tmp_path / "attributes", trained["attributes"][0] / "model", data["eval"])
    logits = [logits for logits, _ in plain(trained["attributes"][0] / "model", data["eval"])]
    for text, expected in zip(table["attributes"], logits, strict=True):
        said = json.loads(text)
        assert list(said) == ["help", "tone"]
        assert said["help"] == pytest.approx(expected[:, 0].tolist(), abs=1e-4)


def test_somebody_unknown_is_refused_by_name(
    trained: dict[str, Any], data: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(RefusalError, match="knows no annotator 'c'") as refused:
        ours(tmp_path, trained["annotators"][0] / "model", data["eval"], annotator="c")
    assert "It knows: a, b." in refused.value.hint
    with pytest.raises(RefusalError, match="one reward for everybody"):
        ours(tmp_path, trained["ensemble"][0] / "model", data["eval"], annotator="a")


def test_a_resident_model_answers_for_one_annotator(trained: dict[str, Any]) -> None:
    folder = trained["annotators"][0] / "model"
    tokenizer = load_tokenizer(folder)
    scorer = make_scorer(
        load_model(folder, "reward").eval(), "reward", tokenizer, layout="auto", precision="fp32"
    )
    question = {
        "messages": [{"role": "user", "content": "Question 3?"}],
        "completions": ["clear kind", "vague rude"],
    }
    asked = [
        question | {"id": who or "all", "annotator": who} for who in ("", "a", "b", "stranger")
    ]
    found = {answer["id"]: answer for answer in Rewards(scorer, tokenizer, 512, 64).answer(asked)}
    assert found["stranger"]["failure"] == "bad-request"
    assert "It knows: a, b." in found["stranger"]["error"]
    assert found["a"]["rewards"] != found["b"]["rewards"] != found["all"]["rewards"]


def test_reports_have_figures_by_annotator_of_variance_and_of_attributes(
    trained: dict[str, Any],
) -> None:
    values = trained["annotators"][1]
    assert {n: f["trained"] for n, f in values["eval_by_annotator"].items()} == {"a": 8, "b": 8}
    assert values["eval_by_annotator"]["a"]["pairs"] == 3
    assert trained["ensemble"][1]["variance"]["mean"] > 0
    attributes = trained["attributes"][1]["attributes"]
    assert attributes["help"]["ratings"] == 18
    assert attributes["tone"]["ratings"] == 9
    assert attributes["help"]["rmse"] > 0


def test_evaluation_sees_rows_as_their_annotators_do(
    trained: dict[str, Any], data: dict[str, str], tmp_path: Path
) -> None:
    workdir, values = trained["annotators"]
    settings = {"model": str(workdir / "model"), "data": data["eval"], "max_length": 64}
    found = evaluate.run(configure(tmp_path, settings | {"threads": 1}))
    assert found["brier"] == pytest.approx(values["eval"]["brier"], abs=1e-5)


@pytest.mark.parametrize("name", ["annotators", "attributes", "mixture"])
def test_a_run_with_a_head_goes_on_exactly(
    name: str, data: dict[str, str], trained: dict[str, Any], tmp_path: Path
) -> None:
    whole = trained[name][0]
    again = tmp_path / "again"
    shutil.copytree(whole, again)
    for path in ("report.json", "history.json"):
        (again / path).unlink()
    shutil.rmtree(again / "model")
    shutil.rmtree(again / "checkpoints" / "step-8")
    fit.run(again)
    for file in ("model.safetensors", "head.safetensors"):
        assert (again / "model" / file).read_bytes() == (whole / "model" / file).read_bytes()


def test_new_annotators_join_a_trained_head_and_train_alone(
    trained: dict[str, Any], data: dict[str, str], tmp_path: Path
) -> None:
    base = trained["annotators"][0] / "model"
    columns = labelled(12, start=500)
    columns["annotator"] = ["newcomer"] * 12
    pq.write_table(pa.table(columns), tmp_path / "train.parquet")
    options: dict[str, Any] = {
        "base": {"path": str(base)},
        "tokenizer": {},
        "head": {"kind": "annotators", "size": 3, "adapt": True},
        "keep": "last",
    }
    values = fit_values({"train": str(tmp_path / "train.parquet")}, **options)
    fit.run(configure(tmp_path / "run", values))
    folder = tmp_path / "run" / "model"
    spec = read_spec(folder)
    assert spec is not None
    assert spec.annotators == ("a", "b", "newcomer")
    before, after = load_model(base, "reward"), load_model(folder, "reward")
    changed = [
        name
        for name, tensor in after.state_dict().items()
        if not torch.equal(tensor, before.state_dict().get(name, torch.zeros(0)))
    ]
    assert changed == ["tandem_head.deviation"]
    old, new = (model.tandem_head.deviation.detach() for model in (before, after))
    assert torch.equal(old, new[:2])
    assert new[2].abs().max() > 0


def test_another_head_starts_anew_on_the_same_base(
    trained: dict[str, Any], data: dict[str, str], tmp_path: Path
) -> None:
    options: dict[str, Any] = {
        "base": {"path": str(trained["scalar"][0] / "model")},
        "tokenizer": {},
        "head": {"kind": "ensemble", "size": 5},
        "steps": 2,
    }
    fit.run(configure(tmp_path / "run", fit_values(data, **options)))
    assert load_model(tmp_path / "run" / "model", "reward").score.out_features == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": {"kind": "attributes"}}, "do not go together"),
        ({"preset": "attributes"}, "do not go together"),
        ({"preset": "dpl"}, "has no variance"),
        ({"preset": "plackett_luce", "head": {"kind": "preference"}}, "compares pairs"),
        ({"head": {"learn_ties": True}}, "no outcome for ties"),
        ({"head": {"kind": "ensemble", "size": 2}}, "head.size"),
        ({"head": {"kind": "preference", "size": 3}}, "even size|head.size"),
        ({"head": {"adapt": True}}, "vectors of annotators"),
        ({"head": {"kind": "nothing"}}, "head.kind"),
        ({"kind": "policy", "preset": "dpo", "head": {"kind": "ensemble"}}, "for reward models"),
    ],
)
def test_heads_that_make_no_sense_are_refused(
    options: dict[str, Any], message: str, data: dict[str, str]
) -> None:
    with pytest.raises(RefusalError, match=message):
        fit_config(fit_values(data) | options)
