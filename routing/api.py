"""REST routes of this room."""

from django.urls import URLPattern

from routing.budgets import api as budgets
from routing.decisions import api as decisions
from routing.features import api as features
from routing.frontier import api as frontier
from routing.lab import api as lab
from routing.live import api as live
from routing.rounds import api as rounds
from routing.rules import api as rules

urlpatterns: list[URLPattern] = [
    *budgets.urlpatterns,
    *decisions.urlpatterns,
    *features.urlpatterns,
    *frontier.urlpatterns,
    *lab.urlpatterns,
    *live.urlpatterns,
    *rounds.urlpatterns,
    *rules.urlpatterns,
]
