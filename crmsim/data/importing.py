"""Read a firm's own file of purchases into the customer database.

`read_purchases` takes a CSV (also packed with gzip), Parquet or Excel file or a DataFrame whose rows are
lines of invoices, or purchases; `import_file` also writes the customer database. Every row is taken,
mended, set apart or refused, and the result says which and why, with row numbers; a value is never
guessed at. A file that cannot be used raises `DataError`, which says what is wrong and what to do.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import itertools
import os
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from .transactions import (
    _MISSING,
    DataError,
    Floats,
    Mask,
    Texts,
    _count,
    _elsewhere,
    _find,
    _from_frame,
    _from_rows,
    _from_text,
    _guess,
    _is_data,
    _load,
    _moment,
    _Numbers,
    _plain,
    _quoted,
    _read_customers,
    _read_dates,
    _read_numbers,
    _short,
    _Table,
    _text_of,
)

__all__ = ["Imported", "import_file", "read_purchases"]

Rows = npt.NDArray[np.int64]
Read = dict[str, tuple[Floats, Mask, Texts]]  # by role: values, missing, cells
Role = str | int | Literal[False] | None

SHOWN = 5  # row numbers of each kind in the printed report
BULK = 1_000_000  # characters from which a text file is first tried with the fast reader


# --------------------------------------------------------------------------------------------------
# The result


@dataclass(frozen=True, eq=False, repr=False)
class Imported:
    """Purchases read from a firm's file, with what was mended, set apart and refused.

    `lines`: one row a row of the file that was taken, in the order of time; columns

    * `row` (as a spreadsheet numbers it, the header being row 1; in Parquet and a DataFrame the position
      from 0), `customer` (text), `date` (datetime64, with the clock time if there is one),
    * `invoice`, `product`, `description`, `category` (text; missing where the file has none),
    * `quantity` (units, negative for a return), `price` (money a unit), `amount` (money, negative for a
      return), `cost` (money a unit to the firm; NaN where unknown),
    * `purchase` (number of the purchase in `purchases`; for a return that of the purchase returned, missing
      when that is not known) and `returned_row` (row of the line that a return undoes).

    `purchases`: one row a purchase; `purchase` (from 0, in the order of time), `customer`, `date`,
    `invoice`, `lines` (number of lines sold), `amount` (money of the lines sold, returns not taken off),
    `returned` (money of the returns linked to it).
    `customers`: one row a customer; `id` (whole number in the database), `customer` (text in the file).
    `mended`: rows taken after a change; `row`, `column`, `value` (as it stood), `used`, `reason`.
    `dropped`, `apart`, `refused`: rows left out as exact duplicates, set apart by the user's wish, refused;
    `row`, `column`, `value`, `reason`. `rows == len(lines) + len(dropped) + len(apart) + len(refused)`.
    `columns`: which column was read as what. `source`: name of the file. `notes`: what is worth knowing, a
    sentence each. `currency`: code of the currency, "" when unknown. `net`: whether linked returns are taken
    off in the database.
    """

    lines: pd.DataFrame
    purchases: pd.DataFrame
    customers: pd.DataFrame
    mended: pd.DataFrame
    dropped: pd.DataFrame
    apart: pd.DataFrame
    refused: pd.DataFrame
    source: str
    rows: int
    columns: dict[str, str] = field(default_factory=dict)
    currency: str = ""
    notes: tuple[str, ...] = ()
    net: bool = False

    @property
    def returns(self) -> pd.DataFrame:
        """The lines that are returns or cancellations."""
        return self.lines[self.lines["quantity"] < 0]

    @property
    def own_ids(self) -> bool:
        """Whether the customers' ids in the file are their ids in the database, zeros in front apart."""
        pairs = zip(self.customers["id"], self.customers["customer"], strict=True)
        return all(re.fullmatch(rf"0*{number}", name) for number, name in pairs)

    def report(self) -> str:
        """What was taken, mended, set apart and refused, as some lines of plain text."""
        sales = self.purchases["amount"].sum()
        back = self.returns
        money = f" {self.currency}" if self.currency else ""
        parts = [f"{len(self.lines):,} taken"]
        for frame, word in (
            (self.dropped, "left out as duplicates"),
            (self.apart, "set apart"),
            (self.refused, "refused"),
        ):
            if len(frame) or word == "refused":
                parts.append(f"{len(frame):,} {word}")
        out = [
            f"{self.source}: {_count(self.rows, 'row')} read, {', '.join(parts)}.",
            f"{_count(len(self.customers), 'customer')}, {_count(len(self.purchases), 'purchase')}, "
            f"{self._span}; sales {sales:,.2f}{money}.",
        ]
        if len(back):
            linked = int(back["purchase"].notna().sum())
            out.append(
                f"{_count(len(back), 'return')} of {-back['amount'].sum():,.2f}{money}: {linked:,} linked to "
                f"the purchase they undo, {len(back) - linked:,} to none in the file."
            )
        out.append("Columns: " + ", ".join(f"{role} = {name}" for role, name in self.columns.items()) + ".")
        for title, frame in (
            ("Mended", self.mended),
            ("Left out", self.dropped),
            ("Set apart", self.apart),
            ("Refused", self.refused),
        ):
            if len(frame):
                out += [f"{title}:", *_by_reason(frame)]
        if self.notes:
            out += ["Notes:", *(f"  - {note}" for note in self.notes)]
        return "\n".join(out)

    def row_report(self) -> pd.DataFrame:
        """Every row that was mended, left out, set apart or refused; `row`, `what`, `column`, `value`,
        `used`, `reason`.
        """
        frames = [
            frame.assign(what=what)
            for what, frame in (
                ("mended", self.mended),
                ("left out", self.dropped),
                ("set apart", self.apart),
                ("refused", self.refused),
            )
        ]
        names = ["row", "what", "column", "value", "used", "reason"]
        every = pd.concat(frames, ignore_index=True).reindex(columns=names)
        every["used"] = every["used"].fillna("")
        return every.sort_values("row", kind="stable", ignore_index=True)

    def write_row_report(self, path: str | os.PathLike[str]) -> Path:
        """Write `row_report` as a CSV file, whole or not at all; gives the path back. `DataError`."""
        return _write_csv(self.row_report(), Path(path))

    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables of the customer database (see `schema.TABLES`), by name.

        Month 0 is the month of the first line. Who is seen in month 0 was there at the start, as far as the
        record can tell; later ones were won. Products and lines are written where the file has products,
        a product with the median of its prices and costs. Returns are lines of `return_lines`: net sales
        are the amounts of `purchases` less those of the returns not yet taken off.
        """
        sold = self._sold()
        found = {
            "customers": self._customers(),
            "purchases": self._purchases(sold),
            "return_lines": self._return_lines(sold),
            "about": self._about(),
        }
        if "product" in self.columns:
            back = self.returns.assign(product=self.returns["product"].fillna("unknown"))
            only = back[~back["product"].isin(sold["product"])]
            known = pd.concat([sold, only]) if len(only) else sold
            found |= {"products": _products(known), "purchase_lines": _purchase_lines(sold)}
        return found

    @property
    def _first_month(self) -> int:
        return int(_months(self.lines["date"].min()))

    def _sold(self) -> pd.DataFrame:
        """The lines sold, less what was returned where that is wished."""
        lines = self.lines
        sold = lines[lines["quantity"] > 0]
        sold = sold.assign(product=sold["product"].fillna("unknown"))
        if self.net:
            back = self.returns.dropna(subset="returned_row")
            units = (-back["quantity"]).groupby(back["returned_row"].astype(np.int64)).sum()
            left = sold["quantity"] - units.reindex(sold["row"], fill_value=0.0).to_numpy()
            left = left.where(left > 1e-9, 0.0)
            sold = sold.assign(quantity=left, amount=sold["amount"] * left / sold["quantity"])
            sold = sold[left > 0]
        return sold.assign(purchase=sold["purchase"].astype(np.int64))

    def _customers(self) -> pd.DataFrame:
        first = self.lines.groupby("customer")["date"].min().reindex(self.customers["customer"])
        month = (_months(first) - self._first_month).to_numpy()
        made = pd.DataFrame(
            {
                "customer": self.customers["id"],
                "joined_month": month,
                "joined": first.to_numpy().astype("datetime64[M]").astype("datetime64[s]"),
                "source": np.where(month == 0, "initial", "won"),
                "contract": False,
                "channel": pd.Series([None] * len(month), dtype=object),
            }
        )
        return made.sort_values("customer", ignore_index=True)

    def _purchases(self, sold: pd.DataFrame) -> pd.DataFrame:
        amounts = sold.groupby("purchase")["amount"].sum()
        bought = self.purchases.set_index("purchase").loc[amounts.index]
        return pd.DataFrame(
            {
                "purchase": amounts.index,
                "customer": self.customers.set_index("customer")["id"].loc[bought["customer"]].to_numpy(),
                "month": (_months(bought["date"]) - self._first_month).to_numpy(),
                "date": _day(bought["date"]),
                "amount": amounts.to_numpy(),
            }
        )

    def _return_lines(self, sold: pd.DataFrame) -> pd.DataFrame:
        """The returns, with the purchase and line they undo where these are in the database."""
        back = self.returns
        linked = back["returned_row"].notna()
        numbers = _numbered(sold).set_index("row")["line"]
        line = back["returned_row"].map(numbers).astype("Int64")
        purchase = back["purchase"].where(back["purchase"].isin(sold["purchase"]))
        known = "product" in self.columns  # else there are no lines and no products
        line = line.where(purchase.notna() & np.full(len(back), known))
        product = back["product"].fillna("unknown") if known else pd.Series([None] * len(back))
        return pd.DataFrame(
            {
                "return_line": np.arange(len(back)),
                "customer": self.customers.set_index("customer")["id"].loc[back["customer"]].to_numpy(),
                "month": (_months(back["date"]) - self._first_month).to_numpy(),
                "date": _day(back["date"]),
                "purchase": purchase.array,
                "line": line.array,
                "product": product.to_numpy(),
                "quantity": -back["quantity"].to_numpy(),
                "amount": -back["amount"].to_numpy() + 0.0,
                "cost": (back["cost"] * -back["quantity"]).to_numpy(),
                "taken_off": (linked & self.net).to_numpy(),
            }
        )

    def _about(self) -> pd.DataFrame:
        from crmsim import __version__

        dates = self.lines["date"]
        content = {
            "source": self.source,
            "currency": self.currency or "unknown",
            "contract": False,
            "months": int(_months(dates.max())) - self._first_month + 1,
            "first_month": f"{dates.min():%Y-%m}",
            "rows_read": self.rows,
            "rows_taken": len(self.lines),
            "returns": f"{len(self.returns)}, {'taken off where linked' if self.net else 'not taken off'}",
            "crmsim": __version__,
        }
        return pd.DataFrame({"name": list(content), "value": [str(value) for value in content.values()]})

    @property
    def _span(self) -> str:
        dates = self.lines["date"]
        return f"{dates.min():%Y-%m-%d} to {dates.max():%Y-%m-%d}"

    def __str__(self) -> str:
        return self.report()

    def __repr__(self) -> str:
        return (
            f"Imported({_count(len(self.purchases), 'purchase')} of "
            f"{_count(len(self.customers), 'customer')}, {self._span}; "
            f"{_count(len(self.refused), 'row')} refused)"
        )


def _by_reason(frame: pd.DataFrame) -> list[str]:
    """A line for each reason, the most frequent first, with the first few rows."""
    out = []
    for reason, number in frame["reason"].value_counts().items():
        shown = _rows_shown(frame.loc[frame["reason"] == reason, "row"].tolist())
        out.append(f"  {number:>9,}  {reason} ({shown})")
    return out


def _rows_shown(rows: Sequence[int] | Rows) -> str:
    """The first few row numbers of a list."""
    shown = ", ".join(f"{row}" for row in rows[:SHOWN]) + (", ..." if len(rows) > SHOWN else "")
    return f"row{'' if len(rows) == 1 else 's'} {shown}"


def _day(dates: pd.Series) -> Any:
    # pandas has no days; a date in seconds becomes a DATE in the database
    return dates.to_numpy().astype("datetime64[D]").astype("datetime64[s]")


def _products(sold: pd.DataFrame) -> pd.DataFrame:
    """A row a product: its first name and category, the median of its prices and costs."""
    groups = sold.groupby("product")
    names = groups["description"].first()
    codes = names.index.to_series()
    chinese = names.fillna(codes).str.contains(r"[\u4e00-\u9fff]", regex=True).astype(bool)
    return pd.DataFrame(
        {
            "product": names.index,
            "english": names.fillna(codes).to_numpy(),
            "chinese": names.fillna(codes).where(chinese).to_numpy(),
            "category": groups["category"].first().to_numpy(),
            "price": groups["price"].median().to_numpy(),
            "unit_cost": groups["cost"].median().to_numpy(),
            "lead": pd.Series([pd.NA] * len(names), dtype="Int64"),
        }
    )


def _numbered(sold: pd.DataFrame) -> pd.DataFrame:
    """The lines sold by purchase, with the number of each in it."""
    sold = sold.sort_values("purchase", kind="stable")
    return sold.assign(line=sold.groupby("purchase").cumcount() + 1)


def _purchase_lines(sold: pd.DataFrame) -> pd.DataFrame:
    sold = _numbered(sold)
    return pd.DataFrame(
        {
            "purchase": sold["purchase"],
            "line": sold["line"],
            "product": sold["product"],
            "quantity": sold["quantity"],
            "amount": sold["amount"],
            "cost": sold["cost"] * sold["quantity"],
        }
    ).reset_index(drop=True)


def _months(dates: Any) -> Any:
    """Months since year 0, of a moment or a column of them."""
    parts = dates.dt if isinstance(dates, pd.Series) else dates
    return parts.year * 12 + parts.month - 1


def _write_csv(frame: pd.DataFrame, path: Path, shown: Path | None = None) -> Path:
    """Whole or not at all; `shown`: the name that a fault is told under."""
    if path.is_dir():
        raise DataError(f"{path} is a folder; name a file in it, such as {path / 'rows.csv'}")
    if path.exists() and not path.is_file():
        raise DataError(f"{path} is a device or a pipe, not a file; choose another name")
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Excel takes UTF-8 for what it is only with the mark in front
        frame.to_csv(part, index=False, lineterminator="\n", encoding="utf-8-sig")
        part.replace(path)
    except OSError as error:
        raise DataError(f"{shown or path} cannot be written: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return path


_TEXTS = ("invoice", "product", "description", "category")


# --------------------------------------------------------------------------------------------------
# Opening a file


def _open(
    path: Path,
    encoding: str | None,
    separator: str | None,
    sheet: str | int | None,
    header: bool | None,
    skip: int,
) -> _Table:
    raw = _load(path)
    name = path.name
    if raw.startswith(b"\x1f\x8b"):
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{name} cannot be unpacked: {error}. Export or copy it again.") from None
        if not raw.strip():
            raise DataError(f"{name} is empty once unpacked.")
    if raw.startswith(b"PAR1"):
        return _from_parquet(path, name)
    if raw.startswith(b"PK\x03\x04"):
        _refuse_archive(raw, name)
        return _from_workbook(raw, name, sheet, header, skip)
    if sheet is not None:
        raise DataError(f"{name} is no Excel workbook (.xlsx), so it has no sheet {sheet!r}.")
    notes: list[str] = []
    text, separator = _text_of(raw, name, encoding, separator, notes)
    if len(text) >= BULK and header is not False:
        table = _from_bulk(text, name, separator, header, skip, notes)
        if table is not None:
            return table
    return _from_text(text, name, separator, header, skip, notes)


def _refuse_archive(raw: bytes, name: str) -> None:
    """An Excel workbook is a zip archive of a certain kind; others are told what to do."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            inside = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return  # the reader of workbooks says that it is damaged
    if "[Content_Types].xml" not in inside:
        shown = _quoted(inside[:3]) + (", ..." if len(inside) > 3 else "")
        raise DataError(
            f"{name} is an archive, not a workbook; it holds {shown}. Unpack it and name the file in it."
        )


