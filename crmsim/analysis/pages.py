"""The page of a report: sentences, figures and tables, set as HTML that works without a network.

Words shared by all functions here: `value`, a number or whatever a cell holds; `title` and `chinese`, a
heading in both languages. Those that write a value return plain text, and a dash for one that is missing.

A `Sheet` takes what one section of a report finds. Its figures and tables are written as files beside the
page as they come, so nothing large is kept. `page` sets the sheets under one title.
"""

from __future__ import annotations

import contextlib
import html
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

NONE = "–"
SPACE = "\N{NO-BREAK SPACE}"
NUMERIC = re.compile(rf"\u2212?[\d,.]+({SPACE}%)?|{NONE}")  # what a cell to the right holds
NUMBER = "<!--figure-->"  # where the number of a figure goes; no text of a page can hold it
Write = Callable[[Any], str]


# -- numbers as words -------------------------------------------------------------------------------


def _missing(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)


def _signed(text: str) -> str:
    """A true minus sign, and none before a zero."""
    if not any(digit in text for digit in "123456789"):
        text = text.lstrip("-")
    return text.replace("-", "\N{MINUS SIGN}", 1) if text.startswith("-") else text


def word(value: Any) -> str:
    """Any value as text; a dash where it is missing."""
    return NONE if _missing(value) else str(value)


def whole(value: Any) -> str:
    """An identity: a whole number without commas, or any other value as text."""
    return str(int(value)) if isinstance(value, float | int) and value == value else word(value)


def count(value: Any) -> str:
    """A whole number with commas."""
    return NONE if _missing(value) else _signed(f"{float(value):,.0f}")


def number(digits: int) -> Write:
    """A writer of numbers with so many decimals (`digits`)."""
    return lambda value: NONE if _missing(value) else _signed(f"{float(value):,.{digits}f}")


def percent(value: Any) -> str:
    """A share (0 to 1) in per cent: whole from 10 % on, else with a decimal, two below 1 %."""
    if _missing(value) or not math.isfinite(float(value)):
        return NONE
    x = 100 * float(value)
    digits = 0 if abs(x) >= 9.95 else 1 if abs(x) >= 0.995 or x == 0 else 2
    text = f"{x:.{digits}f}"
    return _signed(text.rstrip("0").rstrip(".") if "." in text else text) + SPACE + "%"


def tenth(value: Any) -> str:
    """A share (0 to 1) in per cent with one decimal."""
    return NONE if _missing(value) else number(1)(100 * float(value)) + SPACE + "%"


def fine(value: Any) -> str:
    """A share (0 to 1) in per cent with two decimals, such as a monthly rate."""
    return NONE if _missing(value) else number(2)(100 * float(value)) + SPACE + "%"


@dataclass(frozen=True)
class Money:
    """Writes amounts of money. `currency`: code such as EUR, or empty when it is not known."""

    currency: str = ""

    def __call__(self, value: Any) -> str:
        """An amount in a sentence: 1.23 million EUR, 12,345 EUR, 12.30 EUR."""
        if _missing(value) or not math.isfinite(float(value)):
            return NONE
        x = float(value)
        if abs(x) >= 1e9:
            text = f"{x / 1e9:,.2f} billion"
        elif abs(x) >= 1e6:
            text = f"{x / 1e6:,.2f} million"
        else:
            text = self.plain(x)
        return f"{_signed(text)} {self.currency}".strip()

    @staticmethod
    def plain(value: Any) -> str:
        """An amount in a table, whose head names the currency."""
        if _missing(value) or not math.isfinite(float(value)):
            return NONE
        x = float(value)
        return _signed(f"{x:,.0f}" if abs(x) >= 100 or abs(x) < 0.005 else f"{x:,.2f}")

    def head(self, text: str) -> str:
        """The head of a column of money: the `text`, and the currency after it."""
        return f"{text}, {self.currency}" if self.currency else text


