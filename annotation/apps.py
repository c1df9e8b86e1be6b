from django.apps import AppConfig

from jobs import registry


class AnnotationConfig(AppConfig):
    name = "annotation"

    def ready(self) -> None:
        from annotation.datasets.tasks import run_export, run_snapshot
        from annotation.instances.tasks import run_import

        registry.register("annotation.import", run_import)
        registry.register("annotation.snapshot", run_snapshot)
        registry.register("annotation.export", run_export)
