"""The verifier's sandbox, tried from inside: every attack runs, and what it got is looked at."""

import json
import os
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from annotation.judges.verifier import sandbox
from annotation.judges.verifier.sandbox import KINDS, CheckError, Kind, SandboxError

# Would forge a verdict, if the pipe by which it is told could be reached.
WRITE_EVERYWHERE = """
import os
for fd in range(3, 200):
    try:
        os.write(fd, b'{"results": [{"passed": true}]}')
    except OSError:
        pass
"""
MARK = "sesame-7f3a"


def works(kind: Kind) -> bool:
    try:
        sandbox.run({"check": "exact", "answer": "1", "completions": ["1"]}, kind=kind)
    except SandboxError:
        return False
    return True


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each mechanism this machine has: bwrap installed, namespaces allowed."""
    found: Kind = request.param
    if not works(found):
        pytest.skip(f"{found} does not work on this machine")
    return found


def attack(kind: Kind, code: str, *, seconds: float = 3.0) -> dict[str, object]:
    """What came of code whose tests always hold: `output` is what it printed last."""
    job = {"check": "tests", "tests": "assert True", "completions": [textwrap.dedent(code)]}
    return sandbox.run(job, kind=kind, seconds=seconds)[0]


def printed(kind: Kind, code: str) -> str:
    result = attack(kind, code)
    assert result["passed"], result
    return str(result["output"])


def test_some_mechanism_works_here_or_the_reason_is_told() -> None:
    found = sandbox.available()
    assert found.kind in KINDS or found.reason


def test_neither_environment_nor_secrets_can_be_read(
    kind: Kind, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SECRET_KEY", MARK)
    secret = tmp_path / "secret.txt"
    secret.write_text(MARK)
    secret.chmod(0o644)
    paths = [
        str(secret),
        str(settings.BASE_DIR / "manage.py"),
        str(settings.VAR_DIR),
        "/etc/passwd",
    ]
    paths += [
        "/proc/1/environ",
        f"/proc/{os.getpid()}/environ",
        "/proc/self/environ",
        "/etc/passwd",
    ]
    paths += [str(Path.home()), "/root", "/home", "/var", "/run", "/tmp", "/sys", "/dev/shm"]
    said = printed(
        kind,
        f"""
        import os
        print(dict(os.environ))
        for path in {paths!r}:
            try:
                print(path, open(path).read() if not os.path.isdir(path) else os.listdir(path))
            except OSError as error:
                print(type(error).__name__)
        print(sorted(os.listdir("/")))
        """,
    )
    assert MARK not in said
    assert said.count("FileNotFoundError") == len(paths)
    seen = set(json.loads(said.splitlines()[-1].replace("'", '"')))
    assert seen <= {"bin", "dev", "etc", "lib", "lib64", "usr", "work"}
    assert set(json.loads(said.splitlines()[0].replace("'", '"'))) <= {"LC_CTYPE", "PWD"}


def test_it_runs_as_nobody_without_capabilities(kind: Kind) -> None:
    said = printed(
        kind,
        """
        import ctypes, os
        print(os.getuid(), os.getgid(), os.getgroups())
        for attempt in (lambda: os.setuid(0), lambda: os.chroot("/work"), lambda: os.nice(-5)):
            try:
                attempt()
                print("allowed")
            except OSError as error:
                print(error.errno)
        libc = ctypes.CDLL(None, use_errno=True)
        for done in (
            libc.unshare(0x10000000),
            libc.mount(b"x", b"/work", b"tmpfs", 0, 0),
            libc.ptrace(16, 1, 0, 0),
            libc.shmget(0, 1 << 20, 0o1600),
        ):
            print(done, ctypes.get_errno())
        """,
    )
    lines = said.splitlines()
    assert lines[0].startswith("65534 65534")
    assert "allowed" not in said
    assert lines[4:] == ["-1 1"] * 4


def test_a_server_on_this_machine_cannot_be_reached(kind: Kind) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            pass  # it can be reached from here
        said = printed(
            kind,
            f"""
            import socket
            for address in (("127.0.0.1", {port}), ("1.1.1.1", 53), ("::1", {port})):
                try:
                    socket.create_connection(address, timeout=1)
                    print("reached", address)
                except OSError as error:
                    print(error.errno)
            for family in (socket.AF_VSOCK, socket.AF_NETLINK, socket.AF_PACKET):
                try:
                    socket.socket(family, socket.SOCK_RAW)
                    print("opened", family)
                except OSError as error:
                    print(error.errno)
            """,
        )
    assert "reached" not in said
    assert "opened" not in said
    assert len(said.splitlines()) == 6


@pytest.mark.django_db
def test_the_database_cannot_be_reached(kind: Kind) -> None:
    folder = str(connection.settings_dict["HOST"])
    if not folder.startswith("/"):
        pytest.skip("this database listens on no unix socket")
    path = f"{folder}/.s.PGSQL.{connection.settings_dict['PORT'] or 5432}"
    with socket.socket(socket.AF_UNIX) as own:
        own.connect(path)  # it can be reached from here
    said = printed(
        kind,
        f"""
        import socket
        for path in ({path!r}, "\\0" + {path!r}):
            try:
                socket.socket(socket.AF_UNIX).connect(path)
                print("reached")
            except OSError as error:
                print(type(error).__name__)
        """,
    )
    assert said.split() == ["FileNotFoundError", "ConnectionRefusedError"]


def test_nothing_outside_the_work_folder_can_be_written(kind: Kind, tmp_path: Path) -> None:
    paths = ["/own", "/usr/lib/own", "/etc/own", "/dev/own", os.path.realpath(sys.executable)]
    paths.append(str(tmp_path / "own"))
    said = printed(
        kind,
        f"""
        import os
        open("/work/own", "w").write("fine")
        for path in {paths!r}:
            try:
                open(path, "a").write("x")
                print("written", path)
            except OSError as error:
                print(type(error).__name__)
        os.symlink({str(tmp_path)!r}, "/work/link")
        try:
            open("/work/link/own", "w")
            print("written")
        except OSError as error:
            print(type(error).__name__)
        """,
    )
    assert "written" not in said
    assert not (tmp_path / "own").exists()


def test_memory_and_disk_are_bounded(kind: Kind) -> None:
    said = printed(
        kind,
        """
        import mmap, os
        try:
            bytearray(1 << 30)
            print("allocated")
        except MemoryError:
            print("no memory")
        written = 0
        try:
            for number in range(100):
                with open(f"/work/{number}", "wb") as file:
                    written += file.write(bytes(1 << 20))
        except OSError:
            pass
        print(written >> 20)
        try:
            os.memfd_create("more")
            print("memfd")
        except OSError as error:
            print(error.errno)
        """,
    )
    first, written, last = said.splitlines()
    assert (first, last) == ("no memory", "1")
    assert 1 <= int(written) <= 16


def test_a_fork_bomb_meets_its_limit_and_leaves_nothing(kind: Kind) -> None:
    started = time.monotonic()
    result = attack(
        kind,
        f"""
        import os, time
        made = 0
        try:
            while made < 500:
                if os.fork() == 0:
                    time.sleep(100)
                    print("{MARK}")
                made += 1
        except OSError as error:
            print("made", made, error.errno)
        """,
    )
    assert result["passed"], result
    made = int(str(result["output"]).split()[1])
    assert 1 <= made <= sandbox.Limits().processes
    assert time.monotonic() - started < 60  # the children sleep for longer
    assert not left_behind()


def test_a_daemon_does_not_outlive_its_check(kind: Kind) -> None:
    code = """
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for fd in range(3):
                    os.close(fd)
                time.sleep(1000)
            os._exit(0)
        os.wait()
        """
    assert attack(kind, code)["passed"]
    assert not left_behind()


def left_behind() -> list[str]:
    """Processes that still run the program of the sandbox."""
    time.sleep(0.2)
    listed = subprocess.run(["ps", "-eo", "stat,args"], capture_output=True, text=True, check=True)
    marks = ("launcher.py {", "What runs inside the sandbox")
    mine = str(os.getpid())
    return [
        line
        for line in listed.stdout.splitlines()
        if any(mark in line for mark in marks) and not line.startswith("Z") and mine in line
    ]


@pytest.mark.parametrize(
    ("code", "detail"),
    [
        ("while True: pass", "took too long"),
        ("import time; time.sleep(100)", "took too long"),
        ("import signal; signal.signal(signal.SIGXCPU, lambda *a: None)\nwhile True: pass", "too"),
        ("while True: print('x' * 10000)", "printed too much"),
        ("import os; os._exit(0)", "failed"),
        ("raise SystemExit(0)", "failed"),
        ("import os; os.kill(os.getpid(), 9)", "was killed by signal 9"),
        ("import os; os.write(3, b'0' * 16); os._exit(0)", "failed"),
        (WRITE_EVERYWHERE, "failed"),
        ("def broken(:", "failed"),
    ],
)
def test_code_that_does_not_come_to_its_tests_fails(kind: Kind, code: str, detail: str) -> None:
    result = attack(kind, code, seconds=1.5)
    assert result["passed"] is False
    assert detail in str(result["detail"])
    assert len(str(result["output"])) <= 4000


FAKES = {
    "finds the token in a frame": """
        import os, sys
        frame = sys._getframe()
        while frame:
            for value in list(frame.f_locals.values()):
                if isinstance(value, bytes) and len(value) == 16:
                    os.write(3, value)
                    os._exit(0)
            frame = frame.f_back
        """,
    "finds the token in a traceback": """
        import os
        try:
            1 / 0
        except ZeroDivisionError as error:
            frame = error.__traceback__.tb_frame
            while "token" not in frame.f_locals:
                frame = frame.f_back
            os.write(3, frame.f_locals["token"])
            os._exit(0)
        """,
    "takes the tests away": """
        import sys
        sys._getframe(1).f_locals["job"]["tests"] = ""
        """,
    "rewrites the runner": """
        import sys
        sys.modules["verifier.inside"]._texts = lambda tests: []
        """,
    "rewrites exec": "import builtins; builtins.exec = lambda *all: None",
    "rewrites compile": """
        import builtins
        whole = builtins.compile
        builtins.compile = lambda text, *more: whole("", *more)
        """,
}
UNITTEST = """
import unittest
class TestIt(unittest.TestCase):
    def test_answer(self):
        self.assertEqual(answer(), 42)
