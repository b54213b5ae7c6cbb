"""The customer database: one DuckDB file, written from a run and asked in SQL.

`schema.py` describes the tables. `write_run` fills them with what a firm could have written down
and, in the schema `truth`, with what only the simulation knows. `Database` opens such a file for
reading.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from .schema import BY_NAME, CHANNELS, TABLES, Table, dictionary, faults
from .transactions import DataError

# Month 0 is January of this year; only the season and the calendar days depend on it.
FIRST_YEAR = 2024
READ_BEFORE = 2  # days from a reading to the statement
# Files of these names DuckDB opens as a table, not as a database.
READ_BY_NAME = (".csv", ".tsv", ".parquet", ".json", ".jsonl", ".ndjson", ".gz", ".zst", ".xlsx")


# -- writing -----------------------------------------------------------------------------------


def write_run(run: Any, path: str | Path, surveys: Iterable[Any] = ()) -> Path:
    """Write a run's customer database to `path`, whole or not at all; gives the path back.

    `run` is a `Run`; it is repeated with the same luck to get what its log does not hold, and once
    more to take `surveys`. Raises `DataError` when the place cannot be written.
    """
    return write_tables(tables_of(run, surveys), path)


def tables_of(run: Any, surveys: Iterable[Any] = ()) -> dict[str, pd.DataFrame]:
    """The tables of the customer database of a run, by full name (see `schema.TABLES`).

    run: a `Run`. surveys: those taken, as `Run.survey` takes them; none by default.
    """
    records, people = run.records(), run.customers
    surveys = [surveys] if hasattr(surveys, "months") else list(surveys)  # one alone will do
    asked = run.survey(surveys)
    events = _by_event(records.events)
    contract = run.scenario.purchase.contract
    left = records.departures
    goods, network = records.goods(), records.network
    billed = _bills(run, people, events, records.channels)
    tables = {
        "customers": _customers(people, records.channels[-1], contract),
        "profiles": goods.profiles.assign(birth_year=FIRST_YEAR - goods.profiles["age"]),
        "segments": goods.segments,
        "districts": goods.districts,
        "hardship": goods.hardship,
        "products": goods.products,
        "purchases": _purchases(records.purchases),
        "purchase_lines": goods.lines,
        "return_lines": _empty("return_lines"),
        "stock": goods.stock,
        **billed,
        **_metered(records.metered(billed["bills"], billed["payments"])),
        "complaints": _complaints(events),
        "contacts": records.contacts,
        "jobs": records.jobs,
        "formal_complaints": records.letters,
        "event_kinds": network.kinds,
        "network_events": network.events,
        "event_customers": network.affected,
        "projects": records.projects,
        "offers": records.offers,
        "returns": _plain(events["returned"]),
        "survey": records.answers,
        "survey_waves": asked.waves,
        "survey_items": asked.items,
        "survey_sample": asked.sample,
        "survey_answers": asked.answers,
        "departures": left.drop(columns="cause") if contract else left.drop(columns="cause").iloc[:0],
        "about": _about(run),
        "truth.customers": people.reset_index(),
        "truth.departures": _true_departures(left, people),
        "truth.failures": events["failure"].rename(columns={"amount": "severity"}),
        "truth.weights": _weights(run.scenario),
        "truth.survey_sample": asked.truth,
        "truth.projects": _empty("truth.projects"),
        "truth.market_panel": records.market,
        "truth.problems": _problems(run.scenario),
        "truth.parameters": _parameters(run.scenario, surveys),
    }
    return {name: tables[name][[c.name for c in BY_NAME[name].columns]] for name in BY_NAME}


def write_tables(tables: Mapping[str, pd.DataFrame], path: str | Path) -> Path:
    """Write tables as a DuckDB file through a temporary name, so that a crash leaves an old file whole.

    tables: by full name; those of the description that are not given are written empty. Returns the `path`.
    Raises `DataError` where it cannot be written.
    """
    import duckdb

    path = Path(path)
    check_place(path)
    part = path.with_name(path.name + ".part")
    part_log = part.with_name(part.name + ".wal")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        part_log.unlink(missing_ok=True)
        with duckdb.connect(str(part)) as connection:
            connection.execute("CREATE SCHEMA truth")
            for table in TABLES:
                _create(connection, table)
                if table.full_name in tables:
                    _insert(connection, table, tables[table.full_name])
            connection.register("given", dictionary())
            connection.execute("CREATE TABLE dictionary AS SELECT * FROM given")
            connection.unregister("given")
        part.replace(path)
    except (OSError, duckdb.Error) as error:
        raise DataError(f"{path} cannot be written: {_first_line(error)}") from None
    finally:
        for leftover in (part, part_log):
            with contextlib.suppress(OSError):
                leftover.unlink(missing_ok=True)
    return path


def check_place(path: Path) -> None:
    """Raises `DataError` where a database must not be written to `path`: a folder, a device, a file of
    another kind, or a database that another program has open for writing."""
    import duckdb

    if path.is_dir():
        raise DataError(f"{path} is a folder; name a file in it, such as {path / 'crm.duckdb'}")
    if path.suffix.lower() in READ_BY_NAME:
        raise DataError(f"{path}: a database needs a name of its own, such as {path.with_suffix('.duckdb')}")
    log = path.with_name(path.name + ".wal")
    if not path.exists():
        if log.exists():
            raise DataError(f"{log} is the log of a database that is gone; delete it, or choose another name")
        return
    if not path.is_file():
        raise DataError(f"{path} is a device or a pipe, not a file; choose another name")
    try:
        with path.open("rb") as file:
            start = file.read(12)
        if start and start[8:] != b"DUCK":
            raise DataError(f"{path} is there already and is no DuckDB database; choose another name")
        # A log beside it is of a program that writes, or of one that was stopped. Opening it tells which,
        # and takes what stands in the log of the latter into the file.
        if start:
            duckdb.connect(str(path), read_only=not log.exists()).close()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    except duckdb.Error as error:
        if _is_locked(error):
            raise DataError(f"{path} is open for writing in another program; close it there first") from None
        if log.exists():
            raise DataError(
                f"{log} holds changes that cannot be taken into {path.name} ({_first_line(error)}); close "
                "what has it open, or delete both files"
            ) from None
        # damaged: what is written now takes its place


def _is_locked(error: Exception) -> bool:
    text = str(error).lower()
    return any(words in text for words in ("could not set lock", "conflicting lock", "another process"))


def _create(connection: Any, table: Table) -> None:
    columns = ", ".join(f'"{c.name}" {c.type}{" NOT NULL" if c.required else ""}' for c in table.columns)
    connection.execute(f"CREATE TABLE {table.full_name} ({columns})")
    connection.execute(f"COMMENT ON TABLE {table.full_name} IS {_quoted(table.meaning)}")
    for column in table.columns:
        text = column.meaning + (f" ({column.unit})" if column.unit else "")
        connection.execute(f'COMMENT ON COLUMN {table.full_name}."{column.name}" IS {_quoted(text)}')


def _insert(connection: Any, table: Table, frame: pd.DataFrame) -> None:
    lacking = [c.name for c in table.columns if c.required and c.name not in frame]
    if lacking:
        raise DataError(f"{table.full_name}: column {', '.join(lacking)} is missing")
    names = ", ".join(f'"{c.name}"' for c in table.columns if c.name in frame)
    connection.register("given", frame)
    connection.execute(f"INSERT INTO {table.full_name} ({names}) SELECT {names} FROM given")
    connection.unregister("given")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# -- the tables of a run -------------------------------------------------------------------------


def _by_event(events: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The log parted by event; an event that never happened gives an empty part."""
    words = events["event"].astype("category")
    parts = {name: events[(words == name).to_numpy()] for name in words.cat.categories}
    wanted = (
        "purchase", "payment_failed", "payment_cured", "complaint", "complaint_resolved",
        "complaint_answered_fast", "returned", "failure",
    )  # fmt: skip
    return {name: parts.get(name, events.iloc[:0]) for name in wanted}


