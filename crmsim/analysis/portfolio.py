"""Who the customers are and what they bring: composition, ABC, concentration, product ratios, value tiers.

The analyses of a customer file that 客户关系管理 (第八章) names: composition 客户构成分析, transaction
performance 交易业绩分析, sales mix 销售构成, gross margin rate 毛利率, turnover 周转率, cross ratio
交叉比率, contribution ratio 贡献比率, and screening 筛选客户. The text names them without formulas; the
formulas here are those of retail and sales-management handbooks, and each function says so.

Sales come as a Series indexed by customer, as a frame with a row a purchase (columns ``customer`` and
``amount``, or those named), or as a ``Database``. Shares are from 0 to 1. Returns (negative amounts) are
netted for each customer. ``customer``, ``amount`` and ``date`` are names of columns where they are arguments,
and ``who`` is the name of the function in an error. A customer whose returns outweigh the purchases counts as
0 in every share of sales, and how many there are is said. Whatever is wrong with the data raises
``ValueError``.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..vocabulary import ValueTier

if TYPE_CHECKING:
    from ..data.database import Database

__all__ = [
    "ABC",
    "ProductRatios",
    "Transitions",
    "abc",
    "composition",
    "contribution_ratio",
    "cross_ratio",
    "gini",
    "gross_margin_rate",
    "lorenz",
    "performance",
    "product_ratios",
    "products_of",
    "purchases_of",
    "sales_mix",
    "sales_over_time",
    "screen",
    "tier_history",
    "tiers",
    "top_share",
    "totals",
    "transitions",
    "turnover",
]

Floats = npt.NDArray[np.float64]
Ties = Literal["together", "order"]

TIERS = tuple(tier.key for tier in (ValueTier.HIGH_VALUE, ValueTier.ORDINARY, ValueTier.SMALL))
"""The value tiers 客户分类, best first: high-value 高价值客户, ordinary 一般客户, small 小客户."""
ABSENT, NOT_YET = "absent", "not_yet"
"""A period in which a customer bought nothing (未购买), and one before the first purchase (尚非客户)."""

_SLACK = 1e-12  # what adding shares up may lose


# --------------------------------------------------------------------------------------------------
# What comes in


def need(frame: pd.DataFrame, columns: Mapping[str, str], who: str) -> None:
    """Refuse a ``frame`` that lacks a column. columns: name of the argument -> name of the column.

    Raises ValueError, in the name of `who`, that tells the columns there are.
    """
    if not isinstance(frame, pd.DataFrame):
        raise ValueError(f"{who}: a DataFrame is needed, not {type(frame).__name__}")
    for argument, column in columns.items():
        if column in frame:
            continue
        known = [str(name) for name in frame.columns]
        near = difflib.get_close_matches(str(column), known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise ValueError(
            f"{who}: there is no column {column!r}{hint} The columns are {', '.join(known)}; "
            f"name the right one with {argument}="
        )


def numbers(values: pd.Series | npt.ArrayLike, name: str, who: str, *, negative: bool = True) -> Floats:
    """The ``values`` as a float array without missing ones; the message names the first row that is wrong.

    Raises ValueError, in the name of `who`, for missing values, no numbers and, if told so, negative ones.
    """
    series = values if isinstance(values, pd.Series) else pd.Series(np.ravel(np.asarray(values)))
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        raise ValueError(f"{who}: {name} holds dates; numbers are needed")
    try:
        out = series.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        odd = pd.to_numeric(series, errors="coerce").isna() & series.notna()
        at = f" (first at row {series.index[odd][0]}: {series[odd].iloc[0]!r})" if odd.any() else ""
        raise ValueError(f"{who}: {name} must hold numbers only{at}") from None
    wrong = ~np.isfinite(out)
    if wrong.any():
        raise ValueError(
            f"{who}: {name} is missing or infinite in {wrong.sum():,} rows, first at row "
            f"{series.index[wrong][0]}; drop or fill them first"
        )
    if not negative and (out < 0).any():
        raise ValueError(
            f"{who}: {name} is below 0 in {(out < 0).sum():,} rows, first at row {series.index[out < 0][0]}"
        )
    return out


def purchases_of(source: pd.DataFrame | Database) -> pd.DataFrame:
    """The purchases of a customer database, a row a purchase: ``customer``, ``date``, ``amount``, ``month``.

    source: the database. Months count from 0, the amount is money. Goods brought back (``return_lines``)
    follow as rows with an amount below 0, unless they are already taken off their purchase, so that sums are
    net sales. Customers with a contract have no purchases; there each bill that was paid counts as one, on
    the first day of its month, with the money that came in. A DataFrame is given back as it is.
    ``ValueError`` for anything else.
    """
    if isinstance(source, pd.DataFrame):
        return source
    if not hasattr(source, "table"):
        raise ValueError(f"purchases: a DataFrame or a Database is needed, not {type(source).__name__}")
    found = source.table("purchases")
    if len(found) or "payments" not in source.tables:
        return _with_returns(found, source)
    from ..data.database import first_day

    paid = source.table("payments")
    paid = paid.loc[paid["paid"], ["customer", "month", "amount"]].reset_index(drop=True)
    # pandas has no days
    return paid.assign(date=first_day(paid["month"]).astype("datetime64[s]"))


def _with_returns(purchases: pd.DataFrame, source: Database) -> pd.DataFrame:
    back = source.table("return_lines") if "return_lines" in source.tables else pd.DataFrame()
    if len(back):
        back = back[~back["taken_off"].astype(bool)]
    if not len(back):
        return purchases
    rows = back[["customer", "month", "date"]].assign(amount=-back["amount"].astype(float))
    return pd.concat([purchases, rows], ignore_index=True)


def _brought_back(source: Database, first: int, last: int) -> pd.DataFrame:
    """Returned goods as lines below 0, those known by product and not yet taken off."""
    names = ["product", "quantity", "amount", "cost"]
    back = source.table("return_lines") if "return_lines" in source.tables else pd.DataFrame()
    if not len(back):
        return pd.DataFrame(columns=names)
    here = back["month"].between(first, last) & back["product"].notna() & ~back["taken_off"].astype(bool)
    found = back.loc[here, names].copy()
    return found.assign(**{name: -found[name].astype(np.float64) for name in names[1:]})


def products_of(database: Database, first: int | None = None, last: int | None = None) -> pd.DataFrame:
    """What each product of a customer database sold, a row a product, for :func:`product_ratios`.

    first, last: months of the period, counted from 0, both in it; those of the purchases if not given.
    Columns ``product``, ``sales`` and ``cost`` (money), ``quantity`` (pieces), and where the firm keeps
    stock ``opening`` (of the first month) and ``closing`` (of the last), valued at cost. The cost of a line
    that does not say it is quantity x the product's unit cost; where that is missing too, ``cost`` is
    missing. Goods brought back in the period (``return_lines``) are taken off where the purchase does not
    do so already. ``ValueError`` for a database without these tables or a period without sales.
    """
    who = "products_of"
    for name in ("purchases", "purchase_lines", "products"):
        if name not in database.tables:
            raise ValueError(f"{who}: the database has no table {name!r}")
    lines = database.table("purchase_lines")
    if not len(lines):
        raise ValueError(f"{who}: purchase_lines is empty; only purchases line by line show products")
    month = database.table("purchases").set_index("purchase")["month"]
    when = month.reindex(pd.Index(lines["purchase"])).to_numpy(dtype=np.float64, na_value=np.nan)
    first = int(month.min()) if first is None else first
    last = int(month.max()) if last is None else last
    inside = (when >= first) & (when <= last)
    if not inside.any():
        raise ValueError(f"{who}: nothing was sold in months {first} to {last}")
    lines = lines[inside]
    if len(back := _brought_back(database, first, last)):
        lines = pd.concat([lines, back], ignore_index=True)
    each = database.table("products").set_index("product")["unit_cost"]
    worth = lines["product"].astype(object).map(each).astype(np.float64) * lines["quantity"].astype(
        np.float64
    )
    lines = lines.assign(cost=lines["cost"].astype(np.float64).fillna(worth))
    sums = lines.groupby("product", observed=True).agg(
        sales=("amount", "sum"), cost=("cost", lambda x: x.sum(skipna=False)), quantity=("quantity", "sum")
    )
    stock = database.table("stock") if "stock" in database.tables else None
    if stock is not None and len(stock):
        for name, at in (("opening", first), ("closing", last)):
            held = stock[stock["month"] == at].set_index("product")[name]
            sums[name] = held.reindex(sums.index).fillna(0.0)
    return sums.reset_index()


def totals(
    sales: pd.Series | pd.DataFrame | Database,
    *,
    customer: str = "customer",
    amount: str = "amount",
    who: str = "totals",
) -> pd.Series:
    """Sales of each customer, in money: a Series indexed by customer, named ``sales``.

    sales: a Series indexed by customer (values of one customer are added up), purchases with the columns
    ``customer`` and ``amount``, or a ``Database``. ``ValueError`` for missing customers or amounts.
    """
    if isinstance(sales, pd.Series):
        keys, values = sales.index, numbers(sales, "sales", who)
    else:
        frame = purchases_of(sales)
        need(frame, {"customer": customer, "amount": amount}, who)
        keys, values = pd.Index(frame[customer]), numbers(frame[amount], amount, who)
    if not len(values):
        raise ValueError(f"{who}: there are no sales")
    if keys.hasnans:
        raise ValueError(f"{who}: {int(np.sum(keys.isna())):,} rows have no customer; drop them first")
    out = pd.Series(values, index=keys, name="sales")
    out = out.groupby(level=0, observed=True).sum() if not keys.is_unique else out
    return out.rename_axis(index=str(keys.name or customer))


def _counted(sales: pd.Series, who: str) -> Floats:
    """Sales with those below 0 as 0. ``ValueError`` when nothing remains."""
    counted = np.maximum(sales.to_numpy(dtype=np.float64), 0.0)
    if not counted.sum() > 0:
        raise ValueError(f"{who}: no customer has sales above 0")
    return counted


def _fractions(shares: Sequence[float], name: str, who: str) -> Floats:
    out = np.asarray(shares, dtype=np.float64)
    if out.ndim != 1 or out.size < 2 or not (np.isfinite(out).all() and (out > 0).all()):
        raise ValueError(f"{who}: {name} must be two or more shares above 0, not {shares!r}")
    if abs(out.sum() - 1) > 1e-9:
        raise ValueError(f"{who}: {name} must add up to 1, not to {out.sum():g} ({shares!r})")
    return out


def classes(values: Floats, shares: Floats, ties: Ties = "together") -> npt.NDArray[np.int64]:
    """Which class each value falls into, 0 the best, when the classes hold these ``shares`` of the values.

    ties ``"together"``: equal values get the same class, the one in which the middle of their group lies
    (the lower one if it lies on a cut), so classes may come out uneven or empty. ``"order"``: equal values
    are parted in the order in which they stand, so classes are as even as they can be. Raises ValueError for
    other ties.
    """
    if ties not in ("together", "order"):
        raise ValueError(f'ties={ties!r} is not known; give "together" or "order"')
    ranks = pd.Series(-values).rank(method="average" if ties == "together" else "first").to_numpy()
    place = (ranks - 0.5) / max(len(values), 1)
    return np.searchsorted(np.cumsum(shares)[:-1] - _SLACK, place, side="right")


def sales_over_time(
    log: pd.DataFrame | Database,
    every: Literal["month", "quarter", "year"] = "month",
    *,
    customer: str = "customer",
    amount: str = "amount",
    date: str = "date",
) -> pd.DataFrame:
    """Sales period by period of the calendar 销售趋势, from the first purchase to the last.

    log: a row a purchase, or a ``Database``. A row a period, those without a purchase too: ``period`` (as
    2024-05, 2024Q2, 2024), ``start`` (its first day), ``sales`` (money, returns taken off), ``purchases``,
    ``buyers`` (customers with one), ``each`` (money a buyer), ``growth`` (over the same period a year before;
    missing in the first year). The first and last period may be whole only in part. ``ValueError`` for an
    unknown ``every``, missing columns or values.
    """
    who = "sales_over_time"
    if every not in _PERIODS:
        raise ValueError(f"{who}: every={every!r} is not known; give {', '.join(map(repr, _PERIODS))}")
    table = purchases_of(log)
    need(table, {"customer": customer, "amount": amount, "date": date}, who)
    if not len(table):
        raise ValueError(f"{who}: there are no purchases")
    period = dates(table[date], date, who).dt.tz_localize(None).dt.to_period(_PERIODS[every])
    sums = pd.DataFrame(
        {
            "period": period.to_numpy(),
            "customer": table[customer].to_numpy(),
            "sales": numbers(table[amount], amount, who),
        }
    )
    bought = sums[sums["sales"] >= 0].groupby("period")["customer"]
    index = pd.period_range(period.min(), period.max(), freq=_PERIODS[every])
    out = pd.DataFrame(
        {
            "sales": sums.groupby("period")["sales"].sum().reindex(index, fill_value=0.0),
            "purchases": bought.size().reindex(index, fill_value=0),
            "buyers": bought.nunique().reindex(index, fill_value=0),
        }
    )
    out["each"] = out["sales"] / out["buyers"].where(out["buyers"] > 0)
    before = out["sales"].shift({"month": 12, "quarter": 4, "year": 1}[every])
    out["growth"] = out["sales"] / before.where(before > 0) - 1
    out.insert(0, "period", [str(p) for p in index])
    out.insert(1, "start", index.to_timestamp())
    return out.reset_index(drop=True)


# --------------------------------------------------------------------------------------------------
# Composition and concentration


def composition(
    customers: pd.DataFrame,
    by: str | Sequence[str],
    *,
    value: str | pd.Series | None = None,
    customer: str = "customer",
    edges: Sequence[float] | None = None,
) -> pd.DataFrame:
    """Composition of the customers by one or more attributes (客户构成分析).

    customers: a row a customer. by: the attribute, or several. edges: for one attribute in numbers, where
    its classes begin and end; each class has its lower edge and not its upper one. value: what each customer
    is worth, in money, as a column or as a Series indexed by customer (one who is not in it counts 0).

    One row a combination, the most frequent first; missing attributes are a row of their own. Columns:
    ``customers``, ``customer_share``; with ``value`` also ``value``, ``value_share``, ``value_each`` (money
    a customer) and ``index`` (value share / customer share x 100: above 100 is worth more than the
    average). ``ValueError`` for missing columns or values, faulty edges, and no customers.
    """
    who = "composition"
    names = [by] if isinstance(by, str) else list(by)
    if not names:
        raise ValueError(f"{who}: name at least one attribute with by=")
    for name in names:
        need(customers, {"by": name}, who)
    if not len(customers):
        raise ValueError(f"{who}: there are no customers")
    keys = customers[names].copy()
    if edges is not None:
        if len(names) != 1:
            raise ValueError(f"{who}: edges go with one attribute, not with {len(names)}")
        keys[names[0]] = _classed(customers[names[0]], edges, who)
    worth = None
    if isinstance(value, pd.Series):
        need(customers, {"customer": customer}, who)
        worth = pd.Series(numbers(value, "value", who), index=value.index)
        worth = worth.groupby(level=0).sum().reindex(pd.Index(customers[customer])).fillna(0.0)
    elif value is not None:
        need(customers, {"value": value}, who)
        worth = pd.Series(numbers(customers[value], value, who))
    keys["_"] = 0.0 if worth is None else worth.to_numpy()
    grouped = keys.groupby(names, dropna=False, observed=True)["_"].agg(["size", "sum"])
    table = pd.DataFrame(
        {"customers": grouped["size"], "customer_share": grouped["size"] / len(customers)},
        index=grouped.index,
    )
    if worth is not None:
        whole = float(worth.sum())
        table["value"] = grouped["sum"]
        table["value_share"] = grouped["sum"] / whole if whole else math.nan
        table["value_each"] = grouped["sum"] / grouped["size"]
        table["index"] = 100 * table["value_share"] / table["customer_share"]
    return table if edges is not None else table.sort_values("customers", ascending=False, kind="stable")


def _classed(values: pd.Series, edges: Sequence[float], who: str) -> Any:
    bounds = np.asarray(edges, dtype=np.float64)
    if bounds.size < 2 or not (np.diff(bounds) > 0).all():
        raise ValueError(f"{who}: edges must be two or more rising numbers, not {edges!r}")
    series = pd.to_numeric(values, errors="coerce")
    if (odd := series.isna() & values.notna()).any():
        raise ValueError(
            f"{who}: edges need numbers; {values.name!r} holds {values[odd].iloc[0]!r} at row "
            f"{values.index[odd][0]}"
        )
    if (out := (series < bounds[0]) | (series >= bounds[-1])).any():
        raise ValueError(
            f"{who}: {out.sum():,} values of {values.name!r} lie outside the edges, such as "
            f"{series[out].iloc[0]:g}; add edges below or above"
        )
    return pd.cut(series, bounds.tolist(), right=False)


@dataclass(frozen=True, eq=False, repr=False)
class ABC:
    """Customers sorted into classes by their sales.

    ``table``: a row a customer, the largest first: ``sales``, ``share`` (of all sales), ``cumulative``
    (share of sales down to this customer), ``customers`` (share of customers down to this one), ``class``.
    ``summary``: a row a class: ``customers``, ``customer_share``, ``sales``, ``sales_share``, ``each``
    (sales a customer). ``shares``: the shares of sales that were asked for. ``below_zero``: customers whose
    returns outweigh their purchases; they count 0 and are in the last class.
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    shares: tuple[float, ...]
    below_zero: int = 0

    def __repr__(self) -> str:
        parts = "; ".join(
            f"{name} {row['customer_share']:.1%} of customers, {row['sales_share']:.1%} of sales"
            for name, row in self.summary.iterrows()
        )
        odd = f"; {self.below_zero:,} customers with negative sales" if self.below_zero else ""
        return f"ABC({len(self.table):,} customers: {parts}{odd})"

    def _repr_html_(self) -> str:
        return self.summary.to_html(float_format=lambda value: f"{value:,.3f}", border=0)


