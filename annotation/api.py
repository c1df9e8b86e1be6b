"""REST routes of this room."""

from django.urls import URLPattern

from annotation.instances import api as instances

urlpatterns: list[URLPattern] = [*instances.urlpatterns]
