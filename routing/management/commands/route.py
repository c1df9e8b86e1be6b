"""Live routing from the command line, for installations whose beat is off."""

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Project
from core.exceptions import ApplicationError
from jobs.models import Job, State
from routing.live.models import Mode
from routing.live.services import live_of, run_here

# What a run counts, in words.
WORDS = {
    "routed": "instances decided about",
    "asked": "instances that a judge was asked about",
    "fitted": "routers fitted",
    "moved": "instances sent elsewhere than before",
}


class Command(BaseCommand):
    help = "Do once, in this process, what live routing has to do for a project."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, help="slug of the project")
        parser.add_argument(
            "--all",
            action="store_true",
            help="route all that waits: no full batch is needed, and routing may be off",
        )
        parser.add_argument("--refit", action="store_true", help="fit the router anew first")

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"There is no project {options['project']!r}.")
        if live_of(project).mode == Mode.OFF and not (options["all"] or options["refit"]):
            raise CommandError("Live routing is off: switch it on, or give --all.")
        try:
            jobs = run_here(project=project, everything=options["all"], refit=options["refit"])
        except ApplicationError as error:
            raise CommandError(error.message) from error
        self._tell(jobs)

    def _tell(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            if job.state != State.SUCCEEDED:
                raise CommandError(job.error or "A worker has taken this: see the page of jobs.")
        results = [job.result or {} for job in jobs]
        counts = {name: sum(each.get(name, 0) for each in results) for name in WORDS}
        for name, words in WORDS.items():
            if counts[name]:
                self.stdout.write(f"{counts[name]} {words}")
        if "stalled" in results[-1]:
            raise CommandError(f"Routing has stopped: {results[-1]['reason']}")
        if not any(counts.values()):
            self.stdout.write("There was nothing to do.")
