"""What projects tell other systems of."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

TEST = "webhook.test"
LABEL = "label.submitted"
CONSENSUS = "consensus.updated"
BUDGET = "budget.threshold"
RUN = "run.finished"
ROUND = "round.finished"
JOB = "job.finished"

# By name what it means; a webhook may listen to each of these.
EVENTS: Mapping[str, str | Promise] = {
    LABEL: _("Labels were submitted, changed or taken back, by people or judges."),
    CONSENSUS: _("What the labels say together was computed anew."),
    BUDGET: _("A budget has passed 50, 80 or 100 per cent."),
    RUN: _("A training run succeeded, failed or was cancelled."),
    ROUND: _("A round was measured and is over."),
    JOB: _("Any other job ended: an import, a snapshot, an export, a judge run, …"),
}
