"""Read a user's own transaction log, say what was refused and why, and sum it up per customer.

A log has one row a purchase: who, when, how much. :func:`read_transactions` takes it from a text file (CSV
and its kin) or a DataFrame; :func:`repeat_summary` turns it into the few numbers a customer that the value
models need. A row that cannot be used is counted and listed, never guessed at; a file that cannot be used
raises :class:`DataError`, which says what is wrong, where, and what to do.
"""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import difflib
import html
import io
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["DataError", "Transactions", "read_transactions", "repeat_summary"]

Texts = npt.NDArray[np.object_]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class DataError(ValueError):
    """A file or table that cannot be used. The message says what is wrong, where, and what to do."""


# --------------------------------------------------------------------------------------------------
# The result


@dataclass(frozen=True, eq=False, repr=False)
class Transactions:
    """A transaction log that was read, with what was refused.

    ``log``: one row a purchase, columns ``customer`` (text), ``date`` (datetime64) and ``amount`` (float,
    in the file's own currency; NaN throughout when read with ``amount=False``), sorted by customer and
    date.
    ``refused``: one row for each refused row, columns ``row`` (as a spreadsheet numbers it, the header
    being row 1; for a DataFrame the position from 0, so that ``frame.iloc[row]`` shows it), ``column``,
    ``value``, ``reason``. A row with several faults is listed under the first, so ``rows == len(log) +
    len(refused)``.
    ``notes``: what was guessed or is worth knowing, one sentence each.
    ``columns``: which column of the file was read as customer, date and amount.
    ``source``: name of the file; ``rows``: those it has.
    """

    log: pd.DataFrame
    refused: pd.DataFrame
    source: str
    rows: int
    columns: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> pd.Series:
        """Number of refused rows by reason, the most frequent first."""
        counts = self.refused["reason"].value_counts()
        counts.name = "rows"
        return counts

    @property
    def _span(self) -> str:
        dates = self.log["date"]
        return f"{dates.min():%Y-%m-%d} to {dates.max():%Y-%m-%d}"

    def report(self) -> str:
        """What was read, what was refused by reason, and the notes, as a few lines of plain text."""
        log = self.log
        lines = [
            f"{self.source}: {_count(self.rows, 'row')} read, {len(log):,} kept, "
            f"{len(self.refused):,} refused.",
            f"{_count(log['customer'].nunique(), 'customer')}, {self._span}"
            + ("." if log["amount"].isna().all() else f", total amount {log['amount'].sum():,.2f}."),
            "Columns: " + ", ".join(f"{role} = {name}" for role, name in self.columns.items()) + ".",
        ]
        if len(self.refused):
            first = self.refused.groupby("reason")["row"].min().to_dict()
            lines.append("Refused:")
            lines += [f"  {n:>8,}  {why} (first at row {first[why]:,})" for why, n in self.counts.items()]
        if self.notes:
            lines.append("Notes:")
            lines += [f"  - {note}" for note in self.notes]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return (
            f"Transactions({_count(len(self.log), 'purchase')} of "
            f"{_count(self.log['customer'].nunique(), 'customer')}, {self._span}; "
            f"{_count(len(self.refused), 'row')} refused)"
        )

    def _repr_html_(self) -> str:
        rows = [
            ("source", self.source),
            ("rows read", f"{self.rows:,}"),
            ("purchases kept", f"{len(self.log):,}"),
            ("customers", f"{self.log['customer'].nunique():,}"),
            ("dates", self._span),
            *((f"refused: {reason}", f"{n:,}") for reason, n in self.counts.items()),
        ]
        body = "".join(
            f"<tr><th>{html.escape(str(a))}</th><td>{html.escape(str(b))}</td></tr>" for a, b in rows
        )
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        return f"<table><tbody>{body}</tbody></table>" + (f"<ul>{notes}</ul>" if notes else "")


# --------------------------------------------------------------------------------------------------
# Columns known by name. A name is compared in lower case without spaces and punctuation, best name first.

_NAMES: dict[str, list[str]] = {
    role: " ".join(names).split()
    for role, names in {
        "customer": (
            "customerid custid customerno customernumber customercode customer cust clientid client memberid",
            "member userid user buyerid buyer accountid account cardno cardid",
            "客户编号 客户号 客户代码 客户id 客户 会员编号 会员号 会员卡号 会员id 会员",
            "顾客编号 顾客 用户编号 用户号 用户id 用户 户号 卡号 id",
        ),
        "date": (
            "date orderdate purchasedate transactiondate invoicedate saledate salesdate day datetime",
            "timestamp ordertime time 日期 交易日期 订单日期 购买日期 消费日期 销售日期 下单日期",
            "交易时间 订单时间 购买时间 消费时间 下单时间 时间",
        ),
        "amount": (
            "amount totalamount salesamount orderamount sales sale value ordervalue revenue total totalprice",
            "linetotal spend spent 金额 交易金额 订单金额 消费金额 购买金额 销售金额",
            "实付金额 支付金额 总金额 销售额 消费额 总价 总额",
        ),
        "price": ("unitprice price 单价 价格 售价",),
        "quantity": ("quantity qty units pieces 数量 件数",),
    }.items()
}
# Used only when no name above fits and exactly one column holds such a word.
_PARTS: dict[str, tuple[str, ...]] = {
    "customer": ("customer", "client", "cust", "member", "客户", "会员", "顾客", "用户"),
    "date": ("date", "day", "time", "日期", "时间"),
    "amount": ("amount", "sales", "value", "revenue", "spend", "金额", "销售额"),
}
# What exporters write for an empty cell.
_MISSING = frozenset({"", "nan", "nat", "null", "none", "na", "n/a", "#n/a", "<na>", "-", "--", "?"})


# Traditional characters of column names, and the simplified ones they are compared as.
_SIMPLIFIED = str.maketrans(
    "編號戶碼會員顧單價數額銷購買費時間產類別總實發訂貨幣種進稱帳賬項筆",
    "编号户码会员顾单价数额销购买费时间产类别总实发订货币种进称账账项笔",
)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name).casefold()).translate(_SIMPLIFIED)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _short(value: object, width: int = 60) -> str:
    text = str(value)
    return text if len(text) <= width else text[: width - 1] + "…"


