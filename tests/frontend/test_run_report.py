"""What the page of a run says of its report."""

from frontend.run_report import report_of
from training.runs.models import Run

REPORT = {
    "eval": {"accuracy": 0.75, "accuracy_interval": [0.6, 0.9], "likelihood_displacement": True},
    "variance": {"mean": 0.25, "error_auc": 0.8125},
    "attributes": {"help": {"ratings": 9, "rmse": 0.5, "correlation": 0.9}, "tone": {"rmse": None}},
    "tokens_drawn": 12.5,
    "tokens": 1000,
    "throughput": {"prompts_per_second": 3.5, "mfu": 0.41},
    "stopped_early": True,
}


def test_figures_of_heads_and_samples_are_on_the_page() -> None:
    found = report_of(Run(report=REPORT))
    assert found is not None
    said = {figure.name: figure.value for figure in found.figures}
    assert said["Mean variance of a difference"] == "0.250"
    assert said["Variance foretells errors (AUC)"] == "0.812"
    assert said["Rating of help: error"] == "0.500"
    assert not any("tone" in name for name in said)
    assert said["Tokens of an answer drawn"] == "12.5"
    assert said["Likelihood of preferred answers fell"] == "yes"


def test_speed_names_the_share_of_a_known_device_and_an_early_end() -> None:
    found = report_of(Run(report=REPORT))
    assert found is not None
    speed = {figure.name: figure.value for figure in found.speed}
    assert speed["Share of the device's arithmetic"] == "41.0 %"
    assert speed["Ended early"] == "yes"
    assert "Prompts a second" in speed


def test_a_plain_report_says_nothing_of_what_it_lacks() -> None:
    found = report_of(Run(report={"eval": {"accuracy": 0.5}}))
    assert found is not None
    assert [figure.name for figure in found.figures] == ["Accuracy"]
    assert found.speed == []
