"""Fitting, scoring, generating and evaluating models; runs without Django."""