@dataclass(frozen=True)
class _Table:
    """A file or a DataFrame, before anything is known of its columns."""

    source: str
    names: list[str] | None  # None: no header
    width: int
    row_numbers: npt.NDArray[np.int64]
    cells: list[list[str]] | pd.DataFrame
    misfit: Mask  # rows with too many cells, or too few to tell which is missing
    notes: list[str]
    nested: dict[int, str] = field(default_factory=dict)  # columns of lists or records, and their type

    def label(self, position: int) -> str:
        name = self.names[position].strip() if self.names is not None else ""
        return f"'{name}'" if name else f"column {position}"

    def texts(self, position: int) -> Texts:
        """The column as text, '' where missing."""
        out = np.empty(len(self.row_numbers), dtype=object)
        if isinstance(self.cells, pd.DataFrame):
            out[:] = _texts_of(self.cells.iloc[:, position])
        else:
            out[:] = [row[position] if position < len(row) else "" for row in self.cells]
        return out

    def typed(self, position: int) -> pd.Series | None:
        """The column of a DataFrame as it is; None for a file, where everything is text."""
        return self.cells.iloc[:, position] if isinstance(self.cells, pd.DataFrame) else None

    def shown(self, row: int) -> str:
        if isinstance(self.cells, pd.DataFrame):
            return _short(self.cells.iloc[row].tolist())
        return _short(" | ".join(self.cells[row]))

    def known(self) -> str:
        """The columns there are, for an error message."""
        if self.names is not None:
            return f"The columns are {_quoted(self.names)}."
        return f"There is no header; {self.width} columns, counted from 0; the first row is: {self.shown(0)}."


def _texts_of(column: pd.Series) -> list[str]:
    missing = column.isna().to_numpy()
    values = column.tolist()
    if pd.api.types.is_float_dtype(column.dtype):
        # pandas keeps whole numbers as 17850.0 in a column with gaps
        return ["" if m else (str(int(v)) if float(v).is_integer() else repr(float(v)))
                for v, m in zip(values, missing, strict=True)]  # fmt: skip
    return ["" if m else str(v) for v, m in zip(values, missing, strict=True)]


# --------------------------------------------------------------------------------------------------
# From bytes to cells


def _load(path: Path) -> bytes:
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a file. Name the file in it that holds the transactions.")
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        near: list[str] = []
        if path.parent.is_dir():
            near = difflib.get_close_matches(path.name, [p.name for p in path.parent.iterdir()], n=1)
        hint = f" Did you mean '{near[0]}'?" if near else " Check the name and the folder."
        raise DataError(f"There is no file {path}.{hint}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be opened: {error}.") from None
    if not raw.strip(b"\xef\xbb\xbf\xff\xfe \t\r\n\x00\x1a"):
        raise DataError(f"{path.name} is empty. Export the transactions again, one row a purchase.")
    return raw


_MAGIC = (
    (b"PK\x03\x04", "an Excel workbook or a zip archive",
     "save it as CSV, or read it with pandas.read_excel and pass the DataFrame"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "save it as CSV"),
    (b"PAR1", "a Parquet file", "read it with pandas.read_parquet and pass the DataFrame"),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"%PDF", "a PDF document", "ask for the data as CSV"),
)  # fmt: skip


