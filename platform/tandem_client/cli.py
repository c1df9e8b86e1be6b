"""The command `tandem`: what a researcher does, from a terminal or a script."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from . import login as logins
from .client import Tandem
from .errors import JobFailed, TandemError
from .project import Project
from .shown import out, show_counts, show_me, show_one, show_report, show_rows
from .terminal import plain

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Collect preferences, route them, train on them: a Tandem server from the terminal.",
    pretty_exceptions_enable=False,
)
judges_app = typer.Typer(no_args_is_help=True, help="Judges: list, add, ask.")
route_app = typer.Typer(no_args_is_help=True, help="Live routing: start, pause, status.")
app.add_typer(judges_app, name="judges")
app.add_typer(route_app, name="route")
err = Console(stderr=True)
# Which files of a data set: settings of the source and not of the adapter.
OF_A_DATASET = ("config", "split", "revision")
BY_HAND = """On the command line, with your own columns:
  --adapter columns -s prompt=COLUMN -s 'completions=["COLUMN", "COLUMN"]' -s winner=COLUMN"""

Slug = Annotated[
    str, typer.Option("--project", "-p", envvar="TANDEM_PROJECT", help="The project's slug.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one value.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the job, with a bar.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", help="A setting, as name=value; the value is JSON or a text."),
]


def main() -> None:
    """Run the command; what the server refuses is one line on stderr and the exit code 1."""
    with told():
        app()


@contextmanager
def told() -> Iterator[None]:
    """Errors of this package as a line, without a traceback."""
    try:
        yield
    except (TandemError, LookupError, TimeoutError) as error:
        err.print(
            f"tandem: {plain(error)}", style="red", markup=False, highlight=False, soft_wrap=True
        )
        sys.exit(1)
    except KeyboardInterrupt:
        err.print("Stopped waiting; what the server does goes on.", markup=False)
        sys.exit(130)


# --- Who ---


@app.command()
def login(
    url: str,
    token: Annotated[
        str,
        typer.Option(
            prompt="Token (made on the page Access tokens of your account)",
            hide_input=True,
            envvar="TANDEM_TOKEN",
        ),
    ],
) -> None:
    """Keep the address of a server and a token for it, in a file only you can read."""
    with Tandem(url, token=token) as tandem:
        name = tandem.me()["username"]
    file = logins.remember(logins.Login(tandem.connection.url, token))
    out.print(f"Logged in as {plain(name)}; kept in {file}.", markup=False)


@app.command()
def logout() -> None:
    """Forget the kept login; the token itself is revoked on the page Access tokens."""
    out.print("Forgotten." if logins.forget() else "There was no login.")


@app.command()
def whoami(as_json: AsJson = False) -> None:
    """Who is logged in, where, with which scopes."""
    with Tandem() as tandem:
        show_me(tandem.me() | {"url": tandem.connection.url}, as_json)


# --- Projects ---


@app.command()
def projects(as_json: AsJson = False) -> None:
    """The projects you are a member of."""
    with Tandem() as tandem:
        rows = [project.raw for project in tandem.projects()]
    show_rows(rows, ("slug", "name", "role"), as_json)


@app.command()
def create(
    name: str,
    slug: Annotated[str | None, typer.Option(help="Its name in addresses.")] = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Create a project, for example `tandem create Helpfulness -s template=helpfulness`."""
    with Tandem() as tandem:
        project = tandem.create_project(name, slug=slug, **values(settings))
    show_one(project.raw, as_json, ("slug", "name"))


@app.command()
def status(project: Slug, as_json: AsJson = False) -> None:
    """How far the project is: instances by state, destination and arm."""
    with opened(project) as found:
        show_counts(found.status(), as_json)


# --- Data in ---


