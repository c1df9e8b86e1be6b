"""What the clock does for the people of all projects."""

from accounts import idempotency
from accounts.models import Project
from accounts.throttling import forget_old

from .entry import time_out
from .payments import derive


def look_after() -> dict[str, int]:
    """Free what those hold who left their study, and write the earnings that are missing."""
    earning = Project.objects.filter(rates__isnull=False, archived_at__isnull=True).distinct()
    return {
        "timed_out": time_out(),
        "earnings": sum(derive(project=project) for project in earning),
        "throttles": forget_old(),
        "answers": idempotency.forget_old(),
    }