def _from_bulk(
    text: str, name: str, separator: str, header: bool | None, skip: int, notes: list[str]
) -> _Table | None:
    """The same as `_from_text`, some times faster; None where the file needs the careful reader."""
    if separator == "whitespace" or text.count('"') % 2:
        return None
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        rows = enumerate(itertools.islice(reader, skip + 1000))
        top, first = next((i, row) for i, row in rows if i >= skip and any(cell.strip() for cell in row))
        first = [cell.strip() for cell in first]
        if header is None and any(_is_data(cell) for cell in first):
            return None
        width = len(first)
        # one column more than there are names shows the rows with too many cells
        cells = pd.read_csv(
            io.StringIO(text, newline=""), sep=separator, header=None, names=range(width + 1),
            index_col=False, dtype=str, na_filter=False, skip_blank_lines=False, engine="c",
        )  # fmt: skip
    except (StopIteration, csv.Error, ValueError):  # pandas' own errors are ValueErrors
        return None
    own: list[str] = []
    lines = text.count("\n") or text.count("\r")
    if len(cells) < lines:
        own.append(
            "Some cells hold line breaks inside quotation marks; row numbers count such a cell's row once."
        )
    filled = (cells[0] != "").to_numpy(copy=True)
    doubtful = np.flatnonzero(~filled | (cells[0].str.strip() == "").to_numpy())
    filled[doubtful] = [any(cell.strip() for cell in row) for row in cells.iloc[doubtful].to_numpy()]
    filled[: top + 1] = False
    numbers = np.flatnonzero(filled)
    if not len(numbers):
        return None
    gaps = int(numbers[-1]) - top - len(numbers)
    if gaps:
        own.append(f"Skipped: {_count(gaps, 'empty row')}.")
    cells = cells.iloc[numbers].reset_index(drop=True)
    misfit = (cells[width] != "").to_numpy(copy=True)
    misfit[misfit] = (cells.loc[misfit, width].str.strip() != "").to_numpy()
    notes += own
    return _Table(name, first, width, numbers + 1, cells.drop(columns=width), misfit, notes)


