"""Fit the free numbers of the presets to published facts and write them into the TOML files.

    python tools/calibrate_presets.py                    all presets, and openings of a market
    python tools/calibrate_presets.py retail --dry-run   one, without writing
    python tools/calibrate_presets.py --report docs/facts.md        then write the facts as measured
    python tools/calibrate_presets.py --report-only docs/facts.md   fit nothing, only measure

Each preset has free numbers, with the value the search starts from, and targets, with a tolerance.
Least squares brings the targets into their tolerances while a weak prior keeps numbers that the
targets do not determine near their start. All evaluations share one seed, so that two parameter sets
meet the same luck. Evaluations are kept in the user's cache: a search that was stopped goes on where
it stood, and a repeated one ends at once. Starts are part of this file, so a run does not build on the
numbers it wrote before; all other numbers are taken from the TOML files.

The number of new customers is set last, so that the number of customers after five years is that of
the start.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import json
import math
import re
import sys
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import least_squares
from tqdm.auto import tqdm

from crmsim.research import opening
from crmsim.research import quantities as q
from crmsim.research import worlds as worlds_module
from crmsim.research.facts import facts
from crmsim.research.worlds import Worlds
from crmsim.simulation.compile import cache_folder, generate
from crmsim.simulation.scenario import PRESETS, Scenario

SEED = 2026  # not the seed of the facts' report
MONTHS = 84
PRIOR = 0.1  # residual of a number one scale away from its start
STEP = 0.3  # of a scale, for differences: wide, as departures are whole customers


@dataclass(frozen=True)
class Free:
    """A number to fit. name: as for `Scenario.replace`, or `quality` (mean over touchpoints by
    weight), `severity` (the same) or `failure` (failures expected a month), which move all
    touchpoints together. scale: what counts as a small change; a factor's logarithm when `log`."""

    name: str
    start: float
    scale: float
    low: float
    high: float
    log: bool = False

    def value(self, u: float) -> float:
        raw = self.start * math.exp(u * self.scale) if self.log else self.start + u * self.scale
        return min(max(raw, self.low), self.high)

    def place(self, value: float) -> float:
        return math.log(value / self.start) / self.scale if self.log else (value - self.start) / self.scale


@dataclass(frozen=True)
class Target:
    name: str
    aim: float
    tolerance: float
    measure: Callable[[Worlds, str], float]


def factor(name: str, start: float, low: float, high: float) -> Free:
    return Free(name, start, 0.4, low, high, log=True)


def survival_year(year: int) -> Callable[[Worlds, str], float]:
    return lambda worlds, preset: float(q.main(worlds, preset).yearly_survival()[year])


def survival(cohort: Any) -> list[Target]:
    """Years 1 to 7; the last counts more, as later years are forecast from there."""
    return [
        Target(f"survival {t}", float(cohort[t]), 0.005 if t == 7 else 0.01, survival_year(t))
        for t in range(1, 8)
    ]


def area(name: str) -> Callable[[Worlds, str], float]:
    def measure(worlds: Worlds, preset: str) -> float:
        areas = q.water_areas(worlds)
        return areas[name] - float(np.mean(list(areas.values())))

    return measure


def problem(minor: float = 0.20, major: float = 0.50) -> list[Target]:
    return [
        Target("minor problems voiced", minor, 0.03, q.voice(False)),
        Target("major problems voiced", major, 0.05, q.voice(True)),
    ]


def leaving(like: str, *years: tuple[int, float, float], fifths: tuple[float, ...]) -> list[Target]:
    """Share switched after so many years (aim, tolerance), and in seven years by fifths of satisfaction.

    The aims are what an earlier model of these markets gave that was fitted to the published figures.
    """
    return [
        *(Target(f"switched, year {y}", aim, tolerance, q.switched(like, y)) for y, aim, tolerance in years),
        *(
            Target(f"switched, fifth {k}", aim, 0.02, q.switched_fifth(like, k))
            for k, aim in enumerate(fifths, start=1)
        ),
    ]


MEAN_AREA = float(np.mean(list(q.WATER_AREAS.values())))
PRAISE = Target("praise over warning", 3.0, 0.2, q.praise_ratio)
VOICE = Free("complaint__intercept", -2.9, 0.5, -8, 2)

