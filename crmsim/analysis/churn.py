"""Who leaves, when, of what, and what it costs: 客户流失分析.

Everything starts from *spells*: the times a customer was a customer, each with its length and whether it
had ended when the record did (`spells`). Functions that speak of lengths take them in three forms, called
`data` below:

- a frame with one row a spell: `duration` (above 0, in any unit), `left` (bool) and, where they are
known, `cause` and `entry` (length already reached when observation began, 0 unless said); further columns
are attributes; - arrays `(T, E)` or `(T, E, entry)`: lengths, and what ended them (0 or False for not
yet, else True, a code or a word); - a customer database (`Database`, or its tables by name), from which
`spells` makes the frame.

A month counts whole: who joins in month 3 and leaves in month 5 stayed 3 months, and who joins and leaves
in one month stayed 1. Hazards are then chances per month of leaving. A spell that lasts is censored 删失,
which is not the same as ended: leave the censored out, and every lifetime comes out too short.

Words shared by all functions here: `data`, as above; `by`, a column of the frame or labels, one a spell, of
at most 50 groups, which become a column in front; `confidence`, of the intervals from low to high, above 0
and below 1. Shares, chances and hazards are from 0 to 1. All functions of spells raise ValueError for spells
that cannot be used (none at all, a duration not above 0, an entry below 0 or not below the duration, `left`
neither true nor false), for arrays and labels of another length, for too many groups and for another
confidence; and DataError, a ValueError too, for columns that lack and as `spells` does.

Sources, named again at each formula:

- AJ 1978: Aalen & Johansen, An empirical transition matrix for non-homogeneous Markov chains, Scandinavian
  Journal of Statistics 5, 141-150;
- BS 2011: Braun & Schweidel, Modeling customer lifetimes with multiple causes of churn, Marketing Science
  30(5), 881-902;
- KM 1958: Kaplan & Meier, Nonparametric estimation from incomplete observations, JASA 53, 457-481;
- KP 2002: Kalbfleisch & Prentice, The statistical analysis of failure time data, 2nd edition, Wiley;
- MV 1995: Marubini & Valsecchi, Analysing survival data from clinical trials, Wiley.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..data.transactions import DataError
from ..vocabulary import ChurnCause

__all__ = [
    "Cox", "HazardRatios", "StatedAndTrue", "causes", "cohorts", "corrected_causes", "cox", "expected_loss",
    "hazard_ratios", "hazards", "inactive", "inactivity_errors", "incidence", "lifetimes",
    "purchase_cohorts", "rates", "spells", "stated_and_true", "survival", "survival_without",
]  # fmt: skip

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

MOST_GROUPS = 50


# -- spells ------------------------------------------------------------------------------------------------


def spells(
    customers: Any,
    departures: pd.DataFrame | None = None,
    returns: pd.DataFrame | None = None,
    *,
    months: int | None = None,
    truth: bool = False,
    customer: str = "customer",
    joined: str = "joined_month",
    month: str = "month",
    cause: str | None = None,
) -> pd.DataFrame:
    """The times customers were customers, a row a spell.

    customers: a customer database (`Database` or its tables by name), or its table `customers` together
    with `departures` and, where customers come back, `returns`. Of a database only customers with a
    contract are read, whose departures a firm sees. months: length of the record; by default what the
    database says, else up to the last month that occurs. truth: read a simulated database's
    `truth.departures` with their true causes, which firms without contracts cannot see at all. customer,
    joined, month, cause: names of the columns; cause is by default `stated_cause` (or the true `cause`),
    and may be missing.

    Gives customer, spell (0 the first, 1 after a return), start (month), duration (months, from 1), left
    (bool), cause (missing while `left` is false), and every further column of the table of customers.
    Customers there when the record begins count from month 0, since nothing is known of the time before.

    DataError for columns that lack, customers unknown, departures before joining or beyond the record,
    and a database that records no departures because there are no contracts (use `inactive`, or `truth`).
    """
    if departures is None:
        source = customers
        if isinstance(source, pd.DataFrame):
            raise DataError("departures is needed beside a table of customers; or give a whole database")
        customers = _table(source, "customers")
        if not truth and len(customers) and "contract" in customers:
            under = customers["contract"].to_numpy(dtype=bool)
            if not under.any():
                raise DataError(
                    "departures: without contracts a firm cannot see who left. Let a rule say it, "
                    "departures=inactive(...), or read a simulated database's truth with truth=True"
                )
            customers = customers[under]
        departures = _table(source, "truth.departures" if truth else "departures")
        if returns is None and _has(source, "returns"):
            returns = _table(source, "returns")
            returns = returns[returns[customer].isin(customers[customer])]
        months = _months_of(source) if months is None else months
    if cause is None:
        cause = next((name for name in ("stated_cause", "cause") if name in departures), None)
    _need(customers, [customer, joined], "customers")
    _need(departures, [customer, month, *([cause] if cause else [])], "departures")

    people = pd.Index(customers[customer])
    if people.has_duplicates:
        twice = people[people.duplicated()][0]
        raise DataError(f"customers: customer {twice} occurs twice; one row a customer is needed")
    begin = pd.DataFrame({"who": np.arange(len(people)), "start": _whole(customers[joined], joined)})
    if returns is not None and len(returns):
        _need(returns, [customer, month], "returns")
        back = pd.DataFrame(
            {"who": _rows(people, returns[customer], "returns"), "start": _whole(returns[month], month)}
        )
        begin = pd.concat([begin, back], ignore_index=True)
    gone = pd.DataFrame(
        {
            "who": _rows(people, departures[customer], "departures"),
            "end": _whole(departures[month], month),
            "cause": departures[cause].to_numpy(dtype=object) if cause else None,
        }
    )
    begin = begin.sort_values(["who", "start"], kind="stable", ignore_index=True)
    gone = gone.sort_values(["who", "end"], kind="stable", ignore_index=True)
    begin["spell"] = begin.groupby("who").cumcount()
    gone["spell"] = gone.groupby("who").cumcount()
    both = begin.merge(gone, on=["who", "spell"], how="outer", sort=True)
    if (lost := both["start"].isna()).any():
        who = people[int(both.loc[lost, "who"].iloc[0])]
        raise DataError(f"departures: customer {who} leaves more often than joining or coming back")
    if (early := both["end"] < both["start"]).any():
        row = both[early].iloc[0]
        raise DataError(
            f"departures: customer {people[int(row['who'])]} leaves in month {row['end']:.0f}, before "
            f"joining in month {row['start']:.0f} ({int(early.sum()):,} such rows)"
        )
    following = both.groupby("who")["start"].shift(-1)
    if (open_ := following.notna() & ~(both["end"] <= following)).any():
        row = both[open_].iloc[0]
        raise DataError(
            f"returns: customer {people[int(row['who'])]} comes back in month {following[open_].iloc[0]:.0f} "
            "without having left before"
        )
    last = int(np.nanmax([both["start"].max(), both["end"].max(), -1])) + 1 if len(both) else 0
    months = last if months is None else int(months)
    if last > months:
        raise DataError(f"months={months}, but something happens in month {last - 1} (counted from 0)")
    left = both["end"].notna().to_numpy()
    start = both["start"].to_numpy(dtype=np.int64)
    end = np.where(left, both["end"].fillna(0).to_numpy(), months - 1).astype(np.int64)
    out = pd.DataFrame(
        {
            "customer": people.to_numpy()[both["who"]],
            "spell": both["spell"].to_numpy(),
            "start": start,
            "duration": end - start + 1,
            "left": left,
            "cause": both["cause"].to_numpy(dtype=object),
        }
    )
    more = customers.iloc[both["who"]].reset_index(drop=True)
    for name in more.columns:
        if name not in (*out.columns, customer):
            out[name] = more[name]
    return out


def _has(source: Any, name: str) -> bool:
    return name in source if isinstance(source, Mapping) else name in getattr(source, "tables", ())


def _table(source: Any, name: str) -> pd.DataFrame:
    """A table of a `Database` or of a mapping of tables."""
    if isinstance(source, Mapping):
        if name not in source:
            raise DataError(f"the tables have no {name!r}; they are {', '.join(map(str, source))}")
        return source[name]
    if hasattr(source, "table"):
        found = source.table(name)
        assert isinstance(found, pd.DataFrame)
        return found
    raise DataError(f"a Database, or tables by name, is needed, not {type(source).__name__}")


def _months_of(source: Any) -> int | None:
    """Months the record covers, as the table `about` says; None where it does not."""
    if not _has(source, "about"):
        return None
    about = _table(source, "about").set_index("name")["value"]
    return int(about["months"]) if "months" in about else None


def _need(frame: pd.DataFrame, names: Sequence[str], what: str) -> None:
    if lacking := [name for name in names if name not in frame]:
        raise DataError(
            f"{what}: column {lacking[0]!r} is missing; it has {', '.join(map(str, frame.columns))}"
        )


def _whole(values: pd.Series, name: str) -> npt.NDArray[np.int64]:
    number = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    wrong = ~(number == np.floor(number))
    if wrong.any():
        raise DataError(
            f"{name} must be whole months; row {int(np.argmax(wrong))} is {values.iloc[wrong.argmax()]}"
        )
    return number.astype(np.int64)


def _rows(people: pd.Index[Any], ids: pd.Series, what: str) -> npt.NDArray[np.intp]:
    row = people.get_indexer(pd.Index(ids))
    if (row < 0).any():
        raise DataError(f"{what}: customer {ids.iloc[int(np.argmax(row < 0))]} is not among the customers")
    return row


class _Lives(NamedTuple):
    """What every method reads: length, whether ended, length at the start of observation, cause, group."""

    time: Floats
    left: Mask
    entry: Floats
    cause: npt.NDArray[np.object_] | None
    groups: list[tuple[Any, Mask]]
    by: str
    whole: bool


def _frame(data: Any) -> pd.DataFrame:
    """`data` in any of its three forms as a frame with `duration`, `left`, and `cause`, `entry` if
    known."""
    if isinstance(data, pd.DataFrame):
        return data
    if isinstance(data, tuple):
        if len(data) not in (2, 3):
            raise ValueError(f"data: arrays (T, E) or (T, E, entry) are needed, not {len(data)} of them")
        time, event = np.asarray(data[0]), np.asarray(data[1])
        if time.ndim != 1 or any(np.shape(a) != time.shape for a in data):
            shapes = ", ".join(str(np.shape(a)) for a in data)
            raise ValueError(f"data: the arrays must have one length, not the shapes {shapes}")
        known = ~pd.isna(event)
        if event.dtype.kind in "biuf":
            if not known.all():
                raise ValueError("data: E has missing values; write 0 for a spell that lasts")
            left = event > 0
        else:
            left = known & (event != "")
        cause = np.array([None] * len(event), dtype=object)
        cause[left] = "left" if event.dtype.kind == "b" else event[left]
        frame = pd.DataFrame({"duration": time, "left": left, "cause": pd.Series(cause, dtype=object)})
        return frame if len(data) == 2 else frame.assign(entry=np.asarray(data[2]))
    return spells(data)


def _lives(data: Any, by: Any = None) -> _Lives:
    frame = _frame(data)
    _need(frame, ["duration", "left"], "data")
    if not len(frame):
        raise ValueError("data: there are no spells")
    time = frame["duration"].to_numpy(dtype=float, na_value=np.nan)
    entry = frame["entry"].to_numpy(dtype=float, na_value=np.nan) if "entry" in frame else np.zeros(len(time))
    left = frame["left"]
    if left.isna().any() or not left.isin([0, 1]).all():
        raise ValueError("data: left must be true or false in every row")
    for name, wrong, rule in (
        ("duration", ~(time > 0) | ~np.isfinite(time), "a number above 0"),
        ("entry", ~(entry >= 0) | ~(entry < time), "from 0 and below the duration"),
    ):
        if wrong.any():
            row = int(np.argmax(wrong))
            value = {"duration": time, "entry": entry}[name][row]
            raise ValueError(
                f"data: {name} must be {rule}; row {row} has {value} ({wrong.sum():,} such rows)"
            )
    cause = None
    if "cause" in frame:
        raw = frame["cause"].astype(object).to_numpy()
        ended = left.to_numpy(dtype=bool)
        cause = np.where(ended & pd.isna(raw), "unknown", raw)
        cause[~ended] = None
    label, groups = _groups(frame, by)
    whole = bool((time == np.floor(time)).all() and (entry == np.floor(entry)).all())
    return _Lives(time, left.to_numpy(dtype=bool), entry, cause, groups, label, whole)


def _groups(frame: pd.DataFrame, by: Any) -> tuple[str, list[tuple[Any, Mask]]]:
    """Name of the grouping and each group with its rows; one group of all when `by` is None."""
    if by is None:
        return "", [("all", np.ones(len(frame), dtype=bool))]
    if isinstance(by, str):
        _need(frame, [by], "data")
        values, label = frame[by], by
    else:
        values = by if isinstance(by, pd.Series) else pd.Series(np.asarray(by))
        label = str(values.name) if values.name is not None else "group"
        if len(values) != len(frame):
            raise ValueError(f"by has {len(values):,} entries for {len(frame):,} spells")
    if label in ("time", "cause", "left"):
        label = f"{label}_group"
    if isinstance(values.dtype, pd.CategoricalDtype):
        words = [w for w in values.cat.categories if (values == w).any()]
    else:
        words = sorted(values.dropna().unique().tolist(), key=lambda v: (str(type(v)), v))
    if len(words) > MOST_GROUPS:
        raise ValueError(
            f"by={label!r} has {len(words):,} different values; make groups of it first, such as "
            "pandas.qcut(column, 5)"
        )
    found = [(word, np.asarray(values == word, dtype=bool)) for word in words]
    if (missing := values.isna().to_numpy()).any():
        found.append(("missing", missing))
    return label, found


def _z(confidence: float) -> float:
    from scipy.special import ndtri

    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence!r}")
    return float(ndtri(0.5 + confidence / 2))


def _wilson(k: Any, n: Any, confidence: float) -> tuple[Floats, Floats]:
    """Interval of a share k / n (Wilson 1927); missing where n is 0."""
    k, n, z = np.asarray(k, dtype=float), np.asarray(n, dtype=float), _z(confidence)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = k / n
        middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        reach = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return np.maximum(middle - reach, 0.0), np.minimum(middle + reach, 1.0)


def _by_group(lives: _Lives, parts: list[pd.DataFrame]) -> pd.DataFrame:
    """The groups' tables as one, the group's name in front where there are groups."""
    if not lives.by:
        return parts[0]
    named = []
    for (name, _), part in zip(lives.groups, parts, strict=True):
        part.insert(0, lives.by, name)
        named.append(part)
    return pd.concat(named, ignore_index=True)


# -- survival 生存 -----------------------------------------------------------------------------------------


class _Risk(NamedTuple):
    """At each distinct time: spells at risk just before, and which of them end then."""

    time: Floats
    at_risk: Floats
    left: Floats
    place: npt.NDArray[np.intp]  # of each spell among the times


def _risk(time: Floats, left: Mask, entry: Floats) -> _Risk:
    times, place = np.unique(time, return_inverse=True)
    ended = np.bincount(place, weights=left, minlength=len(times))
    there = len(time) - np.searchsorted(np.sort(time), times, side="left")
    not_yet = len(entry) - np.searchsorted(np.sort(entry), times, side="left")
    return _Risk(times, (there - not_yet).astype(float), ended.astype(float), place)


def _greenwood(n: Floats, d: Floats) -> Floats:
    """Greenwood's sum; 0 / 0 where all who are at risk leave, and nobody is left to be unsure of."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(d < n, d / (n * (n - d)), np.where(d > 0, np.nan, 0.0))


