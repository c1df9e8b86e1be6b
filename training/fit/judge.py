"""The command `judge`: a model that stays loaded and answers the questions of its stdin.

A line is {"id", "messages", "labels", "max_tokens"}, for a reward model or likelihoods {"id",
"messages", "completions"}; ids are unique. An answer is {"id", "text", "top", "input_tokens",
"output_tokens"}, or {"id", "rewards", …}, and where there is none {"id", "failure", "error"}. The
first line says that the model is loaded. Answers come as they are ready; what waits is answered
together.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from training.errors import RefusalError, out_of_memory
from training.fit import events

Request = dict[str, Any]
Answer = dict[str, Any]
TOKEN_BUDGET = 8192
SMALLEST_BUDGET = 64
TOGETHER = 1024
TOO_LARGE = "Out of memory on one question: use a smaller model, bf16, or shorter completions."


class Answering(Protocol):
    """A loaded model."""

    token_budget: int

    def answer(self, requests: Sequence[Request]) -> Iterator[Answer]:
        """The answers in no particular order."""


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--model", type=Path, required=True, help="folder with safetensors")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--reward", action="store_true", help="it is a reward model")
    kinds.add_argument(
        "--likelihood", action="store_true", help="answer log p of completions, as rewards"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--token-budget", type=int, default=TOKEN_BUDGET, help="tokens of a pass")
    parser.add_argument("--max-length", type=int, default=2048, help="tokens a reward model reads")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: torch chooses")


def serve(options: Namespace) -> None:
    """Answer the lines of stdin until it ends or a signal asks to stop.

    Raises:
        RefusalError: the model cannot be loaded.
        StoppedError: a signal asked to stop.
    """
    if options.token_budget <= 0:
        raise RefusalError(f"The token budget is {options.token_budget}.", "Set it above 0.")
    model = _load(options)
    waiting: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read, args=(waiting,), daemon=True).start()
    answered = 0
    for lines in _together(waiting):
        requests = list(_requests(lines, options.reward or options.likelihood))
        for answer in _answers(model, requests):
            _write(answer)
            answered += 1
        if events.stop_wanted():
            raise events.StoppedError(answered)


def _load(options: Namespace) -> Answering:
    import torch

    from training.fit.models.loading import device_for, load_model
    from training.fit.models.tokenizer import load_tokenizer
    from training.fit.scoring.scorers import make_scorer
    from training.fit.verdicts import Rewards, Verdicts

    if options.threads:
        torch.set_num_threads(options.threads)
    device = device_for(options.device)
    tokenizer = load_tokenizer(options.model)
    if options.reward:
        model = load_model(options.model, "reward").to(device).eval()
        scorer = make_scorer(model, "reward", tokenizer, layout="auto", precision="fp32")
        loaded: Answering = Rewards(scorer, tokenizer, options.token_budget, options.max_length)
    elif options.likelihood:
        model = load_model(options.model, "policy").to(device).eval()
        scorer = make_scorer(model, "policy", tokenizer, layout="auto", precision="fp32")
        loaded = Rewards(scorer, tokenizer, options.token_budget, options.max_length)
    else:
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        model = load_model(options.model, "policy").to(dtype).to(device).eval()
        loaded = Verdicts(model, tokenizer, options.token_budget)
    _write({"event": "ready", "device": str(device), "dtype": str(model.dtype)})
    return loaded


def _read(waiting: queue.Queue[str | None]) -> None:
    for line in sys.stdin:
        waiting.put(line)
    waiting.put(None)


def _together(waiting: queue.Queue[str | None]) -> Iterator[list[str]]:
    """The lines that wait, as soon as there are any; ends with the input or a wish to stop."""
    while not events.stop_wanted():
        lines: list[str] = []
        try:
            line = waiting.get(timeout=0.5)
            while line is not None and len(lines) < TOGETHER:
                lines.append(line)
                line = waiting.get_nowait()
            ended = line is None
            if not ended:
                lines.append(str(line))
        except queue.Empty:
            ended = False
        if lines:
            yield lines
        if ended:
            return


def _requests(lines: Sequence[str], scored: bool) -> Iterator[Request]:
    """The questions of the lines; one that is none is answered here."""
    needed = {"messages": list} | ({"completions": list} if scored else {"max_tokens": int})
    for line in lines:
        try:
            request = json.loads(line)
        except ValueError:
            request = None
        if not isinstance(request, dict) or "id" not in request:
            _write({"id": None, "failure": "bad-request", "error": "A line is no question."})
        elif wrong := [n for n, kind in needed.items() if not isinstance(request.get(n), kind)]:
            problem = f"The question lacks {wrong[0]}."
            _write({"id": request["id"], "failure": "bad-request", "error": problem})
        else:
            yield request


def _answers(model: Answering, requests: Sequence[Request]) -> Iterator[Answer]:
    """All answers; a pass that does not fit into memory is made again in smaller ones."""
    left = {request["id"]: request for request in requests}
    while left:
        try:
            for answer in model.answer(list(left.values())):
                left.pop(answer["id"])
                yield answer
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            _free()
            if model.token_budget > SMALLEST_BUDGET:
                model.token_budget //= 2
                continue
            longest = max(left, key=lambda name: len(json.dumps(left[name])))
            left.pop(longest)
            yield {"id": longest, "failure": "too-large", "error": TOO_LARGE}


def _free() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _write(answer: Answer) -> None:
    sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
    sys.stdout.flush()
