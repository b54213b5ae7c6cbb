"""Chapter 02: the customer database. Static and dynamic data, a dirty export, a query, rows that do not fit."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...data.importing import read_purchases
from ..answers import Data, Names, Number, Table
from ..exercise import Exercise, ExerciseSet
from ..student import Luck
from ..worlds import world

MONTHS, YEAR = 24, 12
QUARTER = MONTHS - 3  # first month of the till's export
NEW = 60  # rows to be loaded into the database
TRIALS = ("TEST", "TRAINING")  # who tries out the till
UNKNOWN = "unknown"

# What a register of customers may hold, with its meaning. Static data may change once in a while, dynamic data
# may look the same in every row of a customer: only what a field says tells which it is.
SETTLED = {
    "birth_year": "year of birth",
    "sex": "f or m",
    "income": "household income: low, middle or high",
    "education": "highest school or degree",
    "club": "a club the customer is a member of",
}
MOVING = {
    "district": "where the customer lived on that day",
    "telephone": "last digits of the telephone number on that day",
    "occupation": "occupation on that day",
}
EVENTS = {"category": "kind of goods bought", "till": "store or web"}
COUNTS = {
    "promotions": "promotions taken up until today",
    "favourite": "category bought most often until today",
    "calls": "calls to the hotline this year until today",
}
WORDS = {
    "sex": ("f", "m"),
    "income": ("low", "middle", "high"),
    "education": ("primary", "secondary", "degree"),
    "club": ("none", "cycling", "choir", "chess"),
    "district": ("centre", "north", "east", "south", "west"),
    "occupation": ("clerk", "teacher", "driver", "retired", "nurse"),
    "category": ("grocery", "household", "clothing", "leisure"),
    "till": ("store", "web"),
    "favourite": ("grocery", "household", "clothing", "leisure"),
}


def data(seed: int) -> dict[str, pd.DataFrame]:
    every = world("retail", seed, 250, MONTHS)
    luck = Luck(seed, "database")
    lines = every["purchase_lines"].astype({"product": str, "quantity": int}).round(2)
    amounts = lines.groupby("purchase")["amount"].sum().round(2)
    purchases = every["purchases"].assign(amount=every["purchases"]["purchase"].map(amounts))
    # numbers as a firm gives them, from 1 on
    number = pd.Series(np.arange(1, len(every["customers"]) + 1), index=every["customers"]["customer"])
    customers, profiles, purchases = (
        table.assign(customer=table["customer"].map(number).to_numpy())
        for table in (every["customers"], every["profiles"], purchases)
    )
    words = [name for name in profiles if profiles[name].dtype == "category"]
    register, fields = _register(luck)
    return {
        "register": register,
        "fields": fields,
        "export": _export(luck, purchases, lines),
        "customers": customers.astype({"source": str, "channel": object}).reset_index(drop=True),
        "profiles": profiles.astype(dict.fromkeys(words, object)).reset_index(drop=True),
        "purchases": purchases.reset_index(drop=True),
        "purchase_lines": lines.reset_index(drop=True),
        "intake": _intake(luck, len(customers), purchases),
    }


def _register(luck: Luck, n: int = 60) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row a purchase with fields of both kinds, and what the fields mean."""
    settled, moving = luck.order(list(SETTLED))[:3], luck.order(list(MOVING))[:2]
    events, counts = luck.order(list(EVENTS))[:1], luck.order(list(COUNTS))[:2]
    who = np.repeat(np.arange(n), luck.whole(n, 3, 7))
    rows = len(who)
    begins = np.r_[True, who[1:] != who[:-1]]
    values = {"date": _days(luck, rows), "amount": np.exp(luck.normal(rows, 3.3, 0.6)).round(2)}
    for name in settled + counts:
        values[name] = _values(luck, name, n)[who]
    for name in moving:
        before, after = _values(luck, name, n), _values(luck, name, n)
        moves = (luck.happens(np.full(n, 0.15)) == 1) & (before != after)
        moves[0], after[0] = True, before[before != before[0]][0]  # one at least
        values[name] = np.where(moves[who] & ~begins, after[who], before[who])
    for name in events:
        values[name] = _values(luck, name, rows)
    names = luck.order(["date", "amount", *settled, *moving, *events, *counts])
    meaning = SETTLED | MOVING | EVENTS | COUNTS | {"date": "day of the purchase", "amount": "money paid"}
    register = pd.DataFrame({"customer": who + 1} | {name: values[name] for name in names})
    return register, pd.DataFrame({"field": names, "meaning": [meaning[name] for name in names]})