PLANS: dict[str, tuple[list[Free], list[Target]]] = {
    "subscription": (
        [
            factor("churn__competitive", 0.0068, 1e-4, 1),
            factor("churn__frailty_shape", 0.5, 0.1, 50),
            factor("churn__natural", 0.0026, 1e-4, 0.02),
            factor("churn__mobility_shape", 0.18, 0.05, 5),
            factor("churn__value_effect", 0.6, 0.1, 3),
            factor("payment__cutoff", 0.15, 0.01, 0.9),
            factor("payment__payer_shape", 0.25, 0.05, 5),
            Free("quality", 79, 2, 60, 95),
            factor("population__fit_sd", 11.5, 3, 25),
            factor("satisfaction__anchor_sd", 10, 2, 25),
            factor("population__fairness_sd", 18, 5, 35),
            VOICE,
            factor("word_of_mouth__negative", 0.42, 0.01, 5),
            factor("purchase__usage_sd", 0.9, 0.2, 2),
        ],
        [
            *survival(q.HIGH_END),
            Target("reported satisfaction", 72.5, 0.7, q.reported_mean),
            Target("spread of satisfaction", 14.7, 0.5, q.reported_sd),
            Target("r(S,E)", 0.51, 0.04, q.measured_correlation("satisfaction", "expectation")),
            Target("r(Q,S)", 0.76, 0.04, q.measured_correlation("quality", "satisfaction")),
            Target("r(V,S)", 0.60, 0.04, q.measured_correlation("value", "satisfaction")),
            Target("r(S,L)", 0.66, 0.04, q.measured_correlation("satisfaction", "loyalty")),
            Target("r(Q,E)", 0.57, 0.04, q.measured_correlation("quality", "expectation")),
            Target("r(V,L)", 0.53, 0.04, q.measured_correlation("value", "loyalty")),
            Target("natural share", 0.22, 0.02, q.cause_share("natural")),
            Target("involuntary share", 0.20, 0.02, q.involuntary_share),
            Target("hazard ratio", 2.0, 0.3, q.hazard_ratio(*q.VOLUNTARY)),
            *problem(),
            PRAISE,
            Target("top fifth", 0.59, 0.01, q.top_share),
        ],
    ),
    "retail": (
        [
            factor("churn__competitive", 0.051, 1e-3, 1),
            factor("churn__frailty_shape", 1.9, 0.1, 50),
            factor("churn__natural", 0.0024, 1e-4, 0.02),
            factor("churn__mobility_shape", 0.3, 0.05, 5),
            factor("churn__value_effect", 0.9, 0.1, 3),
            factor("churn__delight_effect", 0.6, 0.05, 3),
            Free("quality", 79, 2, 60, 95),
            factor("population__fit_sd", 11.5, 3, 25),
            VOICE,
            factor("word_of_mouth__negative", 1.1, 0.01, 5),
        ],
        [
            *survival(q.REGULAR),
            Target("reported satisfaction", 79.0, 0.7, q.reported_mean),
            Target("spread of satisfaction", 13.2, 0.5, q.reported_sd),
            Target("natural share", 0.09, 0.02, q.cause_share("natural")),
            Target("hazard ratio", 2.8, 0.4, q.hazard_ratio(*q.VOLUNTARY)),
            *problem(),
            PRAISE,
        ],
    ),
    "water_utility": (
        [
            *(
                Free(f"touchpoints__{name}__quality", start, 3, 40, 98)
                for name, start in (
                    ("water_quality", 79), ("supply", 91), ("billing", 94), ("service", 83),
                    ("communication", 75), ("price", 81), ("image", 78),
                )
            ),
            factor("failure", 0.070, 0.01, 0.3),
            factor("severity", 65, 20, 80),
            factor("population__fit_sd", 11.5, 3, 25),
            Free("complaint__intercept", -5.0, 0.5, -8, 2),
            factor("word_of_mouth__negative", 0.27, 0.01, 5),
            factor("churn__competitive", 0.005, 1e-4, 1),
        ],
        [
            *(
                Target(f"area {name}", (level - MEAN_AREA) / 7.5, 0.5, area(name))
                for name, level in q.WATER_AREAS.items()
            ),
            Target("reported satisfaction", 72.6, 0.7, q.reported_mean),
            Target("spread of satisfaction", 15.2, 0.5, q.reported_sd),
            Target("problem in six months", 0.34, 0.01, q.problem_share),
            Target("cost of a problem", -11.0, 0.7, q.problem_cost),
            Target("formal complaints", 37, 5, q.formal_complaints),
            PRAISE,
            Target("switching when opened", 0.07, 0.01, q.opened_switching),
        ],
    ),
    # Nothing published was found for repair shops: level, spread and survival are assumed.
    "car_repair": (
        [
            factor("churn__competitive", 0.014, 1e-3, 1),
            factor("churn__frailty_shape", 1.2, 0.1, 50),
            factor("churn__value_effect", 0.7, 0.1, 3),
            Free("quality", 78, 2, 60, 95),
            factor("population__fit_sd", 11.5, 3, 25),
            VOICE,
            factor("word_of_mouth__negative", 0.60, 0.01, 5),
        ],
        [
            Target("survival 1", 0.80, 0.01, survival_year(1)),
            Target("survival 3", 0.60, 0.01, survival_year(3)),
            Target("survival 5", 0.48, 0.01, survival_year(5)),
            Target("reported satisfaction", 77.0, 0.7, q.reported_mean),
            Target("spread of satisfaction", 14.7, 0.5, q.reported_sd),
            Target("hazard ratio", 2.2, 0.3, q.hazard_ratio(*q.VOLUNTARY)),
            *problem(),
            PRAISE,
        ],
    ),
    # The market of the water utility, opened; the presets above do not depend on these.
    "england": (
        [
            factor("churn__competitive", 0.015, 1e-3, 1),
            factor("churn__frailty_shape", 0.3, 0.1, 50),
            factor("churn__value_effect", 0.6, 0.1, 3),
        ],
        leaving(
            "england", (1, 0.032, 0.001), (3, 0.097, 0.003), (6, 0.185, 0.005),
            fifths=(0.32, 0.25, 0.21, 0.18, 0.11),
        ),
    ),
    "energy": (
        [
            factor("churn__competitive", 0.03, 1e-3, 1),
            factor("churn__frailty_shape", 3.0, 0.1, 50),
            factor("churn__value_effect", 0.5, 0.1, 3),
        ],
        leaving(
            "energy", (1, 0.109, 0.005), (5, 0.41, 0.01), (7, 0.52, 0.01),
            fifths=(0.64, 0.58, 0.52, 0.48, 0.37),
        ),
    ),
}  # fmt: skip
OPENINGS = opening.openings()
REPLICATIONS = 4  # of an opening, as few leave in the first year


