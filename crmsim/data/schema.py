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
MEASURES = ("programme", "campaign", "both")
STATUS = ("running", "ended", "kept", "dropped")
HARDSHIP = ("low_income", "old_age", "illness")
FRAMES = ("random", "stratified", "contacts", "leavers")
MODES = ("phone", "online", "visit")
OUTCOMES = ("complete", "refused", "not_reached")
STATIONS = ("hotline", "counter")
REASONS = ("bill question", "payment question", "other question", "problem", "payment")
ATTEMPTS = ("service", "renege", "closed", "unserved")
GENDERS = ("female", "male")
AGE_GROUPS = ("18-29", "30-44", "45-59", "60-89")
INCOMES = ("low", "middle", "high")
METERS = ("mechanical", "smart")
READINGS = ("actual", "estimated", "missed")
WAYS = ("counter", "online", "card", "debit")
LEVELS = ("material", "spiritual", "social")
PHASES = ("pre_sale", "in_sale", "after_sale")
KANO = ("one_dimensional", "must_be", "attractive")
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
    def chinese(self) -> str:
        """The table's name in Chinese."""
        return TABLES_IN_CHINESE[self.full_name]

    @property
    def full_name(self) -> str:
        """The name a query uses: `purchases`, `truth.customers`."""
        return self.name if self.schema == "main" else f"{self.schema}.{self.name}"

    @property
    def keys(self) -> list[str]:
        """The columns that together name a row."""
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


def _volume(name: str, meaning: str) -> Column:
    return Column(name, "DOUBLE", "m3", meaning, low=0)


