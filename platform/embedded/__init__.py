"""Tandem without services to install: PostgreSQL, Redis and all processes under one supervisor.

`bootstrap` makes the virtual environment (standard library only), `services` runs PostgreSQL and
Redis on private sockets, `supervisor` runs the whole product, `python -m embedded` is the command
line of both.
"""
