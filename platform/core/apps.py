from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


class CoreConfig(AppConfig):
    name = "core"

    def ready(self) -> None:
        from .network import Reach

        for name in ("JUDGE_PRIVATE_HOSTS", "IMPORT_PRIVATE_HOSTS"):
            try:
                Reach.of(getattr(settings, name))
            except ValueError as error:
                raise ImproperlyConfigured(f"{name}: {error}.") from error
