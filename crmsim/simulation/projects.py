"""What a firm did about its customers, as the table `projects` of its database says it.

A project is a policy of a run, or several of one name; `research.pdca` has those of a cycle, with what was
measured of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pandas as pd

from .policies import LIBRARY, Budget, Programme

if TYPE_CHECKING:
    from .run import Run

# Columns of the table in its order, with what pandas keeps them as.
COLUMNS = {
    "project": "object", "first_month": "Int32", "last_month": "Int32", "kind": "object", "content": "object",
    "english": "object", "chinese": "object", "reach": "object", "cost": "float64", "status": "object",
    "round": "Int32", "measure": "object", "comparison": "object", "effect": "float64", "low": "float64",
    "high": "float64", "answers": "Int32",
}  # fmt: skip
# Fields of a policy that its row says elsewhere, or that are no numbers.
ELSEWHERE = ("start", "stop", "label", "costs", "districts", "segments", "moves")


def table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows with all columns (see `data.schema`); what is not given is missing."""
    return pd.DataFrame(rows, columns=pd.Index(list(COLUMNS))).astype(COLUMNS)


def projects(run: Run) -> pd.DataFrame:
    """The policies of a run that have begun, a row a name. Nothing is measured of them."""
    months, rows = run.scenario.population.months, []
    for name in dict.fromkeys(p.name for p in run.policies):
        parts = [p for p in run.policies if p.name == name]
        first = min(getattr(p, "start", 0) for p in parts)
        if first >= months:
            continue
        last = max(months if (end := getattr(p, "stop", None)) is None else end for p in parts)
        over = last < months
        rows.append(
            {
                "project": name,
                "first_month": first,
                "last_month": last - 1 if over else None,
                **described(parts),
                "cost": float(run.costs[name].sum()) if name in run.costs else 0.0,
                "status": "ended" if over else "running",
            }
        )
    return table(rows)


def described(policies: Iterable[Any]) -> dict[str, str]:
    """What policies do: `kind`, `content` and `reach` of a row."""
    parts = [p.campaign if isinstance(p, Budget) else p for p in policies]
    programmes = [p for p in parts if isinstance(p, Programme)]
    kind = "programme" if len(programmes) == len(parts) else "both" if programmes else "campaign"
    places = dict.fromkeys(", ".join(sum(p.where.values(), ())) or "all" for p in programmes)
    return {
        "kind": kind,
        "content": "; ".join(dict.fromkeys(written(p) for p in parts)),
        "reach": "; ".join(places) or "all",
    }


def written(policy: Any) -> str:
    """A policy as `policies.policy` reads it, with the numbers that are not the usual ones; one of the user's
    own by its name and the levers it moves."""
    word = next((name for name, kind in LIBRARY.items() if kind is type(policy)), str(policy.name))
    if not dataclasses.is_dataclass(policy):
        return word
    moves = [change.lever for change in getattr(policy, "moves", ())]
    numbers = [
        f"{item.name}={getattr(policy, item.name)}"
        for item in dataclasses.fields(policy)
        if item.name not in ELSEWHERE and getattr(policy, item.name) != item.default
    ]
    more = ",".join([*moves, *numbers])
    return f"{word}:{more}" if more else word
