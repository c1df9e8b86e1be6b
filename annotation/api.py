"""REST routes of this room."""

from django.urls import URLPattern

from annotation.datasets import api_exports as exports
from annotation.explaining import api as explaining
from annotation.instances import api as instances
from annotation.judges import api as judges
from annotation.judges import api_connections as connections
from annotation.judges import api_runs as judge_runs
from annotation.labels import api as labels
from annotation.projects import api as projects
from annotation.workforce import api as workforce

urlpatterns: list[URLPattern] = [
    *projects.urlpatterns,
    *workforce.urlpatterns,
    *instances.urlpatterns,
    *exports.urlpatterns,
    *explaining.urlpatterns,
    *connections.urlpatterns,
    *judges.urlpatterns,
    *judge_runs.urlpatterns,
    *labels.urlpatterns,
]