def _plain(events: pd.DataFrame) -> pd.DataFrame:
    return events[["customer", "month"]].reset_index(drop=True)


def first_day(month: Any) -> Any:
    """First day of each `month`, a number or an array counted from 0, as datetime64[D]."""
    return (np.datetime64(f"{FIRST_YEAR}-01", "M") + np.asarray(month, dtype=np.int64)).astype(
        "datetime64[D]"
    )


def _seconds(days: Any) -> Any:
    # pandas has no days; a date in seconds becomes a DATE in the database
    return days.astype("datetime64[s]")


def _customers(people: pd.DataFrame, channel: np.ndarray, contract: bool) -> pd.DataFrame:
    codes = channel.astype(np.int8) if contract else np.full(len(people), -1, dtype=np.int8)
    return pd.DataFrame(
        {
            "customer": people.index,
            "joined_month": people["joined_month"].to_numpy(),
            "joined": _seconds(first_day(people["joined_month"])),
            "source": people["source"].to_numpy(),
            "contract": contract,
            "channel": pd.Categorical.from_codes(codes, categories=pd.Index(CHANNELS)),
        }
    )


def _purchases(single: pd.DataFrame) -> pd.DataFrame:
    start = first_day(single["month"])
    length = (first_day(single["month"] + 1) - start).astype(np.int64)
    day = np.minimum((single["day"].to_numpy() * length).astype(np.int64), length - 1)
    return single.assign(purchase=np.arange(len(single)), date=_seconds(start + day))


