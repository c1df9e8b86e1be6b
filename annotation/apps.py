from django.apps import AppConfig

from jobs import registry


class AnnotationConfig(AppConfig):
    name = "annotation"

    def ready(self) -> None:
        from annotation.instances.tasks import run_import

        registry.register("annotation.import", run_import)
