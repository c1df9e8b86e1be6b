"""The form for a new run offers the settings of a fit, and what is entered becomes options."""

import dataclasses

import pytest
from django.http import QueryDict

from frontend.run_fields import fields_of
from frontend.run_form import entered
from tests.factories import make_project
from training.fit.config import FitConfig, Lora
from training.fit.heads.settings import Head
from training.runs.config import DERIVED, check_options
from training.runs.preparing.options import KEYS

# Chosen at the top of the form, by the worker, or over HTTP and in files only.
ELSEWHERE = {"preset", "preset_options", "base", *DERIVED}
PROGRAMS_ONLY = {"tokenizer", "optimiser", "reference", "tensorboard"}
PROGRAMS_ONLY |= {"head.bootstrap", "lora.targets", "lora.merge"}


def posted(kind: str, **values: str) -> QueryDict:
    form = QueryDict(mutable=True)
    form.update({"kind": kind, "start": "scratch"} | values)
    return form


def test_every_setting_is_in_the_form_or_known_to_be_for_programs() -> None:
    offered = {field.name for kind in ("reward", "policy") for field in fields_of(kind)}
    settings = {f.name for f in dataclasses.fields(FitConfig)} - ELSEWHERE - {"head", "lora"}
    settings |= {f"head.{f.name}" for f in dataclasses.fields(Head)}
    settings |= {f"lora.{f.name}" for f in dataclasses.fields(Lora)}
    assert settings - offered == PROGRAMS_ONLY
    rows = {name for name in offered if name.split(".")[0] in {*KEYS, "scratch"}}
    assert offered - rows <= settings


@pytest.mark.django_db
def test_a_head_of_annotators_is_entered() -> None:
    values = {
        "preset": "bt_davidson",
        "head.kind": "annotators",
        "head.weights": "simplex",
        "head.prior": "0,5",
        "head.learn_ties": "on",
        "order": "easy_first",
        "layout": "plain",
        "dropout": "0.1",
    }
    found = entered(posted("reward", **values))
    assert not found.errors
    head = found.options["head"]
    assert (head["kind"], head["weights"], head["prior"]) == ("annotators", "simplex", 0.5)
    assert head["learn_ties"] is True
    assert "adapt" not in head
    assert [found.options[name] for name in ("order", "layout", "dropout")] == [
        "easy_first",
        "plain",
        0.1,
    ]
    check_options(make_project(), "reward", found.options)


@pytest.mark.django_db
def test_a_policy_is_told_a_rating_to_reach() -> None:
    found = entered(posted("policy", preset="dpo", condition_on="helpfulness"))
    assert not found.errors
    assert found.options["condition_on"] == "helpfulness"
    assert "head" not in found.options
    check_options(make_project(), "policy", found.options)
    assert "condition_on" not in entered(posted("policy", preset="dpo")).options
    assert entered(posted("reward", preset="bt", order="by mood")).errors.keys() == {"order"}
