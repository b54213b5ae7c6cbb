"""The data sets of the course: simulated firms of four kinds, and one shop's export full of mistakes.

They are built from seeds by `crmsim datasets build`, a Parquet file a table, and lie in the folder
`datasets/` of the project. Where the package was installed without that folder, `load_dataset` builds a
data set the first time it is asked for, which takes some seconds, and keeps it in the cache.
`schema.dictionary` says what each column means.

Words shared by all functions here: `name`, a key of `DATASETS` (`names`: several, all if not given);
`folder`, where the data sets lie, a folder for each. Raises `DataError` for an unknown name.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from .data.database import FIRST_YEAR, tables_of
from .data.schema import BY_NAME, Column, dictionary, in_chinese
from .data.transactions import DataError

CHECKSUMS = "checksums.csv"
DICTIONARY = "dictionary.csv"
TRUTH = "truth"
DIRTY = "retail_dirty"
UNIT_OF_COSTS = 1e5  # of the projects of the water utility, in its currency (`research.cases`)


@dataclass(frozen=True)
class Dataset:
    """One data set: what it is, in English and Chinese, and how it is made.

    name; meaning, chinese: what it is. preset, customers, months, policies, seed: of the simulation. surveys:
    parameters of each survey by questionnaire. What came of the same world after the record: rounds: projects
    of each round of a cycle of plan, do, check, act that begins when the record ends, for the tables
    `projects` and `truth.projects`; opening: as which its market was then opened instead, for
    `truth.market_panel`.
    """

    name: str
    meaning: str
    chinese: str
    preset: str
    customers: int
    months: int
    policies: tuple[str, ...] = ()
    surveys: tuple[Mapping[str, Any], ...] = ()
    seed: int = 2024
    rounds: tuple[tuple[str, ...], ...] = ()
    opening: str = ""


DATASETS = {
    d.name: d
    for d in (
        Dataset(
            "retail",
            "a shop in an open market: customers without a contract, purchases line by line, stock",
            "零售商店：无合同客户，逐行购买明细与库存",
            "retail",
            3_000,
            36,
            surveys=({"name": "satisfaction", "months": (23, 35), "size": 3_000},),
        ),
        Dataset(
            "retail_dirty",
            "two years of the shop's sales as two exports full of mistakes, with the key",
            "零售商店两年的销售导出文件，含各种错误，附答案",
            "retail",
            700,
            24,
            seed=2025,
        ),
        Dataset(
            "subscription",
            "a mobile telephone subscription: bills, payments, departures, calls to customers drawn by lot",
            "移动通信套餐：账单、付款、流失，以及对随机抽取客户的挽留电话",
            "subscription",
            5_000,
            36,
            policies=("retention_call:target=random",),
            surveys=(
                {"name": "satisfaction", "months": (11, 23, 35), "size": 5_000},
                {"name": "exit", "months": tuple(range(36)), "frame": "leavers", "response": 0.4},
            ),
        ),
        Dataset(
            "city_a",
            "the water utility of City A: meters, bills by tariff, payments, network events, contacts, jobs, "
            "formal complaints, survey waves; then three rounds of projects, or the market opens",
            "A市供水企业：水表与抄表、阶梯水价账单、缴费、管网事件、客户接触、抢修工单、书面投诉、满意度调查；"
            "其后的三轮改进项目，或市场开放",
            "water_utility",
            8_000,
            24,
            surveys=(
                {"name": "households", "months": (5, 11, 17, 23), "size": 6_000, "frame": "stratified"},
                {"name": "contacts", "months": (5, 11, 17, 23), "size": 400, "frame": "contacts",
                 "response": 0.3, "stream": 1},
            ),
            rounds=(("notices", "payment"), ("hotline",), ("mains",)),
            opening="england",
        ),
        Dataset(
            "car_repair",
            "a chain of car repair shops: rare visits, services and parts, trust",
            "汽车维修连锁：低频到店，服务项目与配件",
            "car_repair",
            3_000,
            48,
            surveys=({"name": "satisfaction", "months": (23, 47), "size": 4_000},),
        ),
    )
}  # fmt: skip


# -- loading -----------------------------------------------------------------------------------------


def load_dataset(
    name: str, *, truth: bool = False, language: Literal["en", "zh"] = "en"
) -> dict[str, pd.DataFrame]:
    """The tables of a data set, by name, as in the customer database (`schema.TABLES`); empty ones left out.

    name: a key of `DATASETS`. truth: with what only a simulation knows (`truth.customers` ...), or for
    `retail_dirty` the key of its mistakes and the right lines. language: "zh" gives columns in Chinese.

    `retail_dirty` has the two exports as text, every cell as it stands in the file, the index the row as a
    spreadsheet numbers it: `sales_2024`, `sales_2025`. `key`: a row a mistake: file, row, kind, column,
    written (what stands there), right. `clean`: a row a true line: file, row, invoice, line, date, customer,
    product, category, quantity (pieces, negative for a return), price (money a piece), amount (money).

    Raises `DataError` for an unknown name or a damaged file.
    """
    import duckdb

    if language not in ("en", "zh"):
        raise DataError(f"language={language!r} is not known; give 'en' or 'zh'")
    folder = dataset_folder(name)
    tables = {}
    for path in sorted(folder.rglob("*.*")):
        hidden = path.parent.name == TRUTH or path.stem in ("key", "clean")
        if hidden and not truth:
            continue
        full = f"{TRUTH}.{path.stem}" if path.parent.name == TRUTH else path.stem
        try:
            if path.suffix == ".parquet":
                with duckdb.connect() as connection:
                    place = str(path).replace("'", "''")
                    tables[full] = connection.execute(f"SELECT * FROM read_parquet('{place}')").df()
            else:
                tables[full] = _read_text(path)
        except (OSError, ValueError, duckdb.Error) as error:
            first = str(error).splitlines()[0]
            raise DataError(f"{path} is damaged: {first}; make it again: crmsim datasets build") from None
    order = {known: place for place, known in enumerate(BY_NAME)}
    tables = {full: tables[full] for full in sorted(tables, key=lambda t: (order.get(t, len(order)), t))}
    if language == "zh":
        tables = {full: frame.rename(columns=_chinese_columns(full)) for full, frame in tables.items()}
    return tables


def _read_text(path: Path) -> pd.DataFrame:
    file = FILES[path.name]
    if path.name == "key.csv":
        return pd.read_csv(path, dtype={"row": int}, keep_default_na=False, encoding="utf-8-sig")
    frame = pd.read_csv(
        path,
        sep=file.separator,
        encoding=file.encoding,
        dtype=str,
        keep_default_na=False,
        skip_blank_lines=False,
    )
    frame.index = pd.RangeIndex(2, 2 + len(frame), name="row")
    return frame


def _chinese_columns(table: str) -> dict[str, str]:
    if table in BY_NAME:
        return {column.name: in_chinese(table, column.name) for column in BY_NAME[table].columns}
    return {**EXPORT_COLUMNS, **KEY_COLUMNS}


def dataset_folder(name: str) -> Path:
    """The folder with the files of a data set; built first where there is none."""
    known = _dataset(name)
    folder = project_folder()
    if folder is not None and (folder / name).is_dir():
        return folder / name
    from .simulation.compile import cache_folder

    recipe = hashlib.sha256(repr((known, _version())).encode()).hexdigest()[:12]
    kept = cache_folder() / "datasets" / f"{name}-{recipe}"
    if not kept.is_dir():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as part:
            write_dataset(name, Path(part) / name)
            try:
                (Path(part) / name).rename(kept)
            except OSError:
                if not kept.is_dir():  # else another program was faster
                    raise
    return kept


def project_folder() -> Path | None:
    """The folder `datasets/` of the project, or None where the package was installed without it."""
    folder = Path(__file__).resolve().parents[1] / "datasets"
    return folder if (folder / CHECKSUMS).is_file() else None


def _dataset(name: str) -> Dataset:
    if name not in DATASETS:
        raise DataError(f"there is no data set {name!r}; there are {', '.join(DATASETS)}")
    return DATASETS[name]


def _version() -> str:
    from crmsim import __version__

    return __version__


# -- building ----------------------------------------------------------------------------------------


def dataset_tables(name: str) -> dict[str, pd.DataFrame]:
    """The tables of a data set, simulated anew, rounded as a firm would; empty tables left out."""
    known = _dataset(name)
    from .simulation.engine import simulate
    from .simulation.scenario import Scenario
    from .simulation.survey import Survey

    scenario = Scenario.preset(known.preset).replace(
        population__size=known.customers, population__months=known.months
    )
    run = simulate(scenario, list(known.policies), known.seed, progress=False)
    tables = tables_of(run, [Survey(**parameters) for parameters in known.surveys])
    tables |= _afterwards(known, scenario, tables["customers"])
    tables = {full: _rounded(full, frame) for full, frame in tables.items() if len(frame)}
    if "purchase_lines" in tables:
        # A shop's till counts in cents; a purchase is what its lines add up to.
        total = tables["purchase_lines"].groupby("purchase")["amount"].sum().round(2)
        tables["purchases"]["amount"] = total.loc[tables["purchases"]["purchase"]].to_numpy()
    if "statements" in tables:
        _in_cents(tables)
    return tables


def _afterwards(known: Dataset, scenario: Any, customers: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """What came of the world after the record, of those who are in it."""
    from .research import cases, opening, pdca
    from .simulation.engine import simulate

    found: dict[str, pd.DataFrame] = {}
    if known.rounds:
        cycle = pdca.PdcaCycle(
            scenario, cases.projects(scenario), budget=10, start=known.months, seed=known.seed,
            money=UNIT_OF_COSTS,
        )  # fmt: skip
        for projects in known.rounds:
            cycle.play(projects)
        found |= cycle.project_tables()
    if known.opening:
        world = opening.opened(scenario, known.opening, month=known.months)
        panel = simulate(world, list(known.policies), known.seed, progress=False).records().market
        here = panel["customer"].isin(customers["customer"])
        found["truth.market_panel"] = panel[here].reset_index(drop=True)
    return found


def _in_cents(tables: dict[str, pd.DataFrame]) -> None:
    """Statements and receipts as sums of the rounded bills and payments of their months."""
    cycle = int(tables["meters"]["cycle"].iloc[0])
    statements, receipts = tables["statements"], tables["receipts"]
    at = pd.MultiIndex.from_arrays([statements["month"] // cycle, statements["customer"]])

    def total(name: str) -> Any:
        money = tables[name]
        sums = money.groupby([money["month"] // cycle, money["customer"]])["amount"].sum()
        return sums.reindex(at).round(2).to_numpy()

    statements["amount"] = total("bills")
    statements["water"] = (statements["amount"] - statements["sewage"]).round(2)
    statements["usage"] = statements[["tier_1", "tier_2", "tier_3"]].sum(axis=1).round(2)
    receipts["amount"] = total("payments")


DIGITS = {
    "money": 2, "points": 2, "seconds": 1, "minutes": 0, "hours": 3, "hours since the month began": 3,
    "pieces": 0, "m3": 2, "probability a month": 6, "see unit": 12,
}  # fmt: skip


def _rounded(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The columns as described, in the described types, numbers with few decimals."""
    described = BY_NAME[table].columns
    return pd.DataFrame({column.name: _column(column, frame[column.name]) for column in described})


