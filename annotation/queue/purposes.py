"""Why somebody is asked. A module of its own, because slots and annotations both carry it."""

from django.db import models


class Purpose(models.TextChoices):
    """What a slot is for. Only labels and reviews are data; the rest measure annotators."""

    LABEL = "label"
    REVIEW = "review"
    # The same instance again, sides turned round, to see whether a person agrees with themselves.
    REPEAT = "repeat"
    # An instance whose answer is known, hidden among the others.
    GOLD = "gold"
    # Gold with feedback, before the first real instance.
    QUALIFICATION = "qualification"
