from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import AppConfig

if TYPE_CHECKING:
    from jobs.context import JobContext


class RoutingConfig(AppConfig):
    name = "routing"

    def ready(self) -> None:
        from django.db.models.signals import post_save

        from annotation.datasets import filters
        from annotation.instances.signals import instances_arrived
        from annotation.ledger import renewal
        from jobs import registry

        from .budgets.models import Allowance
        from .budgets.purchases import renew
        from .decisions.chosen import decided

        renewal.register(renew)
        filters.register(decided)
        registry.register("routing.round", _round)
        registry.register("routing.generate", _generate, queue="gpu")
        registry.register("routing.measure", _measure, queue="gpu")
        registry.register("routing.frontier", _frontier)
        registry.register("routing.replay", _replay)
        registry.register("routing.live", _live)
        instances_arrived.connect(_on_instances, dispatch_uid="routing.live")
        post_save.connect(_on_allowance, sender=Allowance, dispatch_uid="routing.live")
        registry.register("routing.embed", _embed, queue="gpu")
        registry.register("routing.features", _features)
        registry.register("routing.encode", _encode, queue="gpu")
        registry.register("routing.full_proxies", _full_proxies)
        registry.register("routing.full_proxy", _full_proxy, queue="gpu")


def _round(context: JobContext) -> dict[str, Any]:
    from routing.rounds.loop import run_round

    return run_round(context)


def _generate(context: JobContext) -> dict[str, Any]:
    from routing.online.generating import run_generate

    return run_generate(context)


def _measure(context: JobContext) -> dict[str, Any]:
    from routing.online.measuring import run_measure

    return run_measure(context)


def _frontier(context: JobContext) -> dict[str, Any]:
    from routing.frontier.services import run_prepare

    return run_prepare(context)


def _replay(context: JobContext) -> dict[str, Any]:
    from routing.lab.services import run_replay

    return run_replay(context)


def _live(context: JobContext) -> dict[str, Any]:
    from routing.frontier.services import prepare_again
    from routing.live.loop import run_live

    found = run_live(context)
    if found.get("fitted") and context.job.project is not None:
        prepare_again(context.job.project)
    return found


def _on_instances(**sent: Any) -> None:
    from routing.live.arrival import on_instances

    on_instances(**sent)


def _on_allowance(**sent: Any) -> None:
    from routing.live.arrival import on_allowance

    on_allowance(**sent)


def _embed(context: JobContext) -> dict[str, Any]:
    from routing.rounds.collecting import run_embed

    return run_embed(context)


def _features(context: JobContext) -> dict[str, Any]:
    from routing.features.jobs import run_features

    return run_features(context)


def _encode(context: JobContext) -> dict[str, Any]:
    from routing.features.jobs import run_encode

    return run_encode(context)


def _full_proxies(context: JobContext) -> dict[str, Any]:
    from routing.proxies.jobs import run_full_proxies

    return run_full_proxies(context)


def _full_proxy(context: JobContext) -> dict[str, Any]:
    from routing.proxies.jobs import run_full_proxy

    return run_full_proxy(context)