def _column(column: Column, values: pd.Series) -> Any:
    if column.type == "DOUBLE":
        return values.astype(np.float64).round(DIGITS.get(column.unit, 4)).to_numpy() + 0.0  # no -0
    if column.type == "VARCHAR":
        return values.astype(object).where(values.notna(), None).to_numpy()
    if column.type in ("INTEGER", "BIGINT"):
        return values.astype("Int32" if column.type == "INTEGER" else "Int64").array
    return values.to_numpy()


def write_dataset(name: str, folder: Path) -> list[Path]:
    """Build a data set and write its files into an empty or new folder; gives the files."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = dataset_tables(name)
    if name == DIRTY:
        return _write_exports(tables, folder)
    files = []
    for full, frame in tables.items():
        schema, _, table = full.rpartition(".")
        place = folder / schema / f"{table}.parquet"
        place.parent.mkdir(exist_ok=True)
        _write_parquet(place, frame, [(c.name, c.type) for c in BY_NAME[full].columns])
        files.append(place)
    return files


def _write_parquet(path: Path, frame: pd.DataFrame, columns: Iterable[tuple[str, str]]) -> None:
    import duckdb

    # One thread, so that rows and bytes are the same each time.
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("given", frame)
        words = ", ".join(f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind in columns)
        place = str(path).replace("'", "''")
        connection.execute(
            f"COPY (SELECT {words} FROM given) TO '{place}' (FORMAT parquet, COMPRESSION zstd)"
        )


def build(folder: Path, names: Iterable[str] | None = None) -> pd.DataFrame:
    """Build the data sets into `folder`, with their checksums and data dictionary; gives the checksums.

    Everything is built in a folder beside it first; a data set already there is replaced when its new files
    are complete. Raises `DataError` when the place cannot be written.
    """
    wanted = list(DATASETS if names is None else names)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".part-") as part:
            for name in wanted:
                write_dataset(name, Path(part) / name)
            for name in wanted:
                old = Path(part) / "old" / name
                old.parent.mkdir(exist_ok=True)
                if (folder / name).exists():
                    (folder / name).rename(old)
                (Path(part) / name).rename(folder / name)
        table = checksums(folder)
        _replace_csv(table, folder / CHECKSUMS)
        _replace_csv(described(folder), folder / DICTIONARY)
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error.strerror or error}") from None
    return table


def _replace_csv(frame: pd.DataFrame, path: Path) -> None:
    part = path.with_name(path.name + ".part")
    frame.to_csv(part, index=False, lineterminator="\n", encoding="utf-8")
    part.replace(path)


def _files(folder: Path) -> list[Path]:
    return sorted(path for name in DATASETS for path in (folder / name).rglob("*.*") if path.is_file())


def checksums(folder: Path) -> pd.DataFrame:
    """Every file of the data sets in `folder`, a row each, with what tells whether it is the same.

    Columns: `file`, `rows`, `bytes`, `sha256` of the file, `content` (sha256 of what it holds). The content
    is the table as text, which stays the same where another version of DuckDB writes the same table with
    other bytes; `written_by` names the version that wrote the file.
    """
    import duckdb

    rows = []
    for path in _files(folder):
        raw = path.read_bytes()
        whole = hashlib.sha256(raw).hexdigest()
        if path.suffix == ".parquet":
            with duckdb.connect() as connection:
                place = str(path).replace("'", "''")
                frame = connection.execute(f"SELECT * FROM read_parquet('{place}')").df()
            text = frame.to_csv(index=False, lineterminator="\n")
            content, number = hashlib.sha256(text.encode()).hexdigest(), len(frame)
            writer = f"DuckDB {duckdb.__version__}"
        else:
            content, number, writer = whole, raw.count(b"\n") - 1, "crmsim"
        rows.append((path.relative_to(folder).as_posix(), number, len(raw), whole, content, writer))
    names = ["file", "rows", "bytes", "sha256", "content", "written_by"]
    return pd.DataFrame(rows, columns=pd.Index(names))


def check(folder: Path) -> list[str]:
    """What of the data sets in `folder` is not as its checksums say, or not as they come out when built
    anew; empty if all is well. Raises `DataError` when there are no checksums.
    """
    if not (folder / CHECKSUMS).is_file():
        raise DataError(f"{folder / CHECKSUMS}: no such file; build the data sets with crmsim datasets build")
    said = pd.read_csv(folder / CHECKSUMS).set_index("file")
    found = _differences(said, checksums(folder).set_index("file"), "is not the file of the checksums")
    with tempfile.TemporaryDirectory() as place:
        for name in DATASETS:
            write_dataset(name, Path(place) / name)
        anew = checksums(Path(place)).set_index("file")
    same_writer = anew["written_by"] == said["written_by"].reindex(anew.index)
    anew["sha256"] = anew["sha256"].where(same_writer, said["sha256"].reindex(anew.index))
    return found + _differences(said, anew, "comes out otherwise when built anew")


def _differences(said: pd.DataFrame, seen: pd.DataFrame, what: str) -> list[str]:
    found = [f"{file} is missing" for file in said.index.difference(seen.index)]
    found += [f"{file} is not among the checksums" for file in seen.index.difference(said.index)]
    both = said.index.intersection(seen.index)
    columns = ["content", "sha256"]
    wrong = (said.loc[both, columns] != seen.loc[both, columns]).any(axis=1)
    return found + [f"{file} {what}" for file in both[wrong]]


def described(folder: Path) -> pd.DataFrame:
    """The data dictionary of the data sets in `folder`: `schema.dictionary`, with the data sets that have
    each table, and the columns of the exports.
    """
    homes: dict[str, list[str]] = {}
    for path in _files(folder):
        name = f"{TRUTH}.{path.stem}" if path.parent.name == TRUTH else path.stem
        homes.setdefault(name, []).append(path.relative_to(folder).parts[0])
    table = dictionary()
    table.insert(0, "data_sets", [" ".join(homes.get(known, ())) for known in table["table"]])
    more = [
        {
            "data_sets": DIRTY, "table": name, "column": column, "type": "VARCHAR", "unit": "",
            "key": False, "required": False, "meaning": "as it stands in the file", "values": "",
            "chinese": chinese, "table_meaning": f"export {FILES[f'{name}.csv'].meaning}",
            "table_chinese": "销售导出文件",
        }
        for name in ("sales_2024", "sales_2025")
        for column, chinese in EXPORT_COLUMNS.items()
    ]  # fmt: skip
    more += [
        {
            "data_sets": DIRTY, "table": "key", "column": column, "type": "VARCHAR", "unit": "",
            "key": False, "required": True, "meaning": meaning, "values": "",
            "chinese": KEY_COLUMNS[column], "table_meaning": "each mistake in the exports",
            "table_chinese": "答案：文件中的每处错误",
        }
        for column, meaning in KEY_MEANING.items()
    ]  # fmt: skip
    names_in_chinese = EXPORT_COLUMNS | KEY_COLUMNS
    more += [
        {
            "data_sets": DIRTY, "table": "clean", "column": column, "type": kind, "unit": unit,
            "key": column in ("file", "row"), "required": True, "meaning": meaning, "values": "",
            "chinese": names_in_chinese[column], "table_meaning": "the lines as they were",
            "table_chinese": "答案：正确的明细",
        }
        for column, (kind, unit, meaning) in CLEAN_COLUMNS.items()
    ]  # fmt: skip
    table = table[table["data_sets"] != ""]
    return pd.concat([table, pd.DataFrame(more)], ignore_index=True)


# -- the exports full of mistakes --------------------------------------------------------------------


@dataclass(frozen=True)
class File:
    """How a text file is written: encoding, separator between cells, and what it holds (meaning)."""

    encoding: str
    separator: str
    meaning: str


FILES = {
    "sales_2024.csv": File("utf-8-sig", ",", "of 2024: UTF-8, commas, English"),
    "sales_2025.csv": File("gb18030", ";", "of 2025: GB 18030, semicolons, Chinese"),
    "key.csv": File("utf-8-sig", ",", "the key"),
}
EXPORT_COLUMNS = {
    "invoice": "单号", "date": "日期", "customer": "会员号", "product": "商品", "category": "类别",
    "quantity": "数量", "price": "单价", "amount": "金额",
}  # fmt: skip
KEY_COLUMNS = {
    "file": "文件", "row": "行号", "kind": "错误类型", "column": "列", "written": "写成", "right": "应为",
    "line": "明细行号",
}  # fmt: skip
KEY_MEANING = {
    "file": "name of the export",
    "row": "row as a spreadsheet numbers it, the header being row 1",
    "kind": "what is wrong: see datasets/README.md",
    "column": "column it is in; empty for a whole row",
    "written": "what stands there",
    "right": "what should stand there; empty if the row should not be there, or nobody can know",
}
# Type, unit, meaning of the columns of `clean`.
CLEAN_COLUMNS = {
    "file": ("VARCHAR", "", "name of the export that has the line"),
    "row": ("INTEGER", "", "its row there, the header being row 1"),
    "invoice": ("VARCHAR", "", "R and a number; C and the number of what was bought for a return"),
    "line": ("INTEGER", "", "number of the line on the invoice, from 1"),
    "date": ("DATE", "date", "day of the purchase or return"),
    "customer": ("BIGINT", "", "identity of the customer, without the letter M"),
    "product": ("VARCHAR", "", "short name"),
    "category": ("VARCHAR", "", "kind of product"),
    "quantity": ("INTEGER", "pieces", "how many; negative for a return"),
    "price": ("DOUBLE", "money", "price of a piece"),
    "amount": ("DOUBLE", "money", "quantity times price"),
}
CATEGORIES_IN_CHINESE = {
    "grocery": "食品杂货", "household": "家居用品", "clothing": "服装", "leisure": "休闲",
    "electronics": "电子产品",
}  # fmt: skip
# Share of the lines that each mistake befalls; a line has one of the first group at most.
MISTAKES = {
    "missing_customer": 0.03,
    "customer_format": 0.02,
    "date_format": 0.08,
    "number_format": 0.04,
    "currency_sign": 0.03,
    "category_typo": 0.03,
    "missing_amount": 0.005,
    "impossible_date": 0.002,
    "quantity_slip": 0.002,
}
DUPLICATES, RETURNS = 0.015, 0.02
TEST_ROWS = 4  # in each file: entries of somebody trying out the till


def _write_exports(tables: Mapping[str, pd.DataFrame], folder: Path) -> list[Path]:
    lines = _true_lines(tables)
    key: list[tuple[str, int, str, str, str, str]] = []
    clean = []
    files = []
    for year, (name, style) in enumerate(list(FILES.items())[:2]):
        own = lines[lines["date"].dt.year == FIRST_YEAR + year].reset_index(drop=True)
        text, faults, rows = _spoil(own, chinese=name == "sales_2025.csv", year=year)
        content = "".join(f"{style.separator.join(_cell(c, style.separator) for c in row)}\n" for row in text)
        (folder / name).write_bytes(content.encode(style.encoding))
        key += [(name, *fault) for fault in faults]
        clean.append(own.assign(file=name, row=rows))
        files.append(folder / name)
    table = pd.DataFrame(key, columns=pd.Index(list(KEY_MEANING)))
    table = table.sort_values(["file", "row", "column"], kind="stable", ignore_index=True)
    (folder / "key.csv").write_bytes(table.to_csv(index=False, lineterminator="\n").encode("utf-8-sig"))
    right = pd.concat(clean, ignore_index=True).sort_values(["file", "row"], ignore_index=True)
    columns = [(name, kind) for name, (kind, _, _) in CLEAN_COLUMNS.items()]
    _write_parquet(folder / "clean.parquet", right[list(CLEAN_COLUMNS)], columns)
    return [*files, folder / "key.csv", folder / "clean.parquet"]


def _cell(text: str, separator: str) -> str:
    quoted = separator in text or '"' in text
    return '"' + text.replace('"', '""') + '"' if quoted else text


def _luck(number: int, rows: int, of: int) -> np.ndarray:
    """Even numbers in (0, 1), one a row, for the decision `number` of a file."""
    from .simulation.draws import Key, uniform

    return np.asarray(uniform(Key(DATASETS[DIRTY].seed, 1), number, np.arange(rows), of))


def _true_lines(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The shop's lines as they were, with returns as lines of their own, in the order of time."""
    lines = tables["purchase_lines"].merge(tables["purchases"][["purchase", "customer", "date"]])
    lines = lines.merge(tables["products"][["product", "chinese", "category"]])
    lines = lines.sort_values(["purchase", "line"], ignore_index=True)
    lines["invoice"] = "R" + (lines["purchase"] + 10_001).astype(str)
    lines["price"] = (lines["amount"] / lines["quantity"]).round(2)
    lines["amount"] = (lines["quantity"] * lines["price"]).round(2)
    back = lines[_luck(1, len(lines), 9) < RETURNS].copy()
    later = (1 + 20 * _luck(2, len(lines), 9)[back.index]).astype(int)
    back["date"] = back["date"] + pd.to_timedelta(later, unit="D")
    back["invoice"] = "C" + back["invoice"].str[1:]
    back[["quantity", "amount"]] = -back[["quantity", "amount"]]
    both = pd.concat([lines, back], ignore_index=True)
    both["quantity"] = both["quantity"].astype(int)
    return both.sort_values(["date", "invoice", "line"], kind="stable", ignore_index=True)


