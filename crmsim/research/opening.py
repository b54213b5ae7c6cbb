"""A monopoly's market opens: who switches, how soon, and which answers foretold it.

Two markets that were opened are known well enough to lay a simulated one beside them. `PUBLISHED` has
their figures, `opened` makes a scenario whose market opens as one of them did, `open_market` simulates it
over several seeds.

The share switched is one minus the curve of Kaplan and Meier (1958) that counts leaving for a rival and
takes those who moved away as not seen any longer: what it would be if nobody moved, as supply points do not.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from ..analysis.targeting import auc
from ..simulation.records import TO_RIVALS
from ..simulation.scenario import PRESETS, RivalEvent, Scenario, ScenarioError
from ..simulation.survey import Survey, run_surveys
from .worlds import World

Floats = npt.NDArray[np.float64]

OPENINGS = PRESETS / "openings"
FIFTHS = 5
# item -> what it asks, in the order of a figure
ITEMS = {
    "keep_using": "I will keep using it",
    "satisfaction_1": "overall satisfaction",
    "stay_if_cheaper": "would stay if a rival were 5 % cheaper",
}
SURVEY = "before_opening"


class Point(NamedTuple):
    """A published figure: years since the opening, share switched, what was counted."""

    year: float
    share: float
    counted: str


class Published(NamedTuple):
    """What is known of a market that was opened."""

    points: tuple[Point, ...]
    source: str

    @property
    def table(self) -> pd.DataFrame:
        """year, share (0 to 1), counted."""
        return pd.DataFrame(self.points, columns=list(Point._fields))


PUBLISHED = {
    "england": Published(
        (
            Point(0.25, 0.014, "supply points"),
            Point(0.75, 0.035, "supply points"),
            Point(1.0, 0.029, "customers"),
            Point(1.75, 0.079, "supply points"),
            Point(6.25, 0.193, "supply points"),
        ),
        "water for businesses, England, from April 2017: Ofwat, review of the first year, 2018; MOSL, "
        "switching activity to January 2019 and July 2023",
    ),
    "energy": Published(
        (Point(7.0, 0.5, "customers"),),
        'gas and electricity, British homes, opened 1996 to 1999: "about half" by 2004, Ofgem',
    ),
}


# -- scenarios ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Opening:
    """How a market opens.

    openness: reached at once. discount: by which a rival undercuts the incumbent, share of the price.
    changes: numbers of the scenario, in the form of `Scenario.replace`.
    """

    name: str
    title: str
    openness: float
    discount: float
    changes: Mapping[str, float]

    @classmethod
    def named(cls, name: str) -> Opening:
        """One that comes with the package. Raises ValueError for another name."""
        known = openings()
        if name not in known:
            raise ValueError(f"unknown opening {name!r}; known: {', '.join(known)}")
        return cls.read(name, (OPENINGS / f"{name}.toml").read_text(encoding="utf-8"))

    @classmethod
    def read(cls, name: str, text: str) -> Opening:
        """From TOML text: title, openness, discount, and sections as in a scenario."""
        content = tomllib.loads(text)
        sections = {key: value for key, value in content.items() if isinstance(value, dict)}
        changes = {f"{s}__{field}": x for s, fields in sections.items() for field, x in fields.items()}
        return cls(name, content["title"], content["openness"], content["discount"], changes)

    def events(self, scenario: Scenario, month: int) -> list[RivalEvent]:
        """The market opens, and a rival undercuts the price. The discount is worth to a customer what such a
        price cut of the firm's own would be: `value.price_effect` points for all of it."""
        size = scenario.value.price_effect * self.discount
        return [
            RivalEvent(month=month, kind="opening", opening=self.openness, ramp=0),
            RivalEvent(month=month, kind="price_cut", size=size, ramp=0),
        ]


def openings() -> list[str]:
    """Names of the openings that come with the package."""
    return sorted(path.stem for path in OPENINGS.glob("*.toml"))


def opened(
    scenario: Scenario | str = "water_utility",
    like: str | Opening = "england",
    *,
    month: int = 24,
    years: int = 7,
) -> Scenario:
    """The scenario, whose market opens in `month` as that of `like` did, and `years` thereafter.

    Before that month it is the same world, number for number. Raises ScenarioError when its market is
    open already, ValueError for an unknown opening.
    """
    base = Scenario.from_name(scenario)
    if base.market.openness > 0 or any(e.kind in ("opening", "entry") for e in base.rivals):
        raise ScenarioError(
            [("market.openness", "the market is open already, or is opened by a rival's act")]
        )
    way = like if isinstance(like, Opening) else Opening.named(like)
    return base.replace(
        name=f"{base.name}_opened_{way.name}",
        title=f"{base.title}; its market opens {way.title}" if base.title else f"Opened {way.title}",
        population__months=month + 12 * years,
        rivals=[*base.rivals, *way.events(base, month)],
        **way.changes,
    )


