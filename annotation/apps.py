from django.apps import AppConfig

from jobs import registry


class AnnotationConfig(AppConfig):
    name = "annotation"

    def ready(self) -> None:
        from annotation.arena.tasks import run_turn
        from annotation.consensus.tasks import (
            GENERATORS,
            KIND,
            on_labels,
            run_consensus,
            run_generators,
        )
        from annotation.datasets.tasks import run_export, run_push, run_snapshot
        from annotation.explaining.tasks import KIND as EXPLAIN
        from annotation.explaining.tasks import run_explain
        from annotation.instances.tasks import run_import
        from annotation.judges.injection.services import KIND as INJECTION
        from annotation.judges.injection.services import run_injection
        from annotation.judges.models import Provider
        from annotation.judges.providers import base, chat, recorded, verifier
        from annotation.judges.report.tasks import KIND as JUDGE_REPORT
        from annotation.judges.report.tasks import run_judge_report
        from annotation.judges.runs import KIND as JUDGE_RUN
        from annotation.judges.runs import run_judge
        from annotation.judges.tasks import run_ask
        from annotation.judges.workbench.tasks import KIND as MINE
        from annotation.judges.workbench.tasks import run_mine
        from annotation.labels.signals import annotation_submitted
        from annotation.quality import qualification
        from annotation.quality.tasks import KIND as QUALITY
        from annotation.quality.tasks import run_quality
        from annotation.queue.sending import SEND_KIND
        from annotation.queue.tasks import run_send
        from annotation.tagging.runs import KIND as TAG
        from annotation.tagging.runs import run_tags

        registry.register("annotation.import", run_import)
        registry.register("annotation.judge", run_ask)
        registry.register(JUDGE_RUN, run_judge)
        registry.register(MINE, run_mine)
        registry.register(INJECTION, run_injection)
        registry.register("annotation.snapshot", run_snapshot)
        registry.register("annotation.export", run_export)
        registry.register("annotation.push", run_push)
        registry.register("annotation.arena", run_turn)
        registry.register(KIND, run_consensus)
        registry.register(GENERATORS, run_generators)
        registry.register(SEND_KIND, run_send)
        registry.register(QUALITY, run_quality)
        registry.register(EXPLAIN, run_explain)
        registry.register(TAG, run_tags)
        registry.register(JUDGE_REPORT, run_judge_report)
        base.register(Provider.RECORDED, recorded.Recorded)
        base.register(Provider.OPENAI, chat.provider)
        base.register(Provider.ANTHROPIC, chat.provider)
        base.register(Provider.VERIFIER, verifier.provider)
        annotation_submitted.connect(on_labels, dispatch_uid=KIND)
        annotation_submitted.connect(qualification.on_labels, dispatch_uid="qualification")
