from django.apps.registry import Apps
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Case, F, Value, When
from django.utils import timezone

ACTIVE = ("queued", "leased", "running")
WHY = "Another retrain of the project was active already. The run can be resumed."


def end_all_but_one(apps: Apps, _editor: BaseDatabaseSchemaEditor) -> None:
    """Of several active retrains of a project the first stays, one that runs before others."""
    jobs = apps.get_model("jobs", "Job").objects
    waiting = Case(When(state="queued", then=Value(1)), default=Value(0))
    active = jobs.filter(kind="training.retrain", state__in=ACTIVE, project__isnull=False)
    seen = set()
    for pk, project in active.order_by(waiting, "pk").values_list("pk", "project"):
        if project in seen:
            # The next attempt's number, so that a runner of this one writes nothing more.
            jobs.filter(pk=pk).update(
                state="cancelled",
                attempt=F("attempt") + 1,
                lease_until=None,
                error=WHY,
                finished_at=timezone.now(),
            )
        seen.add(project)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_add_invitations"),
        ("jobs", "0002_add_heartbeat"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(end_all_but_one, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("kind", "training.retrain"), ("state__in", ("queued", "leased", "running"))
                ),
                fields=("project",),
                name="job_one_active_retrain",
            ),
        ),
    ]