def _decode(raw: bytes, encoding: str | None, name: str, notes: list[str]) -> str:
    if encoding is not None:
        try:
            return raw.decode(
                "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf8", "utf-8") else encoding
            )
        except LookupError:
            raise DataError(
                f"'{encoding}' is not the name of an encoding. Usual ones: utf-8, gb18030, cp1252, latin-1."
            ) from None
        except UnicodeError as error:
            raise DataError(
                f"{name} is not {encoding} ({_short(error, 120)}). Leave encoding out to have it guessed."
            ) from None
    for magic, what, advice in _MAGIC:
        if raw.startswith(magic):
            raise DataError(f"{name} looks like {what}, not like text: {advice}.")
    if raw[8:12] == b"DUCK":
        raise DataError(f"{name} is a DuckDB database, not a file of purchases: open it with Database.")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")):
        wide = raw.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff"))
        try:
            return raw.decode("utf-32" if wide else "utf-16")
        except UnicodeError:
            raise DataError(
                f"{name} starts like utf-16 text but is not. Save it again as CSV (UTF-8)."
            ) from None
    unmarked = _unmarked_utf16(raw)
    if unmarked is not None:
        notes.append("The file was read as UTF-16, of which it lacks the mark.")
        return unmarked
    if 0 < raw.count(0) <= max(1, len(raw) // 1000):
        # as some old programs leave here and there
        notes.append(f"Left out: {_count(raw.count(0), 'zero byte')}.")
        raw = raw.replace(b"\x00", b"")
    sample = raw[:1_000_000]
    control = len(re.findall(rb"[\x00-\x08\x0e-\x19\x1b-\x1f]", sample))
    if b"\x00" in sample or control > len(sample) / 100:
        raise DataError(
            f"{name} is not a text file (it holds control characters). Save the table as CSV (UTF-8); "
            "if it is text in a rare encoding, give encoding=, for instance encoding='utf-16-le'."
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeError:
        pass
    lenient = raw.decode("utf-8", "replace")
    damaged = lenient.count("\ufffd")
    if 20 * damaged < sum(not c.isascii() for c in lenient[:1_000_000]):
        notes.append(f"The file is UTF-8 with {_count(damaged, 'damaged character')}, shown as \ufffd.")
        return lenient.removeprefix("\ufeff")
    # Chinese text has its high bytes in pairs; a Western accent stands alone between letters.
    high = len(re.findall(rb"[\x80-\xff]", raw))
    paired = 2 * len(re.findall(rb"[\xa1-\xf7][\xa1-\xfe]", raw))
    guesses = ("gb18030", "cp1252") if 2 * paired >= high else ("cp1252",)
    for guess in guesses:
        try:
            text = raw.decode(guess)
        except UnicodeError:
            continue
        notes.append(f"The file is not UTF-8; it was read as {guess}. If names look wrong, give encoding=.")
        return text
    notes.append(
        "The file's encoding is unknown; it was read as latin-1. If names look wrong, give encoding=."
    )
    return raw.decode("latin-1")


def _unmarked_utf16(raw: bytes) -> str | None:
    """Text that has a zero byte in every other place, decoded; None for all else."""
    sample = np.frombuffer(raw[:100_000], dtype=np.uint8)
    zeros = np.flatnonzero(sample == 0)
    if len(zeros) <= len(sample) / 8:
        return None
    for guess, place in (("utf-16-le", 1), ("utf-16-be", 0)):
        if np.mean(zeros % 2 == place) > 0.99:
            with contextlib.suppress(UnicodeError):
                return raw.decode(guess)
    return None


_WHITESPACE = ("whitespace", r"\s+", " ")


def _split(text: str, separator: str) -> list[list[str]]:
    if separator == "whitespace":
        return [line.split() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))


def _guess_separator(text: str) -> str | None:
    head = text[:20_000]
    if len(text) > len(head):
        head = head[: max(head.rfind("\n"), head.rfind("\r")) + 1] or head
    fit: dict[str, tuple[float, int]] = {}
    for separator in ("\t", ";", "|", ",", "whitespace"):
        try:
            widths = Counter(len(row) for row in _split(head, separator) if any(row))
        except csv.Error:
            continue
        width, rows = max(widths.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
        if width > 1:
            fit[separator] = (rows / max(1, widths.total()), width)
    # A comma may be a decimal comma and a space may stand inside a cell, so the rarer marks come first.
    for least_width in (3, 2):
        for separator, (share, width) in fit.items():
            if share >= 0.9 and width >= (2 if separator in "\t;|" else least_width):
                return separator
    return max(fit, key=lambda s: fit[s][0]) if fit else None


_NUMERIC = re.compile(r"[-+(]?\s*[€$£¥￥]?\s*[-+]?\d[\d.,'\s]*\)?")


def _is_data(cell: str) -> bool:
    """A number or a date, which no header holds."""
    return bool(_NUMERIC.fullmatch(cell) or _Dates.matches(cell))


def _from_file(
    path: Path, encoding: str | None, separator: str | None, header: bool | None, skip: int
) -> _Table:
    notes: list[str] = []
    text, separator = _text_of(_load(path), path.name, encoding, separator, notes)
    return _from_text(text, path.name, separator, header, skip, notes)


def _text_of(
    raw: bytes, name: str, encoding: str | None, separator: str | None, notes: list[str]
) -> tuple[str, str]:
    """The text of a file, and what stands between its cells."""
    text = _decode(raw, encoding, name, notes).rstrip("\x1a")
    if not text.strip():
        raise DataError(
            f"{name} holds nothing but blanks. Export the transactions again, one row a purchase."
        )
    if re.match(r"\s*<(!doctype|html|table|\?xml)", text, re.IGNORECASE):
        raise DataError(
            f"{name} is a web page or XML, whatever its name: open it with a spreadsheet program and save "
            "the table as CSV (UTF-8)."
        )
    if re.match(r"\s*[\[{]\s*[\"{]", text):
        raise DataError(f"{name} looks like JSON: read it with pandas.read_json and pass the DataFrame.")
    # Excel writes, obeys and hides a first line "sep=;"
    directive = re.match(r'"?sep=([^"\r\n])"?\r?\n', text, re.IGNORECASE)
    if directive:
        text = text[directive.end() :]
        separator = separator or directive.group(1)
    if separator is None:
        separator = _guess_separator(text)
        if separator is None:
            raise DataError(
                f"{name} has one column only, or its separator is not comma, semicolon, tab, '|' or space. "
                f"Its first line is: {_short(text.split(maxsplit=1)[0])}. Give separator=, for instance ';'."
            )
    elif separator in _WHITESPACE:
        separator = "whitespace"
    elif len(separator) != 1 or separator in '"\r\n':
        raise DataError(f"separator={separator!r}: give one character, or 'whitespace'.")
    return text, separator


def _from_text(
    text: str, name: str, separator: str, header: bool | None, skip: int, notes: list[str]
) -> _Table:
    try:
        rows = _split(text, separator)
        if separator != "whitespace" and rows and any("\n" in c for c in rows[-1]) and text.count('"') % 2:
            # an opening quotation mark swallowed the rest of the file: read the marks as plain characters
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, quoting=csv.QUOTE_NONE)
            rows = [[cell.strip('"') for cell in row] for row in reader]
            notes.append("A quotation mark is never closed; quotation marks were read as plain characters.")
    except csv.Error as error:
        raise DataError(
            f"{name} cannot be split into cells ({error}). A quotation mark may be open: search the file "
            f'for a lone ", or give separator= if it is not {separator!r}.'
        ) from None
    lines = text.count("\n") or text.count("\r")
    if separator != "whitespace" and len(rows) < lines:
        notes.append(
            "Some cells hold line breaks inside quotation marks; row numbers count such a cell's row once."
        )
    return _from_rows(rows, name, header, skip, notes, gapless=separator == "whitespace")


def _from_rows(
    rows: list[list[str]], name: str, header: bool | None, skip: int, notes: list[str], gapless: bool = False
) -> _Table:
    """A table of rows of cells; `gapless` where a missing cell leaves no gap."""
    filled = [bool(row) and any(cell.strip() for cell in row) for row in rows]
    numbers = [i for i in range(skip, len(rows)) if filled[i]]
    if not numbers:
        raise DataError(f"{name} holds no rows" + (f" after the first {skip}." if skip else "."))
    gaps = numbers[-1] - numbers[0] + 1 - len(numbers)
    if gaps:
        notes.append(f"Skipped: {_count(gaps, 'empty row')}.")
    first = [cell.strip() for cell in rows[numbers[0]]]
    if header is None:
        header = not any(_is_data(cell) for cell in first)
    names = first if header else None
    if header:
        numbers = numbers[1:]
        if not numbers:
            raise DataError(f"{name} has a header ({_quoted(first)}) and no rows below it.")
    cells = [rows[i] for i in numbers]
    lengths = np.fromiter((len(row) for row in cells), dtype=np.int64, count=len(cells))
    width = len(first) if header else int(np.bincount(lengths).argmax())
    if gapless:
        # everything after a missing cell would be read one column off
        misfit = lengths != width
    else:
        misfit = lengths > width
        for i in np.flatnonzero(misfit):
            misfit[i] = any(cell.strip() for cell in cells[i][width:])
    return _Table(name, names, width, np.asarray(numbers, dtype=np.int64) + 1, cells, misfit, notes)


def _from_frame(frame: pd.DataFrame) -> _Table:
    if frame.empty:
        raise DataError("The DataFrame has no rows." if frame.shape[1] else "The DataFrame has no columns.")
    n = len(frame)
    names = [str(name) for name in frame.columns]
    return _Table("DataFrame", names, frame.shape[1], np.arange(n), frame, np.zeros(n, dtype=bool), [])


# --------------------------------------------------------------------------------------------------
# Which column is which


def _find(table: _Table, role: str, wanted: str | int) -> int:
    """The position of the column the user named; an error with the nearest name otherwise."""
    names = table.names
    if isinstance(wanted, (int, np.integer)) and not isinstance(wanted, bool):
        if 0 <= wanted < table.width:
            return int(wanted)
        raise DataError(
            f"{table.source}: {role}={wanted} is not a column; positions run from 0 to {table.width - 1}. "
            + table.known()
        )
    if not isinstance(wanted, str):
        raise DataError(f"{role}={wanted!r}: give a column's name, or its position counted from 0.")
    if names is not None:
        for same in (lambda name: name == wanted, lambda name: _plain(name) == _plain(wanted)):
            hits = [i for i, name in enumerate(names) if same(name)]
            if len(hits) == 1:
                return hits[0]
            if hits:
                raise DataError(
                    f"{table.source}: {len(hits)} columns are called '{wanted}' (positions "
                    f"{', '.join(map(str, hits))}). Give {role}= by position."
                )
    if wanted.isascii() and wanted.isdigit():
        return _find(table, role, int(wanted))
    if names is None:
        raise DataError(
            f"{table.source}: there is no column '{wanted}' because the first row is data. {table.known()} "
            f"Give {role}= by position, or header=True if the first row is a header after all."
        )
    nearest = max(names, key=lambda name: difflib.SequenceMatcher(None, _plain(wanted), _plain(name)).ratio())
    raise DataError(
        f"{table.source}: there is no column '{wanted}'. The nearest is '{nearest}'. {table.known()}"
    )


def _guess(table: _Table, role: str, taken: Sequence[int]) -> int | None:
    if table.names is None:
        return None
    plain = [_plain(name) for name in table.names]
    for known in _NAMES[role]:
        hits = [i for i, name in enumerate(plain) if name == known and i not in taken]
        if len(hits) > 1:
            raise DataError(
                f"{table.source}: {len(hits)} columns are called '{table.names[hits[0]]}' (positions "
                f"{', '.join(map(str, hits))}). Give {role}= by position."
            )
        if hits:
            return hits[0]
    hits = [
        i for i, name in enumerate(plain) if i not in taken and any(p in name for p in _PARTS.get(role, ()))
    ]
    if len(hits) > 1:
        raise DataError(
            f"{table.source}: several columns could be the {role}: {_quoted(table.names[i] for i in hits)}. "
            f"Say which with {role}=."
        )
    return hits[0] if hits else None


def _resolve(
    table: _Table,
    customer: str | int | None,
    date: str | int | None,
    amount: str | int | Literal[False] | None,
) -> tuple[int, int, tuple[int, ...]]:
    """Positions of customer, date and amount (two positions for price times quantity, none for
    amount=False).
    """
    if table.names is None and (customer is None or date is None or amount is None):
        raise DataError(
            f"{table.source}: {table.known()} Give the columns by position, for instance "
            "customer=0, date=2, amount=4."
        )
    found: dict[str, tuple[int, ...]] = {}
    for role, wanted in (("customer", customer), ("date", date), ("amount", amount)):
        if wanted is False and role == "amount":
            found[role] = ()
        elif wanted is not None:
            product = isinstance(wanted, str) and wanted.count("*") == 1 and wanted not in (table.names or ())
            parts = (
                [part.strip() for part in wanted.split("*")]
                if isinstance(wanted, str) and product
                else [wanted]
            )
            found[role] = tuple(_find(table, role, part) for part in parts)
    for role in ("customer", "date", "amount"):
        if role in found:
            continue
        taken = [i for positions in found.values() for i in positions]
        hit = _guess(table, role, taken)
        if hit is None and role == "amount":
            price, quantity = _guess(table, "price", taken), _guess(table, "quantity", taken)
            if price is not None:
                found[role] = (price,) if quantity is None else (price, quantity)
                continue
        if hit is None:
            hint = ", or amount=False if there is none" if role == "amount" else ""
            raise DataError(
                f"{table.source}: no column looks like the {role}. {table.known()} "
                f"Say which with {role}={hint}{_elsewhere(table)}."
            )
        found[role] = (hit,)
    used = Counter(i for positions in found.values() for i in positions)
    for position, times in used.items():
        if times > 1:
            raise DataError(
                f"{table.source}: {table.label(position)} was given for two things. {table.known()}"
            )
    return found["customer"][0], found["date"][0], found["amount"]


# --------------------------------------------------------------------------------------------------
# Dates


_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip


def _month(name: str) -> int:
    """1 to 12 for an English month's name, whole or cut (Jan, Sept); 0 for anything else."""
    return next((i for i, month in enumerate(_MONTHS, 1) if month.startswith(name.lower())), 0)


def _elsewhere(table: _Table) -> str:
    """Where the names of the columns may be, if they are not in the first row; the end of a sentence."""
    known = [set(_NAMES[role]) for role in ("customer", "date")]
    cells_of = table.cells
    rows = cells_of.iloc[:50].to_numpy().tolist() if isinstance(cells_of, pd.DataFrame) else cells_of[:50]
    for number, row in zip(table.row_numbers, rows, strict=False):
        cells = {_plain(str(cell)) for cell in row}
        if table.names is not None and all(cells & names for names in known):
            return f"; row {number} looks like the names of the columns: give skip={number - 1}"
    notes = "".join(
        f"; {note[0].lower()}{note[1:].rstrip('.')}" for note in table.notes if "read" in note.lower()
    )
    return ("; if the names stand further down, give skip=" if table.width == 1 else "") + notes


class _Dates:
    """Reads the distinct texts of one date column."""

    EIGHT = re.compile(r"(\d{4})(\d{2})(\d{2})(?:\.0)?")
    YEAR_FIRST = re.compile(r"(\d{4})\s*([-/.年])\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?")
    YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})")
    DAY_NAME = re.compile(
        r"(\d{1,2})(?:st|nd|rd|th)?[\s\-/.]*([a-z]{3,9})\.?[\s\-/.,]*(\d{4}|\d{2})", re.IGNORECASE
    )
    NAME_DAY = re.compile(r"([a-z]{3,9})\.?\s*(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})", re.IGNORECASE)
    CLOCK = re.compile(
        r"(.*?)(?:[T\s]+|(?<=日))(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?"
        r"\s*([ap]\.?m\.?)?\s*(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?",
        re.IGNORECASE,
    )
    UNREADABLE = np.datetime64("NaT", "us")

    def __init__(self, dayfirst: bool | None) -> None:
        self.dayfirst = dayfirst
        self.notes: list[str] = []

    @classmethod
    def matches(cls, cell: str) -> bool:
        patterns = (cls.EIGHT, cls.YEAR_FIRST, cls.YEAR_LAST, cls.DAY_NAME, cls.NAME_DAY, cls.CLOCK)
        return any(pattern.fullmatch(cell) for pattern in patterns)

    def read(self, texts: Sequence[str]) -> npt.NDArray[np.datetime64]:
        """datetime64[us] for each text, NaT where unreadable. Few days repeat over many clock times, so
        each day text is looked at once.
        """
        clock = np.zeros(len(texts), dtype="timedelta64[us]")
        days: dict[str, int] = {}
        which = np.empty(len(texts), dtype=np.int64)
        bad: list[int] = []
        zones = False
        for i, raw in enumerate(texts):
            text = raw.strip() if raw.isascii() else unicodedata.normalize("NFKC", raw).strip()
            if ":" in text:
                hit = self.CLOCK.fullmatch(text)
                if hit is None:
                    bad.append(i)
                else:
                    text, hour, minute, second, fraction, half, zone = hit.groups()
                    seconds = self._seconds(int(hour), int(minute), int(second or 0), half)
                    if seconds is None:
                        bad.append(i)
                    else:
                        micro = int((fraction or "0").ljust(6, "0")[:6])
                        clock[i] = np.timedelta64(seconds * 1_000_000 + micro, "us")
                    zones = zones or zone is not None
            which[i] = days.setdefault(text, len(days))
        out = (self._days(list(days))[which] + clock).astype("datetime64[us]")
        out[bad] = self.UNREADABLE
        if zones:
            self.notes.append("Time zones were left out: clock times are kept as written.")
        return out

    @staticmethod
    def _seconds(hour: int, minute: int, second: int, half: str | None) -> int | None:
        if half is not None:
            if not 1 <= hour <= 12:
                return None
            hour = hour % 12 + (12 if half[0] in "pP" else 0)
        return hour * 3600 + minute * 60 + second if hour < 24 and minute < 60 and second < 60 else None

    def _days(self, texts: list[str]) -> npt.NDArray[np.datetime64]:
        out = np.full(len(texts), self.UNREADABLE, dtype="datetime64[us]")
        open_order: list[tuple[int, int, int, str]] = []  # place, first number, second number, year
        two_digits = False
        for i, text in enumerate(texts):
            year: str | None = None
            month = day = 0
            if hit := self.EIGHT.fullmatch(text):
                year, month, day = hit[1], int(hit[2]), int(hit[3])
            elif hit := self.YEAR_FIRST.fullmatch(text):
                year, month, day = hit[1], int(hit[3]), int(hit[4])
            elif hit := self.YEAR_LAST.fullmatch(text):
                open_order.append((i, int(hit[1]), int(hit[3]), hit[4]))
                two_digits = two_digits or len(hit[4]) == 2
            elif hit := self.DAY_NAME.fullmatch(text):
                year, month, day = hit[3], _month(hit[2]), int(hit[1])
                two_digits = two_digits or len(hit[3]) == 2
            elif hit := self.NAME_DAY.fullmatch(text):
                year, month, day = hit[3], _month(hit[1]), int(hit[2])
            if year is not None:
                out[i] = self._date(year, month, day)
        if open_order:
            dayfirst = self._order(open_order, texts)
            for i, first, second, year in open_order:
                out[i] = self._date(year, second, first) if dayfirst else self._date(year, first, second)
        if two_digits:
            self.notes.append("Years of two digits were read as 1969 to 2068.")
        serial = [text for text in texts if re.fullmatch(r"[2-6]\d{4}(\.\d+)?", text)]
        if serial:
            self.notes.append(
                f"'{serial[0]}' and its like may be a spreadsheet's day numbers: format that column as a "
                "date (yyyy-mm-dd) and export again."
            )
        return out

    def _order(self, found: list[tuple[int, int, int, str]], texts: list[str]) -> bool:
        """Day before month? The whole column decides, unless the user said so."""
        if self.dayfirst is not None:
            return self.dayfirst
        day_first = [texts[i] for i, first, second, _ in found if 12 < first <= 31 and second <= 12]
        month_first = [texts[i] for i, first, second, _ in found if 12 < second <= 31 and first <= 12]
        if day_first and month_first:
            raise DataError(
                f"The dates mix two orders: '{day_first[0]}' can only be day first ({len(day_first):,} "
                f"such), '{month_first[0]}' only month first ({len(month_first):,}). Give dayfirst=True or "
                "dayfirst=False; dates that do not fit it are then refused and listed."
            )
        if not day_first and not month_first:
            self.notes.append(
                f"Dates such as '{texts[found[0][0]]}' do not show whether the day or the month comes first; "
                "they were read day first. Give dayfirst=False for month first."
            )
        return not month_first

    def _date(self, year: str, month: int, day: int) -> np.datetime64:
        y = int(year)
        if len(year) == 2:
            y += 2000 if y < 69 else 1900
        try:
            return np.datetime64(dt.date(y, month, day), "us") if 1900 <= y <= 2100 else self.UNREADABLE
        except ValueError:
            return self.UNREADABLE


