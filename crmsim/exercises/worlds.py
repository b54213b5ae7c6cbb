"""Small simulated worlds that several sets share."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@lru_cache(maxsize=8)
def world(preset: str, seed: int, customers: int, months: int) -> dict[str, pd.DataFrame]:
    """The tables of a customer database, `truth.*` among them, of a small world; do not change them.

    300 customers over 30 months take half a second. Round amounts before a student sees them.
    """
    from ..data.database import tables_of
    from ..simulation.engine import simulate
    from ..simulation.scenario import Scenario

    scenario = Scenario.preset(preset).replace(population__size=customers, population__months=months)
    return tables_of(simulate(scenario, None, seed % 2**31, progress=False))
