"""Interruptions of supply (停水) and published rates, reckoned again from their own figures.

- `interruptions`: minutes without supply for each account and for each customer affected, from a log of
  stops; and the rows of the log that contradict themselves
- `rates`: events per so many units, each with its interval; and the published rates that do not follow from
  the counts beside them

Sources: IEEE 1366-2022, Guide for electric power distribution reliability indices (SAIDI, SAIFI, CAIDI),
which water utilities use too; Garwood 1936, Fiducial limits for the Poisson distribution, Biometrika 28.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import chi2

__all__ = ["Interruptions", "interruptions", "rates"]

Floats = npt.NDArray[np.float64]


class Interruptions(NamedTuple):
    """What a log of interruptions says of the supply.

    per_account: minutes without supply, mean of all accounts (户均停水时间, SAIDI). per_affected: minutes,
    mean of an interruption that a customer felt (CAIDI). times: interruptions an account felt, mean (SAIFI).
    customer_minutes: sum of minutes x customers. stops: interruptions in the log. problems: what
    contradicts itself in the log, a row each: `row` (from 1), `problem`, `listed` and `computed` minutes.
    """

    per_account: float
    per_affected: float
    times: float
    customer_minutes: float
    stops: int
    problems: pd.DataFrame


def interruptions(
    log: pd.DataFrame,
    accounts: float,
    *,
    minutes: str = "minutes",
    customers: str = "customers",
    start: str | None = None,
    end: str | None = None,
    trust: str = "listed",
) -> Interruptions:
    """Minutes without supply for each account: sum of minutes x customers over all accounts.

    log: a row an interruption, with the columns named by `minutes` (how long it lasted) and `customers` (how
    many it struck). accounts: all accounts of the area. start, end: columns of times, if there are any; a
    duration that is not end less start is reported, and so is an end before its start. trust: "listed"
    takes the minutes as they stand, "times" the difference of the times where the two contradict each other
    and the times are possible. ValueError for an empty log, columns that lack, minutes or customers below 0,
    more customers than accounts, times that are none, accounts not above 0, and another `trust`.

    Multiplying the sum of minutes by the sum of customers instead, a mistake found in print, counts
    every customer as struck by every stop.
    """
    if trust not in ("listed", "times"):
        raise ValueError(f'trust must be "listed" or "times", not {trust!r}')
    if trust == "times" and (start is None or end is None):
        raise ValueError('trust="times" needs the columns of start and end')
    if not accounts > 0:
        raise ValueError(f"accounts must be above 0, not {accounts!r}")
    lasted = _numbers(log, minutes, "minutes")
    struck = _numbers(log, customers, "customers")
    if (struck > accounts).any():
        row = int(np.argmax(struck > accounts))
        raise ValueError(
            f"row {row + 1} strikes {struck[row]:,.0f} customers, but there are {accounts:,.0f} accounts"
        )
    problems = []
    if start is not None and end is not None:
        begun, ended = _times(log, start), _times(log, end)
        between = (ended - begun).dt.total_seconds().to_numpy() / 60
        for row in np.flatnonzero(between < 0).tolist():
            problems.append((row + 1, "it ends before it begins", lasted[row], between[row]))
        for row in np.flatnonzero((between >= 0) & (np.abs(between - lasted) > 0.5)).tolist():
            problems.append((row + 1, "the minutes are not the time between", lasted[row], between[row]))
            if trust == "times":
                lasted[row] = between[row]
    elif (start is None) != (end is None):
        raise ValueError("start and end are named together or not at all")
    total, felt = float((lasted * struck).sum()), float(struck.sum())
    return Interruptions(
        total / accounts,
        total / felt if felt > 0 else np.nan,
        felt / accounts,
        total,
        len(lasted),
        pd.DataFrame(problems, columns=["row", "problem", "listed", "computed"]),
    )


def rates(
    events: Any,
    base: Any,
    *,
    per: float = 10_000,
    published: Any = None,
    labels: Any = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Events per so many units, such as complaints per 10,000 connections, a row each.

    events: whole counts. base: units each count comes from. per: units of the rate. published: rates in
    print, to be compared; one agrees if it is the computed one rounded to the digits it shows. labels: index
    of the frame, if the events have none. Columns: `events`, `base`, `rate`, `low`, `high` (exact Poisson
    interval, Garwood 1936) and, with published rates, `published`, `agrees` and `ratio` (published over
    computed). confidence: of the interval, above 0 and below 1. ValueError for counts that are not whole or
    below 0, a base not above 0, and columns of another length.
    """
    index = events.index if isinstance(events, pd.Series) else labels
    count, units = np.asarray(events, dtype=float), np.asarray(base, dtype=float)
    if count.ndim != 1 or units.shape not in ((), count.shape):
        raise ValueError(f"events and base must be of one length, not {count.shape} and {units.shape}")
    if not (np.isfinite(count).all() and (count >= 0).all() and (count == np.round(count)).all()):
        raise ValueError("events must be whole counts of at least 0")
    if not (units > 0).all():
        raise ValueError("every base must be above 0")
    tail = (1 - confidence) / 2
    low = np.where(count > 0, chi2.ppf(tail, 2 * count) / 2, 0.0)
    high = chi2.ppf(1 - tail, 2 * count + 2) / 2
    found = pd.DataFrame(
        {
            "events": count.astype(np.int64), "base": units, "rate": per * count / units,
            "low": per * low / units, "high": per * high / units,
        },
        index=index,
    )  # fmt: skip
    if published is not None:
        printed = [str(p) for p in published]
        if len(printed) != len(found):
            raise ValueError(f"{len(printed)} published rates for {len(found)} counts")
        digits = np.array([len(p.partition(".")[2]) for p in printed])
        found["published"] = [float(p) for p in printed]
        # half a unit of the last digit shown, and a little for how computers hold decimals
        found["agrees"] = np.abs(found["published"] - found["rate"]) <= 0.5 * 10.0**-digits + 1e-9
        found["ratio"] = found["published"] / found["rate"]
    return found


def _numbers(log: pd.DataFrame, name: str, what: str) -> Floats:
    if name not in log.columns:
        raise ValueError(f"the log has no column {name!r}; name the one that holds the {what} with {what}=")
    found = pd.to_numeric(log[name], errors="coerce").to_numpy(dtype=float)
    if len(found) == 0:
        raise ValueError("the log is empty")
    wrong = ~(np.isfinite(found) & (found >= 0))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(f"row {row + 1}: {what} must be a number of at least 0, not {log[name].iloc[row]!r}")
    return found


def _times(log: pd.DataFrame, name: str) -> pd.Series:
    if name not in log.columns:
        raise ValueError(f"the log has no column {name!r}")
    found = pd.to_datetime(log[name], errors="coerce", format="mixed")
    if found.isna().any():
        row = int(np.argmax(found.isna().to_numpy()))
        raise ValueError(f"row {row + 1}: {log[name].iloc[row]!r} in {name!r} is no time")
    return found
