"""Memory while very many rows go by."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

# Rows are dicts of lists without cycles. At Python's own threshold a third of the time would go
# into looking for some among them; so rarely, what the database layer leaves behind is still found.
OBJECTS = 100_000


@contextmanager
def tidy_memory() -> Iterator[None]:
    """Arrow's own allocator keeps what it once had; the system's gives it back, and is as fast."""
    pool, thresholds = pa.default_memory_pool(), gc.get_threshold()
    pa.set_memory_pool(pa.system_memory_pool())
    gc.set_threshold(OBJECTS, *thresholds[1:])
    try:
        yield
    finally:
        pa.set_memory_pool(pool)
        gc.set_threshold(*thresholds)