def _days(luck: Luck, n: int) -> np.ndarray:
    return np.datetime64("2025-01-01") + luck.whole(n, 0, 364).astype("timedelta64[D]").astype(
        "timedelta64[s]"
    )


def _values(luck: Luck, name: str, n: int) -> np.ndarray:
    if name in WORDS:
        return np.array(WORDS[name], dtype=object)[luck.whole(n, 0, len(WORDS[name]) - 1)]
    low, high = {"birth_year": (1940, 2005), "telephone": (1000, 9999)}.get(name, (0, 9))
    return luck.whole(n, low, high)


def _export(luck: Luck, purchases: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    """The till's lines of the last quarter as text, with the mistakes of real ones."""
    sold = lines.merge(purchases[["purchase", "customer", "month", "date"]], on="purchase")
    before = sold[sold["month"].between(QUARTER - 3, QUARTER - 1)]
    sold = sold[sold["month"] >= QUARTER].reset_index(drop=True)
    # those who only bring something back, bought before the quarter
    absent = before[~before["customer"].isin(sold["customer"])].drop_duplicates("customer")
    back = pd.concat(
        [
            sold[luck.happens(np.full(len(sold), 0.04)) == 1],
            absent.iloc[luck.order(range(len(absent)))[: int(luck.whole(1, 4, 8)[0])]],
        ]
    )
    days = luck.whole(len(back), 1, 20).astype("timedelta64[D]").astype("timedelta64[s]")
    last = np.datetime64("2025-12-31")
    back = back.assign(
        date=np.minimum(np.maximum(back["date"].to_numpy(), np.datetime64("2025-10-01")) + days, last)
    )
    bare = np.zeros(len(back), dtype=bool)  # returns without a minus
    bare[luck.order(range(len(back)))[: max(3, len(back) // 3)]] = True
    sign = np.where(bare, 1, -1)
    rows = pd.concat(
        [
            sold.assign(invoice=(sold["purchase"] + 10_001).astype(str)),
            back.assign(
                invoice="C" + (back["purchase"] + 10_001).astype(str),
                quantity=back["quantity"] * sign,
                amount=back["amount"] * sign,
            ),
        ]
    ).sort_values(["date", "purchase", "line"], kind="stable", ignore_index=True)
    n = len(rows)
    member = "M" + (rows["customer"] + 1000).astype(str).str.zfill(5)
    invoice = pd.factorize(rows["invoice"])[0]
    of_invoice = rows.groupby("invoice")["invoice"].transform("size").to_numpy()
    lone = rows.groupby("customer")["invoice"].transform("nunique").to_numpy() == 1
    lone &= ~rows["invoice"].str.startswith("C").to_numpy()  # all that the customer bought is on it
    way = luck.uniform(int(invoice.max()) + 1)  # an id is misspelt on a whole invoice
    way[luck.order(np.unique(invoice[lone]).tolist())[:3]] = 0.05  # of three at least on every one they have
    forms = [member.str.lower(), " " + member, member.str[1:], member]
    spelt = way[invoice]
    member = pd.Series(np.select([spelt < 0.03, spelt < 0.06, spelt < 0.1], forms[:3], forms[3]))
    member[luck.happens(np.full(n, 0.04)) == 1] = ""
    # five at least can be given back to a customer, who has the sum wrong for want of it
    several = np.flatnonzero(lone & (of_invoice > 1) & (spelt >= 0.1) & ~rows["invoice"].duplicated())
    member[luck.order(several.tolist())[:5]] = ""
    money = rows["amount"].map("{:.2f}".format)
    dressed = luck.uniform(n)
    money = np.select([dressed < 0.03, dressed < 0.05], ["$" + money, money + " USD"], money)
    export = pd.DataFrame(
        {
            "invoice": rows["invoice"],
            "date": rows["date"].dt.strftime("%Y-%m-%d"),
            "customer": member,
            "product": rows["product"],
            "quantity": rows["quantity"].astype(str),
            "amount": money,
        }
    )
    copies = 1 + luck.happens(np.full(n, 0.04))
    trials = pd.DataFrame(
        {
            "invoice": "10000",
            "date": "2025-10-01",
            "customer": TRIALS,
            "product": ["test", "drawer"],
            "quantity": "1",
            "amount": ["99.00", "250.00"],
        }
    )
    return pd.concat([trials, export.loc[np.repeat(np.arange(n), copies)]], ignore_index=True).astype(str)


def _intake(luck: Luck, customers: int, purchases: pd.DataFrame) -> pd.DataFrame:
    """Purchases of the next month that are to be loaded; some break the schema."""
    first = int(purchases["purchase"].max()) + 1
    number = first + np.arange(NEW)
    who = luck.whole(NEW, 1, customers)
    day = np.sort(np.datetime64("2026-01-01") + luck.whole(NEW, 0, 30).astype("timedelta64[D]"))
    amount = np.exp(luck.normal(NEW, 3.3, 0.6)).round(2)
    rows = luck.order(range(1, NEW))

    def some(low: int, high: int) -> list[int]:
        """As many rows as luck says, which nothing has befallen."""
        return [rows.pop() for _ in range(int(luck.whole(1, low, high)[0]))]

    who[some(2, 3)] += customers
    amount[some(1, 3)] = np.nan
    amount[some(1, 3)] *= -1
    amount[some(2, 3)] = 0.0  # a gift: nothing is wrong with it
    day[some(1, 2)] = np.datetime64("NaT")
    for row in some(1, 2):
        number[row] = int(luck.whole(1, 0, first - 1)[0])  # it was loaded before
    for row in [row for row in rows if row - 1 in rows][: int(luck.whole(1, 2, 3)[0])]:
        number[row] = number[row - 1]
    return pd.DataFrame(
        {
            "row": np.arange(1, NEW + 1),
            "purchase": number,
            "customer": who,
            "month": MONTHS,
            "date": day.astype("datetime64[s]"),
            "amount": amount,
        }
    )


# -- references and typical mistakes -------------------------------------------------------------------


def static(tables: Data, changing: bool = True, constant: bool = False) -> list[str]:
    """The static fields. changing: with those that some customers changed; constant: and the dynamic ones that do
    not change here."""
    taken = {**SETTLED, **(MOVING if changing else {}), **(COUNTS if constant else {})}
    return [name for name in tables["fields"]["field"] if name in taken]


def members(ids: pd.Series) -> pd.Series:
    """Member numbers in one spelling, the letter M and five digits; missing where there is none."""
    plain = ids.str.strip().str.upper().str.removeprefix("M")
    return ("M" + plain.str.zfill(5)).where(plain != "")


def cleaned(tables: Data, duplicates: bool = False, trials: bool = False, fill: bool = True) -> pd.DataFrame:
    """The export's lines, read and mended. duplicates, trials: kept. fill: a line without a customer gets that
    of its invoice."""
    export = tables["export"]
    if not trials:
        export = export[~export["customer"].isin(TRIALS)]
    who = members(export["customer"])
    if fill:
        who = who.fillna(who.groupby(export["invoice"]).transform("first"))
    export = export.assign(customer=who.fillna(UNKNOWN))
    return read_purchases(export, currency="USD", duplicates="keep" if duplicates else "drop").lines


def buyers(tables: Data, spelt: bool = True, returns: bool = False, besides: tuple[str, ...] = ()) -> float:
    """Customers who bought. spelt: ids in one spelling; returns: with those who only brought something back;
    besides: what else is counted."""
    export = tables["export"]
    if not returns:
        export = export[~export["invoice"].str.startswith("C")]
    ids = export["customer"][~export["customer"].isin(["", *TRIALS])]
    return float((members(ids) if spelt else ids).nunique() + len(besides))


def net(tables: Data, **how: bool) -> float:
    return float(cleaned(tables, **how)["amount"].sum())


def _as_signed(tables: Data) -> float:
    """Cancellations by the sign that stands there."""
    lines = cleaned(tables)
    signed = tables["export"]["quantity"].loc[lines["row"]].str.startswith("-").to_numpy()
    return float(np.where(signed, lines["amount"], lines["amount"].abs()).sum())


def _known_only(tables: Data) -> float:
    lines = cleaned(tables, fill=False)
    return float(lines.loc[lines["customer"] != UNKNOWN, "amount"].sum())


def _gross(tables: Data) -> float:
    amount = cleaned(tables)["amount"]
    return float(amount[amount > 0].sum())


def by_age(
    tables: Data, consent: bool = True, first: int = YEAR, present: bool = False, twice: bool = False
) -> pd.DataFrame:
    """Customers, sales, pieces by age group. present: only customers who bought; twice: a purchase's amount
    counts for each of its lines."""
    purchases, lines = tables["purchases"], tables["purchase_lines"]
    both = purchases[purchases["month"] >= first].merge(lines, on="purchase", suffixes=("", "_line"))
    money = both["amount"] if twice else both["amount_line"]
    bought = pd.DataFrame({"sales": money, "pieces": both["quantity"]}).groupby(both["customer"]).sum()
    people = tables["profiles"]
    people = people[people["consent"]] if consent else people
    joined = people.merge(bought, how="inner" if present else "left", on="customer")
    groups = joined.groupby("age_group")
    return groups[["sales", "pieces"]].sum().assign(customers=groups.size())


def breaking(
    tables: Data, orphans: bool = True, stored: bool = True, zero: bool = False, both: bool = False
) -> list[int]:
    """Rows of the intake that break the schema. The switches make a mistake each."""
    new, purchases = tables["intake"], tables["purchases"]
    bad = new["date"].isna() | new["amount"].isna() | (new["amount"] < 0)
    bad |= new["purchase"].duplicated(keep=False if both else "first")
    if zero:
        bad |= new["amount"] == 0
    if orphans:
        bad |= ~new["customer"].isin(tables["customers"]["customer"])
    if stored:
        bad |= new["purchase"].isin(purchases["purchase"])
    return [int(row) for row in new.loc[bad, "row"]]


def spoilt(tables: Data, over: str = "buyers", found: bool = False, **how: bool) -> float:
    """Share of buyers with a wrong sum if the export is used as it is.

    over: "buyers", or "ids" for the ids that stand there. found: only buyers whose id stands there.
    """
    lines, export = cleaned(tables, **how), tables["export"]
    right = lines.groupby("customer")["amount"].sum()
    sold = lines.loc[lines["quantity"] > 0, "customer"]
    right = right[right.index.isin(sold) & (right.index != UNKNOWN)]
    money = pd.to_numeric(export["amount"], errors="coerce")
    stands = money.groupby(export["customer"]).sum().reindex(right.index)
    if found:
        right, stands = right[stands.notna()], stands[stands.notna()]
    wrong = ~((stands - right).abs() <= 0.005)
    return float(wrong.sum() / (export["customer"].nunique() if over == "ids" else len(right)))


SET = ExerciseSet(
    name="database",
    title="Files as they are, and the database they should become",
    chinese="客户档案的清理与客户数据库",
    chapter="02_customer_files_and_database",
    about=(
        "`register`: a row a purchase, with what a shop wrote beside it; `fields` says what its columns mean. `export`: "
        "what the till of another shop wrote in three months, all as text: a row a line of an invoice. An invoice that "
        "begins with C cancels one or takes goods back. Member numbers are an M and five digits. The till puts a "
        "product on an invoice once only, so that a row equal to another in every cell was written twice; TEST and "
        "TRAINING are staff trying it out. `customers`, `profiles`, `purchases` and `purchase_lines` are tables of a "
        f"customer database of two years, months 0 to {MONTHS - 1}; `intake` are the rows of the next month."
    ),
    data=data,
    exercises=(
        Exercise(
            id="database-1",
            title="Static and dynamic data",
            chinese="静态资料与动态资料",
            difficulty=1,
            minutes=5,
            points=1,
            goal="Which columns of `register` are static data 静态资料 (who the customer is; one row a customer would "
            "do)? Give the list of their names, without customer.",
            hint="Static data change seldom, which is not never; and what is counted until today is another number "
            "tomorrow. Read `fields`; the values alone do not tell.",
            rubric="All points for the right columns; part marks by the Jaccard index.",
            solve=static,
            answer=Names(
                what="columns",
                wrong={
                    "these are the dynamic data 动态资料": lambda d: [
                        name for name in d["fields"]["field"] if name not in static(d)
                    ],
                    "found by what differs within a customer in this file; the meaning decides, not the "
                    "values": lambda d: static(d, changing=False, constant=True),
                    "what some customers changed is left out: static data change seldom, which is not never": lambda d: (
                        static(d, changing=False)
                    ),
                    "what was counted until today is among them: it grows with what the customer does": lambda d: (
                        static(d, constant=True)
                    ),
                },
            ),
        ),
        Exercise(
            id="database-2",
            title="How many customers are there?",
            chinese="真实客户数",
            difficulty=2,
            minutes=15,
            points=2,
            goal="How many different customers bought something in `export`? Member numbers that differ only by capitals, "
            "spaces or a missing M are one customer. Lines without a number and the trials of the staff are no "
            "customers. Who only took goods back did not buy in these months; who bought and took them back did.",
            hint="Bring the numbers into one spelling first: str.strip, str.upper, str.removeprefix. Then see what "
            "other values there are.",
            rubric="All points for the exact number: each of the four mistakes changes it by one at least.",
            solve=buyers,
            answer=Number(
                unit="customers",
                relative=0,
                why="it is counted",
                wrong={
                    "one customer counts under each spelling of the number": lambda d: buyers(d, spelt=False),
                    "the empty number counts as a customer": lambda d: buyers(d, besides=("",)),
                    "the staff's trials of the till count as customers": lambda d: buyers(d, besides=TRIALS),
                    "those who only took goods back are counted": lambda d: buyers(d, returns=True),
                },
            ),
        ),
        Exercise(
            id="database-3",
            title="Net sales",
            chinese="净销售额",
            difficulty=2,
            minutes=15,
            points=3,
            goal="What are the net sales 净销售额 of `export`, in money: all lines sold, with or without a member number, "
            "less all cancellations and returns of these months, whenever the goods were bought? Rows written twice "
            "count once, the staff's trials do not count.",
            hint="Some amounts carry $ or USD, and some cancellations were written without their minus; the invoice "
            "tells. `read_purchases` of `crmsim.data.importing` sees to both, and refuses rows without a customer "
            "unless you fill in something.",
            rubric="All points within .5 of money. read_purchases, and pandas alone, give the same.",
            solve=net,
            answer=Number(
                unit="money",
                relative=0,
                absolute=0.5,
                why="rounding to whole money",
                wrong={
                    "rows that were written twice count twice 重复记录": lambda d: net(d, duplicates=True),
                    "cancellations without a minus count as sales 作废单": _as_signed,
                    "these are gross sales: nothing was taken off for cancellations 毛销售额": _gross,
                    "lines without a member number are left out; the money was paid all the same": _known_only,
                    "the staff's trials of the till are in it": lambda d: net(d, trials=True),
                },
            ),
        ),
        Exercise(
            id="database-4",
            title="A question in SQL",
            chinese="用SQL查询：连接与分组",
            difficulty=2,
            minutes=20,
            points=3,
            goal="For each age_group: customers, how many agreed to advertising (consent in `profiles`), buyers or not; "
            f"sales, what they spent in the second year (months {YEAR} to {MONTHS - 1}), money; pieces, the "
            "quantity they bought in it. Give a DataFrame with age_group and these three columns. Ask it of DuckDB in SQL "
            "or of pandas.",
            hint="`duckdb.sql('SELECT ...').df()` takes your DataFrames as tables. A purchase has several lines in "
            "`purchase_lines`; who bought nothing in the year has no row in either: LEFT JOIN.",
            rubric="Part marks by entries, four groups by three columns: none for half of them right, all for every one.",
            solve=by_age,
            answer=Table(
                key="age_group",
                columns=("customers", "sales", "pieces"),
                wrong={
                    "the join repeats a purchase for each of its lines, and its amount is added as often 重复累加": lambda d: (
                        by_age(d, twice=True)
                    ),
                    "customers who bought nothing in the year fell out of the join 内连接": lambda d: by_age(
                        d, present=True
                    ),
                    "those who did not agree to advertising are in it": lambda d: by_age(d, consent=False),
                    "both years are counted": lambda d: by_age(d, first=0),
                },
            ),
        ),
        Exercise(
            id="database-5",
            title="Rows that do not fit",
            chinese="不符合数据库约束的记录",
            difficulty=2,
            minutes=15,
            points=3,
            goal="`intake` is to be added to `purchases`. The database demands of each row: a purchase number 主键 that no "
            "row of `purchases` and no earlier row of `intake` has; a customer 外键 who is in `customers`; a date; an "
            "amount of 0 or more. Which rows must be refused? Give their numbers from the column row.",
            hint="`faults` of `crmsim.data.schema` says what is wrong with tables by name, not in which rows; of the "
            "rows that you let in it must find none.",
            rubric="All points for the right rows; part marks by the Jaccard index.",
            solve=breaking,
            answer=Names(
                what="rows",
                wrong={
                    "customers who are not in `customers` were let in 引用完整性": lambda d: breaking(
                        d, orphans=False
                    ),
                    "numbers that `purchases` has already were let in 主键重复": lambda d: breaking(
                        d, stored=False
                    ),
                    "an amount of 0 is allowed: the bound is included": lambda d: breaking(d, zero=True),
                    "of two rows with one number, the earlier does not break anything": lambda d: breaking(
                        d, both=True
                    ),
                },
            ),
        ),
        Exercise(
            id="database-6",
            title="What the mistakes would cost",
            chinese="脏数据的后果：客户金额的误差",
            difficulty=3,
            minutes=30,
            points=4,
            goal="Of the buyers of the second exercise, which share gets a wrong sum of money if `export` is used as it is? "
            "Right is net sales of a customer as in the third exercise; a line without a number belongs to the customer "
            "of the other lines with the same invoice, where there are any. As it is: every row counts, member "
            "numbers as they stand, amounts that `pd.to_numeric(..., errors='coerce')` cannot read are lost. A sum is "
            "wrong when it differs by more than .005, or when nothing stands under the right number. Give a share, 0 to 1.",
            hint="Two series by customer, the second brought to the customers of the first with reindex; a missing sum "
            "is a wrong one. A cancelled invoice has a number of its own.",
            rubric="All points within .003, half a customer. In 60 sets of data 46 to 68 % of the buyers had a wrong "
            "sum, from mistakes in 20 to 28 % of the rows.",
            solve=spoilt,
            answer=Number(
                unit="share",
                relative=0,
                absolute=0.003,
                why="rounding to the third digit; a customer is about .007",
                wrong={
                    "divided by the numbers that stand in the export, not by the buyers 分母错误": lambda d: (
                        spoilt(d, over="ids")
                    ),
                    "buyers under whose number nothing stands are left out; they have a wrong sum too": lambda d: (
                        spoilt(d, found=True)
                    ),
                    "lines without a number were not given to the customer of their invoice": lambda d: (
                        spoilt(d, fill=False)
                    ),
                },
            ),
        ),
    ),
)
