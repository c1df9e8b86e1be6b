"""What runs inside the sandbox: one check of some completions. The standard library only.

The texts of this file and of `answers` and `walls` are handed to `python -I -S -c`; `main` reads
one JSON object from stdin and prints one. It looks first whether it is shut in, and does nothing
where it is not. Code of a completion runs in a child, which tells its verdict by coming to the end
of its tests and in no other way.
"""

import ast
import contextlib
import json
import os
import re
import resource
import select
import signal
import sys
import time
import unittest
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .answers import exact, matches
from .walls import forbid_calls, not_shut_in, set_limits

OUTPUT_KEPT = 4000
OUTPUT_MOST = 1_000_000
FENCE = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:```|\Z)", re.S | re.I)


def code_of(text: str) -> str:
    """The fenced blocks of a completion, or all of it where nothing is fenced."""
    blocks = FENCE.findall(text)
    return "\n\n".join(blocks) if blocks else text


def try_tests(code: str, job: Mapping[str, Any]) -> None:
    """Run the code, then its tests; comes back only where every one of them held."""
    space: dict[str, Any] = {"__name__": "completion"}
    exec(compile(code, "completion.py", "exec"), space)  # noqa: S102 - inside the sandbox
    known = dict(space)
    for test in _texts(job["tests"]):
        exec(compile(test, "tests.py", "exec"), space)  # noqa: S102
    added = {name: value for name, value in space.items() if known.get(name) is not value}
    entry = str(job.get("entry_point") or "")
    if entry and callable(added.get("check")):
        added["check"](space[entry])
    for name, value in added.items():
        if isinstance(value, type) and issubclass(value, unittest.TestCase):
            outcome = unittest.TestResult()
            unittest.defaultTestLoader.loadTestsFromTestCase(value).run(outcome)
            if not outcome.wasSuccessful():
                raise AssertionError(outcome.failures or outcome.errors)
        elif name.startswith("test_") and callable(value):
            value()


def _texts(tests: Any) -> list[str]:
    return [str(test) for test in (tests if isinstance(tests, list) else [tests])]


def ask_something(tests: Any, entry: str) -> None:
    """Tests that would hold for anything are refused before they run.

    Raises:
        ValueError: no statement checks, and nothing is defined that is called as a test.
    """
    for text in _texts(tests):
        for node in ast.parse(text).body:
            name = getattr(node, "name", "")
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                if name.startswith("test_") or (name == "check" and entry):
                    return
                if isinstance(node, ast.ClassDef) and node.bases:
                    return
            elif not isinstance(node, _NO_CHECK) and not _constant(node):
                return
    raise ValueError("the tests check nothing: assert, name a function test_…, or give entry_point")


_NO_CHECK = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.AsyncFunctionDef, ast.Pass)


def _constant(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


# Tests that nothing can pass. Code that passes them beside its own does not pass by its answers:
# it rewrote what runs the tests, or told the verdict itself.
CONTROL = "assert False, 'control'"
UNITTEST_CONTROL = """
import unittest
class TestControl(unittest.TestCase):
    def test_control(self):
        for name, given in (
            ("assertEqual", (1, 2)), ("assertNotEqual", (1, 1)), ("assertTrue", (False,)),
            ("assertFalse", (True,)), ("assertIs", (1, None)), ("assertIsNone", (1,)),
            ("assertIn", (1, [])), ("assertAlmostEqual", (1, 2)), ("assertListEqual", ([1], [2])),
            ("assertDictEqual", ({}, {1: 1})), ("assertGreater", (1, 2)), ("assertLess", (2, 1)),
        ):
            try:
                getattr(self, name)(*given)
            except self.failureException:
                continue
            return  # what does not hold was let through
        self.fail()
"""


def tested(text: str, job: Mapping[str, Any]) -> dict[str, Any]:
    """Run the tests, and where they hold a control for each way to hold that has to fail."""
    ask_something(job["tests"], str(job.get("entry_point") or ""))
    result = _tried(text, job)
    tests = _texts(job["tests"])
    controls = [CONTROL, *([UNITTEST_CONTROL] if "unittest" in "".join(tests) else [])]
    if result["passed"] and any(
        _tried(text, {**job, "tests": [*tests, control]})["passed"] for control in controls
    ):
        return {**result, "passed": False, "detail": "passes whatever is asked"}
    return result


def _tried(text: str, job: Mapping[str, Any]) -> dict[str, Any]:
    """Run the tests in a child of its own and wait for it, its output or its time to end."""
    token = os.urandom(16)
    verdict, tell = os.pipe()
    output, say = os.pipe()
    child = os.fork()
    if child == 0:
        _child(text, job, token, tell, say)
    os.close(tell)
    os.close(say)
    end = time.monotonic() + float(job["seconds"])
    said, why = _listen(child, output, end)
    passed = why == "" and _told(verdict) == token
    for each in (verdict, output):
        os.close(each)
    shown = said[-OUTPUT_KEPT:].decode("utf-8", "replace").strip()
    return {"passed": passed, "detail": why or ("passed" if passed else "failed"), "output": shown}


def _told(verdict: int) -> bytes:
    """What stands in the pipe now: a daemon of the child may hold it open for ever."""
    os.set_blocking(verdict, False)
    with contextlib.suppress(BlockingIOError):
        return os.read(verdict, 64)
    return b""


def _child(text: str, job: Mapping[str, Any], token: bytes, tell: int, say: int) -> None:
    code = 1
    try:
        for place, each in enumerate((say, say, tell), start=1):
            os.dup2(each, place)
        # Not the pipe by which the parent tells the verdicts.
        os.closerange(4, 4096)
        tell = 3
        seconds = int(job["cpu_seconds"])
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        forbid_calls()
        try_tests(code_of(text), job)
        sys.stdout.flush()
        os.write(tell, token)
        code = 0
    except BaseException as error:  # noqa: BLE001 - the child ends here, whatever it was
        with contextlib.suppress(BaseException):
            os.write(2, f"{type(error).__name__}: {error}\n".encode()[-OUTPUT_KEPT:])
    finally:
        os._exit(code)


def _listen(child: int, output: int, end: float) -> tuple[bytes, str]:
    """What the child printed, and why it was stopped; blank where it ended by itself."""
    said, total, why = b"", 0, ""
    while not why:
        ready, _, _ = select.select([output], [], [], 0.02)
        chunk = os.read(output, 65536) if ready else b""
        said, total = (said + chunk)[-OUTPUT_KEPT:], total + len(chunk)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return said, _killed(status)
        if total > OUTPUT_MOST:
            why = "printed too much"
        elif time.monotonic() > end:
            why = "took too long"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return said, why


def _killed(status: int) -> str:
    if not os.WIFSIGNALED(status):
        return ""
    number = os.WTERMSIG(status)
    return "took too long" if number == signal.SIGXCPU else f"was killed by signal {number}"


# A check that cannot be made as it was asked for.
WRONG = (ValueError, TypeError, KeyError, re.error, OSError, SyntaxError, MemoryError)
CHECKS = {"exact": exact, "regex": matches, "tests": tested}


def put_files(files: Mapping[str, str]) -> None:
    """Files the tests read, in the work folder.

    Raises:
        ValueError: a name leads out of it.
    """
    for name, text in files.items():
        path = Path(name)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise ValueError(f"the file name {name!r} leads out of the work folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def work(job: Mapping[str, Any]) -> dict[str, Any]:
    """The results of a check, one per completion."""
    put_files(job.get("files") or {})
    check = CHECKS[job["check"]]
    return {"results": [check(text, job) for text in job["completions"]]}


def main() -> None:
    out = os.dup(1)
    os.set_inheritable(out, False)
    job = json.load(sys.stdin)
    nothing = os.open("/dev/null", os.O_RDWR)
    for each in (0, 1, 2):
        os.dup2(nothing, each)
    wrong = not_shut_in()
    if wrong:
        answer: dict[str, Any] = {"sandbox": wrong}
    else:
        try:
            set_limits(job["limits"])
            answer = work(job)
        except (
            ValueError,
            TypeError,
            KeyError,
            re.error,
            OSError,
            SyntaxError,
            MemoryError,
        ) as error:
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
    os.write(out, json.dumps(answer).encode())
