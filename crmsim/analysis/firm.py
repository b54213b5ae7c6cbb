"""A firm seen through its customer database, and what a report must assume: what the sections share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..data.importing import customers_file
from ..data.schema import BY_NAME
from ..data.transactions import DataError
from . import portfolio
from .pages import SPACE, Money

if TYPE_CHECKING:
    from ..data.database import Database
    from .drivers import Drivers
    from .forecast import ModelChoice
    from .sections_campaign import Trial

# not those of the locale, for the page is in English
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Settings:
    """What the tables do not say.

    margin: share of revenue that is kept. discount_rate: a month. horizon: months ahead that a customer's
    value counts. break_even: share of those mailed who must respond for a mailing to pay, cost of a contact
    over margin of a response. window: months in which a purchase counts as a response. growth: by how much
    customers are to bring more than the year before (0.05 for 5 %), the target of the transaction
    performance. offer_cost: of an offer to one customer, in mean bills or purchases. bootstrap: resamples
    for intervals. seed: of their luck.
    """

    margin: float = 0.4
    discount_rate: float = 0.01
    horizon: int = 36
    break_even: float = 0.05
    window: int = 3
    growth: float = 0.0
    offer_cost: float = 0.15
    bootstrap: int = 200
    seed: int = 1

    def __post_init__(self) -> None:
        for name, low, high in (("margin", 0, 1), ("discount_rate", 0, 1), ("break_even", 0, 1)):
            if not low <= getattr(self, name) <= high or (
                name != "discount_rate" and not getattr(self, name)
            ):
                raise ValueError(
                    f"{name.replace('_', ' ')} {getattr(self, name):g}: give a share above 0 and up to 1"
                )
        if not 0 <= self.offer_cost < 1000:
            raise ValueError(
                f"offer cost {self.offer_cost:g}: give it in mean bills or purchases, such as 0.15"
            )
        if not -1 < self.growth < 100:
            raise ValueError(f"growth {self.growth:g}: give a share such as 0.05 for 5 %")
        if self.horizon < 1 or self.window < 1:
            raise ValueError("horizon and window: give whole months, at least 1")


class Firm(Mapping[str, pd.DataFrame]):
    """The tables of a customer `database` by full name, each read once; those of the description only."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.tables = [name for name in database.tables if name in BY_NAME]
        self._read: dict[str, pd.DataFrame] = {}
        # what later sections take from earlier ones
        self.valued: pd.DataFrame | None = None
        self.drivers: Drivers | None = None
        self.forecast: ModelChoice | None = None
        self.past_offers: pd.DataFrame | None = None
        self.trial: Trial | None = None

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self.tables:
            raise KeyError(name)
        if name not in self._read:
            self._read[name] = self.database.table(name)
            if name == "about":
                # whoever reads the length of the record finds one, also where that entry is spoilt
                told = {**self.about, "months": str(self.months)}
                self._read[name] = pd.DataFrame({"name": list(told), "value": list(told.values())})
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)

    def table(self, name: str) -> pd.DataFrame:
        """A table, as `Database.table`; empty where there is none."""
        return self[name] if name in self.tables else pd.DataFrame()

    def has(self, *names: str) -> bool:
        """Whether all the tables with these `names` have rows."""
        return all(len(self.table(name)) for name in names)

    @cached_property
    def about(self) -> dict[str, str]:
        """What the table `about` says, by name; empty where it cannot be read."""
        said = self.database.table("about") if "about" in self.tables else pd.DataFrame()
        return dict(zip(said["name"], said["value"], strict=True)) if {"name", "value"} <= set(said) else {}

    @cached_property
    def names(self) -> dict[Any, str]:
        """The customers' own ids by their numbers, where an import has written them beside the database."""
        try:
            known = pd.read_csv(customers_file(self.database.path), dtype=str, encoding="utf-8-sig")
            return dict(zip(known["id"].astype(int), known["customer"], strict=True))
        except (OSError, ValueError, KeyError):
            return {}

    @cached_property
    def money(self) -> Money:
        """Writes amounts in the currency of the firm, which is left out where the tables do not tell it."""
        currency = self.about.get("currency", "")
        return Money("" if currency == "unknown" else currency)

    @cached_property
    def weights(self) -> dict[str, float]:
        """True weights of the touchpoints, by name, of a simulated firm; empty for any other."""
        known = self.table("truth.weights")
        if not {"touchpoint", "weight"} <= set(known):
            return {}
        return dict(zip(known["touchpoint"], known["weight"].astype(float), strict=True))

    @cached_property
    def contract(self) -> bool:
        """Whether customers are billed by contract."""
        return self.has("bills")

    @cached_property
    def log(self) -> pd.DataFrame:
        """What was bought: purchases, or paid bills. `DataError` when there are none."""
        if not self.has("purchases") and not self.has("payments"):
            raise DataError("the database has neither purchases nor paid bills")
        return portfolio.purchases_of(self)  # type: ignore[arg-type]

    @cached_property
    def bought(self) -> pd.DataFrame:
        """As `log`, without what came back."""
        return self.log[self.log["amount"] >= 0]

    @cached_property
    def months(self) -> int:
        """Months of the record."""
        said = self.about.get("months", "")
        if said.isdigit() and int(said) > 0:
            return int(said)
        ends = [
            int(pd.to_numeric(self[name]["month"]).max())
            for name in self.tables
            if name not in ("about", "truth.departures") and len(self[name]) and "month" in self[name]
        ]
        return max(ends) + 1 if ends else 0

    def month(self, m: int) -> str:
        """Month `m`, counted from 0, as in a calendar, such as Mar 2024; by its number if none is known."""
        first = self.about.get("first_month", "")
        with contextlib.suppress(ValueError):
            if first:
                period = pd.Period(first, "M") + int(m)
                return f"{MONTHS[period.month - 1]}{SPACE}{period.year}"
        return f"month {m}"

    def month_of(self, day: pd.Timestamp) -> str:
        """The month of the date `day` as in a calendar, such as Mar 2024."""
        return f"{MONTHS[day.month - 1]}{SPACE}{day.year}"

    @property
    def worth(self) -> pd.DataFrame:
        """What `value.customer_values` gave at the end of the record. `DataError` where it failed."""
        if self.valued is None:
            raise DataError("it needs the value of the customers, which was not found")
        return self.valued

    @cached_property
    def waves(self) -> pd.DataFrame:
        """Survey waves that asked customers in general about satisfaction; those asked on leaving are not."""
        waves = self.table("survey_waves")
        return waves[waves["frame"] != "leavers"] if len(waves) else waves

    @cached_property
    def silence(self) -> int:
        """Months without a purchase after which a customer counts as lost.

        95 of 100 repeat purchases come sooner; at least 3, at most a third of the record.
        """
        log = self.bought[["customer", "month"]].drop_duplicates().sort_values(["customer", "month"])
        gaps = log.groupby("customer")["month"].diff().dropna()
        usual = int(np.ceil(gaps.quantile(0.95))) if len(gaps) else 3
        return int(min(max(3, usual), max(3, self.months // 3)))


def row_with(frame: pd.DataFrame, column: str, *, least: bool = False, size: bool = False) -> pd.Series:
    """The row of a `frame` with the most in a column, or the least, or (size) the most without its sign."""
    numbers = frame[column].to_numpy(dtype=float)
    numbers = np.abs(numbers) if size else numbers
    place = int(np.nanargmin(numbers) if least else np.nanargmax(numbers))
    return frame.iloc[place, :]


def plain(name: Any) -> str:
    """A `name` of the vocabulary as a word that can begin a sentence."""
    text = str(name).replace("_", " ")
    return text[:1].upper() + text[1:]