def _from_parquet(path: Path, name: str) -> _Table:
    import duckdb

    try:
        with duckdb.connect() as connection:
            found = connection.read_parquet(str(path))
            # whole numbers as text, which keeps long ids exact where some are missing
            kinds = [str(kind) for kind in found.types]
            picked = [_picked(column, kind) for column, kind in zip(found.columns, kinds, strict=True)]
            frame = found.project(", ".join(picked)).df()
    except (duckdb.Error, ValueError, OverflowError, UnicodeError) as error:
        told = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(f"{name} cannot be read as a Parquet file: {_short(told, 200)}") from None
    if frame.empty:
        raise DataError(f"{name} holds no rows.")
    table = _from_frame(frame)
    notes = []
    if "TIMESTAMP WITH TIME ZONE" in kinds:
        notes.append("Moments with a time zone were read as clock times of UTC.")
    nested = {i: kind for i, kind in enumerate(kinds) if _NESTED.search(kind)}
    return replace(table, source=name, notes=notes, nested=nested)


_NESTED = re.compile(r"\[\d*\]$|^(STRUCT|MAP|UNION)\(")


def _picked(column: str, kind: str) -> str:
    """What to select of a Parquet column: dates and fractions as they are, all else as text."""
    name = _identifier(column)
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"timezone('UTC', {name}) AS {name}"
    if re.fullmatch(r"DECIMAL\(\d+,\s*[1-9]\d*\)", kind):
        return f"CAST({name} AS DOUBLE) AS {name}"
    plain = ("DATE", "TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S", "FLOAT", "DOUBLE")
    return name if kind in plain else f"CAST({name} AS VARCHAR) AS {name}"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _from_workbook(raw: bytes, name: str, sheet: str | int | None, header: bool | None, skip: int) -> _Table:
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise DataError(
            f'{name} is an Excel workbook, which needs openpyxl: pip install "crmsim[excel]" '
            "- or save the sheet as CSV (UTF-8)."
        ) from None
    notes: list[str] = []
    try:
        book = load_workbook(io.BytesIO(raw), read_only=True, data_only=True)
        sheets = {page.title: page for page in book.worksheets}
    except Exception as error:  # a broken archive ends in errors of half a dozen libraries
        told = _short(error, 120) or type(error).__name__
        raise DataError(
            f"{name} cannot be read as an Excel workbook (.xlsx): {told}. Save the sheet as CSV (UTF-8)."
        ) from None
    if not sheets:
        raise DataError(f"{name} holds no sheet with cells.")
    names = list(sheets)
    if sheet is None:
        shown = [title for title, page in sheets.items() if page.sheet_state == "visible"]
        chosen = (shown or names)[0]
        if len(names) > 1:
            others = [title for title in names if title != chosen]
            notes.append(f"Read was the sheet '{chosen}'; there are also {_quoted(others)} (sheet=).")
    elif isinstance(sheet, str) and sheet in sheets:
        chosen = sheet
    elif str(sheet).isascii() and str(sheet).isdigit() and int(sheet) < len(names):
        chosen = names[int(sheet)]
    else:
        raise DataError(
            f"{name} has no sheet {sheet!r}; it has {_quoted(names)}, counted from 0 if given by number."
        )
    try:
        page = sheets[chosen]
        page.reset_dimensions()  # some programs write a wrong size
        rows = [[_cell(value) for value in row] for row in page.iter_rows(values_only=True)]
    except Exception as error:
        raise DataError(
            f"{name}: the sheet '{chosen}' cannot be read: {_short(error, 120) or type(error).__name__}."
        ) from None
    finally:
        book.close()
    return _from_rows(rows, f"{name}, sheet '{chosen}'" if len(names) > 1 else name, header, skip, notes)


def _cell(value: Any) -> str:
    """A cell of a workbook as text that is read back as the same value."""
    if value is None:
        return ""
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        text = repr(value)
        # three digits after the point could be taken for thousands
        return text + "0" if re.fullmatch(r"-?\d+\.\d{3}", text) else text
    return str(value)


# --------------------------------------------------------------------------------------------------
# Which column is which. Names are compared in lower case without spaces and punctuation, best name first.

