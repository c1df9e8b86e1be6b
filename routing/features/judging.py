"""What judges and reward models said of instances, as features: read from their signals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from django.db.models import Case, IntegerField, Value, When

from accounts.models import Project
from annotation.instances.models import Signal
from annotation.judges.models import Judge, Provider, Stage
from annotation.judges.verdicts import signal_name
from annotation.projects.models import Criterion
from annotation.projects.selectors import main_criterion
from core.columns import numbers

from .rows import Rows, among
from .table import Floats

# Who is no member of a panel: what they say is no opinion of a reader.
NO_READER = frozenset({Provider.REWARD, Provider.VERIFIER})
P, GAP, FLIP = "judge_p", "judge_gap", "judge_flip"


@dataclass(frozen=True)
class Judging:
    """Whose signals are read. `strong` is the dearest reader that costs more than `judge`;
    `others` everyone but `judge`, programs and reward models too."""

    judge: Judge | None
    others: tuple[Judge, ...]
    panel: tuple[Judge, ...]
    rewards: tuple[Judge, ...]
    strong: Judge | None
    criterion: Criterion | None

    @classmethod
    def of(cls, project: Project, judge: Judge | None, criterion: Criterion | None) -> "Judging":
        """The project's judges that are no drafts. Two queries."""
        judges = Judge.objects.filter(project=project).exclude(stage=Stage.DRAFT)
        everyone = list(judges.select_related("annotator").order_by("name"))
        panel = tuple(each for each in everyone if each.provider not in NO_READER)
        rewards = tuple(each for each in everyone if each.provider == Provider.REWARD)
        others = tuple(each for each in everyone if judge is None or each.pk != judge.pk)
        about = asked_about(project, criterion)
        return cls(judge, others, panel, rewards, _strong(judge, panel), about)

    def columns(self, rows: Rows) -> tuple[dict[str, Floats], Floats, dict[str, Floats]]:
        """The columns by name, each (n,); P(first preferred) of `judge`; and of each other by name.

        With `judge`: `judge_confidence` = abs(2p − 1), `judge_flip`, `judge_gap`. With two readers:
        `panel_disagreement`, 1 where not all of those who were asked prefer the same completion,
        and `panel_spread`, the standard deviation of their p. With a stronger reader
        `strong_confidence`. With a reward model `reward_margin`, the size of the mean over versions
        of the margin logit(p) / scale; with two `reward_variance`, the sample variance of their
        margins. (A margin of more than 4.6 / scale is read as 4.6 / scale: p is kept in
        [0.01, 0.99].)
        """
        p, flip, gap = self._read(rows)
        found: dict[str, Floats] = {}
        if self.judge:
            found["judge_confidence"] = np.abs(2 * p[self.judge.pk] - 1)
            found["judge_flip"], found["judge_gap"] = flip, gap
        if len(self.panel) > 1:
            found |= panel(np.array([p[each.pk] for each in self.panel]))
        if self.strong:
            found["strong_confidence"] = np.abs(2 * p[self.strong.pk] - 1)
        if self.rewards:
            found |= rewards(np.array([_margin(each, p[each.pk]) for each in self.rewards]))
        mine = p[self.judge.pk] if self.judge else flip
        return found, mine, {each.name: p[each.pk] for each in self.others}

    def _read(self, rows: Rows) -> tuple[dict[int, Floats], Floats, Floats]:
        """By judge its p, and flip and gap of `judge`, each (n,); of two versions the last one."""
        asked = {each.pk: each for each in self.others}
        if self.judge:
            asked[self.judge.pk] = self.judge
        wanted = [(P, each) for each in asked.values()]
        if self.judge:
            wanted += [(FLIP, self.judge), (GAP, self.judge)]
        names = [signal_name(kind, judge, self.criterion) for kind, judge in wanted]
        values = np.full((len(names) + (0 if self.judge else 2), len(rows)), np.nan)
        for chunk in rows.chunks() if names else ():
            numbered = [When(name=name, then=Value(i)) for i, name in enumerate(names)]
            place = Case(*numbered, output_field=IntegerField())
            stored = Signal.objects.filter(instance__in=among(chunk), name__in=names)
            found = numbers(stored, "id", place, "instance_id", "value")
            _, which, instance, value = found[:, np.argsort(found[0])]
            values[which.astype(np.int64), rows.of(instance)] = value
        return dict(zip(asked, values, strict=False)), values[-2], values[-1]


def asked_about(project: Project, criterion: Criterion | None) -> Criterion | None:
    """What `signal_name` is told of a criterion: None for the main one."""
    is_main = criterion is None or criterion.pk == main_criterion(project).pk
    return None if is_main else criterion


def _strong(judge: Judge | None, panel: Sequence[Judge]) -> Judge | None:
    least = _price(judge) if judge else 0
    dearer = [each for each in panel if _price(each) > least]
    return max(dearer, key=_price, default=None)


def _price(judge: Judge) -> int:
    """What a label costs: as agreed, or what a call of a thousand tokens each way would."""
    by_token = judge.price_per_1k_input_micros + judge.price_per_1k_output_micros
    return judge.annotator.price_micros or judge.price_per_call_micros + by_token


def _margin(judge: Judge, p: Floats) -> Floats:
    return np.asarray(np.log(p / (1 - p)) / float(judge.parameters.get("scale", 1.0)))


def panel(p: Floats) -> Mapping[str, Floats]:
    """`panel_disagreement` and `panel_spread` of (judges, n) probabilities; NaN under two known."""
    known = (~np.isnan(p)).sum(axis=0)
    first, second = (p > 0.5).any(axis=0), (p < 0.5).any(axis=0)
    return {
        "panel_disagreement": np.where(known > 1, (first & second).astype(np.float64), np.nan),
        "panel_spread": np.where(known > 1, np.sqrt(_variance(p, known, 0)), np.nan),
    }


def rewards(margins: Floats) -> Mapping[str, Floats]:
    """`reward_margin`, and of several versions `reward_variance`, of (versions, n) margins."""
    known = (~np.isnan(margins)).sum(axis=0)
    mean = np.nansum(margins, axis=0) / np.maximum(known, 1)
    found = {"reward_margin": np.where(known > 0, np.abs(mean), np.nan)}
    if len(margins) > 1:
        found["reward_variance"] = np.where(known > 1, _variance(margins, known, 1), np.nan)
    return found


def _variance(values: Floats, known: Floats, less: int) -> Floats:
    mean = np.nansum(values, axis=0) / np.maximum(known, 1)
    squares = np.nansum((values - mean) ** 2, axis=0)
    return np.asarray(squares / np.maximum(known - less, 1))