def listed(words: Sequence[str]) -> str:
    """The `words` as a, b and c."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""


def many(number: int, one: str, several: str = "") -> str:
    """A `number` of things: 1 customer, 2,345 customers. several: the plural, with an s if not given."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


# -- one section -------------------------------------------------------------------------------------

Columns = Mapping[str, tuple[str, Write]]


@dataclass
class Sheet:
    """What one section finds. Files go to `folder`/figures and `folder`/tables.

    key: name of the section in addresses and file names. names: the customers' own ids, where the database
    has numbers for them. strict: let errors of the program through, for tests; errors in the data are told in
    words in any case. body, summary: HTML and sentences so far; figures, tables: names of the files written;
    stopped: why parts of it could not be made.
    """

    key: str
    title: str
    chinese: str
    folder: Path
    strict: bool = False
    names: Mapping[Any, str] = field(default_factory=dict)
    body: list[str] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)

    def say(self, *sentences: str) -> None:
        """A paragraph of findings."""
        self.body.append(f"<p>{_text(' '.join(sentences))}</p>")

    def find(self, *sentences: str) -> None:
        """A finding a reader should not miss."""
        self.body.append(f'<p class="finding">{_text(" ".join(sentences))}</p>')

    def stress(self, *sentences: str) -> None:
        """A finding that also stands in the summary at the top of the page."""
        self.summary.append(" ".join(sentences))
        self.find(*sentences)

    def list(self, lines: Sequence[str]) -> None:
        """A list of findings, the `lines`."""
        self.body.append("<ul>" + "".join(f"<li>{_text(line)}</li>" for line in lines) + "</ul>")

    def cannot(self, reason: str) -> None:
        """Say the `reason` why something cannot be made from these data."""
        self.body.append(f'<p class="cannot">{_text(reason)}</p>')

    def head(self, title: str, chinese: str = "") -> None:
        """A heading within the section."""
        self.body.append(f"<h3>{_heading(title, chinese)}</h3>")

    @contextlib.contextmanager
    def part(self, title: str = "", chinese: str = "") -> Iterator[None]:
        """A part of the section; when it fails, the page says so and goes on.

        What the package's models warn of is told at the end of the part. A full disk stops everything.
        """
        if title:
            self.head(title, chinese)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                yield
            except (OSError, MemoryError):
                raise
            except KeyError as error:
                names = re.findall(r"'([^']+)'", str(error)) or [str(error)]
                self._stop(f"The column {listed(names)} is missing; see the faults listed at the start.")
            except (ValueError, ImportError) as error:
                self._stop(f"This could not be computed: {str(error).strip().rstrip('.')}.")
            except Exception as error:
                if self.strict:
                    raise
                told = f"{type(error).__name__}: {error}"
                self._stop(f"A fault of the program stopped this part ({told}); the others do not need it.")
        messages = dict.fromkeys(str(each.message) for each in caught if each.category is RuntimeWarning)
        for message in messages:
            if message[:1].isupper():  # numpy's own begin small
                self.cannot(f"To be read with care: {message.rstrip('.')}.")

    def _stop(self, reason: str) -> None:
        self.stopped.append(reason)
        self.body.append(f'<p class="stopped">{_text(reason)}</p>')

    def figure(self, name: str, plot: str, *given: Any, **options: Any) -> bool:
        """A figure of `crmsim.plots`, drawn by the function called `plot`; False when there is none.

        name: of the file, without the ending. given, options: what the function takes. A figure that fails
        leaves a sentence; with `strict` a fault of the program is raised.
        """
        from .. import plots

        draw = getattr(plots, plot, None)
        if draw is None:
            return False
        try:
            axes = draw(*given, **options)
            file = f"{self.key}-{name}.png"
            alt = plots.words(axes)
            _save(axes, self.folder / "figures" / file, alt)
        except (OSError, MemoryError):
            raise
        except Exception as error:
            if self.strict and not isinstance(error, ValueError):
                raise
            self.cannot(f"A figure could not be drawn here: {str(error).rstrip('.')}.")
            return False
        self.figures.append(file)
        self.body.append(
            f'<figure id="{self.key}-{name}"><img src="figures/{file}" alt="{_attribute(alt)}">'
            f"<figcaption>{NUMBER}</figcaption></figure>"
        )
        return True

    def table(
        self, name: str, frame: pd.DataFrame, title: str, columns: Columns, *, rows: int = 12, note: str = ""
    ) -> None:
        """A table: `columns` of the frame with their heads and writers, the first `rows` rows.

        All rows and columns go to a CSV file beside the page, with the frame's own names. Customers are shown
        by their own ids, where these are known. note: a line below.
        """
        if self.names and "customer" in frame:
            own = frame["customer"].map(self.names)
            frame = frame.assign(own_id=own.fillna(frame["customer"].map(whole)))
            columns = {
                "own_id" if column == "customer" else column: about for column, about in columns.items()
            }
        file = f"{self.key}-{name}.csv"
        place = self.folder / "tables" / file
        place.parent.mkdir(parents=True, exist_ok=True)
        frame.to_csv(place, index=False, lineterminator="\n", encoding="utf-8-sig")
        self.tables.append(file)
        shown = frame.head(rows)
        # column by column, since a row would turn whole numbers into fractions
        texts = [[_text(write(x)) for x in shown[column]] for column, (_, write) in columns.items()]
        kinds = [
            " class=n" if write not in (word, whole) and all(map(NUMERIC.fullmatch, text)) else ""
            for text, (_, write) in zip(texts, columns.values(), strict=True)
        ]
        heads = "".join(
            f'<th scope="col"{kind}>{_text(head)}</th>'
            for kind, (head, _) in zip(kinds, columns.values(), strict=True)
        )
        lines = [
            "<tr>" + "".join(f"<td{k}>{x}</td>" for k, x in zip(kinds, row, strict=True)) + "</tr>"
            for row in zip(*texts, strict=True)
        ]
        more = f"The first {rows:,} of {len(frame):,} rows. " if len(frame) > rows else ""
        self.body.append(
            f'<div class="table"><table><caption>{_text(title)}</caption><thead><tr>{heads}</tr></thead>'
            f"<tbody>{''.join(lines)}</tbody></table>"
            f'<p class="under">{_text(note + " " if note else "")}{_text(more)}'
            f'<a href="tables/{file}">{file}</a></p></div>'
        )


