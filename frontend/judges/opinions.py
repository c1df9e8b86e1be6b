"""All that is said about one instance, by criterion: labels, and the calls behind a judge's."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from accounts.models import Project
from annotation.judges.models import Judge, JudgeCall
from annotation.labels.models import Annotation
from annotation.projects.models import Criterion, Guideline
from annotation.projects.selectors import guideline_of


@dataclass
class Opinion:
    """One annotator on one criterion. A judge that gave no verdict has calls and no label.

    `stale`: the guideline has a newer version than the one the label was made under.
    """

    label: Annotation | None
    judge: Judge | None = None
    calls: list[JudgeCall] = field(default_factory=list)
    stale: bool = False

    @property
    def verdict(self) -> dict[str, Any]:
        """What a judge's calls came to together: p, gap, flipped, …; empty for people."""
        said = self.label.attributes.get("verdict") if self.label else None
        return said if isinstance(said, dict) else {}


@dataclass
class Topic:
    """One criterion and everybody who spoke about it, people first."""

    criterion: Criterion
    opinions: list[Opinion] = field(default_factory=list)

    @property
    def labels(self) -> int:
        return sum(opinion.label is not None for opinion in self.opinions)


def opinions_on(
    project: Project, labels: Sequence[Annotation], calls: Sequence[JudgeCall]
) -> list[Topic]:
    """Labels and calls of one instance by criterion, in the order criteria are asked. One query.

    Needs `annotator`, `criterion` and `guideline` of labels, `judge` and `criterion` of calls.
    """
    guideline = guideline_of(project)
    topics: dict[int, Topic] = {}
    asked: dict[tuple[int, int], list[JudgeCall]] = {}
    for call in calls:
        if call.criterion is not None:
            topics.setdefault(call.criterion.pk, Topic(call.criterion))
            asked.setdefault((call.criterion.pk, call.judge_id), []).append(call)
    for label in sorted(labels, key=lambda row: (row.annotator.kind == "judge", row.pk)):
        topic = topics.setdefault(label.criterion.pk, Topic(label.criterion))
        made = asked.pop((label.criterion.pk, label.annotator.judge_id or 0), [])
        judge = made[0].judge if made else None
        topic.opinions.append(Opinion(label, judge, made, _stale(label, guideline)))
    for (criterion, _judge), made in asked.items():
        topics[criterion].opinions.append(Opinion(None, made[0].judge, made))
    return sorted(topics.values(), key=lambda topic: topic.criterion.position)


def _stale(label: Annotation, guideline: Guideline | None) -> bool:
    seen = label.guideline
    return seen is not None and guideline is not None and seen.version < guideline.version