def _bills(
    run: Any, people: pd.DataFrame, events: dict[str, pd.DataFrame], channels: list[np.ndarray]
) -> dict[str, pd.DataFrame]:
    """Bills and payments of a contract: a bill is either paid (in the log with its amount) or failed."""
    paid, failed, cured = (events[name] for name in ("purchase", "payment_failed", "payment_cured"))
    if not run.scenario.purchase.contract:
        paid, failed, cured = paid.iloc[:0], failed.iloc[:0], cured.iloc[:0]
    bills = pd.DataFrame(
        {
            "customer": np.concatenate([paid["customer"], failed["customer"]]),
            "month": np.concatenate([paid["month"], failed["month"]]),
            "came_in": np.concatenate([paid["amount"], np.zeros(len(failed))]),
            "failed": np.repeat([False, True], [len(paid), len(failed)]),
        }
    )
    # A cured bill is in the log twice: as failed, and as paid.
    bills = bills.groupby(["month", "customer"], as_index=False).agg({"came_in": "max", "failed": "max"})
    row = people.index.get_indexer(pd.Index(bills["customer"]))
    month = bills["month"].to_numpy()
    bills["cured"] = _is_in(bills, cured)
    bills["paid"] = ~bills["failed"] | bills["cured"]
    # Within a month bills differ by the customer's own usage only: an unpaid one follows from it.
    usage = people["usage"].to_numpy(dtype=float)[row]
    price = pd.Series(bills["came_in"].to_numpy() / usage).where(bills["paid"]).groupby(month).median()
    price = price.ffill().bfill().fillna(run.scenario.purchase.fee)
    billed = np.where(bills["paid"], bills["came_in"], usage * price.reindex(month).to_numpy())
    codes = np.zeros(len(bills), dtype=np.int8)
    for m in np.unique(month):
        here = month == m
        codes[here] = channels[m][row[here]]
    channel = pd.Categorical.from_codes(codes, categories=pd.Index(CHANNELS))
    return {
        "bills": bills[["customer", "month"]].assign(amount=billed),
        "payments": bills.assign(amount=bills["came_in"], channel=channel),
    }


def _metered(found: Any) -> dict[str, pd.DataFrame]:
    """Meters, readings and statements with days of the calendar for those counted within the month."""
    statements, receipts = found.statements, found.receipts
    if not len(statements):
        names = ("meters", "readings", "tariff", "statements", "receipts")
        empty = {name: _empty(name) for name in names}
        return empty | {"tariff": found.tariff, "meters": _dated_meters(found.meters)}
    issued = first_day(statements["month"]) + (statements["day"].to_numpy() - 1).astype("timedelta64[D]")
    days = receipts["days"].to_numpy(dtype=np.float64)
    came = issued + np.nan_to_num(days).astype(np.int64).astype("timedelta64[D]")
    return {
        "meters": _dated_meters(found.meters),
        "readings": found.readings.assign(date=_seconds(issued - np.timedelta64(READ_BEFORE, "D"))),
        "tariff": found.tariff,
        "statements": statements.assign(
            issued=_seconds(issued),
            due=_seconds(issued + statements["due"].to_numpy().astype("timedelta64[D]")),
        ),
        "receipts": receipts.assign(
            date=_seconds(np.where(np.isnan(days), np.datetime64("NaT"), came.astype("datetime64[s]")))
        ),
    }


def _dated_meters(meters: pd.DataFrame) -> pd.DataFrame:
    return meters.assign(installed=FIRST_YEAR - meters["age"])


def _is_in(rows: pd.DataFrame, events: pd.DataFrame) -> np.ndarray:
    """Whether customer and month of each row occur in the events."""
    keys = pd.MultiIndex.from_frame(rows[["customer", "month"]])
    return keys.isin(pd.MultiIndex.from_frame(events[["customer", "month"]]))


