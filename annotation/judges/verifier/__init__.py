"""Checks that a program can make of a completion, each inside a sandbox or not at all."""
