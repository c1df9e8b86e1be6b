"""REST routes of this room."""

from django.urls import URLPattern

from annotation.arena import api as arena
from annotation.consensus import api as consensus
from annotation.dashboards import api as dashboards
from annotation.datasets import api_exports as exports
from annotation.datasets import api_snapshots as snapshots
from annotation.explaining import api as explaining
from annotation.instances import api as instances
from annotation.judges import api as judges
from annotation.judges import api_connections as connections
from annotation.judges import api_runs as judge_runs
from annotation.judges.report import api as judge_report
from annotation.judges.workbench import api as workbench
from annotation.judges.workbench import api_mining as mining
from annotation.labels import api as labels
from annotation.labels import api_annotations as annotations
from annotation.projects import api as projects
from annotation.quality import api as quality
from annotation.quality import api_gold as gold
from annotation.quality import api_review as review
from annotation.queue import api as queue
from annotation.tagging import api as tagging
from annotation.workforce import api as workforce
from annotation.workforce import api_leaderboard as leaderboard
from annotation.workforce import api_payments as payments
from annotation.workforce import api_studies as studies

urlpatterns: list[URLPattern] = [
    *projects.urlpatterns,
    *workforce.urlpatterns,
    *instances.urlpatterns,
    *exports.urlpatterns,
    *snapshots.urlpatterns,
    *explaining.urlpatterns,
    *connections.urlpatterns,
    *judges.urlpatterns,
    *judge_runs.urlpatterns,
    *labels.urlpatterns,
    *annotations.urlpatterns,
    *consensus.urlpatterns,
    *quality.urlpatterns,
    *gold.urlpatterns,
    *review.urlpatterns,
    *arena.urlpatterns,
    *dashboards.urlpatterns,
    *judge_report.urlpatterns,
    *workbench.urlpatterns,
    *mining.urlpatterns,
    *tagging.urlpatterns,
    *studies.urlpatterns,
    *payments.urlpatterns,
    *leaderboard.urlpatterns,
    *queue.urlpatterns,
]