def abc(
    sales: pd.Series | pd.DataFrame | Database,
    shares: Sequence[float] = (0.75, 0.20, 0.05),
    *,
    customer: str = "customer",
    amount: str = "amount",
) -> ABC:
    """ABC analysis of customers (ABC分析): A brings the first 75 % of sales, B the next 20 %, C the last 5 %.

    shares: of sales, for classes A, B, C and so on; they add up to 1. A customer belongs to the class in
    which its sales begin, when customers stand in a row from the largest to the smallest, so the one who
    crosses a cut is still in the upper class. Equal customers share a class. The cuts are those of Chinese
    sales-management handbooks; 80/15/5 and 70/20/10 are also in use. ``ValueError`` when nothing was sold.
    """
    who = "abc"
    wanted = _fractions(shares, "shares", who)
    each = totals(sales, customer=customer, amount=amount, who=who)
    order = np.argsort(-each.to_numpy(), kind="stable")
    each = each.iloc[order]
    counted = _counted(each, who)
    share = counted / counted.sum()
    cumulative = np.minimum(np.cumsum(share), 1.0)
    # equal customers begin where the first of them does
    begins = pd.Series(cumulative - share).groupby(counted).transform("min").to_numpy()
    found = np.searchsorted(np.cumsum(wanted)[:-1] - _SLACK, begins, side="right")
    found = np.where(counted > 0, found, len(wanted) - 1)
    letters = [chr(ord("A") + k) for k in range(len(wanted))]
    n = len(each)
    table = pd.DataFrame(
        {
            "sales": each,
            "share": share,
            "cumulative": cumulative,
            "customers": np.arange(1, n + 1) / n,
            "class": pd.Categorical.from_codes(found, categories=pd.Index(letters), ordered=True),
        },
        index=each.index,
    )
    groups = table.assign(one=1).groupby("class", observed=False)
    summary = groups.agg(customers=("one", "sum"), sales=("sales", "sum"), sales_share=("share", "sum"))
    summary.insert(1, "customer_share", summary["customers"] / n)
    summary["each"] = summary["sales"] / summary["customers"].where(summary["customers"] > 0)
    summary.index = pd.Index(letters, name="class")
    return ABC(table, summary, tuple(float(x) for x in wanted), int((each < 0).sum()))