def survival(data: Any, by: Any = None, *, confidence: float = 0.95) -> pd.DataFrame:
    """Share still there by length of stay, after Kaplan and Meier: 留存曲线.

    data: spells in any form (see the module). by: a column of the frame, or labels a spell, whose groups
    get a curve each.

    Gives, from time 0 and at every length that occurs: (the group,) time, at_risk, left, survival, error,
    low, high. S(t) = product over u <= t of (1 - d_u / n_u), KM 1958; those who come into view late
    (`entry`) are at risk from then on only. error: Greenwood's standard error; low, high: its interval on
    the scale log(-log S), KP 2002, which stays within 0 and 1; missing once nobody remains. Errors: see the
    module.
    """
    lives = _lives(data, by)
    z = _z(confidence)
    parts = []
    for _, rows in lives.groups:
        risk = _risk(lives.time[rows], lives.left[rows], lives.entry[rows])
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.cumprod(1 - np.where(risk.at_risk > 0, risk.left / risk.at_risk, 0.0))
            spread = np.sqrt(np.cumsum(_greenwood(risk.at_risk, risk.left)))
            reach = z * spread / np.log(share)
            low, high = share ** np.exp(-reach), share ** np.exp(reach)
        sure = share == 1
        parts.append(
            pd.DataFrame(
                {
                    "time": np.r_[0.0, risk.time],
                    "at_risk": np.r_[(lives.entry[rows] == 0).sum(), risk.at_risk].astype(np.int64),
                    "left": np.r_[0, risk.left].astype(np.int64),
                    "survival": np.r_[1.0, share],
                    "error": np.r_[0.0, share * spread],
                    "low": np.r_[1.0, np.where(sure, 1.0, low)],
                    "high": np.r_[1.0, np.where(sure, 1.0, high)],
                }
            )
        )
    return _by_group(lives, parts)


