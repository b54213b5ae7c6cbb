"""What a study is made of, read from its file or from a call: every fault of it with its place.

Each function reads one entry of the study, and adds what is wrong with it to `Faults`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..simulation.policies import PolicyError, policies_of
from ..simulation.scenario import Scenario, ScenarioError, _line_of, _unknown
from .designs import KINDS, design, ranges
from .experiment import OUTCOMES, SERVICE_OUTCOMES, _is_library, _simulate_cells

ENTRIES = (
    "name", "title", "replications", "seed", "baseline", "outcomes", "monthly", "population", "policies",
    "scenarios", "design",
)  # fmt: skip
ALL_OUTCOMES = {**OUTCOMES, **SERVICE_OUTCOMES}
_DESIGN = ("kind", "n", "seed", "parameters")


class StudyError(ScenarioError):
    """A study that cannot be used. `errors` lists every fault as (where, what)."""


class Faults:
    """Faults of a study, each with its place."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.found: list[tuple[str, str]] = []

    def add(self, steps: tuple[str | int, ...], what: str) -> None:
        line = _line_of(self.text, steps)
        place = (f"line {line}, " if line else "") + ".".join(map(str, steps))
        if (place, what) not in self.found:
            self.found.append((place, what))

    def end(self, origin: str) -> None:
        if self.found:
            raise StudyError(self.found, origin)


def read_whole(value: Any, name: str, least: int, faults: Faults) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        faults.add(tuple(name.split(".")), f"must be a whole number of at least {least}, not {value!r}")
        return least
    return int(value)


def read_outcomes(given: Any, faults: Faults) -> list[str]:
    if given is None:
        return list(ALL_OUTCOMES)
    if isinstance(given, str) or not isinstance(given, Iterable) or not (names := list(given)):
        faults.add(("outcomes",), f"a list of names is needed, not {given!r}")
        return list(ALL_OUTCOMES)
    for name in names:
        if name not in ALL_OUTCOMES:
            faults.add(("outcomes",), _unknown(str(name), list(ALL_OUTCOMES), "outcome"))
    return [name for name in ALL_OUTCOMES if name in names]


def read_monthly(given: Any, scenarios: list[Scenario], faults: Faults) -> list[str]:
    """Names of monthly series, which the smallest run of each scenario tells."""
    if given is None:
        return []
    if isinstance(given, str) or not isinstance(given, Iterable):
        faults.add(("monthly",), f'a list of names is needed, such as ["customers", "left"], not {given!r}')
        return []
    known: dict[str, None] = {}
    for scenario in scenarios:
        smallest = scenario.replace(population__size=1)
        _, cells, _ = _simulate_cells(0, smallest, {"none": []}, "none", [(0, ["none"])], 1, 1)
        known |= dict.fromkeys(cells[0].columns)
    names = list(dict.fromkeys(map(str, given)))
    for name in names if known else ():
        if name not in known:
            faults.add(("monthly",), _unknown(name, list(known), "monthly series"))
    return names


def read_scenarios(given: Any, population: Any, folder: Path | None, faults: Faults) -> list[Scenario]:
    """The scenarios, without the points of the design."""
    one = isinstance(given, str | Path | Scenario | Mapping) or not isinstance(given, Iterable)
    entries = ([] if given is None else [given]) if one else list(given)
    if not entries:
        faults.add(("scenarios",), 'name some, such as scenarios = ["subscription", "mine.toml"]')
    if not isinstance(population, Mapping):
        faults.add(("population",), f"a table is needed, such as size = 2000, not {population!r}")
        population = {}
    found: list[Scenario] = []
    for i, entry in enumerate(entries):
        changes = dict(entry) if isinstance(entry, Mapping) else {"base": entry}
        base, name = changes.pop("base", None), changes.pop("name", None)
        steps: tuple[str | int, ...] = ("scenarios", i)
        if base is None:
            faults.add(steps, 'has no base, such as base = "subscription"')
            continue
        try:
            scenario = Scenario.from_name(_beside(base, folder))
        except ScenarioError as error:
            for where, what in error.errors:
                place = "" if where == str(base) else f"{base}: {where}: "
                faults.add((*steps, "base"), place + what)
            continue
        scenario = _changed(scenario, {f"population.{k}": x for k, x in population.items()}, (), faults)
        scenario = _changed(scenario, _nested(changes), steps, faults)
        found.append(scenario if name is None else scenario.replace(name=str(name)))
    names = [scenario.name for scenario in found]
    for name in dict.fromkeys(n for n in names if names.count(n) > 1):
        faults.add(("scenarios",), f'two scenarios are called {name!r}; give one another: name = "..."')
    return found


