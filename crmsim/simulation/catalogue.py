"""What is sold, and who the customers are on file: goods, purchases line by line, stock, static data.

The monthly engine knows what a customer spends, not on what. A catalogue says it afterwards: each purchase
is parted into lines of goods whose amounts add up to it exactly, the stock follows from the sales, and
every customer gets the static data (静态资料) that a firm keeps. All of it comes from keyed random numbers,
so a customer has the same tastes and the same age under every policy, and nothing of it acts back on the
world.

Margins, turnovers and shares are assumed. They are set so that margin rate, turnover, cross ratio and
contribution ratio put the goods of a catalogue in different orders, and so that the goods together earn
about the margin of the preset.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from .draws import LOW, Key, philox, uniform
from .scenario import District, Scenario
from .town import age, district_of, related, use

if TYPE_CHECKING:
    from .run import Run

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


class Purpose(IntEnum):
    """What a number of a catalogue decides. Never reuse one (see `draws`).

    Surveys have those below 523,000 (1,001 streams of 512), parts of purchases those from 2**20.
    """

    # The customer's own, at month 0; 600,001 and 600,007 are those of `town`.
    GENDER = 600_000
    HOUSEHOLD = 600_002
    INCOME = 600_003
    EMAIL = 600_004
    CONSENT = 600_005
    TASTE = 600_006
    METER_KIND = 600_008
    METER_AGE = 600_009
    READ_DAY = 600_010
    # A bill's, at its last month.
    READING = 600_012
    PAY_DAY = 600_013
    PAY_WAY = 600_014
    BILL_ERROR = 600_015
    # An event's that strikes many, and of each whom it struck.
    EVENT_KIND = 600_016
    EVENT_HOURS = 600_017
    EVENT_NOTICE = 600_018
    EXPOSED = 600_019
    # The customer's own, at month 0.
    HARDSHIP = 600_020
    # The k-th purchase of a month uses LINES + 8 k and the seven after it: how many lines and how uneven,
    # then which goods.
    LINES = 600_064


MAX_LINES = 4
LINE_SHARES = (0.45, 0.75, 0.90, 1.0)  # purchases with up to 1, 2, 3, 4 lines, where the money suffices
TASTE_EFFECT = 3.0  # a customer's favourite category sells to this customer so many times as easily
# Line amounts are multiples of this part of the money unit. A sum of such numbers below 2**33 is exact, in
# whatever order it is taken.
GRAIN = 2.0**-20
HISTORY = 3  # months of sales that an order of goods looks back on


class Product(NamedTuple):
    """One good, or one plan of a contract.

    price: in the money of the preset; of a plan in bills of a mean customer. margin: share of the list price.
    lead: days from order to delivery. popularity: how readily it is bought, relative to the others. cover:
    months of sales kept in stock; 0 for what is not stocked. most: pieces in a line at most. upto: for a
    plan, the usual bill up to which customers have it, in bills of a mean customer.
    """

    product: str
    english: str
    chinese: str
    category: str
    price: float
    margin: float
    lead: int = 0
    popularity: float = 0.0
    cover: float = 0.0
    most: int = 99
    upto: float = float("inf")


# Where the customers of a scenario without districts live, on file only.
TOWN = tuple(
    District(name=name, english=english, chinese=chinese, share=share)
    for name, english, chinese, share in (
        ("centre", "city centre", "市中心", 0.22),
        ("north", "northern district", "城北", 0.20),
        ("east", "eastern district", "城东", 0.18),
        ("south", "southern district", "城南", 0.16),
        ("west", "western district", "城西", 0.14),
        ("outside", "villages around", "周边乡镇", 0.10),
    )
)


class Catalogue(NamedTuple):
    """What one firm sells.

    typical: mean purchase that the prices belong to, money; a scenario whose customers spend otherwise has
    prices that are higher or lower in proportion. margin: margin that the goods together earn, if bought as
    in the preset. pieces: how many of one good a purchase rather holds than one dearer good. hardship: share
    of the households on the firm's register of those in need, by district; empty without a register.
    """

    products: tuple[Product, ...]
    typical: float = 1.0
    margin: float = 0.4
    pieces: float = 5.0
    hardship: Mapping[str, float] = {}


CATALOGUES = {
    "retail": Catalogue(
        (
            Product("coffee", "coffee beans", "咖啡豆", "grocery", 9.5, 0.32, 5, 10, 0.5),
            Product("tea", "tea", "茶叶", "grocery", 12.0, 0.47, 14, 6, 1.4),
            Product("snacks", "snacks", "零食", "grocery", 4.5, 0.36, 4, 10, 0.4),
            Product("detergent", "detergent", "洗衣液", "household", 8.9, 0.25, 7, 8, 0.8),
            Product("towels", "towels", "毛巾", "household", 14.9, 0.52, 30, 5, 2.5),
            Product("cookware", "cookware", "炊具", "household", 39.0, 0.45, 45, 3, 4.5),
            Product("lamp", "table lamp", "台灯", "household", 34.9, 0.49, 45, 2, 6.0),
            Product("shirt", "shirt", "衬衫", "clothing", 29.0, 0.55, 60, 5, 3.2),
            Product("jacket", "jacket", "外套", "clothing", 69.0, 0.58, 90, 3, 5.0),
            Product("toys", "toys", "玩具", "leisure", 19.5, 0.42, 40, 5, 2.8),
            Product("books", "books", "图书", "leisure", 16.0, 0.35, 10, 6, 1.8),
            Product("headphones", "headphones", "耳机", "electronics", 59.0, 0.22, 21, 4, 0.9),
        ),
        typical=35.24,
    ),
    "car_repair": Catalogue(
        (
            Product("wash", "car wash", "洗车", "maintenance", 18.0, 0.45, 0, 4, 0.0, 2),
            Product("wipers", "wipers and bulbs", "雨刮与灯泡", "parts", 28.0, 0.3, 3, 6, 1.0, 3),
            Product("diagnosis", "diagnosis", "故障诊断", "inspection", 60.0, 0.49, 0, 3, 0.0, 1),
            Product("tyre", "tyre", "轮胎", "parts", 85.0, 0.11, 10, 7, 2.0, 4),
            Product("oil_change", "oil change", "保养换油", "maintenance", 95.0, 0.3, 2, 10, 0.5, 1),
            Product("inspection", "yearly inspection", "年检", "inspection", 110.0, 0.4, 0, 5, 0.0, 1),
            Product("battery", "battery", "蓄电池", "parts", 130.0, 0.16, 5, 4, 1.2, 1),
            Product("air_conditioning", "air conditioning", "空调", "maintenance", 140.0, 0.36, 5, 3, 0.8, 1),
            Product("brakes", "brakes of an axle", "制动系统", "repair", 190.0, 0.26, 4, 6, 0.7, 2),
            Product("exhaust", "exhaust", "排气系统", "repair", 230.0, 0.21, 7, 3, 1.5, 1),
            Product(
                "bodywork", "paint and bodywork, a panel", "钣金喷漆", "repair", 290.0, 0.285, 8, 3, 0.3, 5
            ),
            Product("gearbox", "gearbox", "变速箱", "repair", 900.0, 0.165, 14, 2, 1.8, 1),
        ),
        typical=180.0,
        margin=0.35,
        pieces=1.5,
    ),
    "subscription": Catalogue(
        (
            Product("mini", "plan Mini", "轻量套餐", "plan", 0.2, 0.52, upto=0.35),
            Product("smart", "plan Smart", "标准套餐", "plan", 0.55, 0.46, upto=0.8),
            Product("plus", "plan Plus", "增强套餐", "plan", 1.1, 0.41, upto=1.6),
            Product("max", "plan Max", "尊享套餐", "plan", 2.6, 0.37),
        )
    ),
    "water_utility": Catalogue(
        (
            Product("tier_1", "first tier", "第一阶梯水价", "tariff", 0.85, 0.40, upto=1.29),
            Product("tier_2", "second tier", "第二阶梯水价", "tariff", 1.5, 0.40, upto=1.78),
            Product("tier_3", "third tier", "第三阶梯水价", "tariff", 2.1, 0.40),
        ),
        # .08 to .20 in the case of City A; which district has how many is assumed
        hardship={
            "old_town": 0.15,
            "highrise": 0.08,
            "new_town": 0.08,
            "suburb": 0.12,
            "urban_village": 0.20,
            "industrial": 0.10,
        },
    ),
}


def catalogue(scenario: Scenario) -> Catalogue:
    """The catalogue of a scenario: of the preset its name begins with (`water_utility_opened_england`), or
    that of a shop or a mobile telephone company."""
    for name, known in CATALOGUES.items():
        if f"{scenario.name}_".startswith(f"{name}_"):
            return known
    other = "subscription" if scenario.purchase.contract else "retail"
    return CATALOGUES[other]


class Goods(NamedTuple):
    """What was sold, in tables; see `data.schema` for the columns.

    `products`, `lines` (of purchases, in their order), `stock`, `profiles` (a row a customer, with `age` in
    years), `districts`, `segments`, `hardship` (customer, reason; a row for each household on the firm's
    register). Without a contract `profiles.plan` is missing; with one `lines` and
    `stock` are empty.
    """

    products: pd.DataFrame
    lines: pd.DataFrame
    stock: pd.DataFrame
    profiles: pd.DataFrame
    districts: pd.DataFrame
    segments: pd.DataFrame
    hardship: pd.DataFrame


def goods(run: Run, purchases: pd.DataFrame, prices: list[float]) -> Goods:
    """What was sold in a run, in lines, and the static data of its customers.

    purchases: those of `records.Records`, whose `number` counts within a customer's month. prices: level of
    prices by month, relative to the list.
    """
    known = catalogue(run.scenario)
    table = products(run.scenario)
    lines = _lines(run.key, known, table, purchases, np.asarray(prices))
    people = profiles(run)
    return Goods(
        products=table,
        lines=lines,
        stock=_stock(known, table, purchases, lines, run.scenario.population.months),
        profiles=people,
        hardship=hardship(run, people),
        districts=_districts(run.scenario),
        segments=pd.DataFrame(
            [(s.name, s.words, s.chinese) for s in run.scenario.segments],
            columns=pd.Index(["segment", "english", "chinese"]),
        ),
    )


def _districts(scenario: Scenario) -> pd.DataFrame:
    parts = scenario.districts or TOWN
    return pd.DataFrame(
        {
            "district": [d.name for d in parts],
            "english": [d.words for d in parts],
            "chinese": [d.chinese for d in parts],
            "pipe_age": pd.array([d.pipe_age or None for d in parts], dtype="Int32"),
            "secondary_supply": pd.array(
                [d.secondary_supply if d.pipe_age else None for d in parts], dtype="boolean"
            ),
        }
    )


def products(scenario: Scenario) -> pd.DataFrame:
    """The goods of a scenario: product, english, chinese, category, price and unit_cost (money), lead (days).

    Prices are in proportion to what a customer of the scenario spends, costs such that the goods earn its
    margin together.
    """
    known, purchase = catalogue(scenario), scenario.purchase
    if purchase.contract:
        factor = purchase.fee
    else:
        mean = purchase.spend_shape * purchase.spend_scale / (purchase.spend_heterogeneity - 1)
        factor = mean / known.typical
    if abs(factor - 1) < 0.01:
        factor = 1.0
    price = np.array([_three_digits(p.price * factor) for p in known.products])
    share = np.array([1 - p.margin for p in known.products]) * (1 - purchase.margin) / (1 - known.margin)
    lead = [p.lead if not purchase.contract else None for p in known.products]
    return pd.DataFrame(
        {
            **{name: [getattr(p, name) for p in known.products] for name in Product._fields[:4]},
            "price": price,
            "unit_cost": np.round(price * share, 4),
            "lead": pd.array(lead, dtype="Int32"),
        }
    )


def _three_digits(price: float) -> float:
    return float(f"{price:.3g}")


# -- lines -------------------------------------------------------------------------------------------


def _four(key: Key, purpose: Any, customer: Any, month: Any) -> list[Floats]:
    """The numbers in (0, 1) of a purpose that four divides and of the three after it, from one block."""
    who, when = np.asarray(customer, dtype=np.uint64), np.asarray(month, dtype=np.uint64)
    group = (np.asarray(purpose) // 4).astype(np.uint64)
    words = philox(
        who & LOW, who >> np.uint64(32), when, group, np.uint64(key.seed), np.uint64(key.replication)
    )
    return [((word >> np.uint64(9)).astype(np.float64) + 0.5) * 2.0**-23 for word in words]


def _lines(
    key: Key, known: Catalogue, table: pd.DataFrame, purchases: pd.DataFrame, prices: Floats
) -> pd.DataFrame:
    """Each purchase as lines of goods.

    The purchase's money, at list prices, is parted among one to four lines; a line takes a good whose price
    fits its part, and as many pieces as come nearest to it. What remains is a discount or a surcharge on the
    whole purchase: all its lines have the same ratio of price paid to list price.
    """
    customer = purchases["customer"].to_numpy(dtype=np.int64)
    month = purchases["month"].to_numpy(dtype=np.int64)
    amount = purchases["amount"].to_numpy(dtype=np.float64)
    order = np.argsort(table["price"].to_numpy(), kind="stable")
    price = table["price"].to_numpy()[order]
    budget = amount / prices[month] if len(amount) else amount
    k: Any = Purpose.LINES + 8 * purchases["number"].to_numpy(dtype=np.int64)
    count, *uneven = _four(key, k, customer, month)
    which = _four(key, k + 4, customer, month)

    number = np.searchsorted(LINE_SHARES, count) + 1
    number = np.clip((budget / (1.5 * price[0])).astype(np.int64), 1, number) if len(amount) else number
    # Uneven parts, the first of them the largest as a rule.
    weight = np.stack([np.ones(len(amount)), *(0.15 + 0.85 * u for u in uneven)], axis=1)
    weight[np.arange(MAX_LINES) >= number[:, None]] = 0.0
    part = weight / weight.sum(axis=1, keepdims=True) * budget[:, None]

    favourite = _tastes(key, known, customer, order)
    choice = np.stack(
        [_pick(known, order, price, part[:, j], favourite, which[j]) for j in range(MAX_LINES)], axis=1
    )
    for j in range(1, MAX_LINES):
        for i in range(j):  # the same good twice is one line
            same = (choice[:, i] == choice[:, j]) & (part[:, i] > 0)
            part[same, i] += part[same, j]
            part[same, j] = 0.0
    most = np.array([p.most for p in known.products])[order]
    pieces = np.clip(np.rint(part / price[choice]), 1, most[choice])
    pieces[part <= 0] = 0
    listed = pieces * price[choice]
    paid = _parts(amount, listed)

    row, column = np.nonzero(pieces)
    place = np.cumsum(pieces > 0, axis=1)[row, column]
    code = order[choice[row, column]]
    quantity = pieces[row, column]
    return pd.DataFrame(
        {
            "purchase": row,
            "line": place.astype(np.int32),
            "product": pd.Categorical.from_codes(code, categories=pd.Index(table["product"])),
            "quantity": quantity,
            "amount": paid[row, column],
            "cost": np.round(quantity * table["unit_cost"].to_numpy()[code], 4),
        }
    )


def _parts(amount: Floats, listed: Floats) -> Floats:
    """Amounts shared in proportion to `listed`, a column a line, so that every row adds up exactly."""
    paid = np.zeros_like(listed)
    if not len(amount):
        return paid
    total = listed.sum(axis=1)
    last = listed.shape[1] - 1 - np.argmax(listed[:, ::-1] > 0, axis=1)
    rest = amount.copy()
    for j in range(listed.shape[1]):
        share = np.minimum(np.rint(amount * listed[:, j] / total / GRAIN) * GRAIN, rest)
        paid[:, j] = np.where(j == last, rest, np.where(listed[:, j] > 0, share, 0.0))
        rest = rest - paid[:, j]
    return paid


def _tastes(key: Key, known: Catalogue, customer: Whole, order: Whole) -> tuple[Whole, Floats]:
    """The favourite category of each purchase's customer, and how readily goods sell to whom: a row a
    favourite, running sums over the goods by price."""
    categories = list(dict.fromkeys(p.category for p in known.products))
    own = np.array([categories.index(p.category) for p in known.products])[order]
    readily = np.array([p.popularity for p in known.products])[order]
    table = np.where(own == np.arange(len(categories))[:, None], TASTE_EFFECT, 1.0) * readily
    running = np.concatenate([np.zeros((len(categories), 1)), np.cumsum(table, axis=1)], axis=1)
    ids, where = np.unique(customer, return_inverse=True)
    u = np.asarray(uniform(key, Purpose.TASTE, ids, 0))
    return (u * len(categories)).astype(np.int64)[where], running


def _pick(
    known: Catalogue, order: Whole, price: Floats, part: Floats, favourite: tuple[Whole, Floats], u: Floats
) -> Whole:
    """A good for each part of a purchase, as a place among the goods by price.

    It costs at most a quarter more than the part, and few enough pieces make it up.
    """
    taste, running = favourite
    high = np.maximum(np.searchsorted(price, 1.25 * part, side="right"), 1)
    low = np.minimum(np.searchsorted(price, part / known.pieces), high - 1)
    found = np.zeros(part.size, dtype=np.int64)
    for t in range(len(running)):
        here = np.flatnonzero(taste == t)
        sums = running[t]
        start = sums[low[here]]
        want = start + u[here] * (sums[high[here]] - start)
        found[here] = np.clip(np.searchsorted(sums, want, side="right") - 1, low[here], high[here] - 1)
    return found


# -- stock -------------------------------------------------------------------------------------------


def _stock(
    known: Catalogue, table: pd.DataFrame, purchases: pd.DataFrame, lines: pd.DataFrame, months: int
) -> pd.DataFrame:
    """Stock at cost at the beginning and end of each month, and what was bought for it.

    Each month goods are ordered, in whole pieces, so that at its end there lies what `cover` months sold of
    late; stock that is too high is sold off. The firm never runs out: what customers buy does not depend
    on stock.
    """
    names = ["month", "product", "opening", "bought", "closing"]
    if not len(lines):
        return pd.DataFrame(columns=pd.Index(names))
    goods = len(table)
    month = purchases["month"].to_numpy()[lines["purchase"].to_numpy()]
    code = lines["product"].cat.codes.to_numpy(dtype=np.int64)
    sold = np.bincount(month * goods + code, lines["quantity"], months * goods).reshape(months, goods)
    cover = np.array([p.cover for p in known.products])
    stock = np.ceil(cover * sold[:HISTORY].mean(axis=0))
    opening, bought, closing = (np.zeros((months, goods)) for _ in range(3))
    for m in range(months):
        wanted = np.ceil(cover * sold[max(0, m - HISTORY + 1) : m + 1].mean(axis=0))
        opening[m] = stock
        bought[m] = np.maximum(wanted + sold[m] - stock, 0.0)
        stock = stock + bought[m] - sold[m]
        closing[m] = stock
    cost = table["unit_cost"].to_numpy()
    return pd.DataFrame(
        {
            "month": np.repeat(np.arange(months, dtype=np.int32), goods),
            "product": pd.Categorical.from_codes(
                np.tile(np.arange(goods), months), categories=pd.Index(table["product"])
            ),
            "opening": np.round(opening * cost, 4).ravel(),
            "bought": np.round(bought * cost, 4).ravel(),
            "closing": np.round(closing * cost, 4).ravel(),
        }
    )


# -- static data of customers ------------------------------------------------------------------------

GENDERS = ("female", "male")
AGE_GROUPS = ("18-29", "30-44", "45-59", "60-89")
AGE_EDGES = (30, 45, 60)
INCOMES = ("low", "middle", "high")
# Households of 1 to 6 people; a good part of the difference in what is used lies in it.
HOUSEHOLDS = (0.26, 0.56, 0.77, 0.92, 0.98, 1.0)
INCOME_SHARES = (0.3, 0.8, 1.0)
# Correlation of household size and of income, before they are rounded, with the log of what a customer uses
# or spends at a time.
HOUSEHOLD_EFFECT, INCOME_EFFECT = 0.35, 0.30
EMAIL = (0.85, 0.80, 0.65, 0.35)  # share whose e-mail is known, by age group
CONSENT = 0.6  # share of them who agreed to advertising


def profiles(run: Run) -> pd.DataFrame:
    """The static data (静态资料) of everyone who ever was a customer.

    customer, age (years, that of the surveys), age_group, gender, district, household (people), income,
    email_known, consent, plan (missing without a contract), segment (missing where the scenario has none).
    District and segment are those of the scenario, which customers live in (`town.Town`); without them the
    district has nothing to do with behaviour, as age and gender have not beyond the segment. Bigger and
    richer households use or spend a little more; the young leave their e-mail more often.
    """
    known, key = catalogue(run.scenario), run.key
    people = run.customers
    ids = people.index.to_numpy(dtype=np.int64)

    def draw(purpose: Purpose) -> Floats:
        return np.asarray(uniform(key, purpose, ids, 0)).reshape(ids.size)

    scenario = run.scenario
    scores = use(scenario, key, ids)
    years = age(key, ids).reshape(ids.size)
    group = np.searchsorted(AGE_EDGES, years, side="right")
    email = draw(Purpose.EMAIL) < np.asarray(EMAIL)[group]
    town, districts = scenario.town, scenario.districts or TOWN
    groups = town.groups(key, ids) if town else np.zeros(ids.size, dtype=np.int64)
    segment = town.segment[groups] if town and town.segments else np.full(ids.size, -1)
    if town and town.districts:
        district = town.district[groups]
    else:
        district = district_of([d.share for d in districts], key, ids)
    income = np.searchsorted(INCOME_SHARES, related(key, Purpose.INCOME, ids, scores, INCOME_EFFECT))
    people_at_home = related(key, Purpose.HOUSEHOLD, ids, scores, HOUSEHOLD_EFFECT)
    household = np.searchsorted(HOUSEHOLDS, people_at_home) + 1
    plan = np.full(ids.size, -1)
    if scenario.purchase.contract:
        edges = [p.upto for p in known.products[:-1]]
        plan = np.searchsorted(edges, people["usage"].to_numpy(dtype=np.float64))

    def words(codes: Any, names: Any) -> pd.Categorical:
        return pd.Categorical.from_codes(np.asarray(codes, dtype=np.int8), categories=pd.Index(names))

    return pd.DataFrame(
        {
            "customer": ids,
            "age": years,
            "age_group": words(group, AGE_GROUPS),
            "gender": words(draw(Purpose.GENDER) >= 0.5, GENDERS),
            "district": words(district, [d.name for d in districts]),
            "household": np.minimum(household, 6).astype(np.int32),
            "income": words(np.minimum(income, 2), INCOMES),
            "email_known": email,
            "consent": email & (draw(Purpose.CONSENT) < CONSENT),
            "plan": words(plan, [p.product for p in known.products]),
            "segment": words(segment, [s.name for s in scenario.segments]),
        }
    )


# How many times as often as in the district households of each income are on the register; their mean is one.
HARDSHIP_BY_INCOME = (2.0, 0.7, 0.25)
HARDSHIP = ("low_income", "old_age", "illness")
OLD_FROM = 60


def hardship(run: Run, people: pd.DataFrame) -> pd.DataFrame:
    """Households on the firm's register of those in need of help: customer, reason (`HARDSHIP`).

    people: as `profiles` gives them. The poor are on it more often; of the others the old for their age and
    the rest for illness. Being on it changes nothing that a customer lives. Empty without a register.
    """
    share = (
        people["district"].astype(str).map(catalogue(run.scenario).hardship).fillna(0.0).to_numpy(dtype=float)
    )
    income = people["income"].cat.codes.to_numpy()
    ids = people["customer"].to_numpy(dtype=np.int64)
    luck = np.asarray(uniform(run.key, Purpose.HARDSHIP, ids, 0)).reshape(ids.size)
    on = luck < share * np.asarray(HARDSHIP_BY_INCOME)[income]
    reason = np.where(income == 0, 0, np.where(people["age"].to_numpy() >= OLD_FROM, 1, 2))[on]
    words = pd.Categorical.from_codes(reason.astype(np.int8), categories=pd.Index(HARDSHIP))
    return pd.DataFrame({"customer": ids[on], "reason": words})
