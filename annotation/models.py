"""Django looks for models here; they live in the packages."""

from annotation.arena.models import Arena, Battle, Contestant, Reply, Turn
from annotation.consensus.models import Consensus, ConsensusState, GeneratorReport
from annotation.datasets.models import Export, Snapshot
from annotation.explaining.models import Explanation
from annotation.instances.models import (
    Completion,
    ImportProgress,
    Instance,
    MediaFile,
    RecordedLabel,
    Signal,
)
from annotation.judges.models import (
    Calibration,
    Connection,
    Judge,
    JudgeBatch,
    JudgeCall,
    JudgeReport,
    JudgeRun,
    Mining,
    Prompt,
)
from annotation.labels.models import Annotation, Annotator, Draft
from annotation.ledger.models import Budget, Entry
from annotation.projects.models import Criterion, Guideline, Protocol
from annotation.quality.models import Gold, Relabel, Remark, Report
from annotation.queue.models import Assignment, Opening, Pool, Skip, Slot
from annotation.tagging.models import InstanceTag
from annotation.workforce.models import (
    Earning,
    Participation,
    Payout,
    PayoutLine,
    Rate,
    Study,
)

__all__ = [
    "Annotation",
    "Annotator",
    "Arena",
    "Assignment",
    "Battle",
    "Budget",
    "Calibration",
    "Completion",
    "Connection",
    "Consensus",
    "ConsensusState",
    "Contestant",
    "Criterion",
    "Draft",
    "Earning",
    "Entry",
    "Explanation",
    "Export",
    "GeneratorReport",
    "Gold",
    "Guideline",
    "ImportProgress",
    "Instance",
    "InstanceTag",
    "Judge",
    "JudgeBatch",
    "JudgeCall",
    "JudgeReport",
    "JudgeRun",
    "MediaFile",
    "Mining",
    "Opening",
    "Participation",
    "Payout",
    "PayoutLine",
    "Pool",
    "Prompt",
    "Protocol",
    "Rate",
    "RecordedLabel",
    "Relabel",
    "Remark",
    "Reply",
    "Report",
    "Signal",
    "Skip",
    "Slot",
    "Snapshot",
    "Study",
    "Turn",
]
