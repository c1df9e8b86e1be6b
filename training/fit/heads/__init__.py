"""Reward heads: what they compute, how they are chosen, saved and reported."""