def lorenz(
    sales: pd.Series | pd.DataFrame | Database,
    *,
    largest_first: bool = False,
    customer: str = "customer",
    amount: str = "amount",
) -> pd.DataFrame:
    """The Lorenz curve 洛伦兹曲线 of sales: cumulative share of sales over cumulative share of customers.

    Columns ``customers`` and ``sales``, from (0, 0) to (1, 1), one row more than there are customers. The
    smallest customers come first, as in Lorenz (1905), Publications of the American Statistical Association
    9(70), 209-219, and the curve lies below the diagonal; with ``largest_first`` it is the concentration
    curve from which ABC classes and the share of the best customers are read. ``ValueError`` when nothing
    was sold.
    """
    counted = np.sort(_counted(totals(sales, customer=customer, amount=amount, who="lorenz"), "lorenz"))
    if largest_first:
        counted = counted[::-1]
    n = len(counted)
    curve = np.concatenate([[0.0], np.cumsum(counted) / counted.sum()])
    curve[-1] = 1.0
    return pd.DataFrame({"customers": np.arange(n + 1) / n, "sales": curve})


def gini(
    sales: pd.Series | pd.DataFrame | Database, *, customer: str = "customer", amount: str = "amount"
) -> float:
    """The Gini coefficient 基尼系数 of sales: 0 when all bring the same, near 1 when one brings all.

    Twice the area between diagonal and Lorenz curve: 2 sum(i x_i) / (n sum(x)) - (n + 1) / n with x rising
    (Lorenz 1905; Gini 1914). Sales as in :func:`totals`, in money. ``ValueError`` when nothing was sold.
    """
    x = np.sort(_counted(totals(sales, customer=customer, amount=amount, who="gini"), "gini"))
    n = len(x)
    return float(2 * (np.arange(1, n + 1) @ x) / (n * x.sum()) - (n + 1) / n)


