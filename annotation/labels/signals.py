"""How upper rooms hear of new labels."""

from django.dispatch import Signal

# Sent after the commit, with `project_id` and the lists `instance_ids` and `annotation_ids` of the
# new rows, retractions included. A receiver that fails is logged and does not undo the label.
annotation_submitted = Signal()
