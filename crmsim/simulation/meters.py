"""Meters, readings, bills by tariff and how they were paid, of customers who are billed for what they use.

The money is that of the world: a bill is the sum of the customer's months since the one before, and what
was used follows from it by the tariff. Meters, days and ways to pay come from numbers of their own and act
back on nothing (see `scenario.Metering`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from .catalogue import Purpose
from .draws import uniform

if TYPE_CHECKING:
    from .run import Run
    from .scenario import Metering

Floats = npt.NDArray[np.float64]

TIERS = 3
OLDEST, OLDEST_SMART = 24, 6  # years a meter is in place at most
# Nominal diameters, mm, and up to which use each is chosen, in bills of a mean customer.
DIAMETERS = ((15, 1.0), (20, 2.0), (25, 3.0), (40, float("inf")))
LAST_DAY = 28


class Metered(NamedTuple):
    """Tables of what meters say; see `data.schema` for the columns.

    `meters`: meter, customer, kind, diameter (mm), age (years, when the record begins), cycle (months), open.
    `statements`: statement, customer, meter, first_month, month (last), day (of that month, 1 to 28), due
    (days after it), usage, tier_1 to tier_3 (m3), water, sewage, amount, error (money).
    `readings`: meter, month, kind, register (m3; missing where nobody could read).
    `receipts`: statement, customer, way, days (after the bill; missing where nothing came in), amount, late
    (days), fee (money), complete, contact (the visit to the counter, else missing).
    `tariff`: tier, upto (m3 a month; missing for the last), price, sewage (money per m3).
    """

    meters: pd.DataFrame
    statements: pd.DataFrame
    readings: pd.DataFrame
    receipts: pd.DataFrame
    tariff: pd.DataFrame


def metered(
    run: Run,
    bills: pd.DataFrame,
    payments: pd.DataFrame,
    prices: list[float],
    errors: pd.DataFrame,
    visits: pd.DataFrame,
) -> Metered:
    """Meters and bills of a run; empty where the scenario has no meters.

    bills: customer, month, amount of each month; payments: in the same order, amount (what came in), paid,
    failed, channel. prices: level of prices by month. errors: customer, month of failures that sent a bill
    out wrong. visits: customer, month, contact (number) of visits to the counter.
    """
    metering = run.scenario.metering
    if not metering.cycle or not run.scenario.purchase.contract:
        return _nothing()
    people = run.customers
    ids = people.index.to_numpy(dtype=np.int64)
    usage = people["usage"].to_numpy(dtype=np.float64)

    def draw(purpose: Purpose) -> Floats:
        return np.asarray(uniform(run.key, purpose, ids, 0)).reshape(ids.size)

    smart = draw(Purpose.METER_KIND) < metering.smart
    age = (draw(Purpose.METER_AGE) * (np.where(smart, OLDEST_SMART, OLDEST) + 1)).astype(np.int32)
    sizes = np.array([size for size, _ in DIAMETERS], dtype=np.int32)
    meters = pd.DataFrame(
        {
            "meter": np.arange(ids.size),
            "customer": ids,
            "kind": pd.Categorical.from_codes(
                smart.astype(np.int8), categories=pd.Index(["mechanical", "smart"])
            ),
            "diameter": sizes[np.searchsorted([upto for _, upto in DIAMETERS[:-1]], usage)],
            "age": age,
            "cycle": np.int32(metering.cycle),
            "open": people["left_month"].isna().to_numpy(),
        }
    )
    statements = _statements(run, metering, bills, prices, errors)
    who = people.index.get_indexer(pd.Index(statements["customer"]))
    statements["meter"] = who
    return Metered(
        meters=meters,
        statements=statements,
        readings=_readings(run, metering, statements, smart[who], age[who]),
        receipts=_receipts(run, metering, statements, payments, visits),
        tariff=_tariff(metering),
    )


def _nothing() -> Metered:
    names = {
        "meters": ("meter", "customer", "kind", "diameter", "age", "cycle", "open"),
        "statements": (
            "statement", "customer", "meter", "first_month", "month", "day", "due", "usage", "tier_1",
            "tier_2", "tier_3", "water", "sewage", "amount", "error",
        ),
        "readings": ("meter", "month", "kind", "register"),
        "receipts": ("statement", "customer", "way", "days", "amount", "late", "fee", "complete", "contact"),
        "tariff": ("tier", "upto", "price", "sewage"),
    }  # fmt: skip
    return Metered(**{name: pd.DataFrame(columns=pd.Index(columns)) for name, columns in names.items()})


def _tariff(metering: Metering) -> pd.DataFrame:
    tiers = metering.tiers
    return pd.DataFrame(
        {
            "tier": np.arange(1, len(tiers) + 1, dtype=np.int32),
            "upto": [*(t.upto for t in tiers[:-1]), np.nan],
            "price": [t.price for t in tiers],
            "sewage": metering.sewage,
        }
    )


def used(metering: Metering, money: Floats, months: Floats) -> Floats:
    """The use (m3) in each step of the tariff that costs so much in so many months; a row a bill, TIERS
    columns."""
    found = np.zeros((money.size, TIERS))
    rest, begin = money.copy(), 0.0
    for k, tier in enumerate(metering.tiers):
        price = tier.price + metering.sewage
        last = k == len(metering.tiers) - 1
        room = np.full(money.size, np.inf) if last else (tier.upto - begin) * months
        found[:, k] = np.minimum(rest / price, room)
        rest = np.maximum(rest - found[:, k] * price, 0.0)
        begin = tier.upto
    return found


def _statements(
    run: Run, metering: Metering, bills: pd.DataFrame, prices: list[float], errors: pd.DataFrame
) -> pd.DataFrame:
    """A bill for the months of each customer in each cycle, with the use that its money means."""
    level = np.asarray(prices, dtype=np.float64)
    rows = pd.DataFrame(
        {
            "customer": bills["customer"].to_numpy(dtype=np.int64),
            "month": bills["month"].to_numpy(dtype=np.int64),
            "amount": bills["amount"].to_numpy(dtype=np.float64),
        }
    )
    rows["listed"] = rows["amount"] / level[rows["month"]] if len(rows) else rows["amount"]
    rows["wrong"] = _is_in(rows, errors)
    rows["cycle"] = rows["month"] // metering.cycle
    table = rows.groupby(["cycle", "customer"], as_index=False).agg(
        first_month=("month", "min"), month=("month", "max"), months=("month", "size"),
        amount=("amount", "sum"), listed=("listed", "sum"), wrong=("wrong", "any"),
    )  # fmt: skip
    who, last = table["customer"].to_numpy(), table["month"].to_numpy()
    listed = table["listed"].to_numpy(dtype=np.float64)
    steps = used(metering, listed, table["months"].to_numpy(dtype=np.float64))
    amount = table["amount"].to_numpy(dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(listed > 0, amount / listed, 1.0)
    sewage = steps.sum(axis=1) * metering.sewage * factor
    # The round of the readers is the same every time.
    day = 8 + (np.asarray(uniform(run.key, Purpose.READ_DAY, who, 0)).reshape(who.size) * 20).astype(np.int32)
    u = np.asarray(uniform(run.key, Purpose.BILL_ERROR, who, last)).reshape(who.size)
    too_much = amount * (metering.error_low + u * (metering.error_high - metering.error_low))
    return pd.DataFrame(
        {
            "statement": np.arange(len(table)),
            "customer": who,
            "meter": 0,
            "first_month": table["first_month"].to_numpy().astype(np.int32),
            "month": last.astype(np.int32),
            "day": day,
            "due": np.int32(metering.due),
            "usage": steps.sum(axis=1),
            **{f"tier_{k + 1}": steps[:, k] for k in range(TIERS)},
            "water": amount - sewage,
            "sewage": sewage,
            "amount": amount,
            "error": np.where(table["wrong"], too_much, 0.0),
        }
    )


def _readings(
    run: Run, metering: Metering, statements: pd.DataFrame, smart: npt.NDArray[np.bool_], age: npt.NDArray
) -> pd.DataFrame:
    """One reading a bill. The register counts what was billed, so an actual reading after an estimated one
    takes the rest into its own bill."""
    who, month = statements["customer"].to_numpy(), statements["month"].to_numpy(dtype=np.int64)
    u = np.asarray(uniform(run.key, Purpose.READING, who, month)).reshape(who.size)
    edges = np.array([metering.missed, metering.missed + metering.estimated])
    kind = np.where(smart, 2, np.searchsorted(edges, u, side="right"))
    table = pd.DataFrame(
        {
            "meter": statements["meter"].to_numpy(),
            "month": month.astype(np.int32),
            "kind": pd.Categorical.from_codes(kind, categories=pd.Index(["missed", "estimated", "actual"])),
        }
    )
    usage = statements["usage"]
    count = usage.groupby(statements["meter"]).cumsum()
    before = np.floor(age * 12 * usage.groupby(statements["meter"]).transform("first") / metering.cycle)
    register = (before + count).to_numpy(dtype=np.float64)
    table["register"] = np.where(kind == 0, np.nan, register)
    return table


def _receipts(
    run: Run, metering: Metering, statements: pd.DataFrame, payments: pd.DataFrame, visits: pd.DataFrame
) -> pd.DataFrame:
    """How each bill was paid: what came in for its months, by which way, and how late."""
    paid = pd.DataFrame(
        {
            "cycle": payments["month"].to_numpy(dtype=np.int64) // metering.cycle,
            "month": payments["month"].to_numpy(dtype=np.int64),
            "customer": payments["customer"].to_numpy(dtype=np.int64),
            "amount": payments["amount"].to_numpy(dtype=np.float64),
            "paid": payments["paid"].to_numpy(dtype=bool),
            "failed": payments["failed"].to_numpy(dtype=bool),
            "channel": pd.Categorical(payments["channel"]).codes,
        }
    )
    words = pd.Categorical(payments["channel"]).categories
    paid["visited"] = _is_in(paid, visits)
    paid = paid.sort_values(["cycle", "customer", "month"], kind="stable")
    table = paid.groupby(["cycle", "customer"], as_index=False).agg(
        amount=("amount", "sum"), complete=("paid", "all"), failed=("failed", "any"),
        visited=("visited", "any"), channel=("channel", "last"),
    )  # fmt: skip
    who, month = table["customer"].to_numpy(), statements["month"].to_numpy(dtype=np.int64)
    if not np.array_equal(who, statements["customer"].to_numpy()):
        raise AssertionError("bills and payments are not of the same customers and months")

    def draw(purpose: Purpose) -> Floats:
        return np.asarray(uniform(run.key, purpose, who, month)).reshape(who.size)

    by_hand = (words == "manual")[table["channel"]]
    at_counter = (
        table["visited"] if len(visits) else draw(Purpose.PAY_WAY) < run.scenario.service.counter_share
    )
    way = np.where(by_hand, np.where(at_counter, "counter", "online"), np.asarray(words)[table["channel"]])
    late = table["failed"].to_numpy() & table["complete"].to_numpy()
    u = draw(Purpose.PAY_DAY)
    due = metering.due
    in_time = np.where(by_hand, np.floor(u * (due + 1)), due)
    days = np.where(late, due + 1 + np.floor(-np.log1p(-u) * metering.late), in_time)
    amount = table["amount"].to_numpy(dtype=np.float64)
    over = np.where(amount > 0, np.maximum(days - due, 0), 0).astype(np.int32)
    return pd.DataFrame(
        {
            "statement": statements["statement"].to_numpy(),
            "customer": who,
            "way": way,
            "days": np.where(amount > 0, days, np.nan),
            "amount": amount,
            "late": over,
            "fee": metering.late_fee * over * amount,
            "complete": table["complete"].to_numpy(),
            "contact": _last_visit(table, visits, metering.cycle),
        }
    )


def _last_visit(receipts: pd.DataFrame, visits: pd.DataFrame, cycle: int) -> pd.Series:
    """The number of the last visit to the counter in the cycle of each receipt; missing without one."""
    found = visits.assign(cycle=visits["month"].astype(np.int64) // cycle)
    last = found.drop_duplicates(["cycle", "customer"], keep="last").set_index(["cycle", "customer"])
    at = pd.MultiIndex.from_frame(receipts[["cycle", "customer"]])
    return last["contact"].reindex(at).astype("Int64").reset_index(drop=True)


def _is_in(rows: pd.DataFrame, pairs: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Whether customer and month of each row occur among the pairs."""
    if not len(pairs):
        return np.zeros(len(rows), dtype=bool)
    known = pd.MultiIndex.from_arrays([pairs["customer"].astype(np.int64), pairs["month"].astype(np.int64)])
    return pd.MultiIndex.from_arrays([rows["customer"], rows["month"]]).isin(known)