def _beside(name: Any, folder: Path | None) -> Any:
    """A file's path as seen from the folder of the study."""
    if folder is None or not isinstance(name, str) or not name.endswith(".toml") or Path(name).is_absolute():
        return name
    return folder / name


def _changed(
    scenario: Scenario, changes: Mapping[str, Any], steps: tuple[str | int, ...], faults: Faults
) -> Scenario:
    if not changes:
        return scenario
    try:
        return scenario.replace(**{key.replace(".", "__"): x for key, x in changes.items()})
    except ScenarioError as error:
        for where, what in error.errors:
            faults.add((*steps, *where.split(".")), what)
        return scenario


def _nested(table: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """{"market": {"openness": 1}} as {"market.openness": 1}."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            found |= _nested(value, f"{before}{key}.")
        else:
            found[f"{before}{key}"] = value
    return found


def read_policies(
    given: Any, scenarios: list[Scenario], faults: Faults
) -> tuple[dict[str, list[Any] | None], list[dict[str, list[Any]]]]:
    """The policies by name, as given (None: of the scenario's file), and as they are in each scenario."""
    if not isinstance(given, Mapping) or not given:
        faults.add(("policies",), 'give names and lists, such as none = [] and dunning = ["dunning"]')
        return {}, []
    policies: dict[str, list[Any] | None] = {}
    plans: list[dict[str, list[Any]]] = [{} for _ in scenarios]
    for name, content in given.items():
        if not isinstance(name, str) or not name:
            faults.add(("policies",), f"a name must be a word, not {name!r}")
            continue
        own = content is None or content == "scenario"
        policies[name] = None if own else []
        wrong: dict[str, list[str]] = {}
        for plan, scenario in zip(plans, scenarios, strict=True):
            try:
                plan[name] = policies_of(scenario, scenario.policies if own else content)
                policies[name] = None if own else plan[name]
            except PolicyError as error:
                wrong.setdefault(str(error), []).append(scenario.name)
        for what, where in wrong.items():
            faults.add(("policies", name), what + _in(where, scenarios))
    return policies, plans


def _in(names: list[str], scenarios: list[Scenario]) -> str:
    """Where a fault is, if it is not in every scenario."""
    return f" (in {', '.join(names)})" if len(names) < len(scenarios) else ""


def read_design(
    given: Any, scenarios: list[Scenario], faults: Faults
) -> tuple[pd.DataFrame, dict[str, Any] | None]:
    """The design's points, and what it is made of; a single point without parameters for no design."""
    nothing = pd.DataFrame(index=pd.RangeIndex(1, name="point"))
    if given is None or not scenarios:
        return nothing, None
    if isinstance(given, pd.DataFrame):
        parameters: Any = list(given.columns)
    elif isinstance(given, Mapping):
        for key in given:
            if key not in _DESIGN:
                faults.add(("design", key), _unknown(str(key), list(_DESIGN), "entry"))
        parameters = given.get("parameters", [])
        if isinstance(parameters, Mapping):
            parameters = {k: None if x == "declared" else x for k, x in _nested(parameters).items()}
    else:
        faults.add(("design",), f"a table with kind, n and parameters is needed, not {given!r}")
        return nothing, None
    spans: dict[str, Any] = {}
    wrong: dict[tuple[str, str], list[str]] = {}
    for scenario in scenarios:
        try:
            spans = ranges(scenario, parameters)
        except ScenarioError as error:
            for fault in error.errors:
                wrong.setdefault(fault, []).append(scenario.name)
    for (where, what), names in wrong.items():
        steps = ("parameters",) if where == "parameters" else ("parameters", *where.split("."))
        faults.add(("design", *steps), what + _in(names, scenarios))
    if isinstance(given, pd.DataFrame):
        if not given.index.is_unique or not pd.api.types.is_integer_dtype(given.index):
            faults.add(("design",), "the index of a design must be the numbers of its points, each once")
        if not len(given):
            faults.add(("design",), "the table has no rows, and each is a point")
        for name in given.columns[[not pd.api.types.is_numeric_dtype(t) for t in given.dtypes]]:
            faults.add(("design",), f"the column {name!r} holds something else than numbers")
        mark = hashlib.sha256(given.to_csv().encode()).hexdigest()[:16]
        return given, {"kind": "table", "points": len(given), "columns": parameters, "mark": mark}
    kind, seed = given.get("kind", "sobol"), read_whole(given.get("seed", 1), "design.seed", 0, faults)
    if kind not in KINDS:
        faults.add(("design", "kind"), _unknown(str(kind), list(KINDS), "kind of design"))
    elif len(spans) and not any("design" in place for place, _ in faults.found):
        try:
            if "n" not in given:
                raise ValueError("is not given: how many points, such as n = 64")
            points = design(scenarios[0], parameters, given["n"], kind, seed)
        except ValueError as error:
            faults.add(("design", "n"), str(error))
        else:
            shown = {name: [span.low, span.high] for name, span in spans.items()}
            return points, {"kind": kind, "n": given["n"], "seed": seed, "parameters": shown}
    return nothing, None


def scenario_at(base: Scenario, name: str, values: Mapping[str, Any]) -> Scenario:
    """A scenario at a point of the design."""
    if not values:
        return base
    return base.replace(**{key.replace(".", "__"): x for key, x in values.items()}, name=name)


# -- telling studies apart ---------------------------------------------------------------------------


def policy_in_words(policy: Any) -> str:
    """A policy in words that are the same in another process."""
    kind = type(policy)
    inner = getattr(policy, "campaign", None)
    if _is_library(kind.__module__) and (inner is None or _is_library(type(inner).__module__)):
        return repr(policy)
    return f"{kind.__module__}.{kind.__qualname__}" + (
        f"({policy_in_words(inner)})" if inner is not None else ""
    )


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Where two studies, as plain values, differ in what their cells are: (where, what)."""
    there, here = _flat(old), _flat(new)
    return [
        (key, _difference(there.get(key), here.get(key)))
        for key in dict.fromkeys([*there, *here])
        if there.get(key, ...) != here.get(key, ...) and key not in ("name", "title")
    ]


def _flat(content: Any, before: str = "") -> dict[str, Any]:
    """{"a": {"b": [1]}} as {"a.b.0": 1}."""
    if not isinstance(content, Mapping | list) or not content:
        return {before: content}
    found: dict[str, Any] = {}
    for key, value in content.items() if isinstance(content, Mapping) else enumerate(content):
        found |= _flat(value, f"{before}.{key}" if before else str(key))
    return found


def _difference(old: Any, new: Any) -> str:
    """Two values, long ones from where they begin to differ."""
    texts = ["nothing" if x is None else json.dumps(x, ensure_ascii=False) for x in (old, new)]
    pairs = zip(*texts, strict=False)
    same = next((k for k, (a, b) in enumerate(pairs) if a != b), min(map(len, texts)))
    start = same - 25 if max(map(len, texts)) > 60 and same > 30 else 0
    shown = [
        ("..." if start else "") + t[start : start + 50] + ("..." if len(t) > start + 50 else "")
        for t in texts
    ]
    return f"{shown[0]} there, {shown[1]} here"
