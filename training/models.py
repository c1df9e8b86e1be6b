"""Django looks for models here; they live in the packages."""

from training.registry.models import ModelVersion
from training.runs.models import Metric, Run, Schedule

__all__ = ["Metric", "ModelVersion", "Run", "Schedule"]
