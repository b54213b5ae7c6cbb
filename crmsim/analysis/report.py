"""A report on a customer database, for somebody who decides: HTML with figures, tables and sentences.

`write_report` asks every method of this room what the tables can tell. Each section is a function that
takes a `Sheet` and the firm's tables; it gives its findings in sentences with numbers, or says why it
cannot. A fault in one part leaves the others alone. Where the database is that of a simulation, the last
section lays the truth beside what was found.

Only the tables are read: a database imported from a file of purchases has a shorter report.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from ..data.schema import BY_NAME
from ..data.transactions import DataError
from . import sections_attitude as attitude
from . import sections_behaviour as behaviour
from . import sections_campaign, sections_value
from .firm import Firm, Settings
from .pages import Sheet, many, page, percent

if TYPE_CHECKING:
    from ..data.database import Database

__all__ = ["SECTIONS", "Firm", "Settings", "write_report"]


def write_report(
    database: Database,
    folder: str | Path,
    settings: Settings | None = None,
    *,
    only: Collection[str] | None = None,
    progress: bool = True,
    strict: bool = False,
) -> list[Sheet]:
    """Write the report into a folder: index.html, figures/*.png, tables/*.csv; gives the sections back.

    database: what is told of. folder: one that is not there, or empty; it is there when the report is whole,
    not before. settings: what the tables do not say, the usual values if not given. only: keys of the
    sections wanted (see `SECTIONS`), all by default; churn, campaign and truth know more after value, and
    truth after satisfaction. progress: a bar over the sections. strict: stop at a fault of the program, for
    tests (a fault in the data is told on the page). ValueError for a folder that holds something and for
    unknown sections, DataError for a file without any table of the customer database.
    """
    from tqdm.auto import tqdm

    if not set(database.tables) & set(BY_NAME):
        held = ", ".join(database.tables) or "no table"
        raise DataError(
            f"{database.path} holds none of the tables of a customer database, but {held}; "
            "`crmsim import` makes one of a file of purchases"
        )

    strange = sorted(set(only or ()) - {key for key, *_ in SECTIONS})
    if strange:
        raise ValueError(f"no section {strange[0]!r}; there are {', '.join(key for key, *_ in SECTIONS)}")
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is there and not empty; name a new folder for the report")
    part = folder.with_name(f".{folder.name}.report-part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        firm, sheets = Firm(database), []
        settings = settings or Settings()
        wanted = [section for section in SECTIONS if only is None or section[0] in only]
        with tqdm(wanted, disable=not progress, unit="section", leave=False) as bar:
            for key, title, chinese, section in bar:
                bar.set_description(title)
                sheet = Sheet(key, title, chinese, part, strict, firm.names)
                with sheet.part():
                    section(sheet, firm, settings)
                sheets.append(sheet)
        text = page(f"Customer report: {database.path.stem}", _lead(firm), sheets, _foot(firm, settings))
        (part / "index.html").write_text(text, encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        part.rename(folder)
        for sheet in sheets:
            sheet.folder = folder
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return sheets


def _lead(firm: Firm) -> str:
    about = firm.about
    if "scenario" in about:
        origin = f"Simulated: scenario {about['scenario']}, {about.get('policies', 'no policy')}, "
        origin += f"seed {about.get('seed', '?')}."
    else:
        origin = f"From {about['source']}." if "source" in about else f"From {firm.database.path.name}."
    if not firm.months:
        return origin
    last = firm.month(firm.months - 1)
    return f"{origin} {firm.month(0)} to {last}, {many(firm.months, 'month')}."


def _foot(firm: Firm, settings: Settings) -> str:
    from .. import __version__

    return (
        f"Made by crmsim {__version__} from {firm.database.path.name}. Assumed, since the tables do not "
        f"tell: {percent(settings.margin)} of revenue is kept as margin, money is discounted by "
        f"{percent(settings.discount_rate)} a month, value counts {many(settings.horizon, 'month')} ahead, "
        f"an offer costs {settings.offer_cost:g} of a mean bill or purchase. Intervals are 95 %."
    )


Section = Callable[[Sheet, Firm, Settings], None]
SECTIONS: tuple[tuple[str, str, str, Section], ...] = (
    ("file", "The file", "客户数据库", behaviour.file_section),
    ("composition", "Composition of the customers", "客户构成分析", behaviour.composition_section),
    ("products", "Sales and products", "产品销售构成与贡献分析", behaviour.products_section),
    ("rfm", "Recency, frequency, money", "RFM分析", behaviour.rfm_section),
    ("value", "Customer value", "客户价值", sections_value.value_section),
    ("churn", "Churn", "客户流失", behaviour.churn_section),
    ("campaign", "Offers and campaigns", "优惠与挽留活动", sections_campaign.campaign_section),
    ("satisfaction", "Satisfaction", "客户满意度", attitude.satisfaction_section),
    ("loyalty", "Loyalty", "客户忠诚", attitude.loyalty_section),
    ("service", "Service", "客户服务", attitude.service_section),
    ("truth", "The truth beside it", "与真实情况对照", attitude.truth_section),
)
"""The sections of the report in their order: key, title, title in Chinese, function."""