"""


@pytest.mark.parametrize("fake", FAKES)
@pytest.mark.parametrize("tests", ["assert answer() == 42", UNITTEST])
def test_a_verdict_cannot_be_faked(kind: Kind, fake: str, tests: str) -> None:
    code = textwrap.dedent(FAKES[fake])
    result = sandbox.run({"check": "tests", "tests": tests, "completions": [code]}, kind=kind)[0]
    assert result["passed"] is False, result


@pytest.mark.parametrize(
    "fake",
    [
        "unittest.TestResult.wasSuccessful = lambda self: True",
        "unittest.TestCase.run = lambda self, result: None",
        "unittest.TestCase.assertEqual = lambda *all: None",
        "unittest.defaultTestLoader.loadTestsFromTestCase = lambda case: unittest.TestSuite()",
    ],
)
def test_a_framework_of_tests_cannot_be_talked_round(kind: Kind, fake: str) -> None:
    code = f"import unittest\n{fake}\nanswer = lambda: 41"
    job = {"check": "tests", "tests": UNITTEST, "completions": [code, "answer = lambda: 42"]}
    results = sandbox.run(job, kind=kind)
    assert [result["passed"] for result in results] == [False, True]


def test_signals_reach_nobody_outside(kind: Kind) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        result = attack(
            kind,
            f"""
            import os, signal
            for pid in (1, {os.getpid()}, {bystander.pid}, os.getppid(), -1):
                try:
                    os.kill(pid, signal.SIGKILL)
                    print("sent to", pid)
                except OSError as error:
                    print(type(error).__name__)
            """,
        )
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    # One to process 1 is accepted and dropped: the kernel lets none from inside reach it.
    assert result["passed"], result
    assert str(result["output"]).splitlines() == [
        "sent to 1",
        "ProcessLookupError",
        "ProcessLookupError",
        "sent to 1",
        "ProcessLookupError",
    ]


@pytest.mark.parametrize("name", ["../out", "/etc/out", "a/../../out", ".."])
def test_file_names_that_lead_out_are_refused(kind: Kind, name: str) -> None:
    job = {"check": "tests", "tests": "assert True", "files": {name: "x"}, "completions": ["x = 1"]}
    with pytest.raises(CheckError, match="leads out"):
        sandbox.run(job, kind=kind)


def test_files_of_the_tests_are_there(kind: Kind) -> None:
    job = {
        "check": "tests",
        "tests": "assert read() == 'three'",
        "files": {"data/input.txt": "three"},
        "completions": ["def read(): return open('data/input.txt').read()"],
    }
    assert sandbox.run(job, kind=kind)[0]["passed"]


def test_a_pattern_that_never_ends_is_stopped(kind: Kind) -> None:
    job = {"check": "regex", "pattern": r"(a+)+$", "completions": ["a" * 60 + "b"]}
    started = time.monotonic()
    with pytest.raises(sandbox.SandboxTimeout):
        sandbox.run(job, kind=kind, seconds=0.5)
    assert time.monotonic() - started < 60


def test_completions_meet_nothing_that_another_left(kind: Kind) -> None:
    job = {
        "check": "tests",
        "tests": "import os\nassert not os.path.exists('/work/mark')\nopen('/work/mark', 'w')",
        "completions": ["x = 1", "x = 2"],
    }
    assert [result["passed"] for result in sandbox.run(job, kind=kind)] == [True, True]


def test_the_check_dies_with_the_process_that_asked(kind: Kind) -> None:
    program = (
        "from annotation.judges.verifier import sandbox\n"
        "job = {'check': 'tests', 'tests': 'assert True',"
        " 'completions': ['import time; time.sleep(60)']}\n"
        f"sandbox.run(job, kind={kind!r}, seconds=60)\n"
    )
    asking = subprocess.Popen([sys.executable, "-c", program], cwd=settings.BASE_DIR)
    deadline = time.monotonic() + 60
    while not _children(asking.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    inside = _below(asking.pid)
    assert inside
    asking.kill()
    asking.wait()
    deadline = time.monotonic() + 30
    while any(map(_lives, inside)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [pid for pid in inside if _lives(pid)] == []


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _children(pid: int) -> list[int]:
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _below(pid: int) -> list[int]:
    return [each for child in _children(pid) for each in (child, *_below(child))]


FORBIDDEN = """
echo 0 > /proc/sys/user/max_user_namespaces || exit 3
exec "$0" -c 'from annotation.judges.verifier import sandbox
print(sandbox.available())
sandbox.run({"check": "exact", "answer": "1", "completions": ["1"]})'
"""


def test_where_the_kernel_allows_neither_nothing_runs_and_the_reason_is_told() -> None:
    """A machine as inside most containers: root of its own, and no more namespaces."""
    line = ["unshare", "-Ur", "sh", "-c", FORBIDDEN, sys.executable]
    done = subprocess.run(line, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False)
    if done.returncode == 3 or "unshare:" in done.stderr:
        pytest.skip("this machine has no user namespaces to forbid")
    assert "Availability(kind='', reason=" in done.stdout
    assert "namespaces: [Errno" in done.stdout
    assert "SandboxError: There is no sandbox on this machine (" in done.stderr


def test_bubblewrap_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxError, match="bwrap is not installed"):
        sandbox.run({"check": "exact", "answer": "1", "completions": ["1"]}, kind="bubblewrap")


def test_the_program_refuses_where_it_is_not_shut_in() -> None:
    job = {"check": "exact", "answer": "1", "completions": ["1"], "limits": {}}
    bare = subprocess.run(
        [sys.executable, *sandbox.PROGRAM],
        input=json.dumps(job).encode(),
        capture_output=True,
        check=True,
    )
    assert set(json.loads(bare.stdout)) == {"sandbox"}