# --------------------------------------------------------------------------------------------------
# Numbers


class _Numbers:
    """Reads the distinct texts of one column of numbers, deciding once what a comma means."""

    SIMPLE = re.compile(r"-?\d+(?:\.\d\d?)?")
    SIGN = (
        r"(?:US\$|HK\$|NT\$|[€$£¥₩₹₽]|USD|EUR|GBP|CNY|RMB|JPY|HKD|CHF|SEK|NOK|DKK|PLN|kr\.?|zł|人民币|元|圆)"
    )
    DRESSED = re.compile(rf"([-+]?)\s*{SIGN}?\s*([-+]?)\s*([\d.,]*\d[\d.,]*)\s*{SIGN}?\s*(-?)", re.IGNORECASE)
    GROUP_GAP = re.compile(r"(?<=\d)[ '\u2019](?=\d{3}(?!\d))")
    POWER = re.compile(r"[-+]?\d+(?:\.\d*)?e[-+]?\d+", re.IGNORECASE)
    READS: ClassVar = {
        ".": re.compile(r"(?:\d+|[1-9]\d{0,2}(?:,\d{2,3})*,\d{3})?(?:\.\d*)?"),
        ",": re.compile(r"(?:\d+|[1-9]\d{0,2}(?:\.\d{3})+)?(?:,\d*)?"),
    }
    LARGEST = 1e15  # beyond it a float no longer holds cents

    def __init__(self, decimal: str | None) -> None:
        if decimal not in (None, ".", ","):
            raise DataError(f"decimal={decimal!r}: give '.' or ','.")
        self.decimal = decimal
        self.notes: list[str] = []

    def read(self, texts: Sequence[str]) -> Floats:
        """A float for each text, NaN where unreadable."""
        out = np.full(len(texts), np.nan)
        waiting: list[tuple[int, float, str]] = []  # place, sign, digits with marks
        seen: dict[str, str] = {}  # decimal mark -> a text that can be read no other way
        for i, text in enumerate(texts):
            if self.SIMPLE.fullmatch(text):
                if "." not in text:
                    out[i] = float(text)
                    continue
                if self.decimal != ",":
                    out[i] = float(text)
                    seen.setdefault(".", text)
                continue
            bare = self._undress(text)
            if bare is None:
                if self.POWER.fullmatch(text.strip()):
                    out[i] = float(text)
                continue
            sign, digits = bare
            readings = [mark for mark, pattern in self.READS.items() if pattern.fullmatch(digits)]
            if len(readings) == 1:
                seen.setdefault(readings[0], text.strip())
            if readings:
                waiting.append((i, sign, digits))
        mixed = self.decimal is None and len(seen) == 2
        mark = self.decimal or ("," if set(seen) == {","} else ".")
        unclear = ""
        for i, sign, digits in waiting:
            readings = [m for m, pattern in self.READS.items() if pattern.fullmatch(digits)]
            if len(readings) == 2 and not digits.isdigit():
                unclear = unclear or texts[i].strip()
                if mixed:
                    continue
            use = readings[0] if mixed and len(readings) == 1 else mark
            if use in readings:
                out[i] = sign * self._value(digits, use)
        if mixed:
            self.notes.append(
                f"Amounts mix decimal marks ('{seen['.']}', '{seen[',']}'); each was read by its own form"
                + (f", and those like '{unclear}' that could be either were refused. " if unclear else ". ")
                + "Give decimal='.' or decimal=',' to settle it."
            )
        elif unclear and self.decimal is None and not seen:
            self.notes.append(
                f"Amounts such as '{unclear}' could be read two ways; the point was taken as the decimal "
                "mark. Give decimal=',' if it is the comma."
            )
        out[~(np.abs(out) < self.LARGEST)] = np.nan
        return out

    def _undress(self, raw: str) -> tuple[float, str] | None:
        """Sign and digits with their marks, without currency, brackets and gaps between thousands."""
        text = unicodedata.normalize("NFKC", raw).replace("\u2212", "-").replace("￥", "¥").strip()
        negative = text.startswith("(") and text.endswith(")")
        if negative:
            text = text[1:-1].strip()
        hit = self.DRESSED.fullmatch(self.GROUP_GAP.sub("", text))
        if hit is None:
            return None
        signs = [mark for mark in (hit[1], hit[2], hit[4]) if mark]
        if len(signs) + negative > 1:
            return None
        return (-1.0 if negative or "-" in signs else 1.0), hit[3]

    @staticmethod
    def _value(digits: str, mark: str) -> float:
        other = "," if mark == "." else "."
        return float(digits.replace(other, "").replace(mark, "."))


