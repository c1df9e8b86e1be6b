"""Of each instance's candidate completions the ones that are worth comparing, as an import file."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Project
from core.exceptions import ApplicationError
from routing.candidates.services import Report, narrowed


class Command(BaseCommand):
    help = (
        "Write a file of the interchange format with the candidates of each instance that are good "
        "and unlike each other; import it where people label. The project itself stays as it is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", help="slug of a project with more candidates than wanted")
        parser.add_argument("file", type=Path, help="where the lines are written (JSON Lines)")
        parser.add_argument("--keep", type=int, default=2, help="candidates of each instance")
        parser.add_argument(
            "--weight", type=float, default=1.0, help="what distance is worth beside quality"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"There is no project {options['project']!r}.")
        report = Report()
        try:
            with options["file"].open("w", encoding="utf-8") as file:
                for line in narrowed(project, options["keep"], report, weight=options["weight"]):
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
        except (ApplicationError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{report.instances} instances written, {report.with_quality} with a known quality. "
            f"Mean distance of the candidates {report.diversity_before:.3f}, "
            f"of those kept {report.diversity:.3f}."
        )
        for reason, count in sorted(report.left_out.items()):
            self.stdout.write(f"{count} left out: they {reason}.")
        if report.warning:
            self.stdout.write(report.warning)
