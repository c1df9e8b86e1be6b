"""Django looks for models here; they live in the packages."""

from training.registry.models import Evaluation, Gate, ModelVersion, Probe
from training.runs.models import Metric, Run, Schedule
from training.writeback.models import WriteBack

__all__ = ["Evaluation", "Gate", "Metric", "ModelVersion", "Probe", "Run", "Schedule", "WriteBack"]