def opening_month(scenario: Scenario) -> int:
    """The month in which the market opens. Raises ScenarioError when it does not."""
    months = [e.month for e in scenario.rivals if e.kind in ("opening", "entry") and e.opening > 0]
    if not months:
        raise ScenarioError([("rivals", 'the market does not open; an event of the kind "opening" does it')])
    return min(months)


# -- one world ---------------------------------------------------------------------------------------


class OpenedWorld:
    """A world whose market opened, looked at from the month of the opening on.

    world: a `World` that keeps `active` and `satisfaction` every month. Customers are those there at the
    start who had not moved away when it opened.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.month = opening_month(world.scenario)
        self.here = world.active[self.month]

    @cached_property
    def switched(self) -> Floats:
        """Share switched by the months since the opening: 0, 1, 2 ... to the end of the run."""
        return self._share(self.here)

    def at(self, years: float) -> float:
        """Share switched so many years after the opening; NaN when the run ended before."""
        month = round(12 * years)
        return float(self.switched[month]) if month < self.switched.size else math.nan

    def by_satisfaction(self, years: float, groups: int = FIFTHS) -> Floats:
        """Share switched by equal groups of true satisfaction at the opening, from low to high."""
        felt = self.world.satisfaction[self.month]
        edges = np.quantile(felt[self.here], np.arange(1, groups) / groups)
        group = np.searchsorted(edges, felt, side="right")
        return np.array([self._share(self.here & (group == k))[round(12 * years)] for k in range(groups)])

    def by_liking(self, years: float, low: float = 50.0, high: float = 70.0) -> tuple[float, float]:
        """Share switched of those with affective loyalty below `low`, and from `high`, at the opening.

        Needs a world that keeps `affective` every month.
        """
        liking = self.world.column("affective")[self.month]
        month = round(12 * years)
        cold, warm = (self._share(self.here & which)[month] for which in (liking < low, liking >= high))
        return float(cold), float(warm)

    @cached_property
    def answers(self) -> pd.DataFrame:
        """The survey of the last month before the opening: a row a respondent, a column an item. Who failed
        the attention check is left out."""
        size = self.world.scenario.population.size
        survey = Survey(name=SURVEY, months=(self.month - 1,), size=size)
        told = run_surveys(self.world.run, survey).wide(0)
        return told[told["attention"] == 1]

    def items(self, years: float) -> pd.DataFrame:
        """What each of `ITEMS` foretold of staying so many years, indexed by item.

        auc: chance that who stays answered higher than who switched; r: correlation of the answer with
        staying; n: answers of those of whom it is known, as they did not move away. stay_high, stay_low:
        share who stayed of those who answered 8 and more, 4 and less; stay_top, stay_rest: of those who
        answered 9 and more, and all others; these as `switched`, as if nobody moved.
        """
        stayed, known = self._stayed(years)
        rows = {}
        for item in ITEMS:
            # Who joined later, or left in the month of the survey, is not among those here.
            answer = self.answers[item].reindex(np.arange(known.size)).to_numpy()
            told = known & np.isfinite(answer)
            rows[item] = {
                "auc": auc(stayed[told], answer[told]) if told.any() else math.nan,
                "r": float(pd.Series(stayed[told]).corr(pd.Series(answer[told]))),
                "stay_high": self._staying(answer >= 8, years),
                "stay_low": self._staying(answer <= 4, years),
                "stay_top": self._staying(answer >= 9, years),
                "stay_rest": self._staying(answer < 9, years),
                "n": int(told.sum()),
            }
        return pd.DataFrame(rows).T

    def captive(self) -> dict[str, float]:
        """What the items say before the opening: `keep_using_top` is the share who answer "will keep using"
        with 9 or 10, `keep_using_r` and `stay_if_cheaper_r` the correlations with satisfaction."""
        said = self.answers
        return {
            "keep_using_top": float((said["keep_using"].dropna() >= 9).mean()),
            **{
                f"{i}_r": float(said["satisfaction_1"].corr(said[i]))
                for i in ("keep_using", "stay_if_cheaper")
            },
        }

    def _stayed(self, years: float) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Who stayed (1.0) or switched (0.0), and of whom this is known."""
        end = self.month + round(12 * years)
        switched = np.asarray(self._to_rivals[self.month : end].any(axis=0), dtype=bool)
        return (~switched).astype(float), self.here & (switched | self.world.active[end])

    def _staying(self, chosen: npt.NDArray[np.bool_], years: float) -> float:
        chosen = chosen & self.here
        return 1.0 - float(self._share(chosen)[round(12 * years)]) if chosen.any() else math.nan

    @cached_property
    def _to_rivals(self) -> npt.NDArray[np.bool_]:
        return self.world.left(*TO_RIVALS)

    def _share(self, chosen: npt.NDArray[np.bool_]) -> Floats:
        there = self.world.active[self.month : -1, chosen].sum(axis=1)
        left = self._to_rivals[self.month :, chosen].sum(axis=1)
        return share_switched(there, left)


