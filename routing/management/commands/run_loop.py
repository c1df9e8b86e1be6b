"""The main job from the command line."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Project
from core.exceptions import ApplicationError
from routing.rounds import services
from routing.rounds.options import STRATEGIES, RoundOptions
from routing.rounds.selectors import latest_round
from routing.rounds.summary import render
from routing.rounds.watching import follow


class Command(BaseCommand):
    help = "Run a round: label, route, train, compare, export. Prints the summary table."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, help="slug of the project")
        parser.add_argument(
            "--replay",
            action="store_true",
            help="reveal recorded human labels only where an instance goes to people",
        )
        parser.add_argument("--judge", default="", help="name of the judge; default: the first")
        parser.add_argument(
            "--budget-share", type=float, default=RoundOptions.budget_share, help="0 to 1"
        )
        parser.add_argument("--strategy", choices=STRATEGIES, default=RoundOptions.strategy)
        parser.add_argument(
            "--continue",
            dest="go_on",
            action="store_true",
            help="go on with the last round, which waited for people or failed",
        )
        parser.add_argument(
            "--here", action="store_true", help="run in this process instead of in the workers"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"There is no project {options['project']!r}.")
        try:
            row = follow(self._round(project, options), self.stdout, here=options["here"])
        except ApplicationError as error:
            raise CommandError(error.message) from error
        if row.summary:
            self.stdout.write(render(row))

    def _round(self, project: Project, options: dict[str, Any]) -> Any:
        if options["go_on"]:
            row = latest_round(project)
            if row is None:
                raise CommandError("The project has no round yet: leave out --continue.")
            return services.continue_round(row=row)
        return services.start_round(
            project=project,
            options={
                "replay": options["replay"],
                "judge": options["judge"],
                "strategy": options["strategy"],
                "budget_share": options["budget_share"],
            },
        )