def _read_numbers(table: _Table, position: int, reader: _Numbers) -> tuple[Floats, Mask, Texts]:
    """Values (NaN where missing or unreadable), which are missing, and the cells as text."""
    texts = table.texts(position)
    typed = table.typed(position)
    if typed is not None and pd.api.types.is_numeric_dtype(typed.dtype) and typed.dtype.kind != "c":
        numbers = typed.to_numpy(dtype=float, na_value=np.nan).copy()
        missing = np.isnan(numbers)
        numbers[~np.isfinite(numbers)] = np.nan
        return numbers, missing, texts
    codes, distinct = pd.factorize(texts)
    empty = np.array([t.strip().casefold() in _MISSING for t in distinct], dtype=bool)
    return reader.read(list(distinct))[codes], empty[codes], texts


def _read_dates(
    table: _Table, position: int, dayfirst: bool | None, notes: list[str]
) -> tuple[npt.NDArray[np.datetime64], Mask, Texts]:
    """Dates (NaT where missing or unreadable), which are missing, and the cells as text."""
    texts = table.texts(position)
    typed = table.typed(position)
    if typed is not None and pd.api.types.is_datetime64_any_dtype(typed.dtype):
        if typed.dt.tz is not None:
            notes.append("Time zones were left out: clock times are kept as written.")
            typed = typed.dt.tz_localize(None)
        return typed.to_numpy(dtype="datetime64[us]"), typed.isna().to_numpy(), texts
    codes, distinct = pd.factorize(texts)
    empty = np.array([t.strip().casefold() in _MISSING for t in distinct], dtype=bool)
    reader = _Dates(dayfirst)
    try:
        dates = reader.read(list(distinct))
    except DataError as error:
        raise DataError(f"{table.source}, column {table.label(position)}: {error}") from None
    notes += reader.notes
    return dates[codes], empty[codes], texts


