"""A program as a judge: exact answer, regular expression or unit tests, in the sandbox only."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from annotation.instances.content import competition_ranks
from annotation.instances.models import Instance
from annotation.judges.models import CallState, Failure, Judge, Shape
from annotation.judges.verifier import sandbox
from annotation.projects.models import Criterion, Kind
from annotation.projects.selectors import protocol_of
from core.exceptions import InvalidInput
from core.hashing import content_hash

from .base import ProviderError, Question, Reply

# What a check needs of an instance's metadata, or of the judge's parameters.
NEEDS = {"exact": "answer", "regex": "pattern", "tests": "tests"}
CHECKS = tuple(NEEDS)
ALSO = ("entry_point", "files", "pattern")
LONGEST_SECONDS = 120.0
# The roles under which a question carries what is checked.
JOB, COMPLETION = "check", "completion"


class Verifier:
    """Checks every completion of an instance, in one call.

    It sees no order. A comparison is decided by who passes: passes before fails, else a tie. A
    binary criterion gets 1 for a pass and 0 for a fail. What cannot be checked gets no label.
    """

    buys = False
    # A check is a process of its own.
    concurrency = max(1, min(4, os.cpu_count() or 1))

    def __init__(self, judge: Judge, criterion: Criterion) -> None:
        self.judge = judge
        self.check = str(judge.parameters.get("check") or judge.model)
        self.seconds = float(judge.parameters.get("seconds", 10))
        if self.check not in NEEDS:
            raise InvalidInput(
                _("A verifier checks one of these: %(checks)s.") % {"checks": ", ".join(CHECKS)}
            )
        if not 0 < self.seconds <= LONGEST_SECONDS:
            raise InvalidInput(_("A check has between 0 and 120 seconds."))
        self.criterion = criterion
        self.kind = criterion.asks(protocol_of(judge.project))
        if self.kind == Kind.RATING:
            raise InvalidInput(_("A verifier knows pass and fail: it cannot rate on levels."))
        self._why_not: dict[str, str] = {}

    def questions(self, instance_ids: Sequence[int]) -> list[Question]:
        found = Instance.objects.filter(pk__in=instance_ids).prefetch_related("completions")
        by_pk = {instance.pk: instance for instance in found}
        return [self._question(by_pk[pk]) for pk in instance_ids if pk in by_pk]

    def _question(self, instance: Instance) -> Question:
        job = self._job(instance)
        texts = [completion.whole_text for completion in instance.completions.all()]
        asked = (
            {"role": JOB, "content": json.dumps(job)},
            *({"role": COMPLETION, "content": text} for text in texts),
        )
        comparison = Shape.PAIR if len(texts) == 2 else Shape.RANKING
        key = content_hash(["verifier", self.criterion.key, self.seconds, instance.pk, asked])
        if job.get(NEEDS[self.check]) in (None, "", []):
            field = NEEDS[self.check]
            self._why_not[key] = _("Its metadata has no field “%(field)s”.") % {"field": field}
        elif self.kind != Kind.BINARY and len(texts) < 2:
            self._why_not[key] = _("It has one completion: there is nothing to compare.")
        return Question(
            instance.pk,
            (),
            key,
            shape=Shape.SCORES if self.kind == Kind.BINARY else comparison,
            messages=asked,
            ceiling=self.judge.price_per_call_micros,
        )

    def _job(self, instance: Instance) -> dict[str, Any]:
        given = {NEEDS[self.check], *ALSO}
        sources = (self.judge.parameters, instance.metadata)
        found = {k: v for each in sources for k, v in each.items() if k in given}
        return {"check": self.check, **found}

    def again(self, question: Question) -> Question | None:
        """A check says the same again."""
        del question
        return None

    async def answer(self, question: Question) -> Reply:
        """The verdict of one run of the check.

        Raises:
            ProviderError: there is no sandbox, or it failed.
        """
        if reason := self._why_not.get(question.key):
            return Reply(CallState.FAILED, Failure.BAD_REQUEST, error=reason)
        job, *texts = (message["content"] for message in question.messages)
        started = time.monotonic()
        try:
            results = await asyncio.to_thread(self._run, json.loads(job), texts)
        except sandbox.CheckError as error:
            return Reply(CallState.FAILED, Failure.BAD_REQUEST, error=str(error))
        except sandbox.SandboxTimeout as error:
            return Reply(CallState.FAILED, Failure.TIMEOUT, error=str(error))
        except sandbox.SandboxError as error:
            raise ProviderError(Failure.SANDBOX, str(error)) from error
        reply = self._reply(question, results)
        return replace(reply, milliseconds=round((time.monotonic() - started) * 1000))

    def _run(self, job: dict[str, Any], texts: Sequence[str]) -> list[dict[str, Any]]:
        hidden = (settings.BASE_DIR, settings.VAR_DIR, settings.MEDIA_ROOT)
        return sandbox.run(
            {**job, "completions": list(texts)},
            seconds=self.seconds,
            hidden=[Path(each) for each in hidden],
        )

    def _reply(self, question: Question, results: Sequence[dict[str, Any]]) -> Reply:
        scores = tuple(float(result["passed"]) for result in results)
        ranks = competition_ranks([-score for score in scores])
        return Reply(
            CallState.ANSWERED,
            text=json.dumps(results, ensure_ascii=False),
            ranking=() if question.shape == Shape.SCORES else tuple(ranks),
            scores=scores,
            rationale="\n".join(map(_line, range(1, len(results) + 1), results)),
            price_micros=self.judge.price_per_call_micros,
        )

    async def close(self) -> None:
        """Nothing stays open."""


def _line(number: int, result: dict[str, Any]) -> str:
    verdict = "passes" if result["passed"] else "fails"
    return f"{number}. {verdict}: {result['detail']}"


def provider(judge: Judge, criterion: Criterion) -> Verifier:
    """The provider of a judge of the kind verifier; `judge.model` names the check.

    Raises:
        InvalidInput: verifiers are off, or the check or the criterion does not fit.
    """
    if not settings.VERIFIERS:
        raise InvalidInput(_off())
    return Verifier(judge, criterion)


def _off() -> str:
    return _("Verifiers are off: whoever runs the installation turns them on with VERIFIERS=1.")