def _complaints(events: dict[str, pd.DataFrame]) -> pd.DataFrame:
    made = _plain(events["complaint"])
    return made.assign(
        resolved=_is_in(made, events["complaint_resolved"]),
        fast=_is_in(made, events["complaint_answered_fast"]),
    )


def _true_departures(left: pd.DataFrame, people: pd.DataFrame) -> pd.DataFrame:
    last = people.loc[left["customer"], ["left_month", "attributed_cause"]]
    known = (last["left_month"].to_numpy() == left["month"].to_numpy()) & last["left_month"].notna()
    attributed = last["attributed_cause"].where(known.to_numpy(dtype=bool))
    return left.assign(attributed_cause=attributed.to_numpy())


def _empty(name: str) -> pd.DataFrame:
    """A table without rows: the shops of the simulation take nothing back."""
    return pd.DataFrame(columns=pd.Index([column.name for column in BY_NAME[name].columns]))


def _weights(scenario: Any) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "touchpoint": [t.name for t in scenario.touchpoints],
            "chinese": [t.chinese or None for t in scenario.touchpoints],
            "weight": [t.weight for t in scenario.touchpoints],
            "level": [t.level for t in scenario.touchpoints],
            "phase": [t.phase for t in scenario.touchpoints],
            "kind": [t.kind for t in scenario.touchpoints],
            "quality": [t.quality for t in scenario.touchpoints],
            "severity": [t.severity for t in scenario.touchpoints],
        }
    )


def _problems(scenario: Any) -> pd.DataFrame:
    """How often each touchpoint fails for those of a district and a segment, as the scenario begins."""
    points, town = scenario.touchpoints, scenario.town
    district, segment, factor = [None], [None], np.ones((1, len(points)))
    if town is not None:
        district = [town.districts[k] if town.districts else None for k in town.district]
        segment = [town.segments[k] if town.segments else None for k in town.segment]
        factor = town.factor
    met = np.array([t.exposure for t in points])
    failure = np.minimum(np.array([t.failure for t in points]) * factor, 1.0)
    return pd.DataFrame(
        {
            "district": np.repeat(np.array(district, dtype=object), len(points)),
            "segment": np.repeat(np.array(segment, dtype=object), len(points)),
            "touchpoint": [t.name for t in points] * len(district),
            "chance": (met * failure).reshape(-1),
        }
    )


def _parameters(scenario: Any, surveys: Iterable[Any]) -> pd.DataFrame:
    """The numbers that decide how customers feel and act, and how they answer the surveys."""
    rows = []
    for section, part in [*scenario, *((f"survey.{survey.name}", survey) for survey in surveys)]:
        for name, info in getattr(type(part), "model_fields", {}).items():
            value, extra = getattr(part, name), info.json_schema_extra
            if isinstance(value, int | float) and not isinstance(value, bool):
                unit = extra.get("unit", "") if isinstance(extra, dict) else ""
                rows.append((f"{section}.{name}", float(value), unit, info.description or ""))
    return pd.DataFrame(rows, columns=pd.Index(["name", "value", "unit", "meaning"]))


def _about(run: Any) -> pd.DataFrame:
    from crmsim import __version__

    scenario = run.scenario
    content = {
        "scenario": scenario.name,
        "scenario_hash": scenario.hash,
        "currency": scenario.currency,
        "contract": scenario.purchase.contract,
        "months": scenario.population.months,
        "first_month": f"{FIRST_YEAR}-01",
        "policies": run.label,
        "seed": run.key.seed,
        "replication": run.key.replication,
        "crmsim": __version__,
    }
    return pd.DataFrame({"name": list(content), "value": [str(value) for value in content.values()]})


# -- reading -----------------------------------------------------------------------------------


