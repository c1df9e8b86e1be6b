"""Django looks for models here; they live in the packages."""

from routing.budgets.models import Alert, Allowance, Purse, Window
from routing.decisions.models import Decision, Router
from routing.features.models import Embedding, FeatureVector
from routing.lab.models import Replay
from routing.live.models import LiveRouting
from routing.rounds.models import Round
from routing.rules.models import RuleSet

__all__ = [
    "Alert",
    "Allowance",
    "Decision",
    "Embedding",
    "FeatureVector",
    "LiveRouting",
    "Purse",
    "Replay",
    "Round",
    "Router",
    "RuleSet",
    "Window",
]
