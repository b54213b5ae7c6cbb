"""RFM: recency, frequency and money of every customer, the 125 cells, whom to mail, and named segments.

RFM (最近一次消费、消费频率、消费金额) after Arthur Hughes, Strategic Database Marketing (1994 and later
editions): customers are sorted and cut into fifths, 5 the best, by how recently, how often and for how much
they bought; three digits name a cell, 555 the best and 111 the last. A test mailing gives every cell a rate
of response, and the cells above the break-even rate are mailed.

RFM sorts customers and says nothing of how much they will buy; :mod:`crmsim.analysis.value` does. Whatever is
wrong with the data raises ``ValueError``. ``customer``, ``date``, ``amount``, ``recency``, ``frequency`` and
``monetary`` are names of columns where they are arguments; ``scored`` is what :func:`score` or :func:`rfm`
gives.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from .portfolio import Ties, classes, dates, need, numbers, purchases_of

if TYPE_CHECKING:
    from ..data.database import Database

__all__ = [
    "MailingPlan",
    "break_even_index",
    "break_even_rate",
    "by_score",
    "cells",
    "later",
    "mailing",
    "rfm",
    "score",
    "segment_table",
    "segments",
    "summarise",
]

Floats = npt.NDArray[np.float64]
Moment = str | int | dt.date | pd.Timestamp
LETTERS = ("r", "f", "m")


# --------------------------------------------------------------------------------------------------
# Recency, frequency, money


def _log(
    purchases: pd.DataFrame | Database, customer: str, date: str, amount: str, who: str
) -> tuple[pd.DataFrame, bool]:
    """Columns customer, date, amount; and whether dates are months in whole numbers."""
    frame = purchases_of(purchases)
    need(frame, {"customer": customer, "date": date, "amount": amount}, who)
    if not len(frame):
        raise ValueError(f"{who}: there are no purchases")
    if (lost := frame[customer].isna()).any():
        raise ValueError(f"{who}: {lost.sum():,} rows have no customer; drop them first")
    months = pd.api.types.is_numeric_dtype(frame[date].dtype)
    when: pd.Series
    if months:
        when = pd.Series(numbers(frame[date], date, who))
        if (when % 1 != 0).any():
            raise ValueError(
                f"{who}: {date} holds numbers that are no whole months, such as {when[when % 1 != 0].iloc[0]}"
            )
    else:
        when = dates(frame[date], date, who).dt.normalize().reset_index(drop=True)
    log = pd.DataFrame(
        {
            "customer": frame[customer].to_numpy(),
            "date": when.to_numpy(),
            "amount": numbers(frame[amount], amount, who),
        }
    )
    return log, months


def _moment(value: Moment | None, months: bool, name: str, who: str) -> float | pd.Timestamp | None:
    if value is None:
        return None
    if months:
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            raise ValueError(f"{who}: {name}={value!r}; the dates are numbers of months, so give a number")
        return float(value)
    try:
        if isinstance(value, int | float):
            raise TypeError
        return pd.Timestamp(value).normalize()
    except (TypeError, ValueError):
        raise ValueError(f"{who}: {name}={value!r} is no date; write it as 1997-09-30") from None


def summarise(
    purchases: pd.DataFrame | Database,
    at: Moment | None = None,
    *,
    unit: Literal["days", "months"] = "days",
    count: Literal["days", "rows"] = "days",
    money: Literal["sum", "mean"] = "sum",
    customer: str = "customer",
    date: str = "date",
    amount: str = "amount",
) -> pd.DataFrame:
    """Recency, frequency and money of each customer, as known at the end of a day.

    purchases: a row a purchase, or a ``Database``; ``date`` may also be a column of whole months, counted
    from anywhere. at: the day (or month); the last one in the record if not given. Later purchases are left
    out, as they were not known. unit: of recency; months are calendar months, and always the unit where dates
    are months. count: ``"days"`` counts two purchases on one day once, ``"rows"`` every row. money: ``"sum"``
    of the amounts or ``"mean"`` a purchase (by ``count``).

    A row a customer with a purchase by then, in the order of ``customer``: ``recency`` (days or months
    since the last purchase), ``frequency`` (purchases), ``monetary`` (money). A row with a negative amount
    is a return: it lowers money and is no purchase. ``ValueError`` for missing columns or values, and when
    nothing was bought by then.
    """
    who = "summarise"
    for name, given, known in (
        ("unit", unit, ("days", "months")),
        ("count", count, ("days", "rows")),
        ("money", money, ("sum", "mean")),
    ):
        if given not in known:
            raise ValueError(f'{who}: {name}={given!r} is not known; give "{known[0]}" or "{known[1]}"')
    log, months = _log(purchases, customer, date, amount, who)
    end = _moment(at, months, "at", who)
    if end is None:
        end = log["date"].max()
    log = log[log["date"] <= end]
    bought = log[log["amount"] >= 0]
    if not len(bought):
        raise ValueError(f"{who}: nobody had bought by {end}; the record is empty until then")
    found = bought.groupby("customer", observed=True)["date"].agg(["max", "nunique", "size"])
    if months:
        recency = end - found["max"]
    elif unit == "months":
        day, last = pd.Timestamp(end), found["max"].dt
        recency = (day.year - last.year) * 12 + day.month - last.month
    else:
        recency = (end - found["max"]).dt.days
    frequency = found["nunique" if count == "days" else "size"]
    spent = log.groupby("customer", observed=True)["amount"].sum().reindex(found.index)
    table = pd.DataFrame(
        {
            "recency": recency.astype(np.int64),
            "frequency": frequency.astype(np.int64),
            "monetary": spent / frequency if money == "mean" else spent,
        }
    )
    return table.rename_axis(index=customer)


def score(
    table: pd.DataFrame,
    *,
    method: Literal["nested", "independent"] = "nested",
    ties: Ties = "together",
    bins: int = 5,
    recency: str = "recency",
    frequency: str = "frequency",
    monetary: str = "monetary",
) -> pd.DataFrame:
    """The three scores and the cell of each customer; columns ``r``, ``f``, ``m``, ``cell`` are added.

    table: a row a customer, with recency (small is good), frequency and money (large is good). method:
    ``"nested"`` is Hughes's own: fifths by recency, within each of them fifths by frequency, within each of
    these fifths by money, so that cells are about equally large, and an f of 5 means another frequency in
    each fifth of recency. ``"independent"`` cuts all customers by each of the three, so a score means the
    same everywhere and cells differ much in size. ties: ``"together"`` gives equal customers the same score,
    that of the fifth in which the middle of their group lies (so scores can be missing: half of a typical
    file has bought once); ``"order"`` parts them by their order in ``table``, as a sort and cut does.
    bins: 5 for fifths, 2 to 9.

    ``cell`` is text, such as "543". ``ValueError`` for missing columns or values, and an unknown method.
    """
    who = "score"
    names = (recency, frequency, monetary)
    for argument, name in zip(("recency", "frequency", "monetary"), names, strict=True):
        need(table, {argument: name}, who)
    if method not in ("nested", "independent"):
        raise ValueError(f'{who}: method={method!r} is not known; give "nested" or "independent"')
    if not (isinstance(bins, int) and 2 <= bins <= 9):
        raise ValueError(f"{who}: bins must be a whole number from 2 to 9, not {bins!r}")
    if not len(table):
        raise ValueError(f"{who}: there are no customers")
    good = [sign * numbers(table[name], name, who) for sign, name in zip((-1, 1, 1), names, strict=True)]
    shares = np.full(bins, 1 / bins)
    group = np.zeros(len(table), dtype=np.int64)
    scores = []
    for values in good:
        found = np.empty(len(table), dtype=np.int64)
        for part in _parts(group):
            found[part] = bins - classes(values[part], shares, ties)
        scores.append(found)
        if method == "nested":
            group = group * 10 + found
    r, f, m = scores
    cell = pd.Series(100 * r + 10 * f + m, index=table.index).astype(str)
    return table.assign(r=r, f=f, m=m, cell=cell)


def _parts(group: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """The places of each group, in their order."""
    order = np.argsort(group, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


def rfm(
    purchases: pd.DataFrame | Database,
    at: Moment | None = None,
    *,
    method: Literal["nested", "independent"] = "nested",
    ties: Ties = "together",
    bins: int = 5,
    unit: Literal["days", "months"] = "days",
    count: Literal["days", "rows"] = "days",
    money: Literal["sum", "mean"] = "sum",
    customer: str = "customer",
    date: str = "date",
    amount: str = "amount",
) -> pd.DataFrame:
    """RFM of every customer from the purchases: :func:`summarise`, then :func:`score`.

    purchases, at, unit, count, money: as in the first; method, ties, bins: as in the second.

    A row a customer: ``recency``, ``frequency``, ``monetary``, ``r``, ``f``, ``m`` (1 to ``bins``, the
    largest the best) and ``cell`` ("555" to "111"). ``ValueError`` as for these two.
    """
    table = summarise(
        purchases, at, unit=unit, count=count, money=money, customer=customer, date=date, amount=amount
    )
    return score(table, method=method, ties=ties, bins=bins)


# --------------------------------------------------------------------------------------------------
# What came of it


def later(
    scored: pd.DataFrame,
    purchases: pd.DataFrame | Database,
    after: Moment,
    until: Moment | None = None,
    *,
    customer: str = "customer",
    date: str = "date",
    amount: str = "amount",
) -> pd.DataFrame:
    """What scored customers did in a later period, to compare the scores with.

    purchases: as in :func:`summarise`. after: the last day (or month) the scores knew of; until: the last of
    the period, both as in :func:`summarise`. Columns added: ``bought`` (0 or 1), ``later_purchases`` (days
    with one), ``later_spend`` (money, returns taken off). Customers who first came in the period are not in
    it. ``ValueError`` for a period without length, customers named twice, and buyers none of whom is known.
    """
    who = "later"
    log, months = _log(purchases, customer, date, amount, who)
    start, end = _moment(after, months, "after", who), _moment(until, months, "until", who)
    assert start is not None
    if end is not None and not end > start:  # type: ignore[operator]
        raise ValueError(f"{who}: until={until!r} does not lie after {after!r}")
    log = log[(log["date"] > start) & ((log["date"] <= end) if end is not None else True)]
    if not scored.index.is_unique:
        raise ValueError(f"{who}: the index of scored must name each customer once")
    if len(log) and not log["customer"].isin(scored.index).any():
        raise ValueError(
            f"{who}: none of the {log['customer'].nunique():,} later buyers is in the index of scored, which "
            f"holds {scored.index[0]!r}; are customers named alike in both?"
        )
    spent = log.groupby("customer", observed=True)["amount"].sum()
    bought = log[log["amount"] >= 0].groupby("customer", observed=True)["date"].nunique()
    number = bought.reindex(scored.index).fillna(0).astype(np.int64)
    return scored.assign(
        bought=(number > 0).astype(np.int64),
        later_purchases=number,
        later_spend=spent.reindex(scored.index).fillna(0.0),
    )


def _outcome(scored: pd.DataFrame, outcome: str | pd.Series | npt.ArrayLike, who: str) -> Floats:
    if isinstance(outcome, str):
        need(scored, {"outcome": outcome}, who)
        return numbers(scored[outcome], outcome, who)
    if isinstance(outcome, pd.Series):
        lost = ~scored.index.isin(outcome.index)
        if lost.any():
            raise ValueError(
                f"{who}: outcome has no row for {lost.sum():,} customers, such as {scored.index[lost][0]}; "
                "add them with 0 if they did not respond"
            )
        if not outcome.index.is_unique:
            raise ValueError(f"{who}: outcome names a customer twice; add its rows up first")
        outcome = outcome.reindex(scored.index)
    values = numbers(outcome, "outcome", who)
    if len(values) != len(scored):
        raise ValueError(f"{who}: outcome has {len(values):,} values for {len(scored):,} customers")
    return values


def by_score(
    scored: pd.DataFrame, outcome: str | pd.Series | npt.ArrayLike, by: Sequence[str] = LETTERS
) -> pd.DataFrame:
    """Mean of an outcome (response, purchases, money) by each score alone.

    outcome: a column of ``scored``, a Series indexed by customer or an array. Rows are scores, the best
    first; columns ``r``, ``f``, ``m`` (or ``by``). NaN where nobody has the score. ``ValueError`` for a
    missing column and an outcome of another length.
    """
    who = "by_score"
    for name in by:
        need(scored, {"by": name}, who)
    values = _outcome(scored, outcome, who)
    means = {name: pd.Series(values).groupby(scored[name].to_numpy()).mean() for name in by}
    return pd.DataFrame(means).sort_index(ascending=False).rename_axis(index="score")


def cells(
    scored: pd.DataFrame,
    outcome: str | pd.Series | npt.ArrayLike | None = None,
    *,
    by: Sequence[str] = LETTERS,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """All cells, the best first, with their customers and how many of them responded.

    outcome: 1 for a customer who responded and 0 for one who did not, as in :func:`by_score`. by: the digits
    of a cell, ``("r", "f")`` for 25 cells; also ``["segment"]``.

    Indexed by ``cell``: the columns of ``by``, ``customers``, ``share``; with an outcome also
    ``responses``, ``rate`` (missing in empty cells), ``low`` and ``high`` (the interval of Wilson 1927 at
    ``confidence``) and ``lift`` (rate / rate of all customers; missing if nobody responded). ``ValueError``
    for missing columns and outcomes that are not 0 or 1.
    """
    who = "cells"
    by = [by] if isinstance(by, str) else list(by)
    for name in by:
        need(scored, {"by": name}, who)
    if not len(scored):
        raise ValueError(f"{who}: there are no customers")
    digits = all(name in LETTERS for name in by)
    keys = scored[by].reset_index(drop=True)
    one = keys.groupby(by, observed=True).size()
    if digits:
        top = max(int(scored[[c for c in LETTERS if c in scored]].to_numpy().max()), 5)
        grid = list(itertools.product(range(top, 0, -1), repeat=len(by)))
        labels = ["".join(map(str, digit)) for digit in grid]
    else:
        grid = [key if isinstance(key, tuple) else (key,) for key in one.index]
        labels = [" ".join(map(str, key)) for key in grid]
    full = (
        pd.MultiIndex.from_tuples(grid, names=by)
        if len(by) > 1
        else pd.Index([k[0] for k in grid], name=by[0])
    )
    table = pd.DataFrame(grid, columns=by, index=pd.Index(labels, name="cell"))
    table["customers"] = one.reindex(full, fill_value=0).to_numpy()
    table["share"] = table["customers"] / len(scored)
    if outcome is None:
        return table
    values = _outcome(scored, outcome, who)
    if not np.isin(values, (0.0, 1.0)).all():
        odd = values[~np.isin(values, (0.0, 1.0))][0]
        raise ValueError(
            f"{who}: outcome must be 1 or 0 (responded or not) and holds {odd:g}; by_score takes others"
        )
    said = pd.Series(values).groupby([keys[name] for name in by], observed=True).sum()
    table["responses"] = said.reindex(full, fill_value=0).to_numpy().astype(np.int64)
    n = table["customers"].where(table["customers"] > 0)
    table["rate"] = table["responses"] / n
    table["low"], table["high"] = _wilson(table["rate"], n, confidence, who)
    overall = values.mean()
    table["lift"] = table["rate"] / overall if overall > 0 else math.nan
    return table


def _wilson(rate: pd.Series, n: pd.Series, confidence: float, who: str) -> tuple[pd.Series, pd.Series]:
    from scipy.special import ndtri

    if not 0 < confidence < 1:
        raise ValueError(f"{who}: confidence must be between 0 and 1, not {confidence!r}")
    z2 = float(ndtri(0.5 + confidence / 2)) ** 2
    middle = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (rate * (1 - rate) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    # rounding must not put a rate of 0 or 1 outside
    return np.minimum((middle - half).clip(lower=0), rate), np.maximum((middle + half).clip(upper=1), rate)


# --------------------------------------------------------------------------------------------------
# Whom to mail


def break_even_rate(cost: float, margin: float) -> float:
    """Break-even response rate 盈亏平衡回应率: cost of one contact / margin of one response (Hughes).

    cost, margin: in the same money. Above 1 no mailing can pay.

    ``ValueError`` for costs or margins that make no rate.

    >>> break_even_rate(0.5, 40)
    0.0125
    """
    if not (math.isfinite(cost) and cost >= 0):
        raise ValueError(f"break_even_rate: cost must be 0 or more, not {cost!r}")
    if not (math.isfinite(margin) and margin > 0):
        raise ValueError(f"break_even_rate: margin must be above 0, not {margin!r}")
    return cost / margin


def break_even_index(rate: npt.ArrayLike, break_even: float) -> Floats:
    """Break-even index (Hughes): (rate - break-even rate) / break-even rate x 100; 0 breaks even.

    rate, break_even: shares, 0 to 1. One index each. ``ValueError`` for a break-even rate that is not above
    0.

    >>> float(break_even_index(0.025, 0.0125))
    100.0
    """
    if not (math.isfinite(break_even) and break_even > 0):
        raise ValueError(f"break_even_index: the break-even rate must be above 0, not {break_even!r}")
    return np.asarray((np.asarray(rate, dtype=np.float64) / break_even - 1) * 100)


@dataclass(frozen=True, eq=False, repr=False)
class MailingPlan:
    """Which cells to mail.

    ``table``: the cells given, with ``index`` (break-even index), ``mail`` (True or False), ``contacts``
    (customers to mail in it), ``profit`` (expected if it is mailed, in money: contacts of the cell x (rate x
    margin - cost)). ``break_even``: the response rate. ``profit``: expected of the cells mailed;
    ``profit_all``: of mailing everybody whose cell has a known rate.
    """

    table: pd.DataFrame
    break_even: float
    cost: float
    margin: float

    @property
    def chosen(self) -> list[str]:
        """The cells to mail."""
        return [str(cell) for cell in self.table.index[self.table["mail"]]]

    @property
    def contacts(self) -> int:
        """Customers to mail."""
        return int(self.table.loc[self.table["mail"], "contacts"].sum())

    @property
    def profit(self) -> float:
        """Profit of mailing the cells chosen, in money."""
        return float(self.table.loc[self.table["mail"], "profit"].sum())

    @property
    def profit_all(self) -> float:
        """Profit of mailing every cell, in money."""
        return float(self.table["profit"].sum())

    def __repr__(self) -> str:
        return (
            f"MailingPlan({len(self.chosen)} of {len(self.table)} cells, {self.contacts:,} of "
            f"{int(self.table['contacts'].sum()):,} customers; break-even rate {self.break_even:.2%}; "
            f"expected profit {self.profit:,.2f}, of mailing all {self.profit_all:,.2f})"
        )


def mailing(
    response: pd.DataFrame,
    cost: float,
    margin: float,
    *,
    rate: Literal["rate", "low"] = "rate",
    file: pd.DataFrame | None = None,
) -> MailingPlan:
    """Which cells to mail: those whose rate of response lies above break-even.

    response: what :func:`cells` gives with an outcome, from a test mailing. cost: of one contact; margin:
    of one response, in the same money. rate: ``"rate"`` takes the rates as they were, and small cells that
    were lucky with them; ``"low"`` asks that the lower bound lies above break-even. file: the cells of the
    whole file (:func:`cells` without outcome) when the test went to a part; contacts and profit are then of
    it. Cells without a rate are not mailed. Profit is computed with ``rate`` in any case. ``ValueError``
    for missing columns, and costs or margins that make no rate.
    """
    who = "mailing"
    if rate not in ("rate", "low"):
        raise ValueError(f'{who}: rate={rate!r} is not known; give "rate" or "low"')
    for name in ("customers", "rate", "low"):
        if name not in response:
            raise ValueError(f"{who}: column {name!r} is missing; give what cells(scored, outcome) returns")
    level = break_even_rate(cost, margin)
    if level == 0:
        raise ValueError(f"{who}: a contact that costs nothing has no break-even; cost must be above 0")
    number = response["customers"]
    if file is not None:
        need(file, {"file": "customers"}, who)
        if (strange := file.index.difference(response.index)).size:
            raise ValueError(f"{who}: file has cells that response has not, such as {strange[0]}")
        number = file["customers"].reindex(response.index, fill_value=0)
    table = response.assign(
        index=break_even_index(response["rate"], level),
        mail=(response[rate] > level) & (number > 0),
        contacts=number,
        profit=(number * (response["rate"] * margin - cost)).fillna(0.0),
    )
    return MailingPlan(table, level, float(cost), float(margin))


# --------------------------------------------------------------------------------------------------
# Named segments

_SEGMENTS: dict[str, list[tuple[str, str, str, str, str, str]]] = {
    # Three times high (4 and 5) or low: the eight types of the Chinese CRM handbooks.
    "eight": [
        ("key_value", "key customers", "重要价值客户", "4-5", "4-5", "4-5"),
        ("key_develop", "key customers to develop", "重要发展客户", "4-5", "1-3", "4-5"),
        ("key_keep", "key customers to keep", "重要保持客户", "1-3", "4-5", "4-5"),
        ("key_win_back", "key customers to win back", "重要挽留客户", "1-3", "1-3", "4-5"),
        ("ordinary_value", "ordinary customers", "一般价值客户", "4-5", "4-5", "1-3"),
        ("ordinary_develop", "ordinary customers to develop", "一般发展客户", "4-5", "1-3", "1-3"),
        ("ordinary_keep", "ordinary customers to keep", "一般保持客户", "1-3", "4-5", "1-3"),
        ("ordinary_win_back", "ordinary customers to win back", "一般挽留客户", "1-3", "1-3", "1-3"),
    ],
    # Ten fields of recency and frequency, as CRM software names them.
    "ten": [
        ("champions", "champions", "核心客户", "5", "4-5", "1-5"),
        ("loyal", "loyal customers", "忠诚客户", "3-4", "4-5", "1-5"),
        ("potential_loyal", "potential loyalists", "潜在忠诚客户", "4-5", "2-3", "1-5"),
        ("new", "new customers", "新客户", "5", "1", "1-5"),
        ("promising", "promising", "有希望客户", "4", "1", "1-5"),
        ("need_attention", "need attention", "需关注客户", "3", "3", "1-5"),
        ("about_to_sleep", "about to sleep", "即将沉睡客户", "3", "1-2", "1-5"),
        ("cannot_lose", "cannot lose them", "不可失去客户", "1-2", "5", "1-5"),
        ("at_risk", "at risk", "有流失风险客户", "1-2", "3-4", "1-5"),
        ("hibernating", "hibernating", "休眠客户", "1-2", "1-2", "1-5"),
    ],
}  # fmt: skip


def segment_table(which: Literal["eight", "ten"] = "eight") -> pd.DataFrame:
    """A table of named segments, to use or to change: a row a segment, the first that fits is taken.

    ``"eight"``: high (4, 5) or low (1 to 3) in each of the three, with the names of the Chinese CRM
    handbooks (重要价值客户 …), which cut at the mean instead. ``"ten"``: recency and frequency only, with the
    names common in CRM software. Both are trade usage without a study behind them. Columns ``segment``
    (key), ``english``, ``chinese``, ``r``, ``f``, ``m``: a score or a range of them, such as "4-5".
    ``ValueError`` for another name.
    """
    if which not in _SEGMENTS:
        raise ValueError(f'segment_table: {which!r} is not known; give "eight" or "ten"')
    return pd.DataFrame(_SEGMENTS[which], columns=["segment", "english", "chinese", *LETTERS])


def segments(
    scored: pd.DataFrame, table: pd.DataFrame | Literal["eight", "ten"] = "eight", *, language: str = "key"
) -> pd.DataFrame:
    """The named segment of every customer, as a column ``segment``.

    table: "eight", "ten" or a table of the user's own with the columns of :func:`segment_table`. language:
    ``"key"``, ``"en"`` or ``"zh"`` for what stands in the column, an ordered categorical in the order of the
    table. ``ValueError`` when the table is faulty or leaves a customer without a segment. Scores of method
    ``"independent"`` suit named segments: there an f of 5 means the same for everyone.
    """
    who = "segments"
    if isinstance(table, str):
        table = segment_table(table)
    column = {"key": "segment", "en": "english", "zh": "chinese"}.get(language)
    if column is None:
        raise ValueError(f'{who}: language {language!r} is not known; give "key", "en" or "zh"')
    for name in LETTERS:
        need(scored, {"scored": name}, who)
    for name in (column, *LETTERS):
        if name not in table:
            raise ValueError(f"{who}: the table of segments has no column {name!r}; see segment_table()")
    found = np.full(len(scored), -1, dtype=np.int64)
    for k in range(len(table) - 1, -1, -1):
        inside = np.ones(len(scored), dtype=bool)
        for name in LETTERS:
            low, high = _range(table[name].iloc[k], table[column].iloc[k], name, who)
            values = scored[name].to_numpy()
            inside &= (values >= low) & (values <= high)
        found[inside] = k
    if (found < 0).any():
        row = scored[found < 0].iloc[0]
        raise ValueError(
            f"{who}: {(found < 0).sum():,} customers are in no segment, such as those of r {row['r']}, f "
            f"{row['f']}, m {row['m']}; add a last row with 1-5 for all three"
        )
    names = list(dict.fromkeys(table[column].astype(str)))
    codes = pd.Index(names).get_indexer(pd.Index(table[column].astype(str)))[found]
    return scored.assign(segment=pd.Categorical.from_codes(codes, categories=pd.Index(names), ordered=True))


def _range(text: object, segment: object, name: str, who: str) -> tuple[int, int]:
    low, dash, high = str(text).replace("–", "-").partition("-")
    try:
        first, last = int(low), int(high if dash else low)
    except ValueError:
        first, last = 1, 0
    if not 1 <= first <= last:
        raise ValueError(
            f"{who}: segment {segment!r} has {name} = {text!r}; give a score such as 5 or a range such as 4-5"
        )
    return first, last