def top_share(
    sales: pd.Series | pd.DataFrame | Database,
    top: float = 0.2,
    *,
    customer: str = "customer",
    amount: str = "amount",
) -> float:
    """Share of sales that the best ``top`` of the customers hold; .2 asks for the Pareto share (二八定律).

    Where the share of customers is no whole number of them, the last one counts in part. Sales as in
    :func:`totals`; a share, 0 to 1. ``ValueError`` when nothing was sold.
    """
    if not 0 < top <= 1:
        raise ValueError(f"top_share: top must be a share above 0 and up to 1, not {top!r}")
    curve = lorenz(sales, largest_first=True, customer=customer, amount=amount)
    return float(np.interp(top, curve["customers"], curve["sales"]))


def performance(
    sales: pd.Series | pd.DataFrame | Database,
    target: pd.Series | float | None = None,
    *,
    target_in: Literal["share", "money"] = "share",
    previous: pd.Series | pd.DataFrame | None = None,
    customer: str = "customer",
    amount: str = "amount",
) -> pd.DataFrame:
    """Transaction performance of each customer with the firm (客户与本企业的交易业绩分析).

    sales: of the period. target: for each customer (a Series indexed by customer) or one for all, as a share
    of the firm's sales or in money (``target_in``). previous: sales of the period before, like ``sales``.

    A row a customer, the largest first. Columns: ``sales``, ``share`` (customer's sales / firm's sales),
    ``rank`` (equal customers the same); with a target ``target`` (in money), ``attainment`` (sales /
    target), ``gap`` (sales - target), ``met``; with ``previous`` also ``previous`` and ``growth`` (missing
    for a customer without sales before). Customers with a target or past sales but no sales now are listed
    with 0. ``ValueError`` for missing sales, targets below 0, and a target share above 1.
    """
    who = "performance"
    each = totals(sales, customer=customer, amount=amount, who=who)
    index = each.index
    before = None
    if previous is not None:
        before = totals(previous, customer=customer, amount=amount, who=f"{who}: previous")
        index = index.union(before.index, sort=False)
    if isinstance(target, pd.Series):
        if not target.index.is_unique:
            raise ValueError(
                f"{who}: target names a customer twice: {target.index[target.index.duplicated()][0]}"
            )
        index = index.union(target.index, sort=False)
    each = each.reindex(index, fill_value=0.0).rename_axis(index=str(each.index.name))
    firm = float(each.sum())
    if not firm > 0:
        raise ValueError(f"{who}: the firm's sales are {firm:g}; shares need sales above 0")
    table = pd.DataFrame({"sales": each, "share": each / firm})
    table["rank"] = each.rank(method="min", ascending=False).astype(int)
    if target is not None:
        if target_in not in ("share", "money"):
            raise ValueError(f'{who}: target_in={target_in!r} is not known; give "share" or "money"')
        if isinstance(target, pd.Series):
            wanted = pd.Series(numbers(target, "target", who, negative=False), index=target.index)
            wanted = wanted.reindex(index)
        else:
            wanted = pd.Series(float(numbers([target], "target", who, negative=False)[0]), index=index)
        if target_in == "share":
            if (wanted > 1).any():
                raise ValueError(
                    f"{who}: a target share of {wanted.max():g} is above 1; give 0.05 for 5 %, or "
                    'target_in="money"'
                )
            wanted = wanted * firm
        table["target"] = wanted
        table["attainment"] = each / wanted.where(wanted > 0)
        table["gap"] = each - wanted
        table["met"] = (each >= wanted).astype("boolean").where(wanted.notna())
    if before is not None:
        table["previous"] = before.reindex(index, fill_value=0.0)
        table["growth"] = each / table["previous"].where(table["previous"] > 0) - 1
    return table.sort_values("sales", ascending=False, kind="stable")