def _spoil(
    lines: pd.DataFrame, *, chinese: bool, year: int
) -> tuple[list[list[str]], list[tuple[int, str, str, str, str]], list[int]]:
    """The rows of a file as text, header first; each mistake; the row of each true line."""
    number = len(lines)
    kinds = np.cumsum([0.0, *MISTAKES.values()])
    which = np.searchsorted(kinds, _luck(10, number, year), side="right") - 1
    choice, again = _luck(11, number, year), _luck(12, number, year) < DUPLICATES
    names = list(MISTAKES)
    header = list(EXPORT_COLUMNS.values() if chinese else EXPORT_COLUMNS)
    text, faults, places = [header], [], []
    trial = {int(number * (j + 0.5) / TEST_ROWS): j for j in range(TEST_ROWS)}
    records: list[dict[str, Any]] = lines.to_dict("records")  # type: ignore[assignment]
    for i, line in enumerate(records):
        cells = _cells(line, chinese)
        row = len(text) + 1
        if which[i] < len(names):
            kind = names[which[i]]
            column, written = _mistake(kind, line, cells, chinese, float(choice[i]))
            at = list(EXPORT_COLUMNS).index(column)
            if written != cells[at]:
                right = "" if kind == "missing_customer" else cells[at]
                faults.append((row, kind, column, written, right))
                cells[at] = written
        text.append(cells)
        places.append(row)
        if line["quantity"] < 0:
            faults.append((row, "return", "quantity", cells[5], str(line["quantity"])))
        if again[i]:
            text.append(list(cells))
            faults.append((row + 1, "duplicate", "", "", ""))
        if i in trial:
            test = ["R00000", cells[1], "TEST", "测试" if chinese else "test", "", "1", "0.01", "0.01"]
            text.append(test)
            faults.append((len(text), "test_row", "", "", ""))
    total = f"{lines['amount'].sum():.2f}"
    text.append(["合计" if chinese else "Total", "", "", "", "", "", "", total])
    faults.append((len(text), "total_row", "", "", ""))
    return text, faults, places


