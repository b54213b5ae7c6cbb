"""A policy of a student's, tried in the student's world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .answers import CallError, _entries

if TYPE_CHECKING:
    from .answers import Policy

SUBSTITUTES = {"by lot": "random", "oracle": "uplift"}


def trial(kind: Policy, seed: int, who: Any) -> float:
    """What a policy brings in the student's world.

    who: a function that takes [view] and gives ids, a policy's name, "by lot" or "oracle". Raises CallError.
    """
    return _own(kind, seed, who) if callable(who) else _named(kind, seed, who)


@lru_cache(maxsize=64)
def _named(kind: Policy, seed: int, who: str) -> float:
    from ..simulation.policies import PolicyError, RetentionCall, policy

    if who in SUBSTITUTES:
        return _run(kind, seed, RetentionCall(target=SUBSTITUTES[who], share=kind.share), who == "oracle")
    name, _, rest = who.partition(":")
    if name.strip().replace("-", "_").lower() not in kind.allowed:
        raise CallError(f"the policy is to be one of {', '.join(kind.allowed)}, not {name[:40]!r}")
    if any(part.partition("=")[0].strip() in ("share", "contact", "offer", "accept", "pause", "action")
           for part in rest.split(",")):  # fmt: skip
        raise CallError("how many are called and what it costs is given; choose who is called")
    try:
        chosen = policy(who)
        if isinstance(chosen, RetentionCall):
            chosen = policy(f"{who}{',' if rest else ':'}share={kind.share}")
        return _run(kind, seed, chosen)
    except PolicyError as error:
        raise CallError(str(error)) from None


def _own(kind: Policy, seed: int, call: Callable[[Any], Any]) -> float:
    return _run(kind, seed, _caller()(choose=call, share=kind.share, action=kind.action))


@lru_cache(maxsize=1)
def _caller() -> Any:
    """RetentionCall whose scores come from the student's rule; made late, to import quickly."""
    import pandas as pd

    from ..simulation.customers import CustomerView
    from ..simulation.policies import Offers, RetentionCall

    @dataclass(frozen=True, kw_only=True)
    class OwnCall(RetentionCall):
        choose: Any = None

        def offers(self, view: CustomerView) -> Offers:
            columns = {name: getattr(view, name) for name in CustomerView.COLUMNS}
            table = pd.DataFrame(columns).set_index("id")
            table = table[
                table["customer"] & (table["months_since_offer"] >= self.pause) & (table["tenure"] >= 1)
            ]
            wanted = int(self.share * int(np.count_nonzero(view.customer)))
            named = _entries(self.choose([table])) if len(table) else []
            if named is None:
                raise CallError("choose(view) must return a list of ids")
            if any(isinstance(each, bool) or not isinstance(each, int | float) for each in named):
                raise CallError("choose(view) must return ids, whole numbers from the index of view")
            if named and not (found := np.isin(named, view.id)).all():
                strange = named[int(np.argmin(found))]
                raise CallError(f"choose(view) must return ids from the index of view; {strange!r} is none")
            known = set(table.index)
            ids = [i for i in dict.fromkeys(int(each) for each in named) if i in known][:wanted]
            price = (self.contact + self.accept * self.offer) * view.scenario.bill
            return Offers(
                np.array(ids, dtype=np.int64), self.action, price, -np.arange(len(ids), dtype=float)
            )

    return OwnCall


def _run(kind: Policy, seed: int, chosen: Any, perfect: bool = False) -> float:
    from ..simulation.engine import simulate

    scenario, luck = kind.world(seed)
    if perfect:
        scenario = scenario.replace(firm__score_validity=1.0)
    run = simulate(scenario, [chosen], luck, progress=False)
    return float(run.summary()[kind.measure])
