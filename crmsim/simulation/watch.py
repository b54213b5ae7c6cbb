"""What an observer of a run is shown: the truth about every customer, month by month.

`simulate(..., watch=look)` calls `look(month, world)` at the start of each month, after its arrivals
and before its offers, and once more at the end, with the number of months for `month`. Looking
changes nothing: the run has the same bits with an observer and without.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from .columns import BLOCK, SCRATCH, SCRATCH_INDEX, STATE, STRIDE
from .compile import PARAMETER_INDEX, TOUCHPOINT_FIELDS
from .customers import CustomerView

if TYPE_CHECKING:
    from .engine import World

# Scratch columns without a meaning of their own after the month, and the one that is many.
_PASSING = ("draws", "luck", "more_luck", "tally", "gap", "drop")
HAPPENED = tuple(name for name in SCRATCH if name.rstrip("_123") not in _PASSING)


class WorldView:
    """A world as it stands when `month` begins, or, after the last month, at the end.

    Arrays have one entry for everyone who ever was a customer, in the order of joining (that of
    `Run.customers`), and are copies. `month` counts from 0; `scenario` is the world's. Good only
    until the observer returns.
    """

    def __init__(self, world: World, month: int) -> None:
        self._world, self.month, self.scenario = world, month, world.scenario

    @property
    def firm(self) -> CustomerView:
        """What the firm sees, and a campaign is given, in this month."""
        return CustomerView(self._world.people, self.month, self._world.levers.values)

    @property
    def ids(self) -> np.ndarray:
        """Identities, int64."""
        return self._world.people.all.copy()

    def column(self, name: str) -> np.ndarray:
        """A column of the true state (`columns.STATE`), float32. Raises ValueError if there is none."""
        if name == "perception":
            raise ValueError("there is a perception for each touchpoint: use perception(touchpoint)")
        return self._world.people.column(_known(name, STATE, "column of the state"))

    def perception(self, touchpoint: str) -> np.ndarray:
        """The perception of a touchpoint, named, points, float32. Raises ValueError if there is none."""
        names = [t.name for t in self.scenario.touchpoints]
        return self._world.people.perception(names.index(_known(touchpoint, names, "touchpoint")))

    def happened(self, name: str) -> np.ndarray:
        """What happened to each customer in the month before (`HAPPENED`), float32; 0 for those who
        were none. Only with a service desk or with `events=True`, else ValueError."""
        return self._lived(SCRATCH_INDEX[_known(name, HAPPENED, "column of the month")])

    def failure(self, touchpoint: str) -> np.ndarray:
        """How far the perception of a touchpoint, named, was pulled down by what failed there in the month
        before, points, float32; 0 for those whom nothing failed. Available as `happened`."""
        names = [t.name for t in self.scenario.touchpoints]
        return self._lived(SCRATCH_INDEX["drop"] + names.index(_known(touchpoint, names, "touchpoint")))

    def touchpoint(self, name: str, field: str) -> np.float32:
        """A number of a touchpoint (`compile.TOUCHPOINT_FIELDS`) as programmes have moved it in this month,
        in the precision of the engine. Raises ValueError if there is none."""
        names = [t.name for t in self.scenario.touchpoints]
        row = names.index(_known(name, names, "touchpoint"))
        column = TOUCHPOINT_FIELDS.index(_known(field, TOUCHPOINT_FIELDS, "number of a touchpoint"))
        return np.float32(self._world.touchpoints[row, column])

    def _lived(self, number: int) -> np.ndarray:
        """A scratch column of the month before, for everyone, 0 for those who did not live it."""
        place = number * STRIDE
        people, column = self._world.people, np.zeros(self._world.people.count, dtype=np.float32)
        if self.month == 0:
            return column
        if self._world.kept_blocks() != list(range(people.blocks)):
            raise ValueError("what happened in a month is kept with a service desk or with events=True only")
        # Nobody has moved since that month; who joined after it stands behind those who lived it.
        scratch = self._world.scratch[: people.blocks]
        lived, values = (
            scratch[:, at : at + BLOCK].reshape(-1)[: people.live]
            for at in (SCRATCH_INDEX["was_active"] * STRIDE, place)
        )
        column[people.rows[: values.size]] = np.where(lived > 0, values, 0.0)
        return column

    def parameter(self, name: str) -> float:
        """A parameter of the scenario as rivals and programmes have moved it in this month (at the end:
        in the last one), such as "market.openness". Raises ValueError if there is none."""
        found = _known(name.replace(".", "_"), PARAMETER_INDEX, "parameter")
        return float(self._world.levers.values[PARAMETER_INDEX[found]])


def _known(name: str, known: Iterable[str], what: str) -> str:
    names = list(known)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"
        raise ValueError(f"no {what} {name!r}; {hint}")
    return name
