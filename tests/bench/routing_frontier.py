"""The what-if frontier at 100,000 open instances: a move of the slider, and scoring it once.

python -m tests.bench.routing_frontier          what `cases` gives
python -m tests.bench.routing_frontier --http   the whole HTTP request too; needs a database that
                                                is migrated, in which nothing is left behind
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from routing.frontier.sheet import Sheet

INSTANCES, COLUMNS, MOVES = 100_000, 60, 20


def cases() -> Iterator[tuple[str, float, str]]:
    """(case, value, unit). No database.

    `frontier_100k_ms`: the slowest of `MOVES` moves of the slider to another limit, from the
    numbers on the disk (read anew for the first) to the HTML with both SVGs.
    `frontier_lines_100k_ms`: the lines of all strategies from scores, done once by the job.
    """
    import django

    django.setup()
    from django.template.loader import render_to_string

    from frontend.frontier.showing import show
    from routing.frontier.sheet import load, save

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "1.npz"
        save(sheet(), path)
        kept: list[Sheet] = []

        def move(limit: int) -> None:
            kept[:] = kept or [load(path)]
            found = show(kept[0], [], None, {"limit": str(limit)})
            context = {"shown": found, "project": None, "may": {"manage_budgets": True}}
            render_to_string("routing/frontier_kpis.html", context)
            render_to_string("routing/frontier_chart.html", context)
            for title, rows in found.groups:
                more = {"title": title, "rows": rows}
                render_to_string("routing/frontier_group.html", context | more)

        # What a new process loads once: templates. Then the numbers are read anew.
        move(2_000)
        kept.clear()
        yield "frontier_100k_ms", slowest(move), "ms"
    began = time.perf_counter()
    sheet()
    yield "frontier_lines_100k_ms", 1000 * (time.perf_counter() - began), "ms"


def slowest(move: Callable[[int], None]) -> float:
    """Milliseconds of the slowest of moves over the whole slider."""
    spent = []
    for limit in np.linspace(2_000, 29_000, MOVES).astype(int).tolist():
        began = time.perf_counter()
        move(limit)
        spent.append(1000 * (time.perf_counter() - began))
    print("moves:", " ".join(f"{each:.0f}" for each in spent), "ms", file=sys.stderr)
    return max(spent)


def sheet(**facts: object) -> Sheet:
    """A linear predictor over 60 columns, every baseline, three tags."""
    from routing.frontier.curve import (
        Line,
        buying_order,
        counts_along,
        expected_counts,
        grid,
        grouped,
    )
    from routing.frontier.sheet import MODEL, Sheet

    rng = np.random.default_rng(0)
    one_hot = (rng.random((INSTANCES, COLUMNS)) < 1 / 3).astype(np.uint8)
    weights = rng.normal(size=COLUMNS) / INSTANCES / 20
    audited = rng.random(INSTANCES) < 0.05
    at = grid(INSTANCES, int(audited.sum()))
    places = at.astype(float)
    ties = rng.random(INSTANCES)
    cost = np.full(INSTANCES, 0.3)
    orders = {
        "ours": buying_order(one_hot @ weights, cost, audited, ties),
        "judge-uncertainty": buying_order(rng.random(INSTANCES), cost, audited, ties),
    }
    values = {
        key: 0.7 + counts_along(one_hot, order, at) @ weights for key, order in orders.items()
    }
    lines = [
        Line("ours", places, values["ours"], values["ours"] - 0.02, values["ours"] + 0.02),
        Line("judge-uncertainty", places, values["judge-uncertainty"]),
        Line("random", places, 0.7 + expected_counts(one_hot, audited, at) @ weights),
        Line("oracle", np.linspace(0, INSTANCES, 11), np.linspace(0.7, 0.8, 11)),
    ]
    tags = {"domain": 45, "complexity": 3, "safety": 4}
    about = {
        "strategy": "hyper-linear", "reads_judge": False, "judge_price": 5_000, "dual": 1_000,
        "seed": 1_000, "used": 1_000, "rmse": 0.01, "r2": 0.5, "spearman": 0.7, "newest": 0,
        "population": "open", "prepared": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    return Sheet(
        MODEL,
        int(audited.sum()),
        np.full(INSTANCES, 300_000),
        np.ones(INSTANCES, dtype=np.int64),
        tuple(lines),
        {
            name: grouped(
                [f"value {i}" for i in rng.integers(0, size, INSTANCES).tolist()],
                orders["ours"],
            )
            for name, size in tags.items()
        },
        about | facts,
    )


def over_http() -> Iterator[tuple[str, float, str]]:
    """The slider's request through every middleware and the view, in a transaction rolled back."""
    import django

    django.setup()
    from django.conf import settings
    from django.db import transaction
    from django.test import Client

    from accounts.models import User
    from annotation.projects.services import create_project
    from routing.budgets.services import create_allowance
    from routing.decisions.services import save_router
    from routing.frontier.selectors import sheet_path
    from routing.frontier.sheet import save

    settings.ALLOWED_HOSTS = ["testserver"]
    with transaction.atomic(), tempfile.TemporaryDirectory() as folder:
        settings.MEDIA_ROOT = Path(folder)
        user = User.objects.create(username="bench-frontier")
        project = create_project(name="Bench frontier", owner=user)
        router = save_router(
            project=project, strategy="hyper-linear", parameters={}, report={}, dual_labelled=1_000
        )
        create_allowance(
            project=project, name="people", unit="money", limit=9_000 * 10**6, by=user,
            spender="people",
        )  # fmt: skip
        save(sheet(), sheet_path(router))
        client = Client()
        client.force_login(user)

        # What a new process loads once: addresses, templates. Then the sheet is another one.
        client.get(f"/p/{project.slug}/routing/frontier/")
        save(sheet(), sheet_path(router))

        def move(limit: int) -> None:
            address = f"/p/{project.slug}/routing/frontier/?limit={limit}&exact={limit}&was={limit}"
            reply = client.get(address, headers={"HX-Request": "true"})
            assert reply.status_code == 200, reply.status_code

        # Above the others lies a request in which Python collects garbage of all generations.
        yield "frontier_100k_http_ms", slowest(move), "ms"
        transaction.set_rollback(True)


def main(arguments: list[str]) -> None:
    for case, value, unit in [*cases(), *(over_http() if "--http" in arguments else ())]:
        print(f"{case} {value:.0f} {unit}")


if __name__ == "__main__":
    main(sys.argv[1:])
