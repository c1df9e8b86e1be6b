"""A fitted strategy as the report of its router: what it was measured on, and what it learned."""

from typing import Any, Protocol, runtime_checkable

from routing.strategies.problem import Seed, Strategy


@runtime_checkable
class Reporting(Protocol):
    """A strategy that can say what it learned; keys as in `report_of`."""

    def report(self) -> dict[str, Any]: ...


def report_of(strategy: Strategy, seed: Seed | None = None) -> dict[str, Any]:
    """The report that is stored with a router, plain JSON.

    Always `strategy` (its key); with a seed `dual_labelled` and `prompts`. A strategy with a
    `report` of its own adds what it has of:

    * `notes`: sentences to read first; `dropped`: features that could not be used, in words;
    * `explanation`: rows `{column, feature, contrast, low, high, instances}`, the column that
      speaks most for people first; `low` and `high` are null without an interval;
    * `models`: by kind `{rmse, r2, spearman, mixes, learning_curve: [{mixes, rmse, r2,
      spearman}]}` on the same held-out mixes; `model` is the one in use, `best` the one with the
      smallest held-out RMSE; its figures stand at the top level too;
    * `promise`: the certificate of an escalation or a cascade, as a sentence;
    * `gains`: `{share, zero, positive, mean}` over the seed (shares of instances in 0..1).
    """
    found: dict[str, Any] = {"strategy": str(strategy.to_json()["strategy"])}
    if seed is not None:
        found |= {"dual_labelled": len(seed), "prompts": len(set(seed.prompts))}
    if isinstance(strategy, Reporting):
        found |= strategy.report()
    return found