def share_switched(there: npt.ArrayLike, left: npt.ArrayLike) -> Floats:
    """One minus the curve of Kaplan and Meier, 0 at first: `there` customers at the beginning of each month,
    of whom `left` for a rival in it."""
    there, left = np.asarray(there, dtype=float), np.asarray(left, dtype=float)
    return 1.0 - np.concatenate([[1.0], np.cumprod(1.0 - left / np.maximum(there, 1.0))])


# -- over several seeds ------------------------------------------------------------------------------


@dataclass(frozen=True)
class MarketOpening:
    """What came of a market's opening; shares are from 0 to 1, `low` to `high` is the 95 % interval of a mean
    over `seeds` worlds (Student's t).

    - `curve`: year (quarters since the opening), mean, low, high
    - `fifths`: fifth (1: least satisfied at the opening), mean, low, high: switched in all the years
    - `items`: item, auc, low, high, r, r_low, r_high, stay_high, stay_low, stay_top, stay_rest, n (answers a
      world), as in `OpenedWorld.items`
    - `captive`: name, mean, low, high, as in `OpenedWorld.captive`
    - `published`: year, share, counted; None when the opening is like none that is known
    """

    scenario: Scenario
    like: str
    years: int
    seeds: int
    curve: pd.DataFrame
    fifths: pd.DataFrame
    items: pd.DataFrame
    captive: pd.DataFrame
    published: pd.DataFrame | None


def open_market(
    scenario: Scenario | str = "water_utility",
    like: str | Opening = "england",
    *,
    month: int = 24,
    years: int = 7,
    seeds: int = 20,
    seed: int = 1,
    customers: int | None = None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> MarketOpening:
    """Open the market of a scenario in `seeds` worlds (replications of `seed`), and see who switches.

    scenario: one with a closed market, opened as `like`; or one whose market opens by itself, when its own
    event says so, with `like=""`. customers: in place of the scenario's own number.

    Raises ValueError for fewer than one world or an opening that is not known, ScenarioError as `opened`.
    """
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1, not {seeds}")
    world = opened(scenario, like, month=month, years=years) if like else Scenario.from_name(scenario)
    if customers is not None:
        world = world.replace(population__size=customers)
    years = min(years, (world.population.months - opening_month(world)) // 12)
    found: dict[str, list[Any]] = {"curve": [], "fifths": [], "items": [], "captive": []}
    for k in range(seeds):
        one = OpenedWorld(World(world, (), seed, k, monthly=("active", "satisfaction")))
        found["curve"].append(one.switched[: 12 * years + 1 : 3])
        found["fifths"].append(one.by_satisfaction(years))
        found["items"].append(one.items(years))
        found["captive"].append(one.captive())
        progress(k + 1, seeds)
    parts = [part.astype(float) for part in found["items"]]
    items = pd.concat(parts).groupby(level=0, sort=False).mean().rename_axis("item").reset_index()
    for name, low, high in (("auc", "low", "high"), ("r", "r_low", "r_high")):
        ends = _interval(np.array([part[name].to_numpy() for part in parts]))
        items[low], items[high] = ends["low"], ends["high"]
    captive = pd.DataFrame(found["captive"])
    name = like.name if isinstance(like, Opening) else like
    known = PUBLISHED.get(name)
    return MarketOpening(
        world, name, years, seeds,
        _interval(np.array(found["curve"]), year=np.arange(4 * years + 1) / 4),
        _interval(np.array(found["fifths"]), fifth=np.arange(1, FIFTHS + 1)),
        items,
        _interval(captive.to_numpy(), name=captive.columns),
        known.table if known else None,
    )  # fmt: skip


def _interval(values: Floats, **columns: Any) -> pd.DataFrame:
    """Mean over the rows and its 95 % interval, which is the mean itself for one row."""
    mean = values.mean(axis=0)
    n = len(values)
    half = (
        stats.t.ppf(0.975, n - 1) * values.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.zeros_like(mean)
    )
    return pd.DataFrame({**columns, "mean": mean, "low": mean - half, "high": mean + half})
