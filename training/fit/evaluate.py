"""The command `evaluate`: a saved reward model on labelled rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.fit.files import write_json
from training.fit.metrics import by_source, report
from training.fit.reading import read_json
from training.fit.score import scored
from training.fit.settings import ScoreConfig, settings


def run(workdir: Path) -> dict[str, Any]:
    """Pairwise accuracy with its interval, calibration and length figures; `evaluation.json`."""
    config: ScoreConfig = settings(ScoreConfig, read_json(workdir / "config.json"))
    rows, outcomes, counts = scored(config, "labels")
    values = {
        "rows": len(rows),
        "counts": counts,
        **report(outcomes, "reward"),
        "by_source": by_source(outcomes, "reward"),
    }
    write_json(workdir / "evaluation.json", values)
    return values