# Failures a meeting and severities in proportion to which they are moved together, where they are.
PATTERN = {
    "water_utility": {
        "water_quality": (0.016, 60), "supply": (0.014, 60), "billing": (0.020, 60), "payment": (0.006, 40),
        "service": (0.080, 50), "communication": (0.010, 40), "price": (0.002, 40), "image": (0.004, 40),
    }
}  # fmt: skip
# New customers while the rest is fitted; near what `steady` finds in the end.
EXTERNAL = {"subscription": 0.036, "retail": 0.043, "water_utility": 0.19, "car_repair": 0.015}


# -- scenarios -------------------------------------------------------------------------------------


def changes(scenario: Scenario, values: Mapping[str, float]) -> dict[str, float]:
    """The numbers to replace, in the form of `Scenario.replace`, rounded as they will be written."""
    found: dict[str, float] = {}
    points = scenario.touchpoints
    weight = np.array([t.weight for t in points])
    for name, value in values.items():
        if name == "quality":
            shift = value - float(weight @ np.array([t.quality for t in points]))
            found |= {f"touchpoints__{t.name}__quality": min(t.quality + shift, 100.0) for t in points}
        elif name in ("severity", "failure"):
            pattern = PATTERN[scenario.name]
            if name == "severity":
                total = sum(t.weight * pattern[t.name][1] for t in points)
                new = {t.name: min(value / total * pattern[t.name][1], 150.0) for t in points}
            else:
                total = sum(t.exposure * pattern[t.name][0] for t in points)
                new = {t.name: min(value / total * pattern[t.name][0], 1.0) for t in points}
            found |= {f"touchpoints__{point}__{name}": number for point, number in new.items()}
        else:
            found[name] = value
    return {name: rounded(value) for name, value in found.items()}


