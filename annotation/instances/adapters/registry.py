"""Every adapter, by name."""

from . import columns, interchange, trl
from .base import Adapter

MODULES = (interchange, trl, columns)
ADAPTERS: dict[str, Adapter] = {module.ADAPTER.name: module.ADAPTER for module in MODULES}
