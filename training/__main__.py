"""Command line of all model execution: `python -m training <command> <workdir>`.

Every command reads `<workdir>/config.json`, writes inside `<workdir>/` and prints JSON lines.
Exit codes: 0 done, 2 refused with a message, 75 stopped on request (start again to resume).
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path

from training.errors import RefusalError
from training.fit.events import REFUSED, STOPPED, StoppedError, emit, listen_for_stop

COMMANDS = {
    "fit": "train a reward model or a policy",
    "embed": "embed texts",
    "score": "score completions with a reward model",
    "generate": "continue prompts with a policy",
    "evaluate": "measure a reward model on labelled rows",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("workdir", type=Path, help="folder with config.json")
    options = parser.parse_args(arguments)
    listen_for_stop()
    # Threads that spin while they wait make a step many times slower on a machine that also
    # serves pages; OpenMP reads this when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    return _run(options.command, options.workdir)


def _run(command: str, workdir: Path) -> int:
    try:
        module = importlib.import_module(f"training.fit.{command}")
        values = module.run(workdir.resolve())
    except RefusalError as refusal:
        emit("error", message=refusal.message, hint=refusal.hint)
        return REFUSED
    except StoppedError as stopped:
        emit("stopped", step=stopped.step)
        return STOPPED
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        emit("error", message=f"Out of memory: {_first_line(error)}", hint=MEMORY_HINT)
        return REFUSED
    emit("result", values=values)
    return 0


MEMORY_HINT = "Lower `token_budget` or `max_length`, use bf16 or LoRA, or choose a smaller model."


def _out_of_memory(error: BaseException) -> bool:
    text = str(error).lower()
    marks = ("out of memory", "can't allocate memory", "cannot allocate memory")
    return isinstance(error, MemoryError) or any(mark in text for mark in marks)


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