# --------------------------------------------------------------------------------------------------
# Products


def sales_mix(sales: npt.ArrayLike) -> Floats:
    """Sales mix 销售构成比: each product's sales / all sales, shares that sum to 1.

    sales: money, by product; one below 0 has a share below 0. ``ValueError`` unless they add up to more than
    0.
    """
    x = numbers(pd.Series(np.ravel(np.asarray(sales))), "sales", "sales_mix")
    if not x.sum() > 0:
        raise ValueError(f"sales_mix: sales add up to {x.sum():g}; a share needs sales above 0")
    return x / x.sum()


def gross_margin_rate(sales: npt.ArrayLike, cost: npt.ArrayLike) -> Floats:
    """Gross margin rate 毛利率: (sales - cost of what was sold) / sales; NaN where nothing was sold.

    sales, cost: money, by product. A share each, up to 1. ``ValueError`` for shapes that do not go together.
    """
    sold, spent = np.asarray(sales, dtype=np.float64), np.asarray(cost, dtype=np.float64)
    return np.asarray(_ratio(sold - spent, sold))


def turnover(sales: npt.ArrayLike, opening: npt.ArrayLike, closing: npt.ArrayLike) -> Floats:
    """Turnover 周转率, times in the period: sales / average stock, average stock = (opening + closing) / 2.

    sales, opening, closing: money, by product. The stock may be valued at cost or at selling price, and the
    two give different figures; :func:`product_ratios` makes the choice visible. NaN where no stock was held.
    The formula is that of the retail handbooks. ``ValueError`` for shapes that do not go together.
    """
    stock = (np.asarray(opening, dtype=np.float64) + np.asarray(closing, dtype=np.float64)) / 2
    return np.asarray(_ratio(np.asarray(sales, dtype=np.float64), stock))


def cross_ratio(margin_rate: npt.ArrayLike, turns: npt.ArrayLike) -> Floats:
    """Cross ratio 交叉比率: gross margin rate x turnover (times), = gross profit / average stock.

    margin_rate: share of sales; turns: turnover of the same products.

    With stock at cost it is the gross margin return on investment (GMROI) of the retail handbooks; with
    stock at selling price it is not. One number each; what is missing stays missing. ``ValueError`` for
    shapes that do not go together.
    """
    return np.asarray(np.asarray(margin_rate, dtype=np.float64) * np.asarray(turns, dtype=np.float64))


def contribution_ratio(
    mix: npt.ArrayLike, margin_rate: npt.ArrayLike, cross: npt.ArrayLike | None = None
) -> Floats:
    """Contribution ratio 贡献比率 of products with this sales mix.

    mix: shares, as :func:`sales_mix` gives; cross: as :func:`cross_ratio`. Given the cross ratio it is
    version (a), cross ratio x sales mix, of the Chinese sales-management texts; without it version (b), gross
    margin rate (``margin_rate``) x sales mix, of the retail glossaries, whose sum over all products is the
    firm's gross margin rate. One number each; what is missing stays missing. ``ValueError`` for shapes that
    do not go together.
    """
    factor = margin_rate if cross is None else cross
    return np.asarray(np.asarray(mix, dtype=np.float64) * np.asarray(factor, dtype=np.float64))


def _ratio(above: Floats, below: Floats) -> Floats:
    above, below = np.broadcast_arrays(above, below)
    return np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)


@dataclass(frozen=True, eq=False, repr=False)
class ProductRatios:
    """What each product brings.

    ``table``: a row a product, by contribution: ``sales``, ``cost``, ``margin`` (money), ``sales_mix``,
    ``margin_rate``, ``average_stock`` (money, at ``valuation``), ``turnover`` (times in the period),
    ``cross_ratio``, ``contribution``, ``rank`` (1 the best; missing where the contribution is).
    ``total``: the same of all products together. ``valuation``: of the stock, "cost" or "price".
    ``contribution``: "cross" for version (a), "margin" for version (b).
    """

    table: pd.DataFrame
    total: pd.Series
    valuation: str
    contribution: str

    def __repr__(self) -> str:
        return (
            f"ProductRatios({len(self.table):,} products, sales {self.total['sales']:,.0f}, gross margin "
            f"rate {self.total['margin_rate']:.1%}; stock at {self.valuation}, contribution by "
            f"{self.contribution})\n{self.table.head(10).to_string(float_format=lambda x: f'{x:,.4g}')}"
        )

    def _repr_html_(self) -> str:
        table = self.table.to_html(float_format=lambda x: f"{x:,.4g}", na_rep="", border=0)
        return f"<p>stock at {self.valuation}, contribution by {self.contribution}</p>{table}"


