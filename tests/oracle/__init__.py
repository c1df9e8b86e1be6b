"""Our losses beside those of TRL, computed by its own trainers on one batch of a tiny model."""
