"""Make the project and the people of a load test: `python -m tests.load.scene PEOPLE INSTANCES`.

It runs in a process of its own, on the database that DATABASE_URL names, and prints JSON:
the project's slug and one session per person.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module

import django

SLUG = "load"
OVERLAP = 3


def main(people: int, instances: int) -> None:
    """Everybody is logged in already: two hundred password checks would be half of the test."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

    from tests.bench.labelling import data

    store = import_module(settings.SESSION_ENGINE).SessionStore
    users = data.make_people(people)
    data.make_pairs(data.make_project(SLUG, users, overlap=OVERLAP), instances, overlap=OVERLAP)
    sessions = []
    for user in users:
        session = store()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()
        sessions.append(session.session_key)
    sys.stdout.write(json.dumps({"slug": SLUG, "sessions": sessions}))


if __name__ == "__main__":
    django.setup()
    main(*map(int, sys.argv[1:]))