def _read_customers(table: _Table, position: int, notes: list[str]) -> tuple[npt.NDArray[np.int64], Texts]:
    """For each row the rank of its customer (-1: missing), and the distinct ids in that order."""
    codes, distinct = pd.factorize(table.texts(position))
    ids = [text.strip() for text in distinct]
    known = [text for text in ids if text.casefold() not in _MISSING]
    if known and all(re.fullmatch(r"\d+\.0", text) for text in known):
        # what pandas writes for whole numbers in a column with gaps
        ids = [text.removesuffix(".0") for text in ids]
        notes.append("Customer ids such as '17850.0' were read as '17850'.")
    names = np.array(sorted({text for text in ids if text.casefold() not in _MISSING}), dtype=object)
    rank = {text: i for i, text in enumerate(names)}
    return np.array([rank.get(text, -1) for text in ids], dtype=np.int64)[codes], names


# --------------------------------------------------------------------------------------------------
# The reader


def read_transactions(
    path_or_frame: str | os.PathLike[str] | pd.DataFrame,
    customer: str | int | None = None,
    date: str | int | None = None,
    amount: str | int | Literal[False] | None = None,
    *,
    encoding: str | None = None,
    separator: str | None = None,
    header: bool | None = None,
    skip: int = 0,
    dayfirst: bool | None = None,
    decimal: str | None = None,
    duplicates: Literal["keep", "drop"] = "keep",
    zeros: Literal["keep", "drop"] = "keep",
) -> Transactions:
    """Read a transaction log, one row a purchase, and keep what can be used.

    ``path_or_frame``: a text file (comma, semicolon, tab, ``|`` or whitespace between cells) or a
    DataFrame.
    ``customer``, ``date``, ``amount``: a column's name, or its position **counted from 0** (also as text,
    ``"2"``). Left out, they are guessed by name in English and Chinese. ``amount`` may be a product,
    ``"price*quantity"`` (guessed too when there is no amount), or ``False`` for a log without money. A file
    without a header needs all three by position.
    ``encoding``: guessed among UTF-8 (with or without its mark), UTF-16 with a mark, GB18030, cp1252 and
    latin-1.
    ``separator``: one character or ``"whitespace"``; guessed from the first lines.
    ``header``: whether the first row holds names; guessed (a header holds no number and no date).
    ``skip``: rows above the header or the first row of data to leave out, such as a title.
    ``dayfirst``: order of dates such as 03/04/2024. One value that can only be read one way settles the
    whole column; values of both kinds are an error; when nothing settles it the day comes first, with a
    note. Dates that begin with the year (2024-01-31, 20240131, 2024年1月31日) are never in doubt. Years run
    from 1900 to 2100.
    ``decimal``: ``"."`` or ``","``; guessed for the whole column, the point when nothing settles it. Where a
    column mixes both, each value is read by its own form and one that could be either (1,234) is refused.
    Currency signs, brackets for negatives and marks between thousands are understood.
    ``duplicates``: rows equal in customer, date and amount. They are kept and counted, because they are
    often real: a day's log has no clock time, and CDNOW's customers do buy the same thing twice in a day.
    ``"drop"`` keeps the first of each and lists the others; use it when an export was appended twice.
    ``zeros``: purchases of amount 0 (gifts, vouchers) are kept and counted; ``"drop"`` refuses them.

    A row is refused, and listed with its reason, for: missing customer id, missing or unreadable date,
    missing or unreadable amount, negative amount (a return is not a purchase), a number of cells that does
    not fit. ``DataError`` (a ``ValueError``) is raised when the file or the columns cannot be used, or when
    no row can.
    """
    if duplicates not in ("keep", "drop"):
        raise DataError(f"duplicates={duplicates!r}: give 'keep' or 'drop'.")
    if not isinstance(skip, int) or skip < 0:
        raise DataError(f"skip={skip!r}: give the number of rows to leave out at the top.")
    if zeros not in ("keep", "drop"):
        raise DataError(f"zeros={zeros!r}: give 'keep' or 'drop'.")
    if isinstance(path_or_frame, pd.DataFrame):
        table = _from_frame(path_or_frame)
    elif isinstance(path_or_frame, (str, os.PathLike)):
        table = _from_file(Path(path_or_frame).expanduser(), encoding, separator, header, skip)
    else:
        raise DataError(f"Give a path or a DataFrame; this is of type {type(path_or_frame).__name__}.")
    customer_at, date_at, amount_at = _resolve(table, customer, date, amount)
    notes = table.notes
    who, names = _read_customers(table, customer_at, notes)
    when, no_date, date_texts = _read_dates(table, date_at, dayfirst, notes)
    n = len(who)

    reader = _Numbers(decimal)
    parts = [_read_numbers(table, position, reader) for position in amount_at]
    notes += dict.fromkeys(reader.notes)
    amount_label = " * ".join(table.label(position) for position in amount_at) or "none"
    if parts:
        money = np.multiply.reduce([values for values, _, _ in parts])
        money += 0.0  # no minus zero
        no_amount = np.logical_or.reduce([missing for _, missing, _ in parts])
        unreadable_amount = np.isnan(money)
    else:
        money, no_amount = np.full(n, np.nan), np.zeros(n, dtype=bool)
        unreadable_amount = no_amount
    if len(amount_at) == 1 and amount is None and _plain(table.label(amount_at[0])) in _NAMES["price"]:
        notes.append(
            f"There is no amount and no quantity: {amount_label} was taken as the amount of the purchase."
        )

    def amount_text(row: int) -> str:
        return " * ".join(str(texts[row]) for _, _, texts in parts)

    labels = {"customer": table.label(customer_at), "date": table.label(date_at), "amount": amount_label}
    fault = np.zeros(n, dtype=np.int8)
    faults: list[tuple[str, str]] = [("", "")]  # column, reason

    def refuse(where: Mask, column: str, reason: str) -> None:
        fault[(fault == 0) & where] = len(faults)
        faults.append((column, reason))

    refuse(table.misfit, "", "number of cells does not fit")
    refuse(who < 0, "customer", "missing customer id")
    refuse(no_date, "date", "missing date")
    refuse(np.isnat(when), "date", "unreadable date")
    refuse(no_amount, "amount", "missing amount")
    refuse(unreadable_amount, "amount", "unreadable amount")
    refuse(money < 0, "amount", "negative amount")
    if zeros == "drop":
        refuse(money == 0, "amount", "zero amount")
    good = fault == 0
    repeated = np.zeros(n, dtype=bool)
    repeated[good] = pd.DataFrame({"c": who[good], "d": when[good], "a": money[good]}).duplicated().to_numpy()
    if duplicates == "drop":
        refuse(repeated, "", "exact duplicate")
        good = fault == 0
    elif repeated.any():
        notes.append(
            f"{_count(int(repeated.sum()), 'exact duplicate')} (customer, date, amount as in an earlier "
            "row), kept. Give duplicates='drop' if the export holds rows twice."
        )
    n_zero = int((money[good] == 0).sum())
    if n_zero:
        notes.append(f"{_count(n_zero, 'purchase')} of amount 0, kept.")

    def cell(row: int) -> str:
        column = faults[fault[row]][0]
        if column == "date":
            return _short(date_texts[row])
        if column == "amount":
            return _short(amount_text(row))
        return "" if column == "customer" else table.shown(row)

    bad = np.flatnonzero(~good)
    refused = pd.DataFrame(
        {
            "row": table.row_numbers[bad],
            "column": pd.Series([labels.get(faults[f][0], "").strip("'") for f in fault[bad]], dtype="str"),
            "value": pd.Series([cell(int(row)) for row in bad], dtype="str"),
            "reason": pd.Series([faults[f][1] for f in fault[bad]], dtype="str"),
        }
    )
    if not good.any():
        reasons = ", ".join(
            f"{count:,} {reason}" for reason, count in refused["reason"].value_counts().items()
        )
        row = refused.iloc[0]
        raise DataError(
            f"{table.source}: no row can be used of {n:,} ({reasons}). For instance row {row['row']}: "
            f"'{row['value']}'. The columns read were " + ", ".join(f"{k} = {v}" for k, v in labels.items())
            + "; give customer=, date= or amount= if that is wrong. " + " ".join(notes)
        )  # fmt: skip
    keep = np.flatnonzero(good)
    keep = keep[np.lexsort((when[keep], who[keep]))]
    log = pd.DataFrame(
        {"customer": pd.Series(names[who[keep]], dtype="str"), "date": when[keep], "amount": money[keep]}
    )
    return Transactions(log, refused, table.source, n, labels, tuple(notes))