def lifetimes(
    data: Any, by: Any = None, *, horizon: float | None = None, confidence: float = 0.95
) -> pd.DataFrame:
    """Length of stay in a few figures, from the curve of Kaplan and Meier, one row a group.

    horizon: time up to which the mean is taken; by default the latest at which every group is still seen.

    Gives (the group,) spells, left, median (first time at which half have left; missing if that is not
    seen), horizon, mean (expected stay within the horizon, the area under the curve), low, high (its
    interval, from the variance of KP 2002), and naive (mean length of the ended spells alone, which is
    too short: it leaves out those who stay). Times are in the unit of the durations. ValueError for a
    horizon not above 0, or beyond the time at which a group is still seen.
    """
    lives = _lives(data, by)
    frame = _frame(data)
    if horizon is None:
        horizon = min(float(lives.time[rows].max()) for _, rows in lives.groups)
    if not horizon > 0:
        raise ValueError(f"horizon must be above 0, not {horizon!r}")
    z = _z(confidence)
    parts = []
    for _, rows in lives.groups:
        curve = survival(frame[rows])
        if curve["time"].max() < horizon and curve["survival"].iloc[-1] > 0:
            raise ValueError(
                f"horizon={horizon:g}, but nobody of one group is seen beyond {curve['time'].max():g}"
            )
        at, share = curve["time"].to_numpy(), curve["survival"].to_numpy()
        within = at < horizon
        width = np.diff(np.r_[at[within], horizon])
        area = width * share[within]
        after = np.r_[np.cumsum(area[::-1])[::-1][1:], 0.0]  # area under the curve beyond each time
        n, d = curve["at_risk"].to_numpy(float)[within], curve["left"].to_numpy(float)[within]
        spread = math.sqrt(float(np.nansum(np.where(d > 0, after**2 * _greenwood(n, d), 0.0))))
        half = at[share <= 0.5]
        ended = lives.time[rows & lives.left]
        parts.append(
            pd.DataFrame(
                {
                    "spells": int(rows.sum()),
                    "left": int(lives.left[rows].sum()),
                    "median": float(half[0]) if len(half) else math.nan,
                    "horizon": horizon,
                    "mean": area.sum(),
                    "low": area.sum() - z * spread,
                    "high": area.sum() + z * spread,
                    "naive": ended.mean() if len(ended) else math.nan,
                },
                index=[0],
            )
        )
    return _by_group(lives, parts)


def incidence(data: Any, by: Any = None, *, confidence: float = 0.95) -> pd.DataFrame:
    """Share who have left of each cause by length of stay, after Aalen and Johansen: 竞争风险.

    The shares of the causes and `survival` sum to 1. One minus a Kaplan-Meier curve that counts the other
    causes as censored is larger: it speaks of a world without them (see `survival_without`).

    Gives, for each cause, from time 0 and at every length that occurs: (the group,) cause, time, at_risk,
    left (of that cause), incidence, error, low, high. F_k(t) = sum over u <= t of S(u-) d_ku / n_u, AJ
    1978; error: the delta-method standard error of MV 1995, section 10; low, high: on the scale log(-log
    F). ValueError when no cause is known or nobody has left.
    """
    lives = _lives(data, by)
    order = _order(lives)
    z = _z(confidence)
    parts = []
    for _, rows in lives.groups:
        assert lives.cause is not None
        risk = _risk(lives.time[rows], lives.left[rows], lives.entry[rows])
        n, d = risk.at_risk, risk.left
        with np.errstate(divide="ignore", invalid="ignore"):
            before = np.r_[1.0, np.cumprod(1 - np.where(n > 0, d / n, 0.0))[:-1]]
            step = np.where(n > 0, before / n, 0.0)
        overall = np.nan_to_num(_greenwood(n, d))  # after a time that all leave no share changes
        curves = []
        for cause in order:
            mine = lives.cause[rows] == cause
            ended = np.bincount(risk.place, weights=mine, minlength=len(risk.time))
            share = np.cumsum(step * ended)
            with np.errstate(divide="ignore", invalid="ignore"):
                own = np.where(n > 0, step**2 * (n - ended) * ended / n, 0.0)
                cross = np.where(n > 0, step * ended / n, 0.0)
            variance = (
                share**2 * np.cumsum(overall)
                - 2 * share * np.cumsum(share * overall)
                + np.cumsum(share**2 * overall)
                + np.cumsum(own)
                - 2 * share * np.cumsum(cross)
                + 2 * np.cumsum(share * cross)
            )
            error = np.sqrt(np.maximum(variance, 0.0))
            with np.errstate(divide="ignore", invalid="ignore"):
                reach = z * error / (share * np.log(share))
                low, high = share ** np.exp(-reach), share ** np.exp(reach)
            sure = (share == 0) | (share == 1)
            curves.append(
                pd.DataFrame(
                    {
                        "cause": cause,
                        "time": np.r_[0.0, risk.time],
                        "at_risk": np.r_[(lives.entry[rows] == 0).sum(), n].astype(np.int64),
                        "left": np.r_[0, ended].astype(np.int64),
                        "incidence": np.r_[0.0, share],
                        "error": np.r_[0.0, error],
                        "low": np.r_[0.0, np.where(sure, share, low)],
                        "high": np.r_[0.0, np.where(sure, share, high)],
                    }
                )
            )
        parts.append(pd.concat(curves, ignore_index=True))
    return _by_group(lives, parts)


def _order(lives: _Lives) -> list[Any]:
    """The causes that occur, those of the vocabulary first and in its order."""
    if lives.cause is None:
        raise ValueError("data: no cause is known; a column `cause` (or E with codes or words) is needed")
    found = {c for c in lives.cause if c is not None}
    if not found:
        raise ValueError("data: nobody has left, so there is no cause to speak of")
    known = [c.key for c in sorted(ChurnCause) if c.key in found]
    return known + sorted(found - set(known), key=str)


def survival_without(data: Any, removed: Sequence[Any] | Any, by: Any = None) -> pd.DataFrame:
    """What the curve would be if some causes did not exist: how much churn could be prevented at all.

    removed: causes, or "controllable" or "voluntary" for those the vocabulary calls so. Gives (the
    group,) time, survival (as it is), without (with the causes removed), gained (their difference). The
    curve is that of Kaplan and Meier with the removed causes counted as censored. It assumes that who is
    spared one cause is no more and no less likely to leave of another; that cannot be tested on such data
    (Tsiatis 1975, PNAS 72), and where the same people are prone to several causes it promises too much.
    ValueError for a cause that does not occur.
    """
    lives = _lives(data, by)
    order = _order(lives)
    wanted: list[Any]
    if isinstance(removed, str) and removed in ("controllable", "voluntary"):
        wanted = [c.key for c in ChurnCause if getattr(c, removed)]
    else:
        wanted = [removed] if isinstance(removed, str) or np.ndim(removed) == 0 else list(removed)
        named = {*order, *ChurnCause.keys()}
        if strange := [c for c in wanted if c not in named]:
            raise ValueError(
                f"cause {strange[0]!r} does not occur; those that do: {', '.join(map(str, order))}"
            )
    assert lives.cause is not None
    frame = _frame(data).reset_index(drop=True)
    spared = frame.assign(left=lives.left & ~np.isin(lives.cause.astype(str), [str(c) for c in wanted]))
    spared = spared.drop(columns="cause")
    now, then = survival(frame, by), survival(spared, by)
    keep = [*([lives.by] if lives.by else []), "time", "survival"]
    return now[keep].assign(without=then["survival"], gained=then["survival"] - now["survival"])


# -- hazards 流失风险率 --------------------------------------------------------------------------------------


