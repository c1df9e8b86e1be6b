"""REST routes of this room."""

from django.urls import URLPattern

from annotation.instances import api as instances
from annotation.projects import api as projects
from annotation.workforce import api as workforce

urlpatterns: list[URLPattern] = [
    *projects.urlpatterns,
    *workforce.urlpatterns,
    *instances.urlpatterns,
]
