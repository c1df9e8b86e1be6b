"""The batch endpoints of both protocols: many questions in, their replies some time later."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from .http import Request, Response
from .judging import Judge, key_of
from .options import SPOILT
from .verdicts import unit

BATCHES = ("/v1/batches", "/v1/messages/batches", "/v1/files")


@dataclass
class Batch:
    """`ready_at`: when it ends; it is judged then, once."""

    number: int
    key: str
    anthropic: bool
    questions: list[dict[str, Any]]
    ready_at: float
    cancelled: bool = False
    results: list[dict[str, Any]] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


class Batches:
    """Files and batches of one endpoint."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, Batch] = {}

    def respond(self, request: Request, now: float) -> Response:
        """Any request below one of `BATCHES`."""
        path = request.path.split("?")[0].rstrip("/")
        if path.startswith("/v1/files"):
            return self._files(request, path)
        anthropic = path.startswith("/v1/messages/batches")
        parts = path.removeprefix("/v1/messages/batches" if anthropic else "/v1/batches").split("/")
        if request.method == "POST" and len(parts) == 1:
            return self._create(request, now, anthropic=anthropic)
        batch = self.batches.get(parts[1]) if len(parts) > 1 else None
        if len(parts) == 1:
            found = [b for b in self.batches.values() if b.anthropic == anthropic]
            shown = [self._shown(each, now) for each in found]
            return _json({"data": shown, "has_more": False, "object": "list"})
        if batch is None:
            return _json({"error": {"message": "No such batch.", "type": "not_found"}}, 404)
        if parts[2:] == ["cancel"]:
            batch.cancelled = True
        if parts[2:] == ["results"]:
            return Response(200, _lines(self._results(batch, now)))
        return _json(self._shown(batch, now))

    def _files(self, request: Request, path: str) -> Response:
        if request.method == "POST":
            name = f"file-{len(self.files) + 1}"
            self.files[name] = _uploaded(request)
            size = len(self.files[name])
            return _json({"id": name, "object": "file", "bytes": size, "purpose": "batch"})
        name = path.split("/")[3]
        if name not in self.files:
            return _json({"error": {"message": "No such file."}}, 404)
        return Response(200, self.files[name])

    def _create(self, request: Request, now: float, *, anthropic: bool) -> Response:
        body = json.loads(request.body)
        if anthropic:
            questions = [{"id": r["custom_id"], "body": r["params"]} for r in body["requests"]]
        else:
            stored = self.files[body["input_file_id"]].splitlines()
            lines = [json.loads(line) for line in stored if line.strip()]
            questions = [{"id": line["custom_id"], "body": line["body"]} for line in lines]
        name = f"{'msgbatch' if anthropic else 'batch'}_{len(self.batches) + 1}"
        ready = now + self.judge.options.batch_seconds
        batch = Batch(len(self.batches) + 1, key_of(request), anthropic, questions, ready)
        batch.metadata = body.get("metadata") or {}
        self.batches[name] = batch
        return _json(self._shown(batch, now))

    def _results(self, batch: Batch, now: float) -> list[dict[str, Any]]:
        if now < batch.ready_at and not batch.cancelled:
            return []
        if batch.results is None:
            batch.results = [self._result(batch, question) for question in batch.questions]
        return batch.results

    def _result(self, batch: Batch, question: dict[str, Any]) -> dict[str, Any]:
        expired = unit(self.judge.options.seed, "expired", question["id"])
        if batch.cancelled or expired < self.judge.options.batch_expires:
            kind = "canceled" if batch.cancelled else "expired"
            return _unanswered(question["id"], kind, anthropic=batch.anthropic)
        text = json.dumps(question["body"], sort_keys=True).encode()
        judged = self.judge.judge(question["body"], batch.key, text, anthropic=batch.anthropic)
        if judged.status == 200 and judged.kind not in SPOILT:
            self.judge.bill.delivered.add(text)
        if batch.anthropic:
            ok = judged.status == 200
            told = {"message": judged.body} if ok else {"error": judged.body}
            result = {"type": "succeeded" if ok else "errored", **told}
            return {"custom_id": question["id"], "result": result}
        response = {"status_code": judged.status, "request_id": "r", "body": judged.body}
        return {"id": "r", "custom_id": question["id"], "response": response, "error": None}

    def _shown(self, batch: Batch, now: float) -> dict[str, Any]:
        results = self._results(batch, now)
        ended = batch.results is not None
        total = len(batch.questions)
        if batch.anthropic:
            counts = {"processing": 0 if ended else total, "succeeded": len(results)}
            url = f"/v1/messages/batches/msgbatch_{batch.number}/results" if ended else None
            return {
                "id": f"msgbatch_{batch.number}",
                "type": "message_batch",
                "processing_status": "ended" if ended else "in_progress",
                "request_counts": counts | {"errored": 0, "canceled": 0, "expired": 0},
                "results_url": url,
            }
        good = [r for r in results if r["response"] and r["response"]["status_code"] == 200]
        bad = [r for r in results if r not in good]
        output = f"file-output-{batch.number}" if good else None
        errors = f"file-errors-{batch.number}" if bad else None
        self.files |= {name: _lines(r) for name, r in ((output, good), (errors, bad)) if name}
        ending = "cancelled" if batch.cancelled else "completed"
        return {
            "id": f"batch_{batch.number}",
            "object": "batch",
            "status": ending if ended else "in_progress",
            "output_file_id": output,
            "error_file_id": errors,
            "request_counts": {"total": total, "completed": len(good), "failed": len(bad)},
            "metadata": batch.metadata,
        }


def _unanswered(name: str, kind: str, *, anthropic: bool) -> dict[str, Any]:
    if anthropic:
        return {"custom_id": name, "result": {"type": kind}}
    error = {"code": f"batch_{kind}", "message": f"This request was {kind}."}
    return {"id": "r", "custom_id": name, "response": None, "error": error}


def _uploaded(request: Request) -> bytes:
    """The file of a multipart form."""
    _, _, boundary = request.headers["content-type"].partition("boundary=")
    for part in request.body.split(b"--" + boundary.strip('"').encode()):
        head, _, content = part.partition(b"\r\n\r\n")
        if b'name="file"' in head:
            return content.removesuffix(b"\r\n")
    return b""


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(status, json.dumps(body).encode())


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)
