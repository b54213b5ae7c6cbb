"""Designs: at which values of its parameters a scenario is tried.

A design is a table, a row a point and a column a parameter, made over the bounds that the scenario
declares or narrower ones. `scenarios_of` turns each row into a scenario.

    table = design(scenario, {"market.openness": (0.2, 1), "churn.natural": (0.001, 0.01)}, 64)
    worlds = scenarios_of(scenario, table)
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from ..simulation.scenario import Scenario, ScenarioError, _unknown

Kind = Literal["sobol", "latin_hypercube", "grid"]
KINDS: tuple[Kind, ...] = ("sobol", "latin_hypercube", "grid")
LARGEST = 1_000_000  # points
_ENOUGH = 5  # faulty points that are named


class Range(NamedTuple):
    """Between which values, both included, a parameter is tried; `whole`: whole numbers only."""

    low: float
    high: float
    whole: bool
    unit: str


def ranges(
    scenario: Scenario, parameters: Iterable[str] | Mapping[str, tuple[float, float] | None]
) -> dict[str, Range]:
    """The range of each parameter: as given, or as the scenario declares it.

    parameters: names as in `Scenario.table()` (`churn.natural`, `touchpoints.billing.quality`), or a
    mapping of names to (low, high); None stands for the declared bounds, which are often far wider
    than what is plausible.

    Raises ScenarioError with every unknown name, parameter that is no number and bound that the
    scenario does not allow.
    """
    if isinstance(parameters, str):
        parameters = [parameters]
    given = dict(parameters) if isinstance(parameters, Mapping) else dict.fromkeys(names := list(parameters))
    errors: list[tuple[str, str]] = []
    if not given:
        errors.append(("parameters", "none is given"))
    elif not isinstance(parameters, Mapping) and len(given) < len(names):
        errors += [(str(n), "is given twice") for n in given if names.count(n) > 1]
    declared = scenario.table()
    # `Scenario.replace` finds no kinds of disturbances, and nothing of them acts on customers.
    numbers = declared[declared["lowest"].notna() & ~declared.index.str.startswith("disturbances.")]
    found = {}
    for name, pair in given.items():
        if name not in numbers.index:
            if name in declared.index:
                what = "is no number within bounds, and a design is made of such"
            else:
                what = _unknown(str(name), list(numbers.index), "parameter")
            errors.append((str(name), what))
            continue
        row: dict[Any, Any] = numbers.loc[name].to_dict()
        lowest, highest, unit = float(row["lowest"]), float(row["highest"]), str(row["unit"])
        whole = isinstance(row["value"], int)
        low, high = (lowest, highest) if pair is None else _pair(name, pair, errors)
        allowed = f"allowed are {lowest:,.12g} to {highest:,.12g} {unit}"
        for x in (low, high):
            if not lowest <= x <= highest and math.isfinite(x):
                errors.append((name, f"{x:,.12g} is out of bounds; {allowed}"))
            elif whole and math.isfinite(x) and x != int(x):
                errors.append((name, f"{x:,.12g} is no whole number; {allowed}"))
        if low >= high:
            errors.append((name, f"the low bound {low:,.12g} must be below the high one, {high:,.12g}"))
        found[name] = Range(low, high, whole, unit)
    if errors:
        raise ScenarioError(errors, "design")
    return found


def design(
    scenario: Scenario,
    parameters: Iterable[str] | Mapping[str, tuple[float, float] | None],
    n: int,
    kind: Kind = "sobol",
    seed: int = 1,
) -> pd.DataFrame:
    """Points at which to try a scenario: a row a point, a column a parameter, indexed by `point`.

    parameters: as in `ranges`. n: points; with kind "grid", values of each parameter, so that k
    parameters make n**k points. kind: "sobol", scrambled points of Sobol's sequence (Owen 1998),
    which fill the space evenly, n a power of two; "latin_hypercube" (McKay, Beckman & Conover 1979)
    for any n; "grid", the same for every seed. Parameters that are whole numbers get whole numbers,
    each as likely (or, in a grid, the nearest and no value twice).

    Raises ScenarioError for the parameters and ValueError for the rest.
    """
    if kind not in KINDS:
        raise ValueError(_unknown(str(kind), list(KINDS), "kind of design"))
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < (2 if kind == "grid" else 1):
        raise ValueError(f"n must be a whole number of at least {2 if kind == 'grid' else 1}, not {n!r}")
    if kind == "sobol" and n & (n - 1):
        below = 1 << (int(n).bit_length() - 1)
        raise ValueError(
            f"a Sobol design has a power of two of points, or it is not balanced: "
            f"take n={below} or n={2 * below} in place of {n}, or kind='latin_hypercube'"
        )
    spans = ranges(scenario, parameters)
    count = n ** len(spans) if kind == "grid" else n
    if count > LARGEST:
        raise ValueError(f"{count:,} points are too many (at most {LARGEST:,}); take a smaller n")
    if kind == "grid":
        return _grid(spans, int(n))
    return from_unit(spans, _unit_points(kind, len(spans), int(n), seed))


def from_unit(spans: Mapping[str, Range], points: np.ndarray) -> pd.DataFrame:
    """Points of the unit cube (points x parameters, within 0 to 1) as a design over `spans`."""
    points = np.asarray(points, dtype=float)
    if points.ndim != 2 or points.shape[1] != len(spans):
        raise ValueError(f"points of {len(spans)} parameters are needed, not of shape {points.shape}")
    if not ((points >= 0) & (points <= 1)).all():
        raise ValueError("points of the unit cube lie between 0 and 1")
    columns: dict[str, np.ndarray] = {}
    for (name, span), u in zip(spans.items(), points.T, strict=True):
        if span.whole:
            steps = np.floor(u * (span.high - span.low + 1))
            columns[name] = np.minimum(span.low + steps, span.high).astype(np.int64)
        else:
            # Rounding may step over a bound.
            columns[name] = np.clip(span.low + u * (span.high - span.low), span.low, span.high)
    return pd.DataFrame(columns, index=pd.RangeIndex(len(points), name="point"))


def scenarios_of(scenario: Scenario, table: pd.DataFrame) -> list[Scenario]:
    """A scenario for each row of a design, named by its point: "subscription#0007".

    The number is that of the table's index, so that a part of a design keeps its names.

    Raises ScenarioError for an unknown column and with the first points whose values are out of bounds
    or do not go together.
    """
    ranges(scenario, [str(name) for name in table.columns])
    keys = [str(name).replace(".", "__") for name in table.columns]
    made, errors = [], []
    for name, (point, *values) in zip(point_names(scenario, table), table.itertuples(), strict=True):
        row = dict(zip(keys, map(_plain, values), strict=True))
        try:
            made.append(scenario.replace(**row, name=name))
        except ScenarioError as error:
            at = ", ".join(f"{name} = {v:.6g}" for name, v in zip(table.columns, row.values(), strict=True))
            errors += [(f"point {point} ({at})", f"{where}: {what}") for where, what in error.errors]
            if len(errors) >= _ENOUGH:
                break
    if errors:
        raise ScenarioError(errors, "design")
    return made


def point_names(scenario: Scenario, table: pd.DataFrame) -> list[str]:
    """The names of a scenario at the points of a design, which sort as they stand."""
    if not table.index.is_unique or not pd.api.types.is_integer_dtype(table.index):
        raise ValueError("the index of a design must be the numbers of its points, each once")
    width = max(4, len(str(table.index.max()))) if len(table) else 4
    return [f"{scenario.name}#{point:0{width}d}" for point in table.index]


def _pair(name: str, pair: Any, errors: list[tuple[str, str]]) -> tuple[float, float]:
    """(low, high) of what was given; NaN, which no comparison meets, when it is none."""
    good = isinstance(pair, Iterable) and not isinstance(pair, str | Mapping)
    values = list(pair) if good else []
    numbers = [
        x
        for x in values
        if isinstance(x, int | float | np.number) and not isinstance(x, bool) and math.isfinite(x)
    ]
    if len(values) != 2 or len(numbers) != 2:
        errors.append((name, f"bounds are two numbers, (low, high), not {pair!r}"))
        return math.nan, math.nan
    return float(numbers[0]), float(numbers[1])


def _unit_points(kind: str, parameters: int, n: int, seed: int) -> np.ndarray:
    from scipy.stats import qmc

    method: Any = qmc.Sobol if kind == "sobol" else qmc.LatinHypercube
    # SciPy before 1.15 calls it `seed`.
    word = "rng" if "rng" in inspect.signature(method).parameters else "seed"
    return np.asarray(method(parameters, **{word: np.random.default_rng(seed)}).random(n))


def _grid(spans: Mapping[str, Range], n: int) -> pd.DataFrame:
    axes = []
    for span in spans.values():
        values = np.linspace(span.low, span.high, n)
        axes.append(np.unique(np.rint(values)).astype(np.int64) if span.whole else values)
    frame = pd.DataFrame(list(product(*axes)), columns=list(spans))
    for (name, span), axis in zip(spans.items(), axes, strict=True):
        frame[name] = frame[name].astype(np.int64 if span.whole else axis.dtype)
    return frame.rename_axis("point")


def _plain(x: Any) -> Any:
    return x.item() if isinstance(x, np.generic) else x