def _cells(line: Mapping[str, Any], chinese: bool) -> list[str]:
    """A line as the export writes it when nothing goes wrong."""
    product, category = (
        (line["chinese"], CATEGORIES_IN_CHINESE[line["category"]])
        if chinese
        else (line["product"], line["category"])
    )
    date = line["date"].strftime("%Y/%m/%d" if chinese else "%Y-%m-%d")
    return [
        line["invoice"], date, f"M{line['customer']:09d}", product, category, str(line["quantity"]),
        f"{line['price']:.2f}", f"{line['amount']:.2f}",
    ]  # fmt: skip


def _mistake(
    kind: str, line: Mapping[str, Any], cells: list[str], chinese: bool, choice: float
) -> tuple[str, str]:
    """The column a mistake is in, and what then stands there. choice: in (0, 1), which form it takes."""
    date, amount = line["date"], cells[7]
    forms: dict[str, Callable[[], tuple[str, list[str]]]] = {
        "missing_customer": lambda: ("customer", ["", "-", "NULL"]),
        "customer_format": lambda: ("customer", [cells[2].lower(), f" {cells[2]} ", cells[2][1:]]),
        "date_format": lambda: (
            "date",
            [date.strftime("%Y%m%d"), f"{date.year}年{date.month}月{date.day}日", date.strftime("%d.%m.%Y")]
            if chinese
            else [date.strftime("%d/%m/%Y"), date.strftime("%b %d, %Y"), date.strftime("%d.%m.%Y")],
        ),
        "number_format": lambda: ("amount", [amount.replace(".", ","), _full_width(amount)]),
        "currency_sign": lambda: ("amount", [f"${amount}", f"{amount} USD", f"USD {amount}"]),
        "category_typo": lambda: ("category", _misspelt(cells[4], chinese)),
        "missing_amount": lambda: ("amount", [""]),
        "impossible_date": lambda: ("date", [f"{date.year}-02-30", f"{date.year}-13-{date.day:02d}"]),
        "quantity_slip": lambda: ("quantity", [f"{line['quantity']}00"]),
    }
    column, ways = forms[kind]()
    return column, ways[int(choice * len(ways))]


def _full_width(number: str) -> str:
    """Digits as a Chinese keyboard writes them."""
    return number.translate({ord(c): ord(c) + 0xFEE0 for c in "0123456789"})


def _misspelt(word: str, chinese: bool) -> list[str]:
    if chinese:
        return [word[0] + word, f"{word}类", f" {word}"]
    return [word.upper(), word[:2] + word[3] + word[2] + word[4:], word[:-1], f"{word} "]