# --------------------------------------------------------------------------------------------------
# One row a customer

_DAYS = {"D": 1.0, "W": 7.0, "M": 365.25 / 12}


def _moment(value: str | dt.date | pd.Timestamp, name: str) -> pd.Timestamp:
    try:
        moment = pd.Timestamp(value)
    except (ValueError, TypeError):
        moment = None
    if moment is None or pd.isna(moment):
        raise DataError(f"{name}={value!r} is not a date; write it as '1997-09-30'.")
    return moment.tz_localize(None).normalize()


def repeat_summary(
    log: pd.DataFrame | Transactions,
    unit: Literal["D", "W", "M"] = "W",
    until: str | dt.date | pd.Timestamp | None = None,
    calibration_end: str | dt.date | pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Frequency, recency, age and mean value of each customer, as the BG/NBD and gamma-gamma models take
    them.

    ``log``: a :class:`Transactions` or a table with columns ``customer``, ``date``, ``amount``.
    ``unit``: time unit of the result, ``"D"`` days, ``"W"`` weeks of 7 days (fractions kept) or ``"M"``
    months of 365.25 / 12 days. ``until``: last day observed, included; the last date in the log when left
    out.
    ``calibration_end``: last day, included, of the period to fit on; what follows, up to ``until``, is held
    out.

    Purchases on one day count as one, with their amounts added, as is usual for these models. Returned is a
    frame indexed by ``customer`` (those whose first purchase falls in the period), with columns

    * ``frequency``: number of repeat purchases, that is days with a purchase after the first such day;
    * ``recency``: time from the first to the last purchase, 0 without a repeat;
    * ``T``: time from the first purchase to the end of the period;
    * ``monetary_value``: mean amount of the repeat purchases (the first is left out), NaN without a repeat;
    * ``first``: date of the first purchase;

    and, with ``calibration_end``, ``holdout_frequency`` (days with a purchase in the held-out time),
    ``holdout_T`` (its length) and ``holdout_monetary_value`` (mean amount there, NaN without a purchase).
    Definitions as in Fader, Hardie & Lee (2005), "Counting your customers" the easy way, Marketing Science
    24(2). ``DataError`` for a table without those columns, with missing values, or with nothing in the
    period.
    """
    table = log.log if isinstance(log, Transactions) else log
    lacking = [name for name in ("customer", "date", "amount") if name not in table.columns]
    if lacking:
        raise DataError(
            f"The log lacks {_quoted(lacking)}; it has {_quoted(map(str, table.columns))}. "
            "read_transactions() gives a log with the right columns."
        )
    if unit not in _DAYS:
        raise DataError(f"unit={unit!r}: give 'D' (days), 'W' (weeks) or 'M' (months).")
    if not pd.api.types.is_datetime64_any_dtype(table["date"].dtype):
        raise DataError("The log's dates are not datetimes; read_transactions() converts them.")
    if table["customer"].isna().any() or table["date"].isna().any():
        raise DataError("The log has missing customers or dates; read_transactions() sorts such rows out.")
    if table.empty:
        raise DataError("The log is empty.")
    day = table["date"].dt.tz_localize(None).dt.normalize()
    end = day.max() if until is None else _moment(until, "until")
    split = end if calibration_end is None else _moment(calibration_end, "calibration_end")
    if split > end or (calibration_end is not None and split == end):
        raise DataError(
            f"calibration_end {split:%Y-%m-%d} must come before the end of the log, {end:%Y-%m-%d}."
        )
    if day.min() > split:
        raise DataError(f"No purchase by {split:%Y-%m-%d}: the log begins on {day.min():%Y-%m-%d}.")

    visits = pd.DataFrame({"customer": table["customer"], "day": day, "amount": table["amount"]})
    visits = visits[visits["day"] <= end]
    # min_count keeps a day without a known amount at NaN rather than 0
    visits = visits.groupby(["customer", "day"], sort=True)["amount"].sum(min_count=1).reset_index()
    fit = visits[visits["day"] <= split]
    groups = fit.groupby("customer", sort=True)
    first = groups["day"].min()
    again = fit[fit["customer"].duplicated()]
    out = pd.DataFrame(
        {
            "frequency": groups.size() - 1,
            "recency": (groups["day"].max() - first).dt.days / _DAYS[unit],
            "T": (split - first).dt.days / _DAYS[unit],
            "monetary_value": again.groupby("customer")["amount"].mean().reindex(first.index),
            "first": first,
        }
    )
    if calibration_end is not None:
        later = visits[visits["day"] > split].groupby("customer")["amount"]
        out["holdout_frequency"] = later.size().reindex(out.index, fill_value=0)
        out["holdout_T"] = (end - split).days / _DAYS[unit]
        out["holdout_monetary_value"] = later.mean().reindex(out.index)
    return out
