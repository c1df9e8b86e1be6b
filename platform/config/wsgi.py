"""The WSGI entry point."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# A page's sums are small: threads that wait for each other cost more than they give.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

application = get_wsgi_application()

# The pages' modules too, which the first request would load.
from django.urls import get_resolver  # noqa: E402

get_resolver().url_patterns  # noqa: B018 - reading it loads them

# What is loaded by now stays: looking through it for cycles again and again is wasted time.
gc.freeze()
gc.set_threshold(20_000, 20, 20)
