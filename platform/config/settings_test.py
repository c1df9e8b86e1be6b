"""Settings of the test suite: the real ones, with a fast password hasher and child jobs inline."""

import os

os.environ.setdefault("SECRET_KEY", "only-for-tests")
os.environ.setdefault("DATABASE_URL", "postgres:///tandem")
os.environ.setdefault("LOG_LEVEL", "WARNING")

from .settings import *  # noqa: F403
from .settings import DATABASES, STORAGES

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
JOBS_INLINE = True
# Where the servers of tests are.
JUDGE_PRIVATE_HOSTS = ["127.0.0.1"]
IMPORT_PRIVATE_HOSTS = []
IMPORT_ROOTS = []
DATABASES["default"]["OPTIONS"].pop("pool")
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
CELERY_BROKER_URL = os.environ.get("BROKER_URL", "memory://")