@app.command(name="import")
def import_(
    source: Annotated[str, typer.Argument(help="A file, a URL, or hub:OWNER/NAME.")],
    project: Slug,
    adapter: Annotated[str, typer.Option(help="How it is read; auto recognises it.")] = "auto",
    settings: Settings = None,
    reveal: Annotated[bool, typer.Option(help="Labels in it count at once.")] = True,
    create_criteria: Annotated[bool, typer.Option(help="Make criteria the file names.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Only report what would change.")] = False,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Import instances and labels."""
    with opened(project) as found:
        common: dict[str, Any] = {
            "adapter": adapter,
            "reveal": reveal,
            "create_criteria": create_criteria,
            "dry_run": dry_run,
        }
        options = values(settings)
        if source.startswith("hub:"):
            common |= {name: options.pop(name) for name in OF_A_DATASET if name in options}
        if options:
            common["options"] = options
        if source.startswith("hub:"):
            job = found.import_dataset(source.removeprefix("hub:"), **common)
        else:
            job = found.import_file(source, **common)
        if not wait:
            return show_one({"job": job.id}, as_json)
        try:
            return show_report(job.watch(), as_json)
        except JobFailed as failed:
            if "columns" in str(failed) and adapter == "auto":
                raise TandemError(f"{failed}\n{BY_HAND}") from failed
            raise


# --- Labels ---


@judges_app.command("list")
def list_judges(project: Slug, as_json: AsJson = False) -> None:
    """The judges of a project."""
    with opened(project) as found:
        rows = [judge.raw for judge in found.judges()]
    show_rows(rows, ("id", "name", "provider", "stage"), as_json)


@judges_app.command()
def add(name: str, project: Slug, settings: Settings = None, as_json: AsJson = False) -> None:
    """Add a judge; its settings are the fields of the interface's `POST judges/`."""
    with opened(project) as found:
        show_one(found.add_judge(name, **values(settings)).raw, as_json, ("id", "name"))


@judges_app.command()
def ask(
    judge: str, project: Slug, settings: Settings = None, wait: Wait = True, as_json: AsJson = False
) -> None:
    """Ask a judge about instances, for example `-s most=500 -s budget=5`."""
    with opened(project) as found:
        job = found.judge(judge).ask(**values(settings))
        show_one(job.watch() if wait else {"job": job.id}, as_json)


@route_app.command()
def start(
    project: Slug,
    refit: Annotated[bool, typer.Option(help="Fit the router anew first.")] = False,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Let live routing decide who labels what."""
    with opened(project) as found:
        job = found.route(refit=refit)
        show_one(job.watch() if wait else {"job": job.id}, as_json)


@route_app.command("set")
def set_(project: Slug, settings: Settings = None, as_json: AsJson = False) -> None:
    """Choose how live routing decides, for example `-s mode=stream -s people_share=0.25`."""
    with opened(project) as found:
        show_one(found.set_routing(**values(settings)), as_json)


@route_app.command("status")
def routing_status(project: Slug, as_json: AsJson = False) -> None:
    """How live routing stands."""
    with opened(project) as found:
        show_one(found.routing(), as_json)


@route_app.command()
def pause(project: Slug, as_json: AsJson = False) -> None:
    """Let new instances wait."""
    with opened(project) as found:
        show_one(found.pause_routing(), as_json)


@route_app.command()
def decisions(
    project: Slug,
    limit: Annotated[int, typer.Option(help="How many at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """The newest decisions, with their reasons."""
    with opened(project) as found:
        rows = [row for row, _ in zip(found.decisions(), range(limit), strict=False)]
    show_rows(rows, ("external_id", "destination", "gain", "propensity", "reason"), as_json)


# --- Training ---


@app.command()
def snapshot(
    project: Slug,
    name: Annotated[str, typer.Option(help="What you call it.")] = "",
    settings: Settings = None,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Freeze labels as a data set, for example `-s splits='{"test": 0.2}'`."""
    with opened(project) as found:
        job = found.snapshot(name=name, **values(settings))
        if not wait:
            return show_one({"job": job.id}, as_json)
        return show_one(job.watch().raw, as_json, ("id", "content_hash", "rows"))


@app.command()
def snapshots(project: Slug, as_json: AsJson = False) -> None:
    """The snapshots of a project."""
    with opened(project) as found:
        rows = [snapshot.raw for snapshot in found.snapshots()]
    show_rows(rows, ("id", "name", "rows", "content_hash", "created_at"), as_json)


@app.command()
def train(
    snapshot: Annotated[int, typer.Argument(help="Id of a snapshot.")],
    project: Slug,
    kind: Annotated[str, typer.Option(help="reward or policy.")] = "reward",
    name: Annotated[str, typer.Option(help="What you call it.")] = "",
    settings: Settings = None,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Train on a snapshot, for example `tandem train 3 -s preset=dpo --kind policy`."""
    with opened(project) as found:
        run = found.train(snapshot, kind=kind, name=name, **values(settings))
        if wait:
            run.watch()
        show_one(run.raw, as_json, ("id", "kind", "name", "report"))


@app.command()
def runs(project: Slug, as_json: AsJson = False) -> None:
    """The runs of a project."""
    with opened(project) as found:
        rows = [run.raw for run in found.runs()]
    show_rows(rows, ("id", "kind", "name", "preset", "created_at"), as_json)


# --- Data out ---


@app.command()
def export(
    project: Slug,
    folder: Annotated[Path, typer.Option("--to", help="Where the files go.")] = Path(),
    snapshot: Annotated[int | None, typer.Option(help="Id; without it what is there now.")] = None,
    shape: Annotated[str, typer.Option(help="pairs, trl, listwise, labels, …")] = "pairs",
    format: Annotated[str, typer.Option(help="parquet, jsonl, csv, …")] = "parquet",  # noqa: A002
    settings: Settings = None,
) -> None:
    """Write data in one shape and format, and download it."""
    with opened(project) as found:
        job = found.export(snapshot, shape=shape, format=format, **values(settings))
        for path in job.watch().download(folder):
            out.print(plain(path), markup=False, highlight=False)


# --- Jobs ---


@app.command()
def jobs(project: Slug, as_json: AsJson = False) -> None:
    """The newest jobs of a project."""
    with opened(project) as found:
        rows = [row for row, _ in zip(found.jobs(), range(50), strict=False)]
    show_rows(rows, ("id", "kind", "state", "done", "total", "note"), as_json)


@app.command()
def watch(
    job: Annotated[int, typer.Argument(help="Id of a job.")], project: Slug, as_json: AsJson = False
) -> None:
    """Wait for a job, with a bar."""
    with opened(project) as found:
        show_one(found.job(job).watch(), as_json)


@app.command()
def cancel(job: Annotated[int, typer.Argument(help="Id of a job.")], project: Slug) -> None:
    """Ask a job to stop; what it has made is kept."""
    with opened(project) as found:
        found.job(job).cancel()


# --- Helpers ---


@contextmanager
def opened(slug: str) -> Iterator[Project]:
    """The project of that slug, and the connection closed behind it."""
    with Tandem() as tandem:
        yield tandem.project(slug)


def values(settings: Iterable[str] | None) -> dict[str, Any]:
    """`name=value` texts as values: JSON where it reads as JSON, else the text itself.

    Raises:
        TandemError: one has no `=`.
    """
    found = {}
    for setting in settings or ():
        name, separator, text = setting.partition("=")
        if not (separator and name):
            raise TandemError(f"{setting!r} is no setting: write name=value.")
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    return found
