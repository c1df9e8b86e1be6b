"""The demonstration behind `make demo`."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.instances.services import ImportReport
from core.exceptions import ApplicationError
from routing.rounds import demo, demo_live
from routing.rounds.summary import render
from routing.rounds.watching import follow, follow_job


class Command(BaseCommand):
    help = "Create three accounts, replay a round on the embedded set (or --data), open a queue."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, help="a file in the interchange format")
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="shown to log in")

    def handle(self, *args: Any, **options: Any) -> None:
        users, passwords = demo.ensure_accounts()
        try:
            project, report = demo.replayed_project(users, options["data"])
            self._show_import(report)
            row, finished = demo.replayed_round(project, users["admin"])
            if not finished:
                row = follow(row, self.stdout)
            measuring = demo.measured(project, users["admin"])
            demo.ranking_project(users)
            live = demo.live_round(users)
            if live.job is not None and not live.job.ended:
                follow(live, self.stdout)
            self.stdout.write("Route a project as it comes in, and replay it")
            routed = demo_live.routed_project(users)
            demo_live.route(routed, self.stdout)
            measuring += demo_live.shown(routed, users["admin"])
            if measuring:
                self.stdout.write("Measure the judges and rank the generators")
            for job in measuring:
                follow_job(job, self.stdout, name=job.kind)
        except ApplicationError as error:
            raise CommandError(error.message) from error
        self.stdout.write(render(row))
        self._show_accounts(options["url"], project.slug, passwords)
        self.stdout.write(f"Routing, with a budget: {options['url']}/p/{routed.slug}/routing/")

    def _show_import(self, report: ImportReport) -> None:
        self.stdout.write(
            f"Imported {report.created} instances ({report.unchanged} were here already, "
            f"{report.duplicates} left out as copies of another), {report.labels} recorded "
            f"labels, {report.refused} lines refused."
        )
        for error in report.errors[:5]:
            self.stdout.write(f"  line {error['line']}: {error['reason']}")

    def _show_accounts(self, url: str, slug: str, passwords: dict[str, str]) -> None:
        self.stdout.write(f"\nLog in at {url}/  (project: {url}/p/{slug}/)")
        for name in demo.ROLES:
            shown = passwords.get(name, f"(kept in {demo.accounts_file()})")
            self.stdout.write(f"  {name:<11} {shown}")
