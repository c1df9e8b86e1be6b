"""Base models. No tables of its own."""

from django.db import models


class TimeStamped(models.Model):
    """A row that knows when it was written."""

    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True
