"""Benchmarks: `make bench`. They print what they measure and assert nothing about times."""
