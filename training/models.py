"""Django looks for models here; they live in the packages."""

from training.registry.models import Evaluation, Gate, ModelVersion, Probe
from training.runs.models import Metric, Run, Schedule

__all__ = ["Evaluation", "Gate", "Metric", "ModelVersion", "Probe", "Run", "Schedule"]
