"""The tables of the customer database, described once.

`TABLES` says of every column what it is called, its type, unit and meaning. The database file, its
data dictionary and `faults` (which checks tables against the description) all come from it. Tables
of the schema `main` hold what a firm can write down; those of the schema `truth` what only a
simulation knows, kept apart so that a method can be graded against it.

Months count from 0, the month the record begins. Money is in the currency named in the table
`about`. Points are on 0 to 100.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from ..vocabulary import ChurnCause, LoyaltyLayer, RelationshipStage

SOURCES = ("initial", "won", "referred")
CHANNELS = ("manual", "card", "debit")
FRAMES = ("random", "stratified", "contacts", "leavers")
MODES = ("phone", "online", "visit")
OUTCOMES = ("complete", "refused", "not_reached")
STATIONS = ("hotline", "counter")
REASONS = ("bill question", "payment question", "other question", "problem", "payment")
ATTEMPTS = ("service", "renege", "closed", "unserved")
# DuckDB types and what pandas must bring for them: the letters of numpy's dtype kinds.
KINDS = {"BIGINT": "iu", "INTEGER": "iu", "DOUBLE": "fiu", "BOOLEAN": "b", "DATE": "M", "VARCHAR": "OT"}


@dataclass(frozen=True)
class Column:
    """One column: name, DuckDB type, unit, meaning, and what its values must be.

    key: part of what identifies a row. required: never missing. low, high: bounds, both allowed.
    words: the only values allowed.
    """

    name: str
    type: str
    unit: str
    meaning: str
    key: bool = False
    required: bool = True
    low: float | None = None
    high: float | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One table: name, meaning, columns; `schema` is `main` or `truth`."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    schema: str = "main"

    @property
    def full_name(self) -> str:
        """The name a query uses: `purchases`, `truth.customers`."""
        return self.name if self.schema == "main" else f"{self.schema}.{self.name}"

    @property
    def keys(self) -> list[str]:
        return [column.name for column in self.columns if column.key]


def _customer(key: bool = True) -> Column:
    return Column("customer", "BIGINT", "", "identity of the customer", key=key, low=0)


def _month(meaning: str = "month, counted from 0", key: bool = True) -> Column:
    return Column("month", "INTEGER", "month", meaning, key=key, low=0)


def _money(name: str, meaning: str, low: float | None = 0) -> Column:
    return Column(name, "DOUBLE", "money", meaning, low=low)


def _yes(name: str, meaning: str) -> Column:
    return Column(name, "BOOLEAN", "yes/no", meaning)


def _points(name: str, meaning: str, high: float | None = 100) -> Column:
    return Column(name, "DOUBLE", "points", meaning, low=0 if high else None, high=high)


def _cause(name: str, meaning: str, required: bool = False) -> Column:
    return Column(name, "VARCHAR", "", meaning, required=required, words=ChurnCause.keys())


def _hours(name: str, meaning: str, required: bool = True) -> Column:
    """A moment; later than 720 when it came after the 30 days of the month."""
    return Column(name, "DOUBLE", "hours since the month began", meaning, required=required, low=0)


def _wave() -> Column:
    return Column("wave", "INTEGER", "", "number of the wave, in the order of time", key=True, low=0)


def _count(name: str, meaning: str) -> Column:
    return Column(name, "INTEGER", "customers", meaning, low=0)


TABLES: tuple[Table, ...] = (
    Table(
        "customers",
        "everyone who ever was a customer",
        (
            _customer(),
            Column("joined_month", "INTEGER", "month", "month of joining, counted from 0", low=0),
            Column("joined", "DATE", "date", "first day of that month"),
            Column(
                "source", "VARCHAR", "", "there at the start, won, or brought by a customer", words=SOURCES
            ),
            _yes("contract", "billed by contract, or buying when they like"),
            Column(
                "channel", "VARCHAR", "", "latest way to pay; missing without a contract", required=False,
                words=CHANNELS,
            ),
        ),
    ),
    Table(
        "purchases",
        "each purchase of customers without a contract; empty with one",
        (
            Column("purchase", "BIGINT", "", "number of the purchase, in the order of time", key=True, low=0),
            _customer(key=False),
            _month(key=False),
            Column("date", "DATE", "date", "day of the purchase"),
            _money("amount", "revenue of the purchase"),
        ),
    ),
    Table(
        "bills",
        "the monthly bill of each contract customer; empty without contracts",
        (_customer(), _month(), _money("amount", "amount billed")),
    ),
    Table(
        "payments",
        "how each bill was paid",
        (
            _customer(),
            _month(),
            Column("channel", "VARCHAR", "", "way to pay in that month", words=CHANNELS),
            _money("amount", "money that came in, 0 when the bill was not paid"),
            _yes("paid", "the bill was paid in the end"),
            _yes("failed", "the first attempt failed"),
            _yes("cured", "it failed and was paid after all"),
        ),
    ),
    Table(
        "complaints",
        "complaints that reached the firm",
        (
            _customer(),
            _month(),
            _yes("resolved", "the complaint was resolved"),
            _yes("fast", "it was resolved fast"),
        ),
    ),
    Table(
        "contacts",
        "each attempt to reach the hotline or the payment counter; empty without a service desk",
        (
            Column("contact", "BIGINT", "", "number of the contact, by month and station", key=True, low=0),
            Column("attempt", "INTEGER", "", "1 for the first; who tries again has more", key=True, low=1),
            _customer(key=False),
            _month("month of the first attempt, counted from 0; 30 days", key=False),
            Column("station", "VARCHAR", "", "where", words=STATIONS),
            Column("reason", "VARCHAR", "", "why; a payment is one at the counter", words=REASONS),
            Column("touchpoint", "VARCHAR", "", "touchpoint that had the problem, else empty"),
            Column(
                "day", "INTEGER", "day", "day of the month; above 30 for a further attempt in the days after",
                low=1,
            ),
            Column("weekday", "INTEGER", "", "day of the week, Monday is 1", low=1, high=7),
            Column("hour", "DOUBLE", "hours", "time of the day; 8.5 is half past eight", low=0, high=24),
            Column("waited", "DOUBLE", "seconds", "wait until served or given up", low=0),
            Column(
                "outcome", "VARCHAR", "",
                "served, given up (renege), turned away when closed, or still waiting in the end (unserved)",
                words=ATTEMPTS,
            ),
            Column(
                "agent", "INTEGER", "", "number of who served, from 0; missing when nobody did, or unknown",
                required=False, low=0,
            ),
            Column(
                "handled", "DOUBLE", "seconds", "time to serve; missing when nobody did", required=False,
                low=0,
            ),
            _yes("called_back", "a call-back was offered and accepted"),
            _yes("solved", "this attempt solved it"),
        ),
    ),
    Table(
        "jobs",
        "each job of the field crews; empty without a service desk",
        (
            Column("job", "BIGINT", "", "number of the job, by month", key=True, low=0),
            _month("month of the report, counted from 0; 30 days", key=False),
            _hours("reported", "report"),
            _hours("started", "departure of the crew; missing when none ever went", required=False),
            _hours("finished", "end of the repair; missing when there was none", required=False),
            _yes("in_time", "finished within the deadline"),
        ),
    ),
    Table(
        "formal_complaints",
        "complaints in writing, by customers whom the hotline did not help; empty without a service desk",
        (
            Column("complaint", "BIGINT", "", "number of the complaint, by month", key=True, low=0),
            _customer(key=False),
            _month("month of the contact, counted from 0; 30 days", key=False),
            _hours("received", "receipt"),
            _hours("answered", "answer; missing when there was none", required=False),
            _yes("in_time", "answered within the deadline"),
        ),
    ),
    Table("offers", "offers made to single customers by campaigns", (_customer(), _month())),
    Table("returns", "customers who came back after an offer", (_customer(), _month())),
    Table(
        "survey",
        "answers of the customers who were asked that month",
        (_customer(), _month(), _points("satisfaction", "reported satisfaction")),
    ),
    Table(
        "survey_waves",
        "each wave of the surveys by questionnaire",
        (
            _wave(),
            Column("survey", "VARCHAR", "", "name of the survey"),
            _month("month at whose end it was taken, counted from 0", key=False),
            Column("frame", "VARCHAR", "", "who might be asked", words=FRAMES),
            Column("mode", "VARCHAR", "", "how they were asked", words=MODES),
            _yes("panel", "later waves ask those who answered the first"),
            Column("scale", "INTEGER", "steps", "answers run from 1 to this", low=2),
            _count("population", "customers who might have been asked"),
            _count("asked", "customers chosen"),
            _count("reached", "those of them who could be reached"),
            _count("completed", "those of them who answered"),
        ),
    ),
    Table(
        "survey_items",
        "the questions of each survey",
        (
            Column("survey", "VARCHAR", "", "name of the survey", key=True),
            Column("item", "VARCHAR", "", "name of the question", key=True),
            Column("construct", "VARCHAR", "", "what it is meant to measure"),
            Column("touchpoint", "VARCHAR", "", "touchpoint it is about, else empty"),
            Column("low", "INTEGER", "", "lowest answer", low=0),
            Column("high", "INTEGER", "", "highest answer", low=1),
            Column("english", "VARCHAR", "", "wording"),
            Column("chinese", "VARCHAR", "", "wording in Chinese"),
        ),
    ),
    Table(
        "survey_sample",
        "everyone chosen for a wave, whether they answered or not",
        (
            _wave(),
            _customer(),
            Column("stratum", "VARCHAR", "", "group the customer was drawn from"),
            Column("age", "INTEGER", "years", "age on file", low=18),
            Column("weight", "DOUBLE", "customers", "customers each stands for, by the sampling", low=0),
            Column("outcome", "VARCHAR", "", "what became of the attempt", words=OUTCOMES),
            Column(
                "seconds", "DOUBLE", "seconds", "time to answer; missing without an answer", required=False,
                low=0,
            ),
        ),
    ),
    Table(
        "survey_answers",
        "each answer of a respondent to a question",
        (
            _wave(),
            _customer(),
            Column("item", "VARCHAR", "", "name of the question (see survey_items)", key=True),
            Column(
                "answer", "INTEGER", "", "the answer; missing when the question was skipped", required=False,
                low=0,
            ),
        ),
    ),
    Table(
        "departures",
        "ends of contracts; empty without contracts, where a firm cannot see who left",
        (
            _customer(),
            _month("month of leaving, counted from 0"),
            _cause("stated_cause", "cause the customer or the file states; it may be wrong", required=True),
        ),
    ),
    Table(
        "about",
        "where the record comes from",
        (
            Column("name", "VARCHAR", "", "what is said", key=True),
            Column("value", "VARCHAR", "", "its value"),
        ),
    ),
    Table(
        "customers",
        "the hidden state of every customer at the end of the record, or on leaving",
        (
            _customer(),
            Column(
                "left_month", "INTEGER", "month", "month of the last departure; missing while a customer",
                required=False, low=0,
            ),
            _cause("cause", "proximate cause of leaving; missing while a customer"),
            _cause("attributed_cause", "root cause of leaving; missing while a customer"),
            _points("satisfaction", "cumulative satisfaction"),
            _points("expectation", "expected quality"),
            _points("trust", "trust"),
            _points("value", "perceived value", high=None),
            _points("cognitive", "cognitive loyalty"),
            _points("affective", "affective loyalty"),
            _points("conative", "conative loyalty"),
            _points("action", "action loyalty"),
            Column("layer", "VARCHAR", "", "deepest layer of loyalty reached", words=LoyaltyLayer.keys()),
            Column(
                "stage", "VARCHAR", "", "stage of the relationship", words=RelationshipStage.keys()
            ),
            Column("hazard", "DOUBLE", "per month", "chance of leaving in the last month", low=0, high=1),
            Column("expected_exit", "DOUBLE", "", "sum of the monthly chances of leaving", low=0),
            Column("response", "DOUBLE", "log hazard", "own response to a retention call"),
            _money("historical_value", "margin so far, less costs to serve", low=None),
        ),
        schema="truth",
    ),
    Table(
        "departures",
        "every departure with its true cause, contract or not",
        (
            _customer(),
            _month("month of leaving, counted from 0"),
            _cause("cause", "proximate cause", required=True),
            _cause("attributed_cause", "root cause; known for a customer's last departure only"),
        ),
        schema="truth",
    ),
    Table(
        "failures",
        "failures customers met, whether the firm heard of them or not",
        (
            _customer(),
            _month(),
            Column("severity", "DOUBLE", "points", "the worst drop of a perception", low=0),
        ),
        schema="truth",
    ),
)  # fmt: skip
BY_NAME = {table.full_name: table for table in TABLES}


def dictionary() -> pd.DataFrame:
    """The data dictionary: one row a column, with table, type, unit, key, meaning."""
    rows = [
        {
            "table": table.full_name,
            "column": column.name,
            "type": column.type,
            "unit": column.unit,
            "key": column.key,
            "required": column.required,
            "meaning": column.meaning,
            "values": ", ".join(column.words),
            "table_meaning": table.meaning,
        }
        for table in TABLES
        for column in table.columns
    ]
    return pd.DataFrame(rows)


def faults(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """What is wrong with tables, by full name, against the description; empty if nothing is.

    Checked: known names, all columns and no other, types, missing values, keys that occur twice,
    bounds, words, and that every customer named is in `customers`.
    """
    found = [f"{name}: no such table in the description" for name in tables if name not in BY_NAME]
    known = tables.get("customers")
    ids = pd.Index(known["customer"]) if known is not None and "customer" in known else None
    for name, table in BY_NAME.items():
        if name not in tables:
            continue
        frame = tables[name]
        found += [f"{name}: {fault}" for fault in _table_faults(table, frame)]
        if ids is not None and name != "customers" and "customer" in frame:
            strange = ~frame["customer"].isin(ids)
            if strange.any():
                who = frame.loc[strange, "customer"].iloc[0]
                found.append(f"{name}: customer {who} is not in customers ({strange.sum():,} rows)")
    return found


def _table_faults(table: Table, frame: pd.DataFrame) -> list[str]:
    names = [column.name for column in table.columns]
    found = [f"column {name} is missing" for name in names if name not in frame]
    found += [f"column {name} is not in the description" for name in frame if name not in names]
    for column in table.columns:
        if column.name in frame and len(frame):
            found += [f"{column.name} {fault}" for fault in _column_faults(column, frame[column.name])]
    if table.keys and set(table.keys) <= set(frame):
        twice = frame.duplicated(table.keys)
        if twice.any():
            row = frame.loc[twice, table.keys].iloc[0]
            which = ", ".join(f"{name} {value}" for name, value in row.items())
            found.append(f"the key {which} occurs twice ({twice.sum():,} rows)")
    return found


def _column_faults(column: Column, values: pd.Series) -> list[str]:
    missing = values.isna()
    found = []
    if column.required and missing.any():
        found.append(f"is missing in {missing.sum():,} rows")
    values = values[~missing]
    if not len(values):
        return found
    kind = "O" if isinstance(values.dtype, pd.CategoricalDtype | pd.StringDtype) else values.dtype.kind
    # A column of whole numbers with missing values comes back from a database as floating point.
    whole = column.type in ("BIGINT", "INTEGER") and kind == "f" and bool((values % 1 == 0).all())
    if kind not in KINDS[column.type] and not whole:
        return [*found, f"is of type {values.dtype}, not {column.type}"]
    if column.low is not None and (below := values < column.low).any():
        found.append(f"is below {column.low:g} in {below.sum():,} rows, such as {values[below].iloc[0]:g}")
    if column.high is not None and (above := values > column.high).any():
        found.append(f"is above {column.high:g} in {above.sum():,} rows, such as {values[above].iloc[0]:g}")
    if column.words and (other := ~values.isin(column.words)).any():
        found.append(f"is {values[other].iloc[0]!r}, which is none of {', '.join(column.words)}")
    return found
