"""Prompts that hold one mined criterion each: made by a search, listed with it and nowhere else."""

from .models import Prompt

# How their names begin; nobody can name a prompt so.
MINED = "mined:"


def is_mined(prompt: Prompt | None) -> bool:
    return prompt is not None and prompt.name.startswith(MINED)