_KNOWN: dict[str, list[str]] = {
    role: " ".join(names).split()
    for role, names in {
        "invoice": (
            "invoiceno invoicenumber invoiceid invoice orderid orderno ordernumber order transactionid",
            "transactionno transaction receiptno receiptid receipt basketid basket billno billid",
            "发票号 发票编号 订单号 订单编号 订单id 交易号 交易编号 小票号 流水号 单号",
        ),
        "product": (
            "stockcode productid productcode productno sku itemid itemcode itemno articleno productname",
            "product item article goods 商品编号 商品编码 商品代码 商品id 产品编号 产品编码 产品id",
            "商品名称 产品名称 商品 产品 货号",
        ),
        "description": (
            "description productname productdescription itemname itemdescription",
            "商品名称 产品名称 商品描述 品名 名称",
        ),
        "category": (
            "category productcategory categoryname productgroup department 类别 品类 商品类别 产品类别 分类",
        ),
        "cost": ("unitcost cost costprice purchaseprice 单位成本 成本 成本价 进价 进货价",),
        "currency": ("currency currencycode 币种 货币",),
    }.items()
}
_ROLES = (
    "customer", "date", "amount", "quantity", "price", "invoice", "product", "description", "category",
    "cost", "currency",
)  # fmt: skip


def _columns(table: _Table, given: dict[str, Role]) -> dict[str, int]:
    """The position of each role's column; the user's word first, then the names of the columns."""
    for role in ("customer", "date"):
        if given[role] is False:
            raise DataError(f"{role}=False: every purchase needs a {role}.")
    if table.names is None:
        named = {role for role in _ROLES if given[role] is not None and given[role] is not False}
        if not {"customer", "date"} <= named or not ({"amount"} <= named or {"quantity", "price"} <= named):
            raise DataError(
                f"{table.source}: {table.known()} Give the columns by position, for instance customer=0, "
                "date=2, amount=4 (or quantity=3, price=4)."
            )
    found: dict[str, int] = {}
    for role, wanted in given.items():
        if wanted is not None and wanted is not False:
            found[role] = _find(table, role, wanted)
    for position in set(found.values()):
        roles = [role for role, at in found.items() if at == position]
        if len(roles) > 1:
            raise DataError(f"{table.source}: {table.label(position)} was given for {' and '.join(roles)}.")
    for role in _ROLES:
        if given[role] is not None:
            continue
        taken = list(found.values())
        if role == "amount" and {"quantity", "price"} <= found.keys():
            continue
        hit = _known(table, role, taken) if role in _KNOWN else _guess(table, role, taken)
        if hit is not None:
            found[role] = hit
        elif role in ("customer", "date"):
            raise DataError(
                f"{table.source}: no column looks like the {role}. {table.known()} "
                f"Say which with {role}={_elsewhere(table)}."
            )
    if "amount" not in found and "price" not in found:
        raise DataError(
            f"{table.source}: no column looks like the amount, or like quantity and price. {table.known()} "
            "Say which with amount=, or with quantity= and price=."
        )
    return {role: found[role] for role in _ROLES if role in found}


def _known(table: _Table, role: str, taken: Sequence[int]) -> int | None:
    """The first column with a known name of the role."""
    names = [_plain(name) for name in table.names or ()]
    for known in _KNOWN[role]:
        hits = [i for i, name in enumerate(names) if name == known and i not in taken]
        if len(hits) > 1:
            raise DataError(
                f"{table.source}: {len(hits)} columns are called '{known}' (positions "
                f"{', '.join(map(str, hits))}). Give {role}= by position, or {role}=False."
            )
        if hits:
            return hits[0]
    return None


# --------------------------------------------------------------------------------------------------
# Currencies


class _Currency:
    """Finds the currency of a file; a file has one."""

    MARK = re.compile(_Numbers.SIGN, re.IGNORECASE)
    # what a mark may stand for, the most usual first
    MEANS: ClassVar[dict[str, tuple[str, ...]]] = {
        "$": ("USD", "CAD", "AUD", "NZD", "SGD", "HKD", "TWD", "MXN"),
        "US$": ("USD",), "HK$": ("HKD",), "NT$": ("TWD",), "€": ("EUR",), "£": ("GBP",),
        "¥": ("CNY", "JPY"), "元": ("CNY", "TWD", "HKD"), "圆": ("CNY",), "人民币": ("CNY",), "RMB": ("CNY",),
        "₩": ("KRW",), "₹": ("INR",), "₽": ("RUB",), "KR": ("SEK", "NOK", "DKK"), "ZŁ": ("PLN",),
    }  # fmt: skip

    @classmethod
    def mark(cls, text: str) -> str:
        """The mark in an amount, such as '€'; '' without one."""
        if text.isascii() and not re.search(r"[$A-Za-z]", text):
            return ""
        hit = cls.MARK.search(unicodedata.normalize("NFKC", text).replace("￥", "¥"))
        return hit[0].upper().rstrip(".") if hit else ""

    @classmethod
    def means(cls, mark: str) -> tuple[str, ...]:
        return cls.MEANS.get(mark, (mark,))

    @classmethod
    def of_file(cls, counts: dict[str, int], told: str | None, notes: list[str]) -> str:
        """The code of the file's currency: the user's, or that of most rows that bear a mark."""
        if told is not None:
            code = unicodedata.normalize("NFKC", told).strip().upper()
            return cls.means(code)[0] if code in cls.MEANS else code
        if not counts:
            return ""
        votes: dict[str, int] = {}
        for mark, number in counts.items():
            if len(cls.means(mark)) == 1:
                code = cls.means(mark)[0]
                votes[code] = votes.get(code, 0) + number
        open_marks = {mark: number for mark, number in counts.items() if len(cls.means(mark)) > 1}
        guessed: dict[str, str] = {}
        for mark, number in sorted(open_marks.items(), key=lambda item: -item[1]):
            clear = [code for code in cls.means(mark) if code in votes]
            code = max(clear, key=lambda c: votes[c]) if clear else cls.means(mark)[0]
            if not clear:
                guessed[code] = mark
            votes[code] = votes.get(code, 0) + number
        best = max(votes, key=lambda code: votes[code])
        if best in guessed:
            others = " or ".join(cls.means(guessed[best])[1:3])
            notes.append(f"The mark '{guessed[best]}' was read as {best}; give currency= if it is {others}.")
        return best


def _marks(texts: Texts) -> tuple[npt.NDArray[np.int64], list[str]]:
    """For each cell the place of its currency mark in a list whose first is '' (none)."""
    codes, distinct = pd.factorize(texts)
    found = [_Currency.mark(text) for text in distinct]
    known = ["", *sorted(set(found) - {""})]
    place = {mark: i for i, mark in enumerate(known)}
    return np.array([place[mark] for mark in found], dtype=np.int64)[codes], known


def _currency(
    table: _Table, columns: dict[str, int], texts: dict[str, Texts], told: str | None, notes: list[str]
) -> tuple[str, Mask, Texts]:
    """The file's currency, which rows name another, and what each row names."""
    n = len(table.row_numbers)
    named: list[tuple[npt.NDArray[np.int64], list[str]]] = []
    if "currency" in columns:
        codes, distinct = pd.factorize(table.texts(columns["currency"]))
        words = [unicodedata.normalize("NFKC", text).strip().upper() for text in distinct]
        words = ["" if word.casefold() in _MISSING else word for word in words]
        known = ["", *sorted(set(words) - {""})]
        named.append((np.array([known.index(word) for word in words], dtype=np.int64)[codes], known))
    # numbers of a typed column bear no mark
    named += [_marks(texts[role]) for role in ("amount", "price", "cost") if role in texts]
    counts: dict[str, int] = {}
    for codes, known in named:
        for mark, number in zip(known, np.bincount(codes, minlength=len(known)), strict=True):
            if mark and number:
                counts[mark] = counts.get(mark, 0) + int(number)
    code = _Currency.of_file(counts, told, notes)
    other, which = np.zeros(n, dtype=bool), np.full(n, "", dtype=object)
    for codes, known in named:
        strange = [mark != "" and code not in _Currency.means(mark) for mark in known]
        hit = np.array(strange, dtype=bool)[codes] & ~other
        which[hit] = np.array(known, dtype=object)[codes[hit]]
        other |= hit
    return code, other, which


