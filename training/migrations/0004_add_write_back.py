
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_add_invitations"),
        ("training", "0003_widen_schedules"),
    ]

    operations = [
        migrations.CreateModel(
            name="WriteBack",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("after_promotion", models.BooleanField(default=False)),
                ("relabel", models.PositiveSmallIntegerField(default=0)),
                (
                    "relabel_by",
                    models.CharField(
                        choices=[
                            ("label_trust", "Least trusted labels"),
                            ("reward_variance", "Most uncertain rewards"),
                        ],
                        default="label_trust",
                        max_length=15,
                    ),
                ),
                (
                    "project",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="write_back",
                        to="accounts.project",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("relabel_by__in", ["label_trust", "reward_variance"])),
                        name="write_back_by_known",
                    )
                ],
            },
        ),
    ]
