"""What projects tell other systems of. Pure."""

from collections.abc import Mapping

TEST = "webhook.test"
LABEL = "label.submitted"
CONSENSUS = "consensus.updated"
BUDGET = "budget.threshold"
RUN = "run.finished"
ROUND = "round.finished"
JOB = "job.finished"

# By name what it means; a webhook may listen to each of these.
EVENTS: Mapping[str, str] = {
    LABEL: "Labels were submitted, changed or taken back, by people or judges.",
    CONSENSUS: "What the labels say together was computed anew.",
    BUDGET: "A budget has passed 50, 80 or 100 per cent.",
    RUN: "A training run succeeded, failed or was cancelled.",
    ROUND: "A round was measured and is over.",
    JOB: "Any other job ended: an import, a snapshot, an export, a judge run, …",
}