def _event(meaning: str) -> Column:
    return Column("event", "BIGINT", "", f"{meaning} (see network_events)", required=False, low=0)


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
        "profiles",
        "static data of each customer, as a form or a loyalty card asks for them",
        (
            _customer(),
            Column("birth_year", "INTEGER", "year", "year of birth", low=1900),
            Column("age_group", "VARCHAR", "years", "age at the beginning of the record", words=AGE_GROUPS),
            Column("gender", "VARCHAR", "", "gender", words=GENDERS),
            Column("district", "VARCHAR", "", "part of town (see districts)"),
            Column("household", "INTEGER", "people", "size of the household, 6 for more", low=1, high=6),
            Column("income", "VARCHAR", "", "income of the household, as stated", words=INCOMES),
            _yes("email_known", "the firm has an e-mail address"),
            _yes("consent", "advertising by e-mail is agreed to"),
            Column(
                "plan", "VARCHAR", "", "plan or tariff (see products); missing without a contract",
                required=False,
            ),
            Column(
                "segment", "VARCHAR", "", "kind of customer (see segments); missing where there are none",
                required=False,
            ),
        ),
    ),
    Table(
        "segments",
        "kinds of customers that the firm tells apart; empty where it does not",
        (
            Column("segment", "VARCHAR", "", "short name", key=True),
            Column("english", "VARCHAR", "", "name"),
            Column("chinese", "VARCHAR", "", "name in Chinese", required=False),
        ),
    ),
    Table(
        "districts",
        "parts of the town",
        (
            Column("district", "VARCHAR", "", "short name", key=True),
            Column("english", "VARCHAR", "", "name"),
            Column("chinese", "VARCHAR", "", "name in Chinese"),
            Column(
                "pipe_age", "INTEGER", "years", "age of the mains; missing where there is no network",
                required=False, low=0,
            ),
            Column(
                "secondary_supply", "BOOLEAN", "yes/no",
                "water is pumped up again in the houses; missing where there is no network", required=False,
            ),
        ),
    ),
    Table(
        "hardship",
        "households on the firm's register of those in need of help; empty where it keeps none",
        (
            _customer(),
            Column("reason", "VARCHAR", "", "why it is registered", words=HARDSHIP),
        ),
    ),
    Table(
        "products",
        "what the firm sells: goods and services, or the plans of a contract",
        (
            Column("product", "VARCHAR", "", "short name", key=True),
            Column("english", "VARCHAR", "", "name"),
            Column("chinese", "VARCHAR", "", "name in Chinese", required=False),
            Column("category", "VARCHAR", "", "kind of product", required=False),
            Column(
                "price", "DOUBLE", "money", "list price of a piece; of a plan, a usual monthly bill",
                required=False, low=0,
            ),
            Column(
                "unit_cost", "DOUBLE", "money", "what a piece costs the firm; of a plan, a month of it",
                required=False, low=0,
            ),
            Column(
                "lead", "INTEGER", "days", "from order to delivery by the supplier; missing for plans",
                required=False, low=0,
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
        "purchase_lines",
        "each purchase line by line; the lines' amounts add up to the purchase",
        (
            Column("purchase", "BIGINT", "", "number of the purchase", key=True, low=0),
            Column("line", "INTEGER", "", "number of the line, from 1", key=True, low=1),
            Column("product", "VARCHAR", "", "what was bought (see products)"),
            Column("quantity", "DOUBLE", "pieces", "how many", low=0),
            _money("amount", "what was paid for the line"),
            Column(
                "cost", "DOUBLE", "money", "what the line cost the firm; missing where unknown",
                required=False, low=0,
            ),
        ),
    ),
    Table(
        "return_lines",
        "goods brought back and cancellations; net sales are the purchases less the lines not yet taken off",
        (
            Column("return_line", "BIGINT", "", "number of the line, in the order of time", key=True, low=0),
            _customer(key=False),
            _month(key=False),
            Column("date", "DATE", "date", "day of the return"),
            Column(
                "purchase", "BIGINT", "", "the purchase it undoes; missing when that is not known",
                required=False, low=0,
            ),
            Column(
                "line", "INTEGER", "", "line of that purchase, from 1; missing when that is not known",
                required=False, low=1,
            ),
            Column(
                "product", "VARCHAR", "", "what came back (see products); missing where unknown",
                required=False,
            ),
            Column("quantity", "DOUBLE", "pieces", "how many came back", low=0),
            _money("amount", "money given back"),
            Column(
                "cost", "DOUBLE", "money", "what the goods had cost the firm; missing where unknown",
                required=False, low=0,
            ),
            _yes("taken_off", "already taken off the amount of the purchase"),
        ),
    ),
    Table(
        "stock",
        "stock of each product month by month, valued at cost; closing = opening + bought - cost of sales",
        (
            _month(),
            Column("product", "VARCHAR", "", "which (see products)", key=True),
            _money("opening", "stock when the month begins"),
            _money("bought", "goods received in the month"),
            _money("closing", "stock when the month ends"),
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
        "meters",
        "the meter of each customer who is billed for use; this table and those below empty without meters",
        (
            Column("meter", "BIGINT", "", "number of the meter", key=True, low=0),
            _customer(key=False),
            Column("kind", "VARCHAR", "", "read by a person, or sending its readings", words=METERS),
            Column("diameter", "INTEGER", "mm", "nominal diameter", low=1),
            Column("installed", "INTEGER", "year", "year it was put in", low=1900),
            Column("cycle", "INTEGER", "months", "months from reading to reading", low=1),
            _yes("open", "the account is open when the record ends"),
        ),
    ),
    Table(
        "readings",
        "each reading of a meter, one a statement",
        (
            Column("meter", "BIGINT", "", "number of the meter", key=True, low=0),
            _month("last month that it is for, counted from 0"),
            Column("date", "DATE", "date", "day of the reading"),
            Column("kind", "VARCHAR", "", "read, estimated, or not to be had", words=READINGS),
            Column(
                "register", "DOUBLE", "m3", "what the register stood at; missing when it was not to be had",
                required=False, low=0,
            ),
        ),
    ),
    Table(
        "tariff",
        "price of use by steps, at the general level of prices of 1",
        (
            Column("tier", "INTEGER", "", "step, from 1", key=True, low=1),
            Column(
                "upto", "DOUBLE", "m3 a month", "use up to which it holds; missing for the last step",
                required=False, low=0,
            ),
            Column("price", "DOUBLE", "money per m3", "price of what is used in this step", low=0),
            Column("sewage", "DOUBLE", "money per m3", "charge for sewage, on top of it", low=0),
        ),
    ),
    Table(
        "statements",
        "bills by tariff, one for the months of a cycle; they sum up the customer's monthly bills",
        (
            Column("statement", "BIGINT", "", "number of the statement, by cycle", key=True, low=0),
            _customer(key=False),
            Column("meter", "BIGINT", "", "number of the meter", low=0),
            Column("first_month", "INTEGER", "month", "first month that it is for, counted from 0", low=0),
            _month("last month that it is for, counted from 0", key=False),
            Column("issued", "DATE", "date", "day it was sent out"),
            Column("due", "DATE", "date", "day by which it is to be paid"),
            _volume("usage", "use"),
            _volume("tier_1", "use in the first step of the tariff"),
            _volume("tier_2", "use in the second step"),
            _volume("tier_3", "use in the third step"),
            _money("water", "charge for the use"),
            _money("sewage", "charge for sewage"),
            _money("amount", "amount of the statement: both charges"),
            _money("error", "money that a first version asked too much, corrected before payment; else 0"),
        ),
    ),
    Table(
        "receipts",
        "how each statement was paid",
        (
            Column("statement", "BIGINT", "", "number of the statement", key=True, low=0),
            _customer(key=False),
            Column("way", "VARCHAR", "", "way it was paid, or usually is", words=WAYS),
            Column("date", "DATE", "date", "day the money came; missing when none did", required=False),
            _money("amount", "money that came in; less than the statement when a part stayed unpaid"),
            Column("late", "INTEGER", "days", "after the day due; 0 when in time or never", low=0),
            _money("fee", "charge on paying late; not in the money of the bills"),
            _yes("complete", "all of it was paid in the end"),
            Column(
                "contact", "BIGINT", "",
                "last visit to the counter in those months (see contacts); missing without one",
                required=False, low=0,
            ),
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
            _event("event that had struck the caller; missing for all other reasons"),
            Column(
                "job", "BIGINT", "", "job of the crews it led to (see jobs); missing when none",
                required=False, low=0,
            ),
        ),
    ),
    Table(
        "jobs",
        "each job of the field crews; empty without a service desk",
        (
            Column("job", "BIGINT", "", "number of the job, by month", key=True, low=0),
            _month("month of the report, counted from 0; 30 days", key=False),
            Column("touchpoint", "VARCHAR", "", "touchpoint that had the problem"),
            _hours("reported", "report"),
            _hours("started", "departure of the crew; missing when none ever went", required=False),
            _hours("arrived", "arrival of the crew; missing when there was none", required=False),
            _hours("finished", "end of the repair; missing when there was none", required=False),
            Column("deadline", "DOUBLE", "hours", "allowed from the report to the end", low=0),
            _yes("in_time", "finished within the deadline"),
            _event("event that it ended; missing for a problem of a single customer"),
            Column(
                "contact", "BIGINT", "", "contact that reported it, the earliest by number", required=False,
                low=0,
            ),
        ),
    ),
    Table(
        "event_kinds",
        "kinds of events that strike many customers at once; empty without a service desk",
        (
            Column("kind", "VARCHAR", "", "short name", key=True),
            Column("english", "VARCHAR", "", "name"),
            Column("chinese", "VARCHAR", "", "name in Chinese", required=False),
            Column("touchpoint", "VARCHAR", "", "touchpoint that it strikes", key=True),
            Column("planned", "BOOLEAN", "yes/no", "it is planned and can be announced", key=True),
        ),
    ),
    Table(
        "network_events",
        "each event that struck customers in common; empty without a service desk",
        (
            Column("event", "BIGINT", "", "number of the event, in the order of time", key=True, low=0),
            _month("month, counted from 0; 30 days", key=False),
            Column("touchpoint", "VARCHAR", "", "touchpoint that it struck"),
            Column("kind", "VARCHAR", "", "what it was (see event_kinds)"),
            _yes("planned", "it was planned"),
            _hours("started", "beginning"),
            Column(
                "hours", "DOUBLE", "hours", "how long it lasted; missing when no crew ever ended it",
                required=False, low=0,
            ),
            Column(
                "announced", "DOUBLE", "hours", "how long before it was announced; missing when it was not",
                required=False, low=0,
            ),
            _count("affected", "customers whom it struck"),
            _count("told", "those of them who had notice of it in time"),
            Column("district", "VARCHAR", "", "part of town where most of them live (see districts)"),
            Column(
                "job", "BIGINT", "", "job of the crews that ended it (see jobs); missing when there was none",
                required=False, low=0,
            ),
        ),
    ),
    Table(
        "event_customers",
        "whom each event struck, whether they called or not",
        (
            Column("event", "BIGINT", "", "number of the event", key=True, low=0),
            _customer(),
            Column(
                "minutes", "DOUBLE", "minutes", "how long; missing when the end is not known", required=False,
                low=0,
            ),
            _yes("told", "the customer had notice of it in time"),
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
            Column("deadline", "DOUBLE", "hours", "allowed from the receipt to the answer", low=0),
            _yes("in_time", "answered within the deadline"),
            _yes("solved", "the answer solved the problem"),
            Column(
                "contact", "BIGINT", "", "contact that had not helped (see contacts)", required=False, low=0
            ),
            Column("touchpoint", "VARCHAR", "", "touchpoint it is about"),
        ),
    ),
    Table(
        "projects",
        "what the firm did about its customers: policies, or the projects of a cycle of plan, do, check, act",
        (
            Column("project", "VARCHAR", "", "name", key=True),
            Column("first_month", "INTEGER", "month", "first month it ran, counted from 0", key=True, low=0),
            Column(
                "last_month", "INTEGER", "month", "last month it ran; missing if it goes on", required=False,
                low=0,
            ),
            Column(
                "kind", "VARCHAR", "", "it changes how the firm works, chooses single customers, or both",
                words=MEASURES,
            ),
            Column("content", "VARCHAR", "", "what is done: its policies with their numbers"),
            Column("english", "VARCHAR", "", "title", required=False),
            Column("chinese", "VARCHAR", "", "title in Chinese", required=False),
            Column("reach", "VARCHAR", "", "whom it was meant for at first: all, half, districts, a group"),
            Column(
                "cost", "DOUBLE", "money", "spent on it in the record; missing where its unit is not known",
                required=False, low=0,
            ),
            Column("status", "VARCHAR", "", "when the record ends", words=STATUS),
            Column(
                "round", "INTEGER", "", "round of the cycle, from 1; missing without one", required=False,
                low=1,
            ),
            Column(
                "measure", "VARCHAR", "", "what it was measured by: a touchpoint, or satisfaction",
                required=False,
            ),
            Column("comparison", "VARCHAR", "", "how: with whom, or with when", required=False),
            Column("effect", "DOUBLE", "points", "measured effect", required=False),
            Column("low", "DOUBLE", "points", "lower end of its interval", required=False),
            Column("high", "DOUBLE", "points", "upper end of its interval", required=False),
            Column("answers", "INTEGER", "", "answers that the measurement rests on", required=False, low=0),
        ),
    ),
    Table(
        "offers",
        "offers made to single customers by campaigns",
        (
            Column("offer", "BIGINT", "", "number of the offer, in the order of time", key=True, low=0),
            _customer(key=False),
            _month(key=False),
            Column("campaign", "VARCHAR", "", "campaign that made it (see projects)", required=False),
            Column("action", "VARCHAR", "", "what was done or offered", required=False),
            Column(
                "score", "DOUBLE", "", "what the campaign ranked customers by; the higher the sooner",
                required=False,
            ),
            Column("cost", "DOUBLE", "money", "expected cost, as charged", required=False, low=0),
            Column(
                "accepted", "BOOLEAN", "yes/no",
                "a lapsed customer came back on it; missing where nobody was asked back", required=False,
            ),
        ),
    ),
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
    Table(
        "weights",
        "what each touchpoint really weighs in the quality customers perceive",
        (
            Column("touchpoint", "VARCHAR", "", "where customers meet the firm", key=True),
            Column("chinese", "VARCHAR", "", "name in Chinese", required=False),
            Column("weight", "DOUBLE", "share", "weight; all together are 1", low=0, high=1),
            Column("level", "VARCHAR", "", "level of satisfaction it serves", words=LEVELS),
            Column("phase", "VARCHAR", "", "when it is met", words=PHASES),
            Column("kind", "VARCHAR", "", "how gains and losses of it count", words=KANO),
            _points("quality", "what it offers, before any programme"),
            _points("severity", "by how much a failure there lowers its perception, on average", high=None),
        ),
        schema="truth",
    ),
    Table(
        "survey_sample",
        "what lies behind the answers of everyone chosen for a wave",
        (
            _wave(),
            _customer(),
            _points("satisfaction", "cumulative satisfaction when asked"),
            Column("chance", "DOUBLE", "probability", "chance to answer when reached", low=0, high=1),
            _points("halo", "general attitude, which colours what is said of every touchpoint", high=None),
            _yes("straight", "would tick one column"),
            _yes("inattentive", "would fail the attention check"),
        ),
        schema="truth",
    ),
    Table(
        "projects",
        "true effects of a cycle's projects: the world as it was less the same world without the project",
        (
            Column("project", "VARCHAR", "", "name", key=True),
            Column("first_month", "INTEGER", "month", "first month it ran, counted from 0", key=True, low=0),
            Column("effect", "DOUBLE", "points", "on what it was measured by"),
            Column("satisfaction", "DOUBLE", "points", "on overall satisfaction"),
        ),
        schema="truth",
    ),
    Table(
        "market_panel",
        "each customer's choice in each year since a closed market opened; empty where none did",
        (
            _customer(),
            Column("year", "INTEGER", "", "year since the opening, from 1", key=True, low=1),
            _month("first month of that year, counted from 0", key=False),
            Column("awareness", "DOUBLE", "share", "customers who know that they may choose", low=0, high=1),
            Column("attention", "DOUBLE", "share", "of these, who look at offers at all", low=0, high=1),
            _points("offer", "by how much rivals offer more than when the market was closed", high=None),
            _points("value", "value this customer perceives here", high=None),
            _points("alternative", "value of the best that rivals offer this customer", high=None),
            _points("switching", "what a change would cost this customer"),
            Column(
                "months", "INTEGER", "months", "lived as a customer in the year, that of leaving too",
                low=1, high=12,
            ),
            _yes("switched", "left for a rival in the year; who moved away did not"),
        ),
        schema="truth",
    ),
    Table(
        "problems",
        "how often touchpoints fail for the customers of a district and a segment, before any programme",
        (
            Column(
                "district", "VARCHAR", "", "part of town; missing where all fare alike", key=True,
                required=False,
            ),
            Column(
                "segment", "VARCHAR", "", "kind of customer; missing where all fare alike", key=True,
                required=False,
            ),
            Column("touchpoint", "VARCHAR", "", "where customers meet the firm", key=True),
            Column(
                "chance", "DOUBLE", "probability a month", "chance to meet a failure there", low=0, high=1
            ),
        ),
        schema="truth",
    ),
    Table(
        "parameters",
        "the numbers that decide how customers feel, act and answer, before any programme or rival",
        (
            Column("name", "VARCHAR", "", "section and name in the scenario, or in a survey", key=True),
            Column("value", "DOUBLE", "see unit", "its value"),
            Column("unit", "VARCHAR", "", "what it is measured in"),
            Column("meaning", "VARCHAR", "", "what it is"),
        ),
        schema="truth",
    ),
)  # fmt: skip
BY_NAME = {table.full_name: table for table in TABLES}

# A column of this name holds values of that table's key, wherever it stands.
REFERENCES = {
    "customer": ("customers", "customer"),
    "purchase": ("purchases", "purchase"),
    "product": ("products", "product"),
    "plan": ("products", "product"),
    "district": ("districts", "district"),
    "wave": ("survey_waves", "wave"),
    "segment": ("segments", "segment"),
    "meter": ("meters", "meter"),
    "statement": ("statements", "statement"),
    "event": ("network_events", "event"),
    "job": ("jobs", "job"),
    "contact": ("contacts", "contact"),
    "campaign": ("projects", "project"),
}

# Names in Chinese, of tables and of columns; a column that means something else in one table is there
# under the table's name too.
TABLES_IN_CHINESE = {
    "customers": "客户", "profiles": "客户静态资料", "segments": "客户细分", "districts": "区域",
    "hardship": "困难家庭登记",
    "products": "产品", "purchases": "购买", "purchase_lines": "购买明细", "return_lines": "退货明细",
    "stock": "库存", "bills": "账单", "payments": "付款", "meters": "水表", "readings": "抄表记录",
    "tariff": "阶梯价格", "statements": "计量账单", "receipts": "缴费记录", "complaints": "投诉",
    "contacts": "客户接触", "jobs": "抢修工单", "event_kinds": "事件类型", "network_events": "管网事件",
    "event_customers": "受影响客户", "formal_complaints": "书面投诉", "offers": "优惠与挽留",
    "projects": "改进项目", "truth.projects": "项目真实效果",
    "returns": "回流客户", "survey": "月度满意度回访", "survey_waves": "问卷调查批次",
    "survey_items": "问卷题目", "survey_sample": "调查样本", "survey_answers": "问卷回答",
    "departures": "流失", "about": "数据来源", "truth.customers": "客户真实状态",
    "truth.departures": "真实流失原因", "truth.failures": "真实服务失误", "truth.weights": "接触点真实权重",
    "truth.survey_sample": "回答背后的真实状态",
    "truth.market_panel": "市场开放面板", "truth.problems": "真实故障率", "truth.parameters": "模型参数",
}  # fmt: skip
COLUMNS_IN_CHINESE = {
    "customer": "客户编号", "joined_month": "成为客户的月份", "joined": "成为客户的日期", "source": "来源",
    "contract": "是否签约", "channel": "付款方式", "birth_year": "出生年份", "age_group": "年龄段",
    "gender": "性别", "district": "区域", "household": "家庭人数", "income": "家庭收入档次",
    "email_known": "是否留有电子邮箱", "consent": "是否同意接收广告", "plan": "套餐或水价阶梯",
    "english": "英文名称", "chinese": "中文名称", "product": "产品", "category": "类别", "price": "标价",
    "unit_cost": "单位成本", "lead": "供货提前期", "purchase": "购买编号", "month": "月份", "date": "日期",
    "amount": "金额", "line": "行号", "quantity": "数量", "cost": "成本", "opening": "期初库存",
    "bought": "本期进货", "closing": "期末库存", "paid": "最终是否付清", "failed": "首次扣款是否失败",
    "cured": "失败后是否补缴", "resolved": "是否解决", "fast": "是否快速解决", "contact": "接触编号",
    "attempt": "第几次尝试", "station": "服务渠道", "reason": "来意", "touchpoint": "接触点", "day": "日",
    "weekday": "星期", "hour": "时刻", "waited": "等待时间", "outcome": "结果", "agent": "坐席编号",
    "handled": "处理时间", "called_back": "是否回电", "solved": "是否解决", "job": "工单编号",
    "reported": "报修时间", "started": "出发时间", "finished": "修复时间", "in_time": "是否按时",
    "complaint": "投诉编号", "received": "收到时间", "answered": "答复时间", "satisfaction": "满意度",
    "wave": "批次", "survey": "调查名称", "frame": "抽样框", "mode": "调查方式", "panel": "是否固定样本",
    "scale": "量表级数", "population": "总体人数", "asked": "抽取人数", "reached": "联系到的人数",
    "completed": "完成人数", "item": "题目", "construct": "测量的概念", "low": "最低分", "high": "最高分",
    "stratum": "层", "age": "年龄", "weight": "抽样权数", "seconds": "答题时间", "answer": "回答",
    "stated_cause": "自述流失原因", "name": "项目", "value": "感知价值", "left_month": "流失月份",
    "cause": "直接原因", "attributed_cause": "根本原因", "expectation": "预期", "trust": "信任",
    "cognitive": "认知忠诚", "affective": "情感忠诚", "conative": "意向忠诚", "action": "行为忠诚",
    "layer": "忠诚层次", "stage": "关系阶段", "hazard": "流失概率", "expected_exit": "累计流失概率",
    "response": "对挽留的反应", "historical_value": "历史价值", "severity": "失误严重程度",
    "return_line": "退货编号", "taken_off": "是否已从购买金额中扣除", "level": "满意层次",
    "phase": "服务阶段", "kind": "类型", "truth.weights.weight": "真实权重", "truth.weights.kind": "质量属性",
    "return_lines.amount": "退款金额", "return_lines.line": "原购买行号",
    "return_lines.purchase": "原购买编号", "hardship.reason": "登记原因",
    "segment": "客户细分", "pipe_age": "管龄",
    "secondary_supply": "是否二次供水", "meter": "水表编号", "diameter": "口径", "installed": "安装年份",
    "cycle": "抄表周期", "register": "表底数", "tier": "阶梯", "upto": "每月上限", "sewage": "污水处理费",
    "tariff.price": "水价", "statement": "账单编号", "first_month": "起始月份", "issued": "出账日",
    "due": "缴费截止日", "usage": "用水量", "tier_1": "第一阶梯水量", "tier_2": "第二阶梯水量",
    "tier_3": "第三阶梯水量", "water": "水费", "error": "首次出账多计金额", "way": "缴费渠道",
    "late": "逾期天数", "fee": "违约金", "complete": "是否缴清", "statements.amount": "账单金额",
    "receipts.amount": "到账金额", "event": "事件编号", "planned": "是否计划内", "hours": "持续时间",
    "announced": "提前通知时间", "affected": "受影响客户数", "told": "提前获知的客户数",
    "minutes": "受影响时间", "event_customers.told": "是否提前获知", "network_events.started": "开始时间",
    "about.value": "内容", "survey_items.english": "英文题干", "survey_items.chinese": "中文题干",
    "payments.amount": "到账金额", "bills.amount": "账单金额", "offer": "优惠编号", "campaign": "营销活动",
    "open": "是否在用", "arrived": "到场时间", "deadline": "时限", "receipts.contact": "柜台缴费接触编号",
    "offers.action": "措施", "score": "排序得分", "offers.cost": "预计费用", "accepted": "是否接受",
    "chance": "每月故障概率", "unit": "单位", "meaning": "含义", "truth.parameters.name": "参数",
    "truth.parameters.value": "取值", "year": "开放后第几年", "awareness": "知情比例",
    "truth.survey_sample.chance": "回答概率", "halo": "总体印象", "straight": "是否直线作答",
    "inattentive": "是否不认真", "truth.weights.quality": "提供的质量",
    "truth.weights.severity": "失误的平均影响",
    "project": "项目", "last_month": "结束月份", "content": "内容", "reach": "覆盖范围", "status": "状态",
    "round": "轮次", "measure": "衡量指标", "comparison": "比较方式", "effect": "效果", "answers": "回答数",
    "projects.low": "区间下限", "projects.high": "区间上限", "projects.cost": "费用", "projects.kind": "类别",
    "truth.projects.effect": "真实效果", "truth.projects.satisfaction": "对总体满意度的真实效果",
    "attention": "关注比例", "truth.market_panel.offer": "竞争优惠", "truth.market_panel.value": "感知价值",
    "alternative": "竞争者价值", "switching": "转换成本", "months": "在网月数", "switched": "是否转网",
}  # fmt: skip


def in_chinese(table: str, column: str) -> str:
    """The name of a column in Chinese."""
    return COLUMNS_IN_CHINESE.get(f"{table}.{column}") or COLUMNS_IN_CHINESE[column]


def dictionary() -> pd.DataFrame:
    """The data dictionary: one row a column, with table, type, unit, key, meaning, names in Chinese."""
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
            "chinese": in_chinese(table.full_name, column.name),
            "table_meaning": table.meaning,
            "table_chinese": table.chinese,
        }
        for table in TABLES
        for column in table.columns
    ]
    return pd.DataFrame(rows)


