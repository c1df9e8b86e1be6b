"""Two models as one judge: how much likelier the strong one makes a completion than the weak."""

from pathlib import Path

import pytest
import torch

from annotation.judges import services
from annotation.judges.models import JudgeCall
from annotation.judges.providers.base import provider_of
from annotation.labels.models import Annotation
from annotation.projects.selectors import main_criterion
from core.exceptions import InvalidInput, NotFound
from tests.factories import make_instance, make_project
from training.fit.models.loading import load_model
from training.fit.models.tokenizer import load_tokenizer
from training.registry.judging import sigmoid

from .judges import make_judge, save_model

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    torch.manual_seed(1)
    strong = save_model(tmp_path / "models/strong")
    torch.manual_seed(2)
    return {"strong": strong, "weak": save_model(tmp_path / "models/weak")}


def log_likelihood(folder: Path, prompt: str, completion: str) -> float:
    """log p of a completion and its end token, by a plain forward pass."""
    model, tokenizer = load_model(folder, "policy").eval(), load_tokenizer(folder)
    turns = [{"role": "user", "content": prompt}]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    before = tokenizer(text, add_special_tokens=False)["input_ids"]
    said = tokenizer(completion, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    with torch.no_grad():
        logits = model(torch.tensor([before + said])).logits[0]
    logps = torch.log_softmax(logits.double(), -1)
    places = range(len(before) - 1, len(before) + len(said) - 1)
    return sum(float(logps[place, token]) for place, token in zip(places, said, strict=True))


def test_the_margin_is_that_of_two_plain_forward_passes(folders: dict[str, Path]) -> None:
    project = make_project()
    texts = ["Hello there, how are you?", "A B C 1 2 3"]
    instance = make_instance(project, texts, prompt="How are you today?")
    judge = make_judge(project, "local-model", "strong", parameters={"weak": "weak", "scale": 0.5})
    report = services.ask(
        judge=judge, instance_ids=[instance.pk], criterion=main_criterion(project)
    )
    assert (report.answered, report.failed) == (1, 0)
    ratios = [
        log_likelihood(folders["strong"], "How are you today?", text)
        - log_likelihood(folders["weak"], "How are you today?", text)
        for text in texts
    ]
    call = JudgeCall.objects.get()
    assert call.scores == pytest.approx(ratios, abs=1e-3)
    p = sigmoid(0.5 * (ratios[0] - ratios[1]))
    assert call.p_first == pytest.approx(p, abs=1e-3)
    assert call.shown_order == []
    label = Annotation.objects.get(annotator=judge.annotator)
    assert label.attributes["verdict"]["p"] == pytest.approx(p, abs=1e-3)


def test_a_model_beside_itself_is_even(folders: dict[str, Path]) -> None:
    project = make_project()
    instance = make_instance(project)
    judge = make_judge(project, "local-model", "strong", parameters={"weak": "strong"})
    services.ask(judge=judge, instance_ids=[instance.pk], criterion=main_criterion(project))
    assert JudgeCall.objects.get().p_first == 0.5


@pytest.mark.parametrize("weak", ["../strong", "nothing-here"])
def test_the_weak_model_is_of_the_allowed_folders(folders: dict[str, Path], weak: str) -> None:
    project = make_project()
    judge = make_judge(project, "local-model", "strong", parameters={"weak": weak})
    with pytest.raises((InvalidInput, NotFound)):
        provider_of(judge, main_criterion(project))
