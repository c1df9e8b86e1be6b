"""`manage.py serve_models`: answer requests for scores until nobody asks any more."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from training.serving import mailbox, server, starting


class Command(BaseCommand):
    # It serves no pages, and whoever asked waits for it to start.
    requires_system_checks = ()
    help = "Keep reward models loaded and answer requests for scores from Redis."

    def handle(self, *args: Any, **options: Any) -> None:
        if not mailbox.address():
            raise CommandError("BROKER_URL is no Redis: scores cannot be served.")
        with starting.alone() as only:
            if not only:
                self.stdout.write("Another process serves on this data folder already.")
                return
            server.main()