# --------------------------------------------------------------------------------------------------
# What became of each row


class _Ledger:
    """Notes for each row the first reason to leave it out, and everything mended in it."""

    def __init__(self, table: _Table, columns: dict[str, int]) -> None:
        self.table, self.columns = table, columns
        self.n = len(table.row_numbers)
        self.fate = np.zeros(self.n, dtype=np.int16)
        self.reasons: list[tuple[str, str, str]] = [("taken", "", "")]  # fate, role, reason
        self.mends: list[tuple[Rows, str, str, Callable[[int], str]]] = []
        self.shown: dict[int, Texts] = {}
        self.whole: dict[int, list[Any]] = {}

    @property
    def good(self) -> Mask:
        return self.fate == 0

    def leave_out(self, where: Mask, role: str, reason: str, fate: str = "refused") -> None:
        if (hit := (self.fate == 0) & where).any():
            self.fate[hit] = len(self.reasons)
            self.reasons.append((fate, role, reason))

    def mend(self, where: Mask, role: str, reason: str, used: Callable[[int], str]) -> None:
        """`used` gives for a row what was used in place of its cell."""
        if where.any():
            self.mends.append((np.flatnonzero(where), role, reason, used))

    def _name(self, role: str) -> str:
        return self.table.label(self.columns[role]).strip("'") if role in self.columns else ""

    def _value(self, role: str, row: int) -> str:
        if role not in self.columns:
            return _short(" | ".join(map(str, self.whole[row]))) if self.whole else self.table.shown(row)
        position = self.columns[role]
        if position not in self.shown:
            self.shown[position] = self.table.texts(position)
        return _short(self.shown[position][row])

    def left(self, fate: str) -> pd.DataFrame:
        """The rows of one fate."""
        kinds = np.array([f == fate for f, _, _ in self.reasons], dtype=bool)
        rows = np.flatnonzero(kinds[self.fate])
        why = [self.reasons[f] for f in self.fate[rows]]
        cells = self.table.cells
        if isinstance(cells, pd.DataFrame):  # one row at a time would be slow
            whole = rows[[not role for _, role, _ in why]] if len(rows) else rows
            self.whole = dict(zip(whole.tolist(), cells.iloc[whole].to_numpy().tolist(), strict=True))
        return _listing(
            self.table.row_numbers[rows],
            column=[self._name(role) for _, role, _ in why],
            value=[self._value(role, int(row)) for (_, role, _), row in zip(why, rows, strict=True)],
            reason=[reason for _, _, reason in why],
        )

    def mended(self) -> pd.DataFrame:
        """The mends of the rows that were taken."""
        listings = []
        for rows, role, reason, used in self.mends:
            rows = rows[self.good[rows]]
            listings.append(
                _listing(
                    self.table.row_numbers[rows],
                    column=[self._name(role)] * len(rows),
                    value=[self._value(role, int(row)) for row in rows],
                    used=[used(int(row)) for row in rows],
                    reason=[reason] * len(rows),
                )
            )
        empty = _listing(np.zeros(0, dtype=np.int64), column=[], value=[], used=[], reason=[])
        every = pd.concat([empty, *listings], ignore_index=True)
        return every.sort_values("row", kind="stable", ignore_index=True)


def _listing(rows: Rows, **texts: Iterable[str]) -> pd.DataFrame:
    columns = {name: pd.Series(list(values), dtype="str") for name, values in texts.items()}
    return pd.DataFrame({"row": rows, **columns})