def product_ratios(
    products: pd.DataFrame | Database,
    *,
    valuation: Literal["cost", "price"] = "cost",
    stock_in: Literal["cost", "price"] = "cost",
    contribution: Literal["cross", "margin"] = "cross",
    product: str | Sequence[str] = "product",
    sales: str = "sales",
    cost: str = "cost",
    opening: str | None = "opening",
    closing: str | None = "closing",
) -> ProductRatios:
    """Sales mix, gross margin rate, turnover, cross and contribution ratio of each product.

    products: a ``Database`` (all its months; :func:`products_of` gives some), or a row a product: ``sales``
    at selling price, ``cost`` of what was sold, ``opening`` and ``closing`` stock, all in money. Rows of
    one product are added up, stock too, so give one period. product: the column, or columns, that name a
    product. valuation: whether turnover divides by stock at cost or at selling price. stock_in: which of
    the two the stock columns hold; the other follows from the product's own ratio of cost to sales.
    contribution: ``"cross"`` for (a) cross ratio x sales mix 贡献比率 of the sales-management texts,
    ``"margin"`` for (b) gross margin rate x sales mix of the retail glossaries; the order of products can
    differ between them. Without stock give ``opening=None, closing=None``; then only (b) can be computed.
    Formulas at :func:`turnover` and its neighbours. ``ValueError`` for missing columns, entries or unknown
    options.
    """
    who = "product_ratios"
    for name, given, known in (
        ("valuation", valuation, ("cost", "price")),
        ("stock_in", stock_in, ("cost", "price")),
        ("contribution", contribution, ("cross", "margin")),
    ):
        if given not in known:
            raise ValueError(f'{who}: {name}={given!r} is not known; give "{known[0]}" or "{known[1]}"')
    keys = [product] if isinstance(product, str) else list(product)
    if isinstance(products, pd.DataFrame):
        frame = products
    elif hasattr(products, "table"):
        frame = products_of(products)
        if "opening" not in frame:
            opening = closing = None
    else:
        raise ValueError(f"{who}: a DataFrame or a Database is needed, not {type(products).__name__}")
    stocked = opening is not None and closing is not None
    if not stocked and (opening is not None or closing is not None):
        raise ValueError(f"{who}: opening and closing stock go together; give both columns or neither")
    if not stocked and contribution == "cross":
        raise ValueError(f'{who}: the cross ratio needs stock; without it give contribution="margin"')
    columns = {"sales": sales, "cost": cost}
    if opening is not None and closing is not None:
        columns |= {"opening": opening, "closing": closing}
    for key in keys:
        need(frame, {"product": key}, who)
    need(frame, columns, who)
    if not len(frame):
        raise ValueError(f"{who}: there are no products")
    rows = frame[keys].copy()
    for name, column in columns.items():
        rows[f"_{name}"] = numbers(frame[column], column, who, negative=name in ("sales", "cost"))
    sums = rows.groupby(keys, observed=True, dropna=False, sort=False).sum()
    sums.columns = pd.Index([name.removeprefix("_") for name in sums.columns])
    table = _ratios(sums, stocked, valuation, stock_in)
    total = _ratios(sums.sum().to_frame().T, stocked, valuation, valuation)
    if stocked:
        # the firm's stock at the other valuation is the sum over products, not a conversion of the sum
        total["average_stock"] = table["average_stock"].sum()
        total["turnover"] = _ratio(total["sales"].to_numpy(), total["average_stock"].to_numpy())
        total["cross_ratio"] = cross_ratio(total["margin_rate"], total["turnover"])
    for frame in (table, total):
        cross = frame["cross_ratio"] if contribution == "cross" else None
        frame["contribution"] = contribution_ratio(
            frame["sales"] / table["sales"].sum(), frame["margin_rate"], cross
        )
    table["rank"] = table["contribution"].rank(ascending=False, method="min").astype("Int64")
    table = table.sort_values("contribution", ascending=False, kind="stable")
    return ProductRatios(table, total.iloc[0].rename("total"), valuation, contribution)


def _ratios(sums: pd.DataFrame, stocked: bool, valuation: str, stock_in: str) -> pd.DataFrame:
    sold, spent = sums["sales"].to_numpy(), sums["cost"].to_numpy()
    table = sums[["sales", "cost"]].copy()
    table["margin"] = sold - spent
    table["sales_mix"] = sales_mix(sold)
    table["margin_rate"] = gross_margin_rate(sold, spent)
    if stocked:
        stock = (sums["opening"].to_numpy() + sums["closing"].to_numpy()) / 2
        if valuation != stock_in:
            stock = stock * (_ratio(spent, sold) if valuation == "cost" else _ratio(sold, spent))
        table["average_stock"] = stock
        table["turnover"] = _ratio(sold, stock)
    else:
        table["average_stock"] = table["turnover"] = math.nan
    table["cross_ratio"] = cross_ratio(table["margin_rate"], table["turnover"])
    return table


# --------------------------------------------------------------------------------------------------
# Value tiers and screening


def tiers(
    value: pd.Series | npt.ArrayLike,
    shares: Sequence[float] = (0.2, 0.3, 0.5),
    *,
    limits: Sequence[float] | None = None,
    names: Sequence[Hashable] = TIERS,
    ties: Ties = "together",
) -> pd.Series:
    """Value tiers of customers 客户分类: high-value 高价值, ordinary 一般 and small 小客户.

    value: money a customer (past margin, lifetime value, sales), indexed by customer. shares: of the
    customers, best tier first; the text sets none, a fifth, three tenths and half are ours. limits: fixed
    lower limits in money instead, best tier first, one fewer than there are tiers; a customer on a limit is
    above it. names: of the tiers, best first; ten names and ``shares=[.1] * 10`` give deciles. ties: see
    ``"together"`` (equal customers share a tier) and ``"order"`` at :func:`crmsim.analysis.rfm.score`.

    An ordered categorical Series (smallest tier first in its order), indexed as ``value``. ``ValueError``
    for shares that do not add up to 1 and for missing values.
    """
    who = "tiers"
    series = value if isinstance(value, pd.Series) else pd.Series(np.ravel(np.asarray(value)))
    worth = numbers(series, "value", who)
    if limits is not None:
        found = _above_limits(worth, limits, len(names), who)
    else:
        wanted = _fractions(shares, "shares", who)
        if len(wanted) != len(names):
            raise ValueError(f"{who}: {len(wanted)} shares for {len(names)} tiers; give names= as many")
        found = classes(worth, wanted, ties)
    order = list(names)[::-1]
    codes = len(order) - 1 - found
    kind = pd.Categorical.from_codes(codes, categories=pd.Index(order), ordered=True)
    return pd.Series(kind, index=series.index, name="tier")