def to_markdown() -> str:
    """The tables as a page to read, in English with the names in Chinese: `docs/tables.md`."""
    out = [
        "# Tables of the customer database 客户数据库的表",
        "",
        "Written by `crmsim.data.schema.to_markdown()`; not edited by hand. The database file, its table",
        "`dictionary` and the check `Database.faults()` come from the same description. A star marks the",
        'columns that identify a row; a cell may be empty where "may be missing" stands. Tables of `truth`',
        "hold what only a simulation knows. 带星号的列标识一行；truth 中的表只有模拟才知道。",
    ]
    for table in TABLES:
        out += [
            "", f"## `{table.full_name}` {table.chinese}", "", f"{_sentence(table.meaning)}.", "",
            "| column | 列 | type | unit | meaning | values |", "|---|---|---|---|---|---|",
        ]  # fmt: skip
        for column in table.columns:
            name = f"`{column.name}`" + (" *" if column.key else "")
            home = REFERENCES.get(column.name, ("", ""))[0]
            ends = [f"from {column.low:g}" if column.low is not None else ""]
            ends += [f"up to {column.high:g}" if column.high is not None else ""]
            bounds = " ".join(filter(None, ends))
            allowed = [
                ", ".join(f"`{word}`" for word in column.words) or bounds,
                f"in `{home}`" if home and home != table.full_name else "",
                "" if column.required else "may be missing",
            ]
            cells = [
                name, in_chinese(table.full_name, column.name), column.type, column.unit, column.meaning,
                "; ".join(filter(None, allowed)),
            ]  # fmt: skip
            out.append(f"| {' | '.join(cells)} |")
    return "\n".join(out) + "\n"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def faults(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """What is wrong with tables, by full name, against the description; empty if nothing is.

    Checked: known names, all columns and no other, types, missing values, keys that occur twice,
    bounds, words, and that every customer, purchase, product, district, event and the like named is in its
    table (`REFERENCES`), where that table is given.
    """
    found = [f"{name}: no such table in the description" for name in tables if name not in BY_NAME]
    ids = {
        home: pd.Index(tables[home][key])
        for home, key in set(REFERENCES.values())
        if home in tables and key in tables[home]
    }
    for name, table in BY_NAME.items():
        if name not in tables:
            continue
        frame = tables[name]
        found += [f"{name}: {fault}" for fault in _table_faults(table, frame)]
        for column, (home, _) in REFERENCES.items():
            if home == name or home not in ids or column not in frame:
                continue
            values = frame[column].dropna()
            strange = ~values.isin(ids[home])
            if strange.any():
                which = values[strange].iloc[0]
                found.append(f"{name}: {column} {which} is not in {home} ({strange.sum():,} rows)")
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
