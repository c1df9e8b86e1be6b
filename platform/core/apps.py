from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


class CoreConfig(AppConfig):
    name = "core"

    def ready(self) -> None:
        from .network import Reach

        try:
            Reach.of(settings.JUDGE_PRIVATE_HOSTS)
        except ValueError as error:
            raise ImproperlyConfigured(f"JUDGE_PRIVATE_HOSTS: {error}.") from error