def _above_limits(worth: Floats, limits: Sequence[float], number: int, who: str) -> npt.NDArray[np.int64]:
    bounds = np.asarray(limits, dtype=np.float64)
    if bounds.ndim != 1 or len(bounds) != number - 1 or not (np.diff(bounds) < 0).all():
        raise ValueError(
            f"{who}: limits must be {number - 1} falling amounts for {number} tiers, not {limits!r}"
        )
    return number - 1 - np.searchsorted(bounds[::-1], worth, side="right")


_PERIODS = {"year": "Y", "quarter": "Q", "month": "M"}


def tier_history(
    purchases: pd.DataFrame | Database,
    every: Literal["year", "quarter", "month"] = "year",
    *,
    shares: Sequence[float] = (0.2, 0.3, 0.5),
    limits: Sequence[float] | Literal["first"] | None = None,
    partial: bool = False,
    customer: str = "customer",
    date: str = "date",
    amount: str = "amount",
) -> pd.DataFrame:
    """The value tier of every customer in every period, by what was bought in it (筛选客户的动态性).

    A row a customer, a column a period ("2024", "2024Q1" or "2024-01"); each value is a tier, ``absent``
    (nothing bought, or no more than was returned) or ``not_yet`` (before the first purchase). shares: of the
    buyers in each tier, the best first. limits: None ranks the buyers of each period anew, so that for
    everyone who rises somebody falls; ``"first"`` keeps the limits in money of the first period, and amounts
    of money keep those (see :func:`tiers`). partial: keep the first and last period although the record does
    not fill them; they look poorer than they were. ``ValueError`` when fewer than two periods remain.
    """
    who = "tier_history"
    frame = purchases_of(purchases)
    need(frame, {"customer": customer, "date": date, "amount": amount}, who)
    if every not in _PERIODS:
        raise ValueError(f"{who}: every={every!r} is not known; give {', '.join(map(repr, _PERIODS))}")
    money = numbers(frame[amount], amount, who)
    days = dates(frame[date], date, who)
    if not len(frame):
        raise ValueError(f"{who}: there are no purchases")
    period = days.dt.to_period(_PERIODS[every])
    kept = pd.period_range(period.min(), period.max(), freq=_PERIODS[every])
    if not partial:
        first, last = days.min().to_period("M"), days.max().to_period("M")
        kept = kept[[p.asfreq("M", "start") >= first and p.asfreq("M", "end") <= last for p in kept]]
    if len(kept) < 2:
        filled = f"{len(kept)} {every}{'' if len(kept) == 1 else 's'}"
        raise ValueError(
            f"{who}: the record, {days.min():%Y-%m-%d} to {days.max():%Y-%m-%d}, fills {filled}; "
            "transitions need two. Take a shorter period with every=, or partial=True"
        )
    # the numbers of periods group faster than the periods
    place = kept.get_indexer(pd.PeriodIndex(period))
    codes, who_bought = pd.factorize(frame[customer])
    if (codes < 0).any():
        raise ValueError(f"{who}: {(codes < 0).sum():,} rows have no customer; drop them first")
    spent = np.zeros((len(who_bought), len(kept)))
    inside = place >= 0
    np.add.at(spent, (codes[inside], place[inside]), money[inside])
    number = pd.PeriodIndex(period).asi8 - kept[0].ordinal
    since = np.full(len(who_bought), np.iinfo(np.int64).max)
    np.minimum.at(since, codes, number)
    bounds: Sequence[float] | None = None if limits is None or limits == "first" else limits
    states = np.full(spent.shape, ABSENT, dtype=object)
    for k in range(len(kept)):
        buyers = spent[:, k] > 0
        states[since > k, k] = NOT_YET
        if buyers.any():
            here = tiers(spent[buyers, k], shares, limits=bounds).astype(object).to_numpy()
            states[buyers, k] = here
            if limits == "first" and bounds is None:
                bounds = _limits(spent[buyers, k], here)
        elif limits == "first" and bounds is None:
            raise ValueError(f"{who}: nothing was bought in {kept[0]}, so it sets no limits")
    index = pd.Index(who_bought, name=customer)
    table = pd.DataFrame(states, index=index, columns=pd.Index([str(p) for p in kept], name="period"))
    order = pd.CategoricalDtype([NOT_YET, ABSENT, *TIERS[::-1]], ordered=True)
    return table[(states != NOT_YET).any(axis=1)].astype(order).sort_index()


def _limits(worth: Floats, found: npt.NDArray[np.object_]) -> list[float]:
    """The smallest value of each tier but the last; an empty tier has the limit of the one above."""
    limits: list[float] = []
    for tier in TIERS[:-1]:
        inside = worth[found == tier]
        above = limits[-1] if limits else np.nextafter(worth.max(), math.inf)
        limits.append(float(inside.min()) if inside.size else float(np.nextafter(above, -math.inf)))
    return limits


def dates(values: pd.Series, name: str, who: str) -> pd.Series:
    """The ``values`` as datetime64, from dates or from text such as 1997-09-30.

    ``ValueError``, with their ``name``, says which row is no date.
    """
    if pd.api.types.is_numeric_dtype(values.dtype):
        raise ValueError(
            f"{who}: {name} holds numbers, not dates; name the column of dates with date=, or convert it"
        )
    found = pd.to_datetime(values, errors="coerce", format="ISO8601")
    if found.dt.tz is not None:
        found = found.dt.tz_localize(None)
    if found.isna().any():
        wrong = found.isna()
        raise ValueError(
            f"{who}: {name} holds no date in {wrong.sum():,} rows, first at row {values.index[wrong][0]} "
            f"({values[wrong].iloc[0]!r}); write dates as 1997-09-30"
        )
    return found


_MOVES = ("up", "down", "same", "joined", "lapsed", "returned", "still_absent")


