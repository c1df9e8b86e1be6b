"""Command line of all model execution: `python -m training <command> <workdir>`.

Every command but one reads `<workdir>/config.json`, writes inside `<workdir>/` and prints JSON
lines; `fit` also takes a YAML file in the folder's place. `judge` stays and answers the lines of
its stdin.
Exit codes: 0 done, 2 refused with a message, 75 stopped on request (start again to resume).
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path

from training.errors import RefusalError, disk_full, out_of_memory
from training.fit import judge
from training.fit.events import REFUSED, STOPPED, StoppedError, emit, listen_for_stop, speak
from training.fit.launched import die_with_launcher
from training.fit.memory_hint import memory_hint

COMMANDS = {
    "fit": "train a reward model or a policy",
    "embed": "embed texts",
    "similarity": "embed texts and compare some of them token by token",
    "score": "score completions with a reward model",
    "logps": "log-probabilities of completions under a policy and its reference",
    "generate": "continue prompts with a policy",
    "evaluate": "measure a reward model on labelled rows",
}
MAKE_ROOM = "Free some space and start it again: it goes on from the last whole checkpoint."
PLACE = {"fit": "folder with config.json, or a YAML or JSON file beside which a folder is made"}


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("workdir", type=Path, help=PLACE.get(name, "folder with config.json"))
    judge.add_arguments(commands.add_parser("judge", help="answer questions with a model"))
    options = parser.parse_args(arguments)
    listen_for_stop()
    die_with_launcher()
    # Threads that spin while they wait make a step many times slower on a machine that also
    # serves pages; OpenMP reads this when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    return _run(options)


def _run(options: argparse.Namespace) -> int:
    try:
        if options.command == "judge":
            judge.serve(options)
            return 0
        module = importlib.import_module(f"training.fit.{options.command}")
        values = module.run(options.workdir.resolve())
    except RefusalError as refusal:
        emit("error", message=refusal.message, hint=refusal.hint)
        return REFUSED
    except StoppedError as stopped:
        emit("stopped", step=stopped.step)
        return STOPPED
    except Exception as error:
        speak()
        if out_of_memory(error):
            hint = memory_hint(options.workdir)
            emit("error", message=f"Out of memory: {_first_line(error)}", hint=hint)
        elif disk_full(error):
            emit("error", message=f"The disk is full: {_first_line(error)}", hint=MAKE_ROOM)
        else:
            raise
        return REFUSED
    emit("result", values=values)
    return 0


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
