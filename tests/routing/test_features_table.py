"""The table of a project's stored features: order, unknown values, judges, tags, queries."""

from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Project
from annotation.instances.models import Instance, Signal
from annotation.judges.models import Judge, Provider
from annotation.judges.services import create_judge
from annotation.judges.verdicts import signal_name
from routing.features.extractors import ENCODED_FEATURES, TEXT, TEXT_FEATURES, encoded_by, recipe
from routing.features.models import Embedding, FeatureVector
from routing.features.project import feature_table
from routing.features.store import text_features
from routing.features.table import tag_values
from tests.factories import make_instance, make_project

pytestmark = pytest.mark.django_db


def make_judge(project: Project, name: str, price: int = 0, **fields: Any) -> Judge:
    judge = create_judge(project=project, name=name, model="m", provider=Provider.RECORDED)
    Judge.objects.filter(pk=judge.pk).update(**fields)
    judge.annotator.price_micros = price
    judge.annotator.save()
    judge.refresh_from_db()
    return judge


def says(judge: Judge, instance: Instance, **values: float) -> None:
    for kind, value in values.items():
        Signal.objects.create(
            instance=instance, name=signal_name(kind, judge), version="1", value=value
        )


def test_rows_come_as_asked_for_and_others_are_counted() -> None:
    project, other = make_project(), make_project()
    first, second = make_instance(project), make_instance(project, texts=("a b c", "a b"))
    foreign = make_instance(other)
    text_features({second.pk: ("why", ("a b c", "a b"))})

    found = feature_table(project, [second.pk, foreign.pk, first.pk, second.pk])

    assert found.keys == (second.external_id, first.external_id)
    assert found.prompts == (second.prompt_hash, first.prompt_hash)
    assert found.table.names == TEXT_FEATURES
    assert found.table.values[0, 2] == 3.0
    assert np.isnan(found.table.values[1]).all()
    assert np.isnan(found.judge).all()
    assert found.differences is None
    assert found.missing == {"text": 1, "embedding": 2, "instance": 2}
    assert found.extractors == {"text": TEXT}


def test_embeddings_and_what_follows_from_them_are_read() -> None:
    project = make_project()
    pair, single = make_instance(project), make_instance(project, texts=("alone",))
    encoder = recipe("small", "1")
    vectors = np.array([[0.6, 0.8], [1.0, 0.0]], "<f2")
    Embedding.objects.create(
        instance=single, extractor=encoder, dimensions=2, vectors=vectors[:1].tobytes()
    )
    Embedding.objects.create(
        instance=pair, extractor=encoder, dimensions=2, vectors=vectors.tobytes()
    )
    FeatureVector.objects.create(
        instance=pair, extractor=encoded_by(encoder), values=[0.6, 0.9, 0.8]
    )

    found = feature_table(project, [single.pk, pair.pk], embeddings=True)

    assert found.differences is not None
    assert found.differences.dtype == np.float32
    assert np.isnan(found.differences[0]).all()
    assert found.differences[1] == pytest.approx([-0.4, 0.8], abs=1e-3)
    assert found.table.names == (*TEXT_FEATURES, *ENCODED_FEATURES)
    assert found.table.values[1, -3:].tolist() == [0.6, 0.9, 0.8]
    assert found.missing["embedding"] == 1
    assert found.extractors == {"text": TEXT, "embedding": encoder}


def test_signals_of_judges_and_reward_models_are_columns() -> None:
    project = make_project()
    agreed, split, alone = (make_instance(project) for _ in range(3))
    cheap, strong = make_judge(project, "cheap", 10), make_judge(project, "strong", 90)
    rewards = [
        make_judge(project, name, provider=Provider.REWARD, model=name) for name in ("v1", "v2")
    ]
    says(cheap, agreed, judge_p=0.9, judge_gap=0.1, judge_flip=0)
    says(strong, agreed, judge_p=0.7)
    says(cheap, split, judge_p=0.6, judge_flip=1)
    says(strong, split, judge_p=0.1)
    says(cheap, alone, judge_p=0.5)
    for judge, p in zip(rewards, (0.5, 1 / (1 + np.exp(-2))), strict=True):
        says(judge, agreed, judge_p=p)
    says(rewards[1], split, judge_p=1 / (1 + np.exp(3)))

    found = feature_table(project, [agreed.pk, split.pk, alone.pk], judge=cheap)

    def column(name: str) -> Any:
        values = found.table.column(name)
        assert values is not None
        return pytest.approx(values, nan_ok=True)

    nan = np.nan
    assert found.judge.tolist() == [0.9, 0.6, 0.5]
    assert column("judge_confidence") == [0.8, 0.2, 0.0]
    assert [0.0, 1.0, nan] == column("judge_flip")
    assert [0.1, nan, nan] == column("judge_gap")
    assert [0.0, 1.0, nan] == column("panel_disagreement")
    assert [0.1, 0.25, nan] == column("panel_spread")
    assert [0.4, 0.8, nan] == column("strong_confidence")
    assert [1.0, 3.0, nan] == column("reward_margin")
    # The sample variance of the margins 0 and 2.
    assert [2.0, nan, nan] == column("reward_variance")
    assert set(found.table.without_judge().names) == set(TEXT_FEATURES)


def test_tags_are_categories_and_may_have_several_values() -> None:
    project = make_project()
    tagged = make_instance(
        project, tags=["expertise:expert", "domain:law", "domain:biology", "urgent"]
    )
    described = make_instance(project, metadata={"domain": "music"})
    bare = make_instance(project)

    found = feature_table(project, [tagged.pk, described.pk, bare.pk]).table.categories

    assert list(found) == ["domain", "expertise"]
    assert [tag_values(each) for each in found["domain"]] == [["biology", "law"], ["music"], []]
    assert found["expertise"] == ("expert", "", "")


def test_queries_do_not_grow_with_instances() -> None:
    project = make_project()
    judge = make_judge(project, "judge")

    def queries(count: int) -> int:
        ids = [make_instance(project, tags=["domain:x"]).pk for _ in range(count)]
        with CaptureQueriesContext(connection) as seen:
            feature_table(project, ids, judge=judge, embeddings=True)
        return len(seen)

    queries(1)  # What the project and the judge remember of themselves is read once.
    assert queries(2) == queries(20) <= 10


def test_a_project_without_instances_gives_an_empty_table() -> None:
    found = feature_table(make_project(), [])
    assert len(found) == 0
    assert found.table.values.shape == (0, len(TEXT_FEATURES))
