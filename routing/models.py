"""Django looks for models here; they live in the packages."""

from routing.decisions.models import Decision, Router
from routing.features.models import FeatureVector
from routing.rounds.models import Round

__all__ = ["Decision", "FeatureVector", "Round", "Router"]
