"""Every adapter, by name."""

from . import (
    alpaca_eval,
    arena,
    argilla,
    benchmarks,
    columns,
    exported,
    helpsteer,
    hh,
    interchange,
    label_studio,
    multipref,
    oasst,
    pandalm,
    rewardbench,
    trl,
    ultrafeedback,
)
from .base import Adapter

_ALL = (
    interchange.ADAPTER,
    exported.ADAPTER,
    trl.ADAPTER,
    hh.ADAPTER,
    multipref.ADAPTER,
    helpsteer.SCORES,
    helpsteer.PREFERRED,
    ultrafeedback.ADAPTER,
    ultrafeedback.BINARISED,
    arena.ADAPTER,
    pandalm.ADAPTER,
    benchmarks.LLMBAR,
    benchmarks.JUDGEBENCH,
    rewardbench.ADAPTER,
    rewardbench.SECOND,
    oasst.ADAPTER,
    oasst.MESSAGES,
    alpaca_eval.ADAPTER,
    argilla.ADAPTER,
    label_studio.ADAPTER,
    label_studio.ROWS,
    columns.ADAPTER,
)
ADAPTERS: dict[str, Adapter] = {adapter.name: adapter for adapter in _ALL}