def _shape(text: str) -> str:
    """How a cell is written: digits as 9, letters as a."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", text.strip()))


def _unusual(texts: Texts, form: Callable[[str], Any], where: Mask | None = None) -> Mask:
    """The cells whose form is not that of most; `where` says for which rows cells are given."""
    if where is not None:
        out = np.zeros(len(where), dtype=bool)
        out[where] = _unusual(texts, form)
        return out
    codes, distinct = pd.factorize(texts)
    forms = [form(text) for text in distinct]
    known = {f: i for i, f in enumerate(dict.fromkeys(forms))}
    rows = np.array([known[f] for f in forms], dtype=np.int64)[codes]
    if not len(rows):
        return np.zeros(0, dtype=bool)
    return rows != np.bincount(rows).argmax()


# --------------------------------------------------------------------------------------------------
# The reader


def read_purchases(
    source: str | os.PathLike[str] | pd.DataFrame,
    *,
    customer: str | int | None = None,
    date: str | int | None = None,
    amount: Role = None,
    quantity: Role = None,
    price: Role = None,
    invoice: Role = None,
    product: Role = None,
    description: Role = None,
    category: Role = None,
    cost: Role = None,
    currency_column: Role = None,
    currency: str | None = None,
    encoding: str | None = None,
    separator: str | None = None,
    sheet: str | int | None = None,
    header: bool | None = None,
    skip: int = 0,
    dayfirst: bool | None = None,
    decimal: str | None = None,
    earliest: str | None = None,
    latest: str | None = None,
    duplicates: Literal["keep", "drop"] = "keep",
    zeros: Literal["keep", "drop"] = "keep",
    returns: Literal["keep", "net", "apart"] = "keep",
    missing: Literal["refuse", "apart"] = "refuse",
    cancelled: str = "C",
) -> Imported:
    """Read a firm's purchases: one row a line of an invoice, or a purchase.

    `source`: a text file (see `read_transactions` for the spellings understood), also packed with gzip, a
    Parquet file, an Excel workbook (.xlsx; needs openpyxl), told apart by their content, or a DataFrame.
    `customer`, `date`, `amount`, `quantity`, `price`, `invoice`, `product`, `description`
    (name of the product), `category`, `cost` (money a unit), `currency_column`: a column's name or its
    position counted from 0. Left out, they are found by their names in English or Chinese; `False` says
    that there is none. Needed are customer, date and amount, or price (times quantity). Where all three of
    amount, quantity and price are there, the amount counts, and a missing one of them is computed from the
    others.
    `currency`: code such as "EUR"; left out, the currency most rows name. Rows that name another one are
    refused: amounts of two currencies cannot be added.
    `encoding`, `separator`, `header`, `skip`, `dayfirst`, `decimal`, `zeros`: as in `read_transactions`.
    `sheet`: name or number (from 0) of the sheet of a workbook; the first one by default.
    `earliest`, `latest`: days, both included; rows dated outside are refused.
    `duplicates`: rows equal in every cell are kept and counted, because they may be real; "drop" leaves out
    all but the first.
    `returns`: lines with a negative quantity or amount, or of an invoice whose number begins with
    `cancelled` where most numbers are digits only ("C" in the UCI Online Retail data; "" for none), are
    kept with a minus and linked, where that is possible, to the latest earlier line of the same customer,
    product and price with as many units left. The database has the lines sold: in full, or with "net" less
    the linked returns, without what was wholly returned. "apart" sets returns apart.
    `missing`: rows without a customer are refused, or set "apart".

    Lines of one customer, invoice and day are one purchase. Without invoice numbers, lines of one customer
    and moment are, if there are products; otherwise each row is a purchase.

    A row is refused, and listed with its reason, for: a number of cells that does not fit, a missing
    customer, a missing, unreadable or out-of-range date, a missing or unreadable amount, quantity or price
    that the other two do not give, a quantity of 0, a negative price, another currency. `DataError` (a
    `ValueError`) is raised when the file or the columns cannot be used, or when no row can.
    """
    for word, value, allowed in (
        ("duplicates", duplicates, ("keep", "drop")),
        ("zeros", zeros, ("keep", "drop")),
        ("returns", returns, ("keep", "net", "apart")),
        ("missing", missing, ("refuse", "apart")),
    ):
        if value not in allowed:
            raise DataError(f"{word}={value!r}: give {' or '.join(map(repr, allowed))}.")
    if not isinstance(skip, int) or skip < 0:
        raise DataError(f"skip={skip!r}: give the number of rows to leave out at the top.")
    first = None if earliest is None else _moment(earliest, "earliest")
    last = None if latest is None else _moment(latest, "latest")
    if first is not None and last is not None and first > last:
        raise DataError(f"earliest={earliest!r} comes after latest={latest!r}.")
    if isinstance(source, pd.DataFrame):
        table = _from_frame(source)
    elif isinstance(source, (str, os.PathLike)):
        table = _open(Path(source).expanduser(), encoding, separator, sheet, header, skip)
    else:
        raise DataError(f"Give a path or a DataFrame; this is of type {type(source).__name__}.")
    columns = _columns(
        table,
        {
            "customer": customer, "date": date, "amount": amount, "quantity": quantity, "price": price,
            "invoice": invoice, "product": product, "description": description, "category": category,
            "cost": cost, "currency": currency_column,
        },
    )  # fmt: skip
    _refuse_nested(table, columns)
    notes = table.notes
    ledger = _Ledger(table, columns)

    # customers, dates, labels
    who, ids = _read_customers(table, columns["customer"], notes)
    _note_twins(ids, notes)
    id_texts = table.texts(columns["customer"])
    ledger.mend(
        (who >= 0) & _each(id_texts, lambda text: text != text.strip()), "customer", "spaces around the id",
        _shown(who, lambda place: str(ids[place])),
    )  # fmt: skip
    when, no_date, date_texts = _read_dates(table, columns["date"], dayfirst, notes)
    if table.typed(columns["date"]) is None:
        ledger.mend(
            ~no_date & ~np.isnat(when) & _unusual(date_texts[~no_date], _shape, ~no_date), "date",
            "date written in another way than most", _shown(when, lambda moment: str(pd.Timestamp(moment))),
        )  # fmt: skip
    labels = {role: _labels(table, columns.get(role)) for role in _TEXTS}

    # money and quantities
    read: Read = {
        role: _read_numbers(table, columns[role], _Noted(decimal, notes, role))
        for role in ("amount", "quantity", "price", "cost")
        if role in columns
    }
    for role, (values, _, texts) in read.items():
        if not _is_typed(table, columns[role]):
            ledger.mend(
                ~np.isnan(values) & _unusual(texts, _is_dressed) & _each(texts, _is_dressed), role,
                f"{role} with signs or marks", _figures(values),
            )  # fmt: skip
    marked = {role: texts for role, (_, _, texts) in read.items() if not _is_typed(table, columns[role])}
    code, other, named = _currency(table, columns, marked, currency, notes)

    ledger.leave_out(table.misfit, "", "number of cells does not fit")
    if missing == "refuse":
        ledger.leave_out(who < 0, "customer", "missing customer id")
    ledger.leave_out(no_date, "date", "missing date")
    ledger.leave_out(np.isnat(when), "date", "unreadable date")
    years = when.astype("datetime64[Y]").astype(np.int64) + 1970
    ledger.leave_out((years < 1900) | (years > 2100), "date", "date outside 1900 to 2100")
    if first is not None:
        ledger.leave_out(when < np.datetime64(first), "date", f"date before {first:%Y-%m-%d}")
    if last is not None:
        ledger.leave_out(
            when >= np.datetime64(last) + np.timedelta64(1, "D"), "date", f"date after {last:%Y-%m-%d}"
        )
    for mark in dict.fromkeys(named[other]):
        column = "currency" if "currency" in columns else "amount" if "amount" in columns else "price"
        ledger.leave_out(other & (named == mark), column, f"another currency ({mark})")
    is_cancelled = _cancelled(*labels["invoice"], cancelled, notes)
    units, each, money = _money(ledger, read, is_cancelled, notes)
    if zeros == "drop":
        ledger.leave_out(money == 0, "amount" if "amount" in columns else "price", "zero amount")
    unit_cost = np.full(ledger.n, np.nan)
    if "cost" in read:
        unit_cost, no_cost, _ = read["cost"]
        bad = (~no_cost & np.isnan(unit_cost)) | (unit_cost < 0)
        ledger.mend(bad, "cost", "unreadable or negative cost, left empty", lambda row: "")
        unit_cost = np.where(bad, np.nan, unit_cost)
    if missing == "apart":
        ledger.leave_out(who < 0, "customer", "missing customer id", "apart")
    back = units < 0
    if returns == "apart":
        ledger.leave_out(back, "quantity" if "quantity" in columns else "amount", "return", "apart")
    _duplicates(ledger, columns, {"who": who, "when": when, "money": money, "units": units, "each": each,
                **{role: codes for role, (codes, _) in labels.items()}}, duplicates, notes)  # fmt: skip
    if not ledger.good.any():
        _nothing(ledger, columns, notes)

    # the rows taken, in the order of time
    rows = np.flatnonzero(ledger.good)
    rows = rows[np.argsort(when[rows], kind="stable")]
    who, when = who[rows], when[rows]
    units, each, money, unit_cost = (values[rows] for values in (units, each, money, unit_cost))
    coded = {role: codes[rows] for role, (codes, _) in labels.items()}
    back = units < 0
    source_line = _link(who, coded["product"], each, when, units)
    purchase = _purchase_numbers(
        who, coded["invoice"] if "invoice" in columns else None, "product" in columns, when, back
    )
    linked = source_line >= 0
    purchase[linked] = purchase[source_line[linked]]
    numbers = table.row_numbers[rows]
    undone = np.where(linked, numbers[source_line], -1)

    def text(role: str) -> pd.Series:
        codes, names = coded[role], labels[role][1]
        return pd.Series(np.array([*names, None], dtype=object)[codes], dtype="str")  # -1: missing

    lines = pd.DataFrame(
        {
            "row": numbers,
            "customer": pd.Series(ids[who], dtype="str"),
            "date": when,
            "invoice": text("invoice"),
            "product": text("product"),
            "description": text("description"),
            "category": text("category"),
            "quantity": units,
            "price": each,
            "amount": money,
            "cost": unit_cost,
            "purchase": _or_missing(purchase),
            "returned_row": _or_missing(undone),
        }
    )
    sold = np.flatnonzero(~back)
    heads = sold[np.unique(purchase[sold], return_index=True)[1]]
    count = len(heads)
    bought = pd.DataFrame(
        {
            "purchase": np.arange(count),
            "customer": lines["customer"].iloc[heads].to_numpy(),
            "date": when[heads],
            "invoice": lines["invoice"].iloc[heads].to_numpy(),
            "lines": np.bincount(purchase[sold], minlength=count),
            "amount": np.bincount(purchase[sold], weights=money[sold], minlength=count),
            "returned": np.bincount(purchase[linked], weights=-money[linked], minlength=count),
        }
    )
    used = np.unique(who)
    people = pd.DataFrame(
        {"id": _database_ids(ids[used], notes), "customer": pd.Series(ids[used], dtype="str")}
    )
    _note_lone_days(when, numbers, notes)
    _note_differences(ledger, read, rows, notes)
    return Imported(
        lines=lines,
        purchases=bought,
        customers=people,
        mended=ledger.mended(),
        dropped=ledger.left("dropped"),
        apart=ledger.left("apart"),
        refused=ledger.left("refused"),
        source=table.source,
        rows=ledger.n,
        columns={role: table.label(position) for role, position in columns.items()},
        currency=code,
        notes=tuple(dict.fromkeys(notes)),
        net=returns == "net",
    )


def import_file(
    source: str | os.PathLike[str] | pd.DataFrame, out: str | os.PathLike[str], **options: Any
) -> Imported:
    """Read a firm's purchases and write them as a customer database, whole or not at all.

    `source`, `options`: as for `read_purchases`. `out` is a DuckDB file, replaced if it is there. Customers
    whose ids are not whole numbers are numbered in the order of their ids; a CSV file beside the database,
    with `-customers` in its name, then says who is who. Returns what was read. Raises `DataError` for a file
    that cannot be used and a place that cannot be written.
    """
    from .database import check_place, write_tables

    path = Path(out)
    if isinstance(source, (str, os.PathLike)) and Path(source).expanduser().resolve() == path.resolve():
        raise DataError(f"{path} is the file to be read; choose another name for the database.")
    check_place(path)
    result = read_purchases(source, **options)
    if result.own_ids:
        write_tables(result.tables(), path)
        return result
    names = customers_file(path)
    staged = _write_csv(result.customers, names.with_name(names.name + ".new"), names)
    try:
        write_tables(result.tables(), path)
        staged.replace(names)
    except OSError as error:
        raise DataError(f"{names} cannot be written: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            staged.unlink(missing_ok=True)
    return result


def customers_file(out: str | os.PathLike[str]) -> Path:
    """Where `import_file` writes which customer of the file has which number in the database `out`."""
    path = Path(out)
    return path.with_name(f"{path.stem}-customers.csv")


# --------------------------------------------------------------------------------------------------
# Steps of the reader


def _figures(values: Floats) -> Callable[[int], str]:
    """Shows the number of a row."""
    return _shown(values, lambda value: f"{value:.12g}")


def _shown(values: npt.NDArray[Any], text: Callable[[Any], str]) -> Callable[[int], str]:
    """Shows the value of a row; `values` stay those of now."""
    return lambda row: text(values[row])


class _Noted(_Numbers):
    """A reader of numbers whose notes say which column they are about."""

    def __init__(self, decimal: str | None, notes: list[str], role: str) -> None:
        super().__init__(decimal)
        self._told, self._role = notes, role

    def read(self, texts: Sequence[str]) -> Floats:
        out = super().read(texts)
        self._told += [note if self._role == "amount" else f"{self._role}: {note}" for note in self.notes]
        return out


def _refuse_nested(table: _Table, columns: dict[str, int]) -> None:
    """A column whose cells are lists or records is none of the roles."""
    for role, position in columns.items():
        typed = table.typed(position)
        kind = table.nested.get(position, "")
        if not kind and typed is not None and typed.dtype == object:
            first = next((v for v in typed if isinstance(v, list | tuple | dict | set | np.ndarray)), None)
            kind = "" if first is None else type(first).__name__
        if kind:
            raise DataError(
                f"{table.source}: {table.label(position)}, read as the {role}, holds nested values "
                f"({_short(kind)}); unpack them into columns first, or name another column with {role}=."
            )


def _is_typed(table: _Table, position: int) -> bool:
    typed = table.typed(position)
    return typed is not None and pd.api.types.is_numeric_dtype(typed.dtype)


def _is_dressed(text: str) -> bool:
    """Whether a number bears more than digits, a minus and one mark."""
    return re.fullmatch(r"\s*[-+]?\d*[.,]?\d*\s*", text, re.ASCII) is None and not _is_missing(text)


def _is_missing(text: str) -> bool:
    return text.strip().casefold() in _MISSING


def _each(texts: Texts, test: Callable[[str], bool]) -> Mask:
    """A test of each cell, tried once for cells that are alike."""
    codes, distinct = pd.factorize(texts)
    return np.array([test(text) for text in distinct], dtype=bool)[codes]


def _labels(table: _Table, position: int | None) -> tuple[Rows, Texts]:
    """For each row the place of its label (-1: missing), and the distinct labels."""
    if position is None:
        return np.full(len(table.row_numbers), -1, dtype=np.int64), np.zeros(0, dtype=object)
    codes, distinct = pd.factorize(table.texts(position))
    words = [text.strip() for text in distinct]
    names = list(dict.fromkeys(word for word in words if not _is_missing(word)))
    place = {name: i for i, name in enumerate(names)}
    found = np.array([place.get(word, -1) for word in words], dtype=np.int64)
    out = np.empty(len(names), dtype=object)
    out[:] = names
    return found[codes], out


def _note_twins(ids: Texts, notes: list[str]) -> None:
    """Ids that differ in capitals or width only may be one customer."""
    seen: dict[str, str] = {}
    pairs = []
    for name in ids:
        plain = unicodedata.normalize("NFKC", name).casefold()
        if plain in seen:
            pairs.append((seen[plain], name))
        seen.setdefault(plain, name)
    if pairs:
        notes.append(
            f"Customer ids that differ from another by capitals or width only: {len(pairs):,}, such as "
            f"'{pairs[0][0]}' and '{pairs[0][1]}'; they were kept apart."
        )


def _cancelled(codes: Rows, invoices: Texts, prefix: str, notes: list[str]) -> Mask:
    """The rows of invoices whose number begins with the mark of a cancellation."""
    if not isinstance(prefix, str):
        raise DataError(f"cancelled={prefix!r}: give the letters cancelled invoices begin with, such as 'C'.")
    pattern = re.compile(rf"{re.escape(prefix)}[-\s]?\d+", re.IGNORECASE)
    marked = np.array([bool(prefix and pattern.fullmatch(name)) for name in invoices], dtype=bool)
    digits = sum(name.isdigit() for name in invoices)
    if not marked.any() or digits <= marked.sum():
        return np.zeros(len(codes), dtype=bool)
    return np.append(marked, False)[codes]  # -1, a missing number, is the last


def _money(
    ledger: _Ledger, read: Read, is_cancelled: Mask, notes: list[str]
) -> tuple[Floats, Floats, Floats]:
    """Units, price a unit and amount of each row, returns with a minus; refuses what cannot be used."""
    n = ledger.n
    nothing = np.full(n, np.nan)
    units, each, money = (
        read[role][0].copy() if role in read else nothing for role in ("quantity", "price", "amount")
    )
    lacking = {role: np.isnan(read[role][0]) for role in read}
    if "quantity" not in read:
        units = np.where(money < 0, -1.0, 1.0)
        if "amount" not in read:
            notes.append("There is no amount and no quantity: each price was taken as one unit.")
    if "price" in read:
        ledger.leave_out(each < 0, "price", "negative price")
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        product, ratio = units * each, money / each
        if "amount" not in read:
            money = product
        else:
            if "price" in read and "quantity" in read:
                known = lacking["amount"] & ~np.isnan(product)
                money = np.where(known, product, money)
                ledger.mend(
                    known, "amount", "amount computed as quantity times price",
                    _figures(money),
                )  # fmt: skip
                known = lacking["quantity"] & np.isfinite(ratio) & (each > 0)
                units = np.where(known, ratio, units)
                ledger.mend(
                    known, "quantity", "quantity computed as amount divided by price",
                    _figures(units),
                )  # fmt: skip
            elif "price" in read:
                units = np.where(np.isfinite(ratio) & (each > 0), ratio, units)
    for role, values in (("quantity", units), ("price", each), ("amount", money)):
        if role not in read or (role == "price" and "amount" in read):
            continue  # a price is not needed beside an amount
        ledger.leave_out(read[role][1] & np.isnan(values), role, f"missing {role}")
        ledger.leave_out(lacking[role] & np.isnan(values), role, f"unreadable {role}")
    ledger.leave_out(units == 0, "quantity", "quantity of 0")
    ledger.leave_out(~(np.abs(money) < _Numbers.LARGEST) | ~(np.abs(units) < _Numbers.LARGEST),
                     "amount" if "amount" in read else "price", "amount too large")  # fmt: skip
    back = is_cancelled | (units < 0) | (money < 0)
    plus = back & (((units > 0) & ("quantity" in read)) | (money > 0))
    units = np.where(back, -np.abs(units), units)
    money = np.where(back, -np.abs(money), money) + 0.0  # no minus zero
    role, values = ("quantity", units) if "quantity" in read else ("amount", money)
    ledger.mend(plus, role, "return written without a minus", _figures(values))
    with np.errstate(divide="ignore", invalid="ignore"):
        unit_price = money / units
    each = np.where(np.isnan(each) | ("amount" in read), unit_price, each) + 0.0
    return units, each, money


def _duplicates(
    ledger: _Ledger, columns: dict[str, int], keys: dict[str, Any], wish: str, notes: list[str]
) -> None:
    """Finds rows equal to an earlier one in what was read and in every other cell."""
    good = np.flatnonzero(ledger.good)
    frame = pd.DataFrame({name: values[good] for name, values in keys.items()})
    twice = frame.duplicated(keep=False).to_numpy()
    if not twice.any():
        return
    some = good[twice]
    frame = frame[twice]
    for position in range(ledger.table.width):
        if position not in columns.values() or position == columns.get("cost"):
            frame[f"column {position}"] = ledger.table.texts(position)[some]
    repeated = np.zeros(ledger.n, dtype=bool)
    repeated[some] = frame.duplicated().to_numpy()
    if not repeated.any():
        return
    if wish == "drop":
        ledger.leave_out(repeated, "", "exact duplicate of an earlier row", "dropped")
    else:
        notes.append(
            f"{_count(int(repeated.sum()), 'row')} equal to an earlier row in every cell, kept "
            f"({_rows_shown(ledger.table.row_numbers[repeated])}). "
            "Give duplicates='drop' if the export holds rows twice."
        )


def _nothing(ledger: _Ledger, columns: dict[str, int], notes: list[str]) -> None:
    left = pd.concat([ledger.left(fate) for fate in ("refused", "apart", "dropped")])
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in left["reason"].value_counts().items())
    row = left.iloc[0]
    labels = ", ".join(f"{role} = {ledger.table.label(position)}" for role, position in columns.items())
    raise DataError(
        f"{ledger.table.source}: no row can be used of {ledger.n:,} ({reasons}). For instance row "
        f"{row['row']}: '{row['value']}'. The columns read were {labels}; say which they are if "
        "that is wrong. " + " ".join(notes)
    )


def _link(who: Rows, product: Rows, each: Floats, when: Any, units: Floats) -> Rows:
    """For each line, in the order of time, the line that a return undoes; -1 for none."""
    out = np.full(len(who), -1, dtype=np.int64)
    back = units < 0
    if not back.any() or back.all():
        return out
    lines = pd.DataFrame(
        {"when": when, "who": who, "product": product, "each": pd.factorize(np.round(each, 4))[0],
         "line": np.arange(len(who)), "units": np.abs(units)}
    )  # fmt: skip
    same = ["who", "product", "each"]
    pairs = pd.merge_asof(
        lines[back], lines[~back], on="when", by=same, suffixes=("", "_sold"), direction="backward"
    )
    pairs = pairs[pairs["line_sold"].notna()]
    so_far = pairs.groupby("line_sold")["units"].cumsum()
    pairs = pairs[so_far <= pairs["units_sold"] + 1e-9]
    out[pairs["line"].to_numpy()] = pairs["line_sold"].to_numpy().astype(np.int64)
    return out


def _purchase_numbers(who: Rows, invoice: Rows | None, products: bool, when: Any, back: Mask) -> Rows:
    """For each line sold, in the order of time, the number of its purchase; -1 for a return."""
    out = np.full(len(who), -1, dtype=np.int64)
    sold = np.flatnonzero(~back)
    if invoice is not None:
        number = np.where(invoice[sold] >= 0, invoice[sold], -2 - np.arange(len(sold)))
        keys = pd.DataFrame(
            {"who": who[sold], "number": number, "day": when[sold].astype("datetime64[D]").astype(np.int64)}
        )
    elif products:
        keys = pd.DataFrame({"who": who[sold], "moment": when[sold].astype(np.int64)})
    else:
        out[sold] = np.arange(len(sold))
        return out
    out[sold] = keys.groupby(list(keys), sort=False).ngroup().to_numpy()
    return out


def _or_missing(numbers: Rows) -> pd.Series:
    return pd.Series(numbers, dtype="Int64").mask(numbers < 0)


def _database_ids(names: Texts, notes: list[str]) -> Rows:
    """Whole numbers for the customers of the database: their own if they are such."""
    if all(re.fullmatch(r"\d{1,18}", name, re.ASCII) for name in names):
        numbers = np.array([int(name) for name in names], dtype=np.int64)
        if len(np.unique(numbers)) == len(numbers):
            if any(str(number) != name for number, name in zip(numbers, names, strict=True)):
                notes.append("Zeros at the front of customer ids are left out in the database.")
            return numbers
    notes.append(
        "Not all customer ids are whole numbers of up to 18 digits: in the database the customers are "
        "numbered from 0."
    )
    return np.arange(len(names))


def _note_lone_days(when: Any, rows: Rows, notes: list[str]) -> None:
    """Few rows years away from all others are likely to be misdated."""
    days = when.astype("datetime64[D]")  # in order
    gaps = np.flatnonzero(np.diff(days) > np.timedelta64(730, "D"))
    few = len(days) / 200
    early = [g for g in gaps if g + 1 <= few]
    late = [g for g in gaps if len(days) - g - 1 <= few]
    if early:
        notes.append(
            f"Years before all others: {_count(int(early[-1]) + 1, 'row')}, such as row {rows[0]} of "
            f"{days[0]}; give earliest='{days[early[-1] + 1]}' to refuse."
        )
    if late:
        notes.append(
            f"Years after all others: {_count(len(days) - int(late[0]) - 1, 'row')}, such as row "
            f"{rows[-1]} of {days[-1]}; give latest='{days[late[0]]}' to refuse."
        )


def _note_differences(ledger: _Ledger, read: Read, rows: Rows, notes: list[str]) -> None:
    """Amounts that are not quantity times price, as with a discount or a tax."""
    if not {"amount", "quantity", "price"} <= read.keys():
        return
    money, units, each = (read[role][0][rows] for role in ("amount", "quantity", "price"))
    with np.errstate(invalid="ignore"):
        off = np.abs(np.abs(money) - np.abs(units * each)) > np.maximum(0.011, 0.001 * np.abs(money))
    if off.any():
        first = rows[off].min()
        notes.append(
            f"In {_count(int(off.sum()), 'row')} the amount is not quantity times price (first in row "
            f"{ledger.table.row_numbers[first]}); the amount was used."
        )
