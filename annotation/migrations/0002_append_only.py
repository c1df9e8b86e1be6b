from django.db import migrations

from core.append_only import append_only


class Migration(migrations.Migration):
    dependencies = [("annotation", "0001_initial")]

    operations = [append_only("annotation_annotation"), append_only("annotation_snapshot")]