def hazards(
    data: Any,
    by: Any = None,
    *,
    bands: Sequence[float] | None = None,
    by_cause: bool = False,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Chance of leaving per unit of time, by length of stay: hazard 风险率.

    bands: limits of the classes of length, such as (0, 3, 6, 12, 24); by default one class a unit.
    by_cause: for each cause by itself; these sum to that of all.

    Gives (the group, the cause,) low_time, high_time (the class is above the one and up to the other),
    exposure (time spent there at risk, customer-months with months), left, hazard = left / exposure, low,
    high. With whole months the hazard is the chance to leave in a month and its interval that of Wilson
    (1927) for a share; else it is a rate, and the interval that of Garwood (1936) for a count.
    ValueError for bands that do not rise from 0.
    """
    lives = _lives(data, by)
    if bands is None:
        limits = np.arange(0.0, math.ceil(lives.time.max()) + 1)
    else:
        limits = np.asarray(bands, dtype=float)
        if limits.ndim != 1 or len(limits) < 2 or (np.diff(limits) <= 0).any() or limits[0] < 0:
            raise ValueError(f"bands must be rising limits from 0, such as (0, 3, 6, 12), not {bands!r}")
    causes: list[Any] = _order(lives) if by_cause else [None]
    parts = []
    for _, rows in lives.groups:
        time, entry = lives.time[rows], lives.entry[rows]
        exposure = _exposure(time, limits) - _exposure(entry, limits)
        tables = []
        for cause in causes:
            ended = lives.left[rows] if cause is None else (np.asarray(lives.cause)[rows] == cause)
            # a class is open on the left: its upper limit belongs to it
            place = np.searchsorted(limits, time[ended], side="left") - 1
            inside = (place >= 0) & (place < len(limits) - 1)
            left = np.bincount(place[inside], minlength=len(limits) - 1)
            with np.errstate(divide="ignore", invalid="ignore"):
                rate = np.where(exposure > 0, left / exposure, np.nan)
            low, high = (_wilson if lives.whole else _garwood)(left, exposure, confidence)
            table = pd.DataFrame(
                {
                    "low_time": limits[:-1],
                    "high_time": limits[1:],
                    "exposure": exposure,
                    "left": left,
                    "hazard": rate,
                    "low": low,
                    "high": high,
                }
            )
            if cause is not None:
                table.insert(0, "cause", cause)
            tables.append(table)
        parts.append(pd.concat(tables, ignore_index=True))
    return _by_group(lives, parts)


def _exposure(time: Floats, limits: Floats) -> Floats:
    """Time spent in each class by spells that last from 0 to `time`."""
    ordered = np.sort(time)
    total = np.r_[0.0, np.cumsum(ordered)]
    # sum of min(time, limit), for each limit
    below = np.searchsorted(ordered, limits, side="right")
    until = total[below] + limits * (len(time) - below)
    return np.diff(until)


def _garwood(k: Any, exposure: Any, confidence: float) -> tuple[Floats, Floats]:
    """Exact interval of a rate from a count; missing without exposure."""
    from scipy.special import gammaincinv

    k, exposure = np.asarray(k, dtype=float), np.asarray(exposure, dtype=float)
    tail = (1 - confidence) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.where(k > 0, gammaincinv(np.maximum(k, 1), tail), 0.0) / exposure
        high = gammaincinv(k + 1, 1 - tail) / exposure
    return np.where(exposure > 0, low, np.nan), np.where(exposure > 0, high, np.nan)


@dataclass(frozen=True, repr=False)
class HazardRatios:
    """Groups compared. `table`: group, spells, left, hazard_ratio (to the baseline, whose own is 1), low,
    high, p; `log_rank`, `degrees`, `p`: the log-rank test that all groups have one hazard."""

    table: pd.DataFrame
    log_rank: float
    degrees: int
    p: float

    def __repr__(self) -> str:
        test = f"log-rank {self.log_rank:.2f} on {self.degrees} degrees of freedom, p = {self.p:.2g}"
        return f"{self.table.to_string(index=False, float_format='{:.3f}'.format)}\n{test}"


def hazard_ratios(
    data: Any, by: Any, *, baseline: Any = None, cause: Any = None, confidence: float = 0.95
) -> HazardRatios:
    """How many times more likely each group is to leave than a baseline group, at equal length of stay.

    baseline: a group (default: the first). cause: count departures of that cause only. The ratios are
    those of a Cox model with the groups (Efron's ties), which assumes them the same at all lengths; the
    test is the log-rank test (Mantel 1966; left out, and its entries missing, for late entry). Needs
    statsmodels (ImportError without it). ValueError for fewer than two groups, one that nobody of left, or an
    unknown baseline or cause.
    """
    lives = _lives(data, by)
    words = [word for word, _ in lives.groups]
    if len(words) < 2:
        raise ValueError(f"by={lives.by!r} has one group only; nothing is there to compare")
    baseline = words[0] if baseline is None else baseline
    if baseline not in words:
        raise ValueError(f"baseline {baseline!r} is no group of {lives.by}: {', '.join(map(str, words))}")
    ended = _of_cause(lives, cause)
    frame = pd.DataFrame({"duration": lives.time, "left": ended, "entry": lives.entry})
    others = [word for word in words if word != baseline]
    group = np.empty(len(frame), dtype=object)
    for word, rows in lives.groups:
        group[rows] = word
        if not ended[rows].any():
            of = f" of {cause}" if cause is not None else ""
            raise ValueError(
                f"nobody of group {word!r} left{of}, so its ratio has no end; join it to another group"
            )
    dummies = pd.DataFrame({str(word): (group == word).astype(float) for word in others})
    fit = cox(frame, dummies, confidence=confidence)
    rows_ = fit.table.set_index("term")
    table = pd.DataFrame(
        [
            {
                lives.by: word,
                "spells": int(rows.sum()),
                "left": int(ended[rows].sum()),
                **(
                    {"hazard_ratio": 1.0, "low": math.nan, "high": math.nan, "p": math.nan}
                    if word == baseline
                    else dict(rows_.loc[str(word), ["hazard_ratio", "low", "high", "p"]])
                ),
            }
            for word, rows in lives.groups
        ]
    )
    statistic, p = math.nan, math.nan
    if not lives.entry.any():
        (test,) = _statsmodels("duration.survfunc", "survdiff")
        codes = pd.factorize(pd.Series(group).astype(str))[0]
        statistic, p = (float(v) for v in test(lives.time, ended.astype(int), codes))
    return HazardRatios(table, statistic, len(words) - 1, p)


def _of_cause(lives: _Lives, cause: Any) -> Mask:
    """Which spells ended of the cause, or of any when it is None."""
    if cause is None:
        return lives.left
    order = _order(lives)
    if cause not in order:
        raise ValueError(f"cause {cause!r} does not occur; those that do: {', '.join(map(str, order))}")
    return np.asarray(np.asarray(lives.cause) == cause, dtype=bool)


def _statsmodels(module: str, *names: str) -> list[Any]:
    import importlib

    try:
        home = importlib.import_module(f"statsmodels.{module}")
    except ImportError:
        raise ImportError('statsmodels is needed here: pip install "crmsim[analysis]"') from None
    return [getattr(home, name) for name in names]


# -- Cox ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Cox:
    """A fitted Cox model (1972): hazard = baseline(t) x exp(coefficients x covariates).

    table: a row a term: term, coefficient, error, hazard_ratio (factor on the hazard for one unit more),
    low, high, z, p. baseline: time, hazard (Breslow's increment of the cumulative hazard) and cumulative,
    of a spell whose terms are all at their means, by stratum where there are strata. proportional: for
    each term the correlation of its scaled Schoenfeld residuals with the rank of time, chi2 and p of the
    test that its effect is the same at all lengths (Grambsch & Therneau 1994, Biometrika 81); a small p
    says it is not. log_likelihood, null_log_likelihood: partial, in natural logarithms, with the terms and
    without. n, left: spells, and those that ended. means: of the terms. covariates, categories: the columns
    used, and the words of each that holds words.
    """

    table: pd.DataFrame
    baseline: pd.DataFrame
    proportional: pd.DataFrame
    log_likelihood: float
    null_log_likelihood: float
    n: int
    left: int
    means: pd.Series
    categories: dict[str, list[Any]] = field(default_factory=dict)
    covariates: tuple[str, ...] = ()

    def relative_hazard(self, frame: pd.DataFrame) -> pd.Series:
        """exp(coefficients x (covariates - means)) of each row: 1 is as likely to leave as the mean.

        frame: the covariates by name. A series with the index of the frame. ValueError for a covariate that
        lacks (DataError), is missing in a row, or has a category not seen in fitting.
        """
        design = _design(frame, self.covariates, self.categories)
        beta = self.table["coefficient"].to_numpy()
        score = (design.to_numpy() - self.means.to_numpy()) @ beta
        return pd.Series(np.exp(score), index=frame.index, name="relative_hazard")

    def survival(self, frame: pd.DataFrame, times: npt.ArrayLike, after: npt.ArrayLike = 0.0) -> pd.DataFrame:
        """Chance to be there still at each of `times`, given one is at `after` (a number or one a row).

        exp(-(H(t) - H(after)) x relative hazard): a row a row of `frame`, a column a time. Models without
        strata only. Beyond the longest stay observed nothing is known and nothing more is added. Raises
        ValueError for a model with strata, whose baselines differ.
        """
        if "stratum" in self.baseline:
            raise ValueError("survival: the model has strata, each with a baseline of its own; use .baseline")
        at = np.atleast_1d(np.asarray(times, dtype=float))
        level = (
            self._cumulative(at)[np.newaxis, :]
            - self._cumulative(np.broadcast_to(np.asarray(after, dtype=float), len(frame)))[:, np.newaxis]
        )
        relative = self.relative_hazard(frame).to_numpy()[:, np.newaxis]
        return pd.DataFrame(np.exp(-np.maximum(level, 0.0) * relative), index=frame.index, columns=at)

    def _cumulative(self, times: Floats) -> Floats:
        place = np.searchsorted(self.baseline["time"].to_numpy(), times, side="right")
        return np.r_[0.0, self.baseline["cumulative"].to_numpy()][place]

    def __repr__(self) -> str:
        head = (
            f"Cox model: {self.n:,} spells, {self.left:,} ended, log-likelihood {self.log_likelihood:,.2f} "
            f"({self.null_log_likelihood:,.2f} without terms)"
        )
        return f"{head}\n{self.table.to_string(index=False, float_format='{:.4g}'.format)}"


def cox(
    data: Any,
    covariates: Sequence[str] | pd.DataFrame,
    *,
    cause: Any = None,
    strata: str | None = None,
    ties: Literal["efron", "breslow"] = "efron",
    confidence: float = 0.95,
) -> Cox:
    """How the hazard depends on what is known of a customer: Cox's regression (JRSS B 34, 1972).

    data: spells (see the module). covariates: columns of the frame, or a frame of them with a row a spell;
    numbers and truth values enter as they are, words as one term a category against the first. cause:
    a cause-specific model, the others counted as censored. strata: a column whose groups get baselines of
    their own. ties: months tie many departures; Efron's treatment is the better one.

    Covariates are those known at the start of a spell. What is measured at the end of the record, or on
    leaving, knows the outcome and flatters the model. Needs statsmodels (PHReg; ImportError without it).
    ValueError for columns that lack, missing values, a term that does not vary or parts leavers from stayers
    altogether, too few departures, and other `ties`.
    """
    frame = _frame(data).reset_index(drop=True)
    lives = _lives(frame)
    ended = _of_cause(lives, cause)
    names: tuple[str, ...]
    if isinstance(covariates, pd.DataFrame):
        if len(covariates) != len(frame):
            raise ValueError(f"covariates has {len(covariates):,} rows for {len(frame):,} spells")
        values, names = covariates.reset_index(drop=True), tuple(map(str, covariates.columns))
        values.columns = pd.Index(names)
    else:
        names = (covariates,) if isinstance(covariates, str) else tuple(covariates)
        _need(frame, list(names), "data")
        values = frame
    if not names:
        raise ValueError("covariates: at least one is needed")
    categories = {
        name: list(pd.Categorical(values[name]).categories)
        for name in names
        if not pd.api.types.is_numeric_dtype(values[name])
    }
    design = _design(values, names, categories)
    if ended.sum() <= design.shape[1]:
        raise ValueError(
            f"{int(ended.sum())} departures cannot carry {design.shape[1]} terms; ten for each are better"
        )
    spread = design.std()
    if flat := [name for name, sd in spread.items() if not sd > 0]:
        raise ValueError(f"covariate {flat[0]!r} is the same for all; leave it out")
    if strata is not None:
        _need(frame, [strata], "data")
    if ties not in ("efron", "breslow"):
        raise ValueError(f"ties={ties!r}: use 'efron' or 'breslow'")

    (model,) = _statsmodels("duration.hazard_regression", "PHReg")
    means = design.mean()
    x = ((design - means) / spread).to_numpy()  # one scale for the search; undone below
    stratum = pd.factorize(frame[strata])[0] if strata is not None else None
    # PHReg counts who enters at t among those at risk at t; a hair later keeps to "above entry, up to t"
    late = np.nextafter(lives.entry, np.inf) if lives.entry.any() else None
    fitted = model(lives.time, x, status=ended.astype(int), entry=late, strata=stratum, ties=ties)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = fitted.fit(disp=0)
    # in units of a covariate's spread, no real effect is so large or so vague
    endless = ~(np.abs(found.params) < 15) | ~(found.bse < 30)
    if told or endless.any():
        worst = design.columns[int(np.argmax(np.abs(found.params)))]
        raise ValueError(
            f"covariate {worst!r} parts those who left from those who stayed altogether, and its coefficient "
            "has no end; leave it out or join categories"
        )
    null = float(fitted.loglike(np.zeros(x.shape[1])))
    z = _z(confidence)
    beta = found.params / spread.to_numpy()
    error = found.bse / spread.to_numpy()
    from scipy.special import ndtr

    table = pd.DataFrame(
        {
            "term": design.columns,
            "coefficient": beta,
            "error": error,
            "hazard_ratio": np.exp(beta),
            "low": np.exp(beta - z * error),
            "high": np.exp(beta + z * error),
            "z": beta / error,
            "p": 2 * ndtr(-np.abs(beta / error)),
        }
    )
    score = np.exp(x @ found.params)
    covariance = found.cov_params()
    parts, residuals, moments = [], [], []
    for g in [0] if stratum is None else range(int(stratum.max()) + 1):
        rows = np.ones(len(x), dtype=bool) if stratum is None else stratum == g
        time, d, risk, mean = _risk_means(
            lives.time[rows], ended[rows], lives.entry[rows], score[rows], x[rows]
        )
        part = pd.DataFrame({"time": time, "hazard": d / risk, "cumulative": np.cumsum(d / risk)})
        if strata is not None:
            part.insert(0, "stratum", frame.loc[rows, strata].iloc[0])
        parts.append(part)
        mine = rows & ended
        residuals.append(x[mine] - mean[np.searchsorted(time, lives.time[mine])])
        moments.append(lives.time[mine])
    return Cox(
        table=table,
        baseline=pd.concat(parts, ignore_index=True),
        proportional=_proportional(
            np.concatenate(moments), np.concatenate(residuals), covariance, list(design.columns)
        ),
        log_likelihood=float(found.llf),
        null_log_likelihood=null,
        n=len(x),
        left=int(ended.sum()),
        means=means,
        categories=categories,
        covariates=names,
    )


def _design(frame: pd.DataFrame, names: Sequence[str], categories: Mapping[str, list[Any]]) -> pd.DataFrame:
    """The covariates as numbers: a column a number, one a category but the first."""
    _need(frame, list(names), "covariates")
    columns: dict[str, Floats] = {}
    for name in names:
        column = frame[name]
        if column.isna().any():
            raise ValueError(
                f"covariate {name!r} is missing in {int(column.isna().sum()):,} rows; drop or fill them"
            )
        if name not in categories:
            columns[name] = column.to_numpy(dtype=float)
            continue
        words = categories[name]
        if not column.isin(words).all():
            strange = column[~column.isin(words)].iloc[0]
            raise ValueError(
                f"covariate {name!r}: {strange!r} was not seen in fitting ({', '.join(map(str, words))})"
            )
        columns |= {f"{name}: {word}": (column == word).to_numpy(dtype=float) for word in words[1:]}
    return pd.DataFrame(columns, index=frame.index)


def _risk_means(
    time: Floats, ended: Mask, entry: Floats, score: Floats, x: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """At each time with a departure: time, departures, summed score of those at risk, and the mean of x
    over them, weighted by the score."""
    times = np.unique(time[ended])
    weighted = np.column_stack([score, score[:, np.newaxis] * x])

    def beyond(limit: Floats) -> Floats:
        """Sums over rows whose limit is at or above each time."""
        order = np.argsort(limit, kind="stable")
        sums = np.vstack([np.cumsum(weighted[order][::-1], axis=0)[::-1], np.zeros(weighted.shape[1])])
        return sums[np.searchsorted(limit[order], times, side="left")]

    sums = beyond(time)
    if entry.any():
        sums = sums - beyond(entry)
    count = np.bincount(np.searchsorted(times, time[ended]), minlength=len(times)).astype(float)
    return times, count, sums[:, 0], sums[:, 1:] / sums[:, :1]


def _proportional(time: Floats, residual: Floats, covariance: Floats, names: list[str]) -> pd.DataFrame:
    """Grambsch & Therneau's test of each term against the rank of time."""
    from scipy.special import chdtrc
    from scipy.stats import rankdata

    d = len(time)
    g = rankdata(time)
    g = g - g.mean()
    scaled = d * residual @ covariance
    whole = float(g @ g)
    with np.errstate(divide="ignore", invalid="ignore"):
        chi2 = (g @ scaled) ** 2 / (d * np.diag(covariance) * whole)
        spread = np.sqrt(whole * ((scaled - scaled.mean(axis=0)) ** 2).sum(axis=0))
        correlation = (g @ scaled) / spread
    return pd.DataFrame({"term": names, "correlation": correlation, "chi2": chi2, "p": chdtrc(1, chi2)})


# -- rates and cohorts -------------------------------------------------------------------------------------


def _calendar(data: Any) -> pd.DataFrame:
    """Spells with months of the calendar: `start` and `duration` in whole months."""
    frame = _frame(data)
    _need(frame, ["start", "duration", "left"], "data")
    for name in ("start", "duration"):
        _whole(frame[name], name)
    return frame


def rates(data: Any, by: Any = None, *, every: int | None = 1, confidence: float = 0.95) -> pd.DataFrame:
    """Churn rate 流失率 by month, by year, or over the whole record, for all or by an attribute.

    data: spells with `start`, or a customer database. every: months in a period, 1, 3 or 12, counted from
    month 0; None for one figure over the whole record.

    Gives with periods: (the group,) month (first of the period), months (of it in the record; the last may be
    short), at_risk (customers in its first month), left (of them within the period), rate = left /
    at_risk, low, high (Wilson 1927), joined and departures (all within the period; who joined in it and
    left again is in these two only). A yearly rate is not twelve monthly ones: who leaves in spring
    cannot leave again in autumn. With None: customer_months, left, rate (per month), low, high, yearly
    (1 - (1 - rate)^12). ValueError for other months in a period.
    """
    frame = _calendar(data)
    start = frame["start"].to_numpy(np.int64)
    end = start + frame["duration"].to_numpy(np.int64)  # first month after
    left = frame["left"].to_numpy(bool)
    label, groups = _groups(frame, by)
    months = int(end.max()) if len(end) else 0
    if every is not None and (every < 1 or int(every) != every):
        raise ValueError(f"every must be a whole number of months from 1, or None, not {every!r}")
    parts = []
    for _, rows in groups:
        if every is None:
            stay, gone = int((end - start)[rows].sum()), int(left[rows].sum())
            low, high = _wilson(gone, stay, confidence)
            rate = gone / stay if stay else math.nan
            table = pd.DataFrame(
                {"customer_months": stay, "left": gone, "rate": rate, "low": low, "high": high}
                | {"yearly": 1 - (1 - rate) ** 12},
                index=[0],
            )
        else:
            first = np.arange(0, months, every)
            at = np.searchsorted
            begins, ends = np.sort(start[rows]), np.sort(end[rows])
            at_risk = at(begins, first, side="right") - at(ends, first, side="right")
            upto = np.minimum(first + every, months)
            ended = left & rows
            departures = np.histogram(end[ended] - 1, bins=np.r_[first, months])[0]
            joined = np.histogram(start[rows], bins=np.r_[first, months])[0]
            period = (end[ended] - 1) // every
            there = start[ended] <= first[period]
            of_them = np.bincount(period[there], minlength=len(first))
            low, high = _wilson(of_them, at_risk, confidence)
            with np.errstate(divide="ignore", invalid="ignore"):
                rate_ = np.where(at_risk > 0, of_them / at_risk, np.nan)
            table = pd.DataFrame(
                {
                    "month": first,
                    "months": upto - first,
                    "at_risk": at_risk,
                    "left": of_them,
                    "rate": rate_,
                    "low": low,
                    "high": high,
                    "joined": joined,
                    "departures": departures,
                }
            )
        parts.append(table)
    if by is None:
        return parts[0]
    for (name, _), part in zip(groups, parts, strict=True):
        part.insert(0, label, name)
    return pd.concat(parts, ignore_index=True)


def cohorts(data: Any, *, every: int = 1, months: int | None = None) -> pd.DataFrame:
    """Retention of customers by when they joined and how long ago: cohort matrix 同期群（队列）留存矩阵.

    data: spells with `customer` and `start`, or a customer database. every: months of joining in a
    cohort, and months between the ages shown. months: length of the record (default: the last month in
    the spells).

    Gives cohort (first month of joining), age (whole months since each customer's joining), customers (in
    the cohort), retained (those of them there then, also when they had left and come back), retention =
    retained / customers, rate (retained / those retained an age earlier). Ages that not the whole
    cohort can have reached are left out. `.pivot(index="cohort", columns="age", values="retention")` is the
    matrix. ValueError for an `every` that is no whole number from 1; DataError for columns that lack.
    """
    frame = _calendar(data)
    _need(frame, ["customer"], "data")
    start = frame["start"].to_numpy(np.int64)
    # who leaves in a month is there no longer at its end
    gone = start + frame["duration"].to_numpy(np.int64) - frame["left"].to_numpy(bool)
    last = int((start + frame["duration"].to_numpy(np.int64)).max()) if len(frame) else 0
    joined = frame.groupby("customer")["start"].transform("min").to_numpy(np.int64)
    presence = (frame["customer"].to_numpy(), joined, start, gone)
    return _cohorts(*presence, every=every, months=last if months is None else int(months))


def purchase_cohorts(
    purchases: pd.DataFrame,
    *,
    every: int = 1,
    months: int | None = None,
    customer: str = "customer",
    month: str = "month",
) -> pd.DataFrame:
    """The cohort matrix without contracts: the share of those who first bought in a period who buy again.

    purchases: a row a purchase, with the customer and the month. Columns as in `cohorts`, where
    `retained` are those who buy in the `every` months that begin at that age (all at age 0), and `rate`
    is left out: who does not buy in one period may buy in the next. months: length of the record (default: up
    to the last purchase). customer, month: names of the columns. ValueError for an `every` that is no whole
    number from 1; DataError for columns that lack and months that are not whole.
    """
    _need(purchases, [customer, month], "purchases")
    when = _whole(purchases[month], month)
    who, names = pd.factorize(purchases[customer])
    first = np.full(len(names), np.iinfo(np.int64).max)
    np.minimum.at(first, who, when)
    months = int(when.max()) + 1 if months is None and len(when) else int(months or 0)
    _check_every(every)
    cohort = first // every
    age = (when - first[who]) // every
    seen = pd.DataFrame({"cohort": cohort[who], "age": age, "who": who}).drop_duplicates()
    count = seen.groupby(["cohort", "age"]).size()
    size = pd.Series(cohort).value_counts().sort_index()
    latest = pd.Series(first).groupby(cohort).max()
    rows = [
        (c * every, a * every, int(size[c]), int(count.get((c, a), 0)))
        for c in size.index
        for a in range((months - int(latest[c])) // every)
    ]
    out = pd.DataFrame(rows, columns=["cohort", "age", "customers", "retained"])
    return out.assign(retention=out["retained"] / out["customers"])


def _check_every(every: int) -> None:
    if every < 1 or int(every) != every:
        raise ValueError(f"every must be a whole number of months from 1, not {every!r}")


def _cohorts(who: Any, joined: Any, start: Any, gone: Any, *, every: int, months: int) -> pd.DataFrame:
    _check_every(every)
    cohort = joined // every
    first = pd.Series(joined).groupby(pd.Series(who)).first()
    size = (first // every).value_counts().sort_index()
    latest = first.groupby(first // every).max()
    rows = []
    for c in size.index:
        here = cohort == c
        j, s, g = joined[here], start[here], gone[here]
        before = int(size[c])
        for age in range(0, months - int(latest[c]) + 1, every):
            # at the end of the month j + age - 1; at age 0 all are there
            at = j + age - 1
            there = int(size[c]) if age == 0 else int(((s <= at) & (at < g)).sum())
            rows.append((c * every, age, int(size[c]), there, there / before if before else math.nan))
            before = there
    out = pd.DataFrame(rows, columns=["cohort", "age", "customers", "retained", "rate"])
    out.insert(4, "retention", out["retained"] / out["customers"])
    out.loc[out["age"] == 0, "rate"] = np.nan
    return out


# -- causes 流失原因 -----------------------------------------------------------------------------------------


def causes(
    departures: Any,
    *,
    cause: str | None = None,
    cut: Literal["controllable", "voluntary"] | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """What customers left of, and the two ways to part the causes.

    departures: a frame with a cause, a series of causes, or a customer database (its stated causes). cut:
    part them by what the firm can influence (`controllable`, BS 2011) or by who ends the relationship
    (`voluntary`: 主动流失 and 被动流失, as the course does, which files death and moving under 主动).

    Gives cause (key), english, chinese, controllable, voluntary, left, share, low, high (Wilson 1927), in
    the order of the vocabulary, with a row for every cause; or with `cut` two rows: that column, left,
    share, low, high. cause: name of the column (default: stated_cause, else cause). ValueError for a word
    that is no `ChurnCause` and for another `cut`; DataError for columns that lack.
    """
    if isinstance(departures, pd.Series):
        given = departures
    else:
        frame = departures if isinstance(departures, pd.DataFrame) else _table(departures, "departures")
        name = cause or next((c for c in ("stated_cause", "cause") if c in frame), "stated_cause")
        _need(frame, [name], "departures")
        given = frame[name]
    given = given.dropna().astype(object)
    for word in given.unique():
        ChurnCause.from_key(word)
    count = given.value_counts()
    table = pd.DataFrame(
        [
            {
                "cause": c.key,
                "english": c.english,
                "chinese": c.chinese,
                "controllable": c.controllable,
                "voluntary": c.voluntary,
                "left": int(count.get(c.key, 0)),
            }
            for c in sorted(ChurnCause)
        ]
    )
    if cut is not None:
        if cut not in ("controllable", "voluntary"):
            raise ValueError(f"cut={cut!r}: use 'controllable' or 'voluntary'")
        parted = table.groupby(cut)["left"].sum().reindex([True, False])
        table = pd.DataFrame({cut: parted.index, "left": parted.to_numpy()})
    total = int(table["left"].sum())
    low, high = _wilson(table["left"], total, confidence)
    return table.assign(share=table["left"] / total if total else math.nan, low=low, high=high)


@dataclass(frozen=True, repr=False)
class StatedAndTrue:
    """What leaving customers said against what was true.

    confusion: departures, a row a true cause, a column a stated one. table: cause, stated and true
    (shares of all), difference, recall (share of those who left of it who said so), precision (share of
    those who said it of whom it is true). accuracy: share stated rightly. kappa: Cohen's (1960), what is
    right beyond chance, 1 for all. n: departures compared.
    """

    confusion: pd.DataFrame
    table: pd.DataFrame
    accuracy: float
    kappa: float
    n: int

    def __repr__(self) -> str:
        head = f"{self.n:,} departures, {self.accuracy:.1%} stated rightly (kappa {self.kappa:.2f})"
        return f"{head}\n{self.table.to_string(index=False, float_format='{:.3f}'.format)}"


def stated_and_true(
    stated: Any,
    true: pd.DataFrame | pd.Series | None = None,
    *,
    on: Sequence[str] = ("customer", "month"),
    stated_cause: str = "stated_cause",
    true_cause: str = "cause",
) -> StatedAndTrue:
    """Stated causes against true ones: 客户所说的原因与真实原因.

    stated, true: a simulated database by itself; or its tables `departures` and `truth.departures`,
    matched by `on`; or two series of causes, row by row. stated_cause, true_cause: names of the columns;
    `cause` is what ended it, `attributed_cause` the root of it (known for a customer's last departure only;
    the others are left out). ValueError when nothing matches; DataError for columns that lack.
    """
    if true is None:
        if isinstance(stated, pd.DataFrame | pd.Series):
            raise ValueError("the true causes are needed: a table, a series, or a whole simulated database")
        stated, true = _table(stated, "departures"), _table(stated, "truth.departures")
    if isinstance(stated, pd.Series) and isinstance(true, pd.Series):
        if len(stated) != len(true):
            raise ValueError(f"{len(stated):,} stated causes against {len(true):,} true ones")
        both = pd.DataFrame({"said": stated.to_numpy(dtype=object), "was": true.to_numpy(dtype=object)})
    else:
        _need(stated, [*on, stated_cause], "departures")
        assert isinstance(true, pd.DataFrame)
        _need(true, [*on, true_cause], "truth.departures")
        said = stated[[*on]].assign(said=stated[stated_cause].astype(object))
        both = said.merge(
            true[[*on]].assign(was=true[true_cause].astype(object)), on=list(on), validate="1:1"
        )
    both = both.dropna(subset=["said", "was"])
    n = len(both)
    if not n:
        raise ValueError("no departure has both a stated and a true cause; are there contracts?")
    found = set(both["said"]) | set(both["was"])
    words = [*ChurnCause.keys(), *sorted(found - set(ChurnCause.keys()), key=str)]
    confusion = pd.crosstab(both["was"], both["said"]).reindex(index=words, columns=words, fill_value=0)
    confusion.index.name, confusion.columns.name = "true", "stated"
    count = confusion.to_numpy(dtype=float)
    right, was, said_ = np.diag(count), count.sum(axis=1), count.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        table = pd.DataFrame(
            {
                "cause": words,
                "stated": said_ / n,
                "true": was / n,
                "difference": (said_ - was) / n,
                "recall": right / was,
                "precision": right / said_,
            }
        )
    accuracy, chance = float(right.sum() / n), float((was * said_).sum() / n**2)
    kappa = (accuracy - chance) / (1 - chance) if chance < 1 else math.nan
    return StatedAndTrue(confusion, table, accuracy, kappa, n)


def corrected_causes(stated: pd.Series, confusion: pd.DataFrame) -> pd.DataFrame:
    """True shares of the causes from stated ones, when it is known how statements err: the exit survey
    mended.

    stated: stated causes of departures, or their counts by cause. confusion: counts (or shares) of stated
    causes, a column each, by true cause, a row each, from departures where both are known, such as a
    few followed up closely (`StatedAndTrue.confusion`).

    Gives cause, stated, corrected (shares). The shares are those of greatest likelihood under stated_j =
    sum_i true_i P(j | i), found by expectation-maximisation, so that none is below 0 (inverting the
    matrix, Barron 1977, Biometrics 33, can give such). They are only as good as the matrix: a cause whose
    leavers say the same as another's cannot be told from it. A cause that is stated, but by nobody in the
    matrix (a rare one, and few followed up), is taken at its word. ValueError for causes the matrix does
    not have, or if nothing stated is in it.
    """
    count = (
        stated.astype(float) if pd.api.types.is_numeric_dtype(stated) else stated.value_counts().astype(float)
    )
    words = list(confusion.columns)
    if strange := [c for c in count.index if c not in words]:
        raise ValueError(f"stated cause {strange[0]!r} is no column of the confusion matrix")
    seen = confusion.sum(axis=1) > 0
    chance = confusion[seen].div(confusion[seen].sum(axis=1), axis=0).to_numpy(dtype=float)
    said = count.reindex(words).fillna(0.0).to_numpy()
    if not said.sum() > 0:
        raise ValueError("nobody stated a cause")
    said = said / said.sum()
    at_word = pd.Series(np.where(chance.sum(axis=0) == 0, said, 0.0), index=words)
    if lost := [c for c in words if at_word[c] > 0 and c not in confusion.index]:
        raise ValueError(
            f"cause {lost[0]!r} is stated, but by nobody in the confusion matrix, and has no row"
        )
    told = said - at_word.to_numpy()
    if not told.sum() > 0:
        raise ValueError("nothing that was stated is in the confusion matrix; follow more departures up")
    share = np.full(len(chance), 1 / len(chance))
    for _ in range(20_000):
        expected = share @ chance
        new = share * (chance @ np.where(told > 0, told / told.sum() / np.maximum(expected, 1e-300), 0.0))
        done = np.abs(new - share).max() < 1e-12
        share = new
        if done:
            break
    corrected = (
        pd.Series(share * told.sum(), index=confusion.index[seen]).reindex(confusion.index).fillna(0.0)
    )
    corrected += at_word.reindex(confusion.index).fillna(0.0)
    return pd.DataFrame(
        {
            "cause": list(confusion.index),
            "stated": pd.Series(said, index=words).reindex(confusion.index).fillna(0.0).to_numpy(),
            "corrected": corrected.to_numpy(),
        }
    )


# -- what it costs -----------------------------------------------------------------------------------------


def expected_loss(
    customers: pd.DataFrame,
    *,
    value: str = "value",
    hazard: str = "hazard",
    months: float = 1,
    by: Any = None,
) -> pd.DataFrame:
    """Value that departures are expected to take: value at risk 预期流失损失 = chance of leaving x value.

    customers: a row a customer, with `value` (money that is lost if the customer leaves, such as a customer
    value of `analysis.value`) and `hazard` (chance to leave in a month). months: how far ahead; the chance
    is then 1 - (1 - hazard)^months.

    Gives a row a customer, in the order given and with the same index: value, chance, loss,
    share_of_loss; or with `by` a row a group: the group, customers, value (sum), chance (mean), loss
    (sum), share_of_loss, share_of_value. It ranks by what is at stake, not by what can be saved: for that
    see the uplift of an offer. value, hazard: names of the columns. ValueError for missing values, hazards
    beyond 0 and 1, and months not above 0; DataError for columns that lack.
    """
    _need(customers, [value, hazard], "customers")
    worth = customers[value].to_numpy(dtype=float, na_value=np.nan)
    chance = customers[hazard].to_numpy(dtype=float, na_value=np.nan)
    if (bad := ~np.isfinite(worth)).any():
        raise ValueError(f"{value} is missing in {bad.sum():,} rows, the first at row {int(bad.argmax())}")
    if (bad := ~((chance >= 0) & (chance <= 1))).any():
        raise ValueError(
            f"{hazard} must be a chance from 0 to 1; row {int(bad.argmax())} has {chance[bad.argmax()]} "
            f"({bad.sum():,} such rows)"
        )
    if not months > 0:
        raise ValueError(f"months must be above 0, not {months!r}")
    leaves = 1 - (1 - chance) ** months
    out = pd.DataFrame({"value": worth, "chance": leaves, "loss": worth * leaves}, index=customers.index)
    total = float(out["loss"].sum())
    if by is None:
        return out.assign(share_of_loss=out["loss"] / total if total else math.nan)
    label, groups = _groups(customers, by)
    rows = [
        {
            label: name,
            "customers": int(mine.sum()),
            "value": float(worth[mine].sum()),
            "chance": float(leaves[mine].mean()),
            "loss": float((worth * leaves)[mine].sum()),
        }
        for name, mine in groups
    ]
    table = pd.DataFrame(rows)
    return table.assign(
        share_of_loss=table["loss"] / total if total else math.nan,
        share_of_value=table["value"] / worth.sum() if worth.sum() else math.nan,
    )


# -- without contracts -------------------------------------------------------------------------------------


def inactive(
    purchases: pd.DataFrame,
    customers: pd.DataFrame | None = None,
    *,
    gap: int = 3,
    factor: float | None = None,
    months: int | None = None,
    customer: str = "customer",
    month: str = "month",
    joined: str = "joined_month",
) -> pd.DataFrame:
    """Who seems to have left where nobody says so: lost after a silence, 沉默流失.

    purchases: a row a purchase. customers: the table of customers, to count those who never bought. gap:
    whole months without a purchase after which a customer counts as lost. factor: of a customer's own
    mean time between purchases instead (never below `gap`), which forgives the slow ones. months: length
    of the record (default: up to the last purchase). customer, month, joined: names of the columns.

    Gives a row a customer: customer, purchases, last (month of the last purchase; missing if none), silent
    (whole months since, to the end of the record), limit (months of silence allowed), lost (bool),
    month (of departure, the month after the last purchase when lost; missing else). The rows with
    `lost` serve `spells` as departures. The rule errs both ways, see `inactivity_errors`; the models of
    `analysis.value` give a chance instead of a verdict. ValueError for a gap below 1 or a factor not above 0;
    DataError for columns that lack, purchases after the record, and buyers who are not among the customers.
    """
    _need(purchases, [customer, month], "purchases")
    if gap < 1:
        raise ValueError(f"gap must be a month at least, not {gap!r}")
    if factor is not None and not factor > 0:
        raise ValueError(f"factor must be above 0, not {factor!r}")
    table = pd.DataFrame(
        {"customer": purchases[customer].to_numpy(), "month": _whole(purchases[month], month)}
    )
    if months is None:
        months = int(table["month"].max()) + 1 if len(table) else 0
    elif len(table) and table["month"].max() >= months:
        raise DataError(f"months={months}, but there are purchases in month {table['month'].max()}")
    found = table.groupby("customer")["month"].agg(["size", "min", "max", "nunique"]).reset_index()
    found = found.rename(columns={"size": "purchases", "min": "first", "max": "last"})
    since = found["last"]
    if customers is not None:
        _need(customers, [customer, joined], "customers")
        everyone = pd.DataFrame({"customer": customers[customer], "joined": customers[joined]})
        if (strange := ~found["customer"].isin(everyone["customer"])).any():
            raise DataError(
                f"purchases: customer {found.loc[strange, 'customer'].iloc[0]} is not among the customers"
            )
        found = everyone.merge(found, on="customer", how="left")
        since = found["last"].fillna(found["joined"] - 1)
    silent = (months - 1 - since).to_numpy(dtype=np.int64)
    limit = np.full(len(found), float(gap))
    if factor is not None:
        often = found["nunique"].to_numpy(dtype=float)
        with np.errstate(divide="ignore", invalid="ignore"):
            own = (found["last"] - found["first"]).to_numpy(dtype=float) / (often - 1)
        limit = np.where(often > 1, np.maximum(limit, factor * own), limit)
    lost = silent >= limit
    last = found["last"].astype("Int64")
    # somebody lost without a purchase left in the month of joining
    gone = pd.array(np.asarray(since + 1), dtype="Int64")
    if customers is not None:
        gone = pd.array(np.maximum(np.asarray(since + 1), np.asarray(found["joined"])), dtype="Int64")
    gone[~lost] = pd.NA
    return pd.DataFrame(
        {
            "customer": found["customer"],
            "purchases": found["purchases"].fillna(0).astype(np.int64),
            "last": last,
            "silent": silent,
            "limit": limit,
            "lost": lost,
            "month": gone,
        }
    )


def inactivity_errors(
    purchases: pd.DataFrame,
    truth: pd.DataFrame | pd.Series,
    customers: pd.DataFrame | None = None,
    *,
    gaps: Sequence[int] = tuple(range(1, 13)),
    factor: float | None = None,
    months: int | None = None,
    left: str = "left_month",
) -> pd.DataFrame:
    """How often the rule of `inactive` is wrong, where the truth is known, for each length of silence.

    truth: a simulation's `truth.customers`, in which `left_month` is missing while a customer; or a
    series of truth values (has left) by customer. left: the column of the month of leaving. gaps: those
    tried, in months. Other arguments (purchases, customers, factor, months) as in `inactive`.

    Gives a row a gap: gap, customers, said (lost), gone (really), hits (both), false_alarms (said and still
    there), missed (gone and not said), precision (hits / said), recall (hits / gone), alarm_rate
    (false alarms / those still there), accuracy, churn_said, churn_true (shares of all). A short gap calls
    slow buyers lost, a long one notices late. ValueError when the truth lacks a customer; else errors as in
    `inactive`.
    """
    if isinstance(truth, pd.DataFrame):
        _need(truth, ["customer", left], "truth")
        gone_by = pd.Series(truth[left].notna().to_numpy(), index=truth["customer"])
    else:
        gone_by = truth.astype(bool)
    rows = []
    for gap in gaps:
        found = inactive(purchases, customers, gap=gap, factor=factor, months=months)
        gone = gone_by.reindex(found["customer"])
        if gone.isna().any():
            raise ValueError(f"truth: customer {gone.index[int(gone.isna().argmax())]} is not in it")
        was, said = gone.to_numpy(dtype=bool), found["lost"].to_numpy()
        hits, n = int((was & said).sum()), len(found)
        alarms, missed = int((said & ~was).sum()), int((was & ~said).sum())
        rows.append(
            {
                "gap": gap,
                "customers": n,
                "said": int(said.sum()),
                "gone": int(was.sum()),
                "hits": hits,
                "false_alarms": alarms,
                "missed": missed,
                "precision": hits / said.sum() if said.any() else math.nan,
                "recall": hits / was.sum() if was.any() else math.nan,
                "alarm_rate": alarms / (~was).sum() if not was.all() else math.nan,
                "accuracy": 1 - (alarms + missed) / n if n else math.nan,
                "churn_said": said.mean() if n else math.nan,
                "churn_true": was.mean() if n else math.nan,
            }
        )
    return pd.DataFrame(rows)