def rounded(value: float) -> float:
    """Three significant digits, four from 10 on."""
    return float(f"{value:.4g}" if abs(value) >= 10 else f"{value:.3g}")


def set_number(text: str, name: str, value: float) -> str:
    """TOML text with one number replaced, its comment kept. name: as for `Scenario.replace`.

    A key that is not there yet is put at the end of its section, a section at the end of the text.
    """
    parts = name.split("__")
    lines = text.splitlines()
    if parts[0] == "touchpoints":
        row = lines.index(f'name = "{parts[1]}"')
        start = max(k for k in range(row) if lines[k].strip() == "[[touchpoints]]") + 1
    elif f"[{parts[0]}]" in lines:
        start = lines.index(f"[{parts[0]}]") + 1
    else:
        first = next((k for k, line in enumerate(lines) if line.startswith("[[")), len(lines))
        while first > 0 and lines[first - 1].startswith("#"):
            first -= 1
        return (
            "\n".join([*lines[:first], f"[{parts[0]}]", f"{parts[-1]} = {value:g}", "", *lines[first:]])
            + "\n"
        )
    end = next((k for k in range(start, len(lines)) if lines[k].startswith("[")), len(lines))
    for k in range(start, end):
        if match := re.match(rf"({parts[-1]} = )([^\s#]+)(\s*)(#.*)?$", lines[k]):
            new = f"{match[1]}{value:.6g}"
            pad = max(len(match[1] + match[2] + match[3]) - len(new), 2)
            lines[k] = new + (" " * pad + match[4] if match[4] else "")
            return "\n".join(lines) + "\n"
    while not lines[end - 1].strip() or lines[end - 1].startswith("#"):
        end -= 1
    return "\n".join([*lines[:end], f"{parts[-1]} = {value:.6g}", *lines[end:]]) + "\n"


# -- evaluation ------------------------------------------------------------------------------------


class Memory:
    """Figures by scenario, kept in a file of the user's cache."""

    def __init__(self, preset: str, customers: int) -> None:
        sources = "".join(inspect.getsource(module) for module in (q, worlds_module, opening))
        code = f"{generate()}{sources}{customers} {SEED} {REPLICATIONS}"
        folder = cache_folder() / "calibration"
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{preset}-{hashlib.sha256(code.encode()).hexdigest()[:16]}.jsonl"
        self.known: dict[str, dict[str, float]] = {}
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                except json.JSONDecodeError:
                    continue  # the last line of a run that was killed
                self.known[entry["scenario"]] = entry["figures"]

    def figures(
        self, scenario: Scenario, preset: str, targets: list[Target], customers: int
    ) -> dict[str, float]:
        """The figures of all targets; only what is not yet known is simulated."""
        known = self.known.setdefault(scenario.hash, {})
        missing = [t for t in targets if t.name not in known]
        if missing:
            parts = []
            for k in range(REPLICATIONS if preset in OPENINGS else 1):
                worlds = Worlds(SEED, k, customers=customers, scenarios={scenario.name: scenario})
                parts.append([t.measure(worlds, preset) for t in missing])
            known |= zip((t.name for t in missing), np.mean(parts, axis=0).tolist(), strict=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"scenario": scenario.hash, "figures": known}) + "\n")
        return known