def _save(axes: Any, path: Path, sentence: str) -> None:
    """A figure as PNG, without a date, so that the same data give the same file."""
    first = axes.flat[0] if hasattr(axes, "flat") else axes
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"Software": None, "Description": sentence}
    first.get_figure(root=True).savefig(path, format="png", metadata=metadata, facecolor="white")


def _text(text: str) -> str:
    return html.escape(text, quote=False)


def _attribute(text: str) -> str:
    return html.escape(text, quote=True)


def _heading(title: str, chinese: str) -> str:
    return _text(title) + (f' <span lang="zh" class="zh">{_text(chinese)}</span>' if chinese else "")


# -- the page ----------------------------------------------------------------------------------------

STYLE = """
:root { --ink: #1c1c1c; --grey: #5a5a5a; --line: #d9d9d9; --blue: #0a4d8c; }
* { box-sizing: border-box; }
html { font-size: 18px; }
body { margin: 0; color: var(--ink); background: #fff; line-height: 1.55;
  font-family: "Segoe UI", "Helvetica Neue", Arial, "Liberation Sans", "DejaVu Sans", "Noto Sans CJK SC",
    "Microsoft YaHei", "PingFang SC", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 2.1rem; line-height: 1.2; margin: 0 0 .4rem; }
h2 { font-size: 1.6rem; line-height: 1.25; margin: 3.5rem 0 1rem; padding-top: .8rem;
  border-top: 3px solid var(--blue); }
h3 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; }
.zh { color: var(--grey); font-weight: 400; font-size: .82em; margin-left: .35em; }
.lead, .under, figcaption, footer { color: var(--grey); }
p { margin: .6rem 0; max-width: 46rem; }
a { color: var(--blue); }
nav ol { columns: 2; column-gap: 2.5rem; padding-left: 1.4rem; margin: .6rem 0; }
nav a .zh { display: inline-block; } nav li { break-inside: avoid; margin: .15rem 0; }
.short { background: #f2f6fa; border-left: 6px solid var(--blue); padding: .8rem 1.4rem; margin: 1.6rem 0; }
.short h2 { border: 0; margin: .2rem 0 .4rem; padding: 0; font-size: 1.3rem; }
.short ul { margin: .4rem 0; padding-left: 1.2rem; } .short li { margin: .35rem 0; }
.finding { font-weight: 600; }
.cannot { color: var(--grey); border-left: 4px solid var(--line); padding-left: .9rem; }
.stopped { border-left: 4px solid #c2410c; padding-left: .9rem; }
figure { margin: 1.4rem 0; break-inside: avoid; }
figure img { width: 100%; height: auto; display: block; }
figcaption, .under { font-size: .82rem; }
.under { margin: .3rem 0 0; max-width: none; }
.table { margin: 1.4rem 0; overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; min-width: 50%; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .4rem; }
th { text-align: left; vertical-align: bottom; border-bottom: 2px solid var(--ink); font-weight: 600; }
th, td { padding: .28rem 1.1rem .28rem 0; } td { border-bottom: 1px solid var(--line); vertical-align: top; }
th.n, td.n { text-align: right; } td.n { white-space: nowrap; }
tr { break-inside: avoid; } th, td { word-break: keep-all; }
footer { margin-top: 4rem; border-top: 1px solid var(--line); padding-top: .8rem; font-size: .85rem; }
@media (max-width: 40rem) { html { font-size: 16px; } nav ol { columns: 1; } }
@media print {
  html { font-size: 11pt; } main { max-width: none; padding: 0; } h2, h3 { break-after: avoid; }
  caption { break-after: avoid; } a { color: inherit; text-decoration: none; } .short { background: none; }
  .short a { display: none; } @page { margin: 18mm 16mm; }
}
"""