@dataclass(frozen=True, eq=False, repr=False)
class Transitions:
    """Who moved between value tiers from one period to the next.

    ``table``: a row for each pair of periods in a row and each pair of states that occurs: ``period``,
    ``next_period``, ``state``, ``next_state``, ``customers``, ``share`` (of those in ``state`` then).
    ``moves``: a row a customer and pair of periods: ``customer``, ``period``, ``next_period``, ``state``,
    ``next_state``, ``move`` (up, down, same, joined, lapsed, returned, still_absent). States are the tiers,
    ``absent`` and, before the first purchase only, ``not_yet``.
    """

    table: pd.DataFrame
    moves: pd.DataFrame

    def counts(self, period: str | None = None) -> pd.DataFrame:
        """Customers by state (rows) and next state (columns), best first; all periods together by default.

        Raises ValueError for a period in which no transition begins.
        """
        rows = self.table
        if period is not None:
            rows = rows[rows["period"] == period]
            if not len(rows):
                known = ", ".join(dict.fromkeys(self.table["period"]))
                raise ValueError(f"no transitions begin in period {period!r}; there are {known}")
        wide = rows.pivot_table(
            index="state", columns="next_state", values="customers", aggfunc="sum", fill_value=0,
            observed=True,
        )  # fmt: skip
        states = [*TIERS, ABSENT]
        return wide.reindex(index=[*states, NOT_YET], columns=states, fill_value=0).astype(int)

    def matrix(self, period: str | None = None) -> pd.DataFrame:
        """The transition matrix 转移矩阵: shares of each row's customers; rows add up to 1 (NaN if empty).

        period: as in :meth:`counts`.
        """
        counts = self.counts(period)
        size = counts.sum(axis=1)
        return counts.div(size.where(size > 0), axis=0)

    def moved(self, *which: str) -> pd.DataFrame:
        """The rows of ``moves`` whose move is one of ``which``; without any, of all who changed their state.

        Raises ValueError for an unknown move.
        """
        if unknown := [name for name in which if name not in _MOVES]:
            raise ValueError(f"{unknown[0]!r} is no move; the moves are {', '.join(_MOVES)}")
        wanted = which or ("up", "down", "joined", "lapsed", "returned")
        return self.moves[self.moves["move"].isin(wanted)].reset_index(drop=True)

    def __repr__(self) -> str:
        pairs = self.table[["period", "next_period"]].drop_duplicates()
        span = f"{pairs['period'].iloc[0]} to {pairs['next_period'].iloc[-1]}"
        matrix = self.matrix().to_string(float_format="{:.3f}".format)
        return f"Transitions({span}, {len(pairs)} steps)\n{matrix}"

    def _repr_html_(self) -> str:
        return self.matrix().to_html(float_format="{:.3f}".format, na_rep="", border=0)


def transitions(history: pd.DataFrame) -> Transitions:
    """Transitions between value tiers from period to period (筛选客户: 有价值与无价值客户的相互转化).

    history: what :func:`tier_history` gives, or any frame with a row a customer and a column a period whose
    values are the tiers of ``ValueTier``, ``absent`` and ``not_yet``. ``ValueError`` for other values.
    """
    who = "transitions"
    if not isinstance(history, pd.DataFrame) or history.shape[1] < 2 or not len(history):
        raise ValueError(f"{who}: a frame with a row a customer and two or more periods is needed")
    order = [NOT_YET, ABSENT, *TIERS[::-1]]
    codes = np.column_stack(
        [pd.Index(order).get_indexer(pd.Index(history[c].astype(object))) for c in history]
    )
    if (codes < 0).any():
        row, column = np.argwhere(codes < 0)[0]
        raise ValueError(
            f"{who}: {history.iloc[row, column]!r} (customer {history.index[row]}, period "
            f"{history.columns[column]}) is no state; the states are {', '.join(order[::-1])}"
        )
    states = pd.CategoricalDtype(order[::-1])
    parts = []
    for k in range(codes.shape[1] - 1):
        before, after = codes[:, k], codes[:, k + 1]
        if (back := (after == 0) & (before > 0)).any():
            raise ValueError(
                f"{who}: customer {history.index[back][0]} is {NOT_YET} in {history.columns[k + 1]}, after "
                f"having been a customer; use {ABSENT}"
            )
        there = after > 0
        before, after = before[there], after[there]
        move = np.select(
            [
                before == 0,
                (before == 1) & (after == 1),
                after == 1,
                before == 1,
                after > before,
                after < before,
            ],
            ["joined", "still_absent", "lapsed", "returned", "up", "down"],
            "same",
        )
        parts.append(
            pd.DataFrame(
                {
                    "customer": history.index[there],
                    "period": str(history.columns[k]),
                    "next_period": str(history.columns[k + 1]),
                    "state": pd.Categorical.from_codes(len(order) - 1 - before, dtype=states),
                    "next_state": pd.Categorical.from_codes(len(order) - 1 - after, dtype=states),
                    "move": move,
                }
            )
        )
    moves = pd.concat(parts, ignore_index=True)
    keys = ["period", "next_period", "state", "next_state"]
    table = moves.groupby(keys, observed=True).size().rename("customers").reset_index()
    size = table.groupby(["period", "state"], observed=True)["customers"].transform("sum")
    return Transitions(table.assign(share=table["customers"] / size), moves)


def screen(
    value: pd.Series, alive: pd.Series | npt.ArrayLike | float = 1.0, *, cost: float = 0.0
) -> pd.DataFrame:
    """Screening 筛选客户: whom to keep serving, by the chance of being still a customer times the value.

    value: money a customer if still there (next year's margin, say), indexed by customer. alive:
    probability of being one (``BGNBD.probability_alive``), as a Series indexed by customer, an array or one
    number. cost: of serving one customer over the same time. A row a customer, the best first: ``value``,
    ``alive``, ``expected`` (alive x value), ``net`` (expected - cost), ``keep`` (net above 0).
    ``ValueError`` for missing values, chances outside 0 to 1, and customers without one.
    """
    who = "screen"
    worth = pd.Series(numbers(value, "value", who), index=value.index)
    if isinstance(alive, pd.Series):
        if (missing := ~worth.index.isin(alive.index)).any():
            raise ValueError(
                f"{who}: alive has no row for {missing.sum():,} customers, such as {worth.index[missing][0]}"
            )
        alive = alive.reindex(worth.index)
    chance = numbers(np.broadcast_to(np.asarray(alive, dtype=np.float64), len(worth)), "alive", who)
    if ((chance < 0) | (chance > 1)).any():
        raise ValueError(f"{who}: alive must be probabilities from 0 to 1")
    table = pd.DataFrame({"value": worth, "alive": chance, "expected": worth * chance}, index=worth.index)
    table["net"] = table["expected"] - cost
    table["keep"] = table["net"] > 0
    return table.sort_values("net", ascending=False, kind="stable")