def calibrate(preset: str, customers: int, rounds: int) -> tuple[dict[str, float], pd.DataFrame]:
    """Fitted numbers by name, and a table of targets and figures at the start and the end."""
    free, targets = PLANS[preset]
    if preset in OPENINGS:
        base = opening.opened("water_utility", preset)
    else:
        changed = {"population__months": MONTHS, "acquisition__external": EXTERNAL[preset]}
        base = Scenario.preset(preset).replace(**changed)
    memory = Memory(preset, customers)
    bar = tqdm(desc=preset, unit="world", file=sys.stderr)

    def figures(u: Any) -> dict[str, float]:
        values = {f.name: f.value(x) for f, x in zip(free, u, strict=True)}
        return memory.figures(base.replace(**changes(base, values)), preset, targets, customers)

    def residuals(u: Any) -> Any:
        found = figures(u)
        gaps = [(found[t.name] - t.aim) / t.tolerance for t in targets]
        # What cannot be measured counts as far off, without stopping the search.
        result = np.concatenate([np.nan_to_num(gaps, nan=20.0), PRIOR * np.asarray(u)])
        bar.update()
        bar.set_postfix_str(f"sum of squares {float(result @ result):.2f}")
        return result

    last: dict[str, Any] = {"calls": 0}

    def jacobian(u: Any) -> Any:
        """By differences at every other call, between by Broyden's update of the last."""
        here = residuals(u)
        if last["calls"] % 2:
            moved = u - last["u"]
            gain = here - last["residuals"] - last["jacobian"] @ moved
            found = last["jacobian"] + np.outer(gain, moved) / max(float(moved @ moved), 1e-12)
        else:
            columns = []
            for k in range(len(free)):
                step = STEP if u[k] + STEP <= upper[k] else -STEP
                there = np.array(u, dtype=float)
                there[k] += step
                columns.append((residuals(there) - here) / step)
            found = np.column_stack(columns)
        last.update(calls=last["calls"] + 1, u=np.array(u), residuals=here, jacobian=found)
        return found

    lower = np.array([f.place(f.low) for f in free])
    upper = np.array([f.place(f.high) for f in free])
    start = np.zeros(len(free))
    found = least_squares(
        residuals, start, jac=jacobian, bounds=(lower, upper), max_nfev=rounds, xtol=1e-3, ftol=1e-3
    )
    bar.close()
    before, after = figures(start), figures(found.x)
    table = pd.DataFrame(
        {
            "target": [t.aim for t in targets],
            "tolerance": [t.tolerance for t in targets],
            "start": [before[t.name] for t in targets],
            "fitted": [after[t.name] for t in targets],
        },
        index=[t.name for t in targets],
    )
    values = {f.name: f.value(x) for f, x in zip(free, found.x, strict=True)}
    return changes(base, values), table


def steady(scenario: Scenario, preset: str, customers: int) -> float:
    """`acquisition.external` with which as many customers are there after five years as at first."""

    def growth(external: float) -> float:
        changed = scenario.replace(acquisition__external=external, population__months=60)
        world = Worlds(SEED, customers=customers, scenarios={preset: changed}).world(
            preset, watch={"monthly": ("active",)}
        )
        return float(world.run.monthly["customers"].iloc[-1] / customers - 1)

    low, high = 0.0, 4 * EXTERNAL[preset]
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if growth(middle) < 0 else (low, middle)
    return rounded((low + high) / 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("presets", nargs="*", metavar="PRESET", help=f"default: all of {', '.join(PLANS)}")
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=10, help="most steps of the search")
    parser.add_argument("--dry-run", action="store_true", help="write nothing")
    report = parser.add_mutually_exclusive_group()
    report.add_argument("--report", type=Path, help="write the facts as measured to this file afterwards")
    report.add_argument("--report-only", type=Path, help="the same without fitting")
    arguments = parser.parse_args()
    if strangers := [p for p in arguments.presets if p not in PLANS]:
        parser.error(f"unknown preset {strangers[0]!r}; known: {', '.join(PLANS)}")
    for preset in () if arguments.report_only else arguments.presets or PLANS:
        began = time.perf_counter()
        numbers, table = calibrate(preset, arguments.customers, arguments.rounds)
        if preset not in OPENINGS:
            fitted = Scenario.preset(preset).replace(**numbers)
            numbers["acquisition__external"] = steady(fitted, preset, arguments.customers)
        print(f"\n{preset}, {time.perf_counter() - began:.0f} s")
        print(table.to_string(float_format="{:.4g}".format))
        print("\n".join(f"  {name} = {value:g}" for name, value in numbers.items()))
        if not arguments.dry_run:
            path = (opening.OPENINGS if preset in OPENINGS else PRESETS) / f"{preset}.toml"
            text = path.read_text(encoding="utf-8")
            for name, value in numbers.items():
                text = set_number(text, name, value)
            if preset in OPENINGS:
                opening.opened("water_utility", opening.Opening.read(preset, text))
            else:
                Scenario.from_dict(tomllib.loads(text), origin=str(path))
            part = path.with_name(path.name + ".part")
            part.write_text(text, encoding="utf-8")
            part.replace(path)
    if path := arguments.report or arguments.report_only:
        path.parent.mkdir(parents=True, exist_ok=True)
        print(f"wrote {facts().to_markdown(path)}")


if __name__ == "__main__":
    main()
