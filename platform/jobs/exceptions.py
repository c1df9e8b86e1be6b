"""How a job's run can end other than by a result."""

from core.exceptions import ApplicationError


class JobFailed(ApplicationError):
    """The work cannot be done; the message is shown on the job's page."""

    code = "job-failed"


class JobCancelled(Exception):
    """Somebody asked for it to stop."""


class JobFenced(Exception):
    """Another attempt holds the job: whoever sees this must stop without writing anything."""


class JobReleased(Exception):
    """The runner is going away: the job goes back to the queue and resumes elsewhere."""