def page(title: str, lead: str, sheets: Sequence[Sheet], foot: str) -> str:
    """The whole page as HTML: title, a line under it (`lead`), summary, contents, the sections, a foot."""
    summary = [(sheet.key, line) for sheet in sheets for line in sheet.summary]
    out = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>",
        f'<header><h1>{_text(title)}</h1>\n<p class="lead">{_text(lead)}</p></header>',
    ]
    if summary:
        lines = "\n".join(f'<li>{_text(line)} <a href="#{key}">more</a></li>' for key, line in summary)
        out.append(
            f'<section class="short"><h2>{_heading("In short", "摘要")}</h2>\n<ul>{lines}</ul></section>'
        )
    contents = "\n".join(f'<li><a href="#{s.key}">{_heading(s.title, s.chinese)}</a></li>' for s in sheets)
    out.append(f'<nav aria-label="Contents"><strong>Contents</strong><ol>{contents}</ol></nav>')
    figures = 0
    for k, sheet in enumerate(sheets, 1):
        body = []
        for block in sheet.body:
            if NUMBER in block:
                figures += 1
                block = block.replace(NUMBER, f"Figure {figures}")
            body.append(block)
        heading = f"{k}. {_heading(sheet.title, sheet.chinese)}"
        out.append(f'<section id="{sheet.key}">\n<h2>{heading}</h2>\n' + "\n".join(body) + "\n</section>")
    out.append(f"<footer>{_text(foot)}</footer>\n</main>\n</body>\n</html>\n")
    return "\n".join(out)