class Database:
    """A customer database, the file `path`, opened for reading.

    >>> with Database("crm.duckdb") as firm:                        # doctest: +SKIP
    ...     firm.sql("SELECT month, count(*) AS complaints FROM complaints GROUP BY month ORDER BY month")

    Raises `DataError` for a file that is missing, is no DuckDB database, or is open elsewhere.
    """

    def __init__(self, path: str | Path) -> None:
        import duckdb

        self.path = Path(path)
        if not self.path.exists():
            near = sorted(self.path.parent.glob("*.duckdb")) if self.path.parent.is_dir() else []
            hint = f"; there is {', '.join(p.name for p in near)}" if near else ""
            raise DataError(f"{self.path}: no such file{hint}")
        if self.path.is_dir():
            raise DataError(f"{self.path} is a folder; name the DuckDB file in it")
        if self.path.suffix.lower() in READ_BY_NAME:
            raise DataError(
                f"{self.path} is not a DuckDB database; `crmsim import` makes one of a file of purchases"
            )
        try:
            self._connection = duckdb.connect(str(self.path), read_only=True)
        except duckdb.IOException as error:
            text = _first_line(error)
            if _is_locked(error):
                raise DataError(f"{self.path} is open for writing in another program") from None
            raise DataError(f"{self.path} is not a DuckDB database: {text}") from None
        except duckdb.Error as error:
            raise DataError(f"{self.path} cannot be opened: {_first_line(error)}") from None

    def sql(self, query: str) -> pd.DataFrame:
        """The answer to a query, columns as it names them. Raises `DataError` with the fault in the query."""
        import duckdb

        if not isinstance(query, str) or not query.strip(" \t\r\n;"):
            raise DataError(f"a query in SQL is needed, such as 'SELECT * FROM customers', not {query!r}")
        try:
            self._connection.execute(query)
            if not self._connection.description:
                raise DataError(f"the query has no answer: {query}")
            return self._connection.df()
        except duckdb.ConnectionException:
            raise DataError(
                f"{self.path} was closed; open it again with Database({str(self.path)!r})"
            ) from None
        except duckdb.CatalogException as error:
            missing = re.search(r"Table with name (\S+) does not exist", str(error))
            if not missing:
                raise DataError(_first_line(error)) from None
            raise DataError(self._unknown(missing.group(1))) from None
        except duckdb.Error as error:
            raise DataError(str(error).strip()) from None

    def table(self, name: str) -> pd.DataFrame:
        """The whole table `name`, such as `purchases` or `truth.customers`; columns as in `schema.TABLES`.

        Raises `DataError` where there is none.
        """
        if name not in self.tables:
            raise DataError(self._unknown(name))
        return self.sql(f"SELECT * FROM {_named(name)}")

    @property
    def tables(self) -> list[str]:
        """Full names of the tables."""
        found = self.sql(
            "SELECT schema_name AS schema, table_name AS name FROM duckdb_tables() "
            "ORDER BY schema_name, table_name"
        )
        pairs = zip(found["schema"], found["name"], strict=True)
        return [name if schema == "main" else f"{schema}.{name}" for schema, name in pairs]

    def faults(self) -> list[str]:
        """What is wrong with the tables against the description; empty if nothing is."""
        here = self.tables
        missing = [f"{name}: the table is missing" for name in BY_NAME if name not in here]
        return missing + faults({name: self.table(name) for name in here if name in BY_NAME})

    def to_parquet(self, folder: str | Path, *, truth: bool = True) -> list[Path]:
        """Write every table that has rows as a Parquet file into a folder; gives the files.

        `purchases.parquet` and so on, those of the truth in the folder `truth`, left out with `truth=False`,
        and the data dictionary as `dictionary.parquet`. A file there already is replaced when its new
        content is complete. Raises `DataError` when the place cannot be written.
        """
        import duckdb

        folder = Path(folder)
        if folder.exists() and not folder.is_dir():
            raise DataError(f"{folder} is a file; name a folder for the tables")
        files = []
        try:
            for name in self.tables:
                schema, _, table = name.rpartition(".")
                if schema and not truth:
                    continue
                place = folder / schema / f"{table}.parquet"
                if not self.sql(f"SELECT 1 FROM {_named(name)} LIMIT 1").size:
                    place.unlink(missing_ok=True)
                    continue
                place.parent.mkdir(parents=True, exist_ok=True)
                part = place.with_name(place.name + ".part")
                try:
                    self._connection.execute(
                        f"COPY (SELECT * FROM {_named(name)}) TO {_quoted(str(part))} "
                        "(FORMAT parquet, COMPRESSION zstd)"
                    )
                    part.replace(place)
                finally:
                    part.unlink(missing_ok=True)
                files.append(place)
        except (OSError, duckdb.Error) as error:
            raise DataError(f"{folder} cannot be written: {_first_line(error)}") from None
        return files

    def _unknown(self, name: str) -> str:
        known = self.tables
        near = difflib.get_close_matches(str(name).strip('"').lower(), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        return f"{self.path.name} has no table {name!r}; {hint}It has {', '.join(known)}"

    def close(self) -> None:
        """Let the file go; afterwards the database can no longer be asked."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Database({str(self.path)!r}: {', '.join(self.tables)})"


def _named(table: str) -> str:
    """The full name of a table as SQL takes it, whatever it is called."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in table.split(".", 1))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
