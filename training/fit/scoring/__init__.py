"""From token groups to the signals an objective reads."""
