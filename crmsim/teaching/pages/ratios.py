"""What each product earns: margin, turnover, cross ratio and both contribution ratios, with a what-if."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
import pandas as pd

from ...analysis import portfolio
from ...datasets import load_dataset
from ...plots.style import GREY, OKABE_ITO
from ..controls import Choice, Group, Number
from ..page import Card, Page
from ..picture import Picture
from ..words import Pair
from ..worker import Task

DATA = "retail"
# cross ratios that have a curve, as far as they lie in the picture
CURVES = (0.25, 0.5, 1, 2, 4, 8, 16, 32)
CHOSEN = "#A63F00"
TICKS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200)
# the axes of the picture in points, to place names by
WIDE, TALL = 280.0, 290.0

TEXT: dict[str, Pair] = {
    "margin": ("Gross margin rate (毛利率)", "毛利率"),
    "turnover": ("Turnover (周转率)", "周转率"),
    "cross": ("Cross ratio (交叉比率)", "交叉比率"),
    "all": ("all products; was {before}", "全部产品；原为 {before}"),
    "times": ("{x:.2f} times", "{x:.2f}次"),
    "rank": ("{product}: contribution", "{product}：贡献比率"),
    "rank_value": ("rank {rank}", "第{rank}名"),
    "rank_detail": ("was {before}; by the other version {other}", "原第{before}名；按另一种算法第{other}名"),
    "percent": ("{share:.1%}", "{share:.1%}"),
    "title": (
        "Cross ratio: {best} first, {worst} last",
        "交叉比率最高：{best}；最低：{worst}",
    ),
    "x": ("turnover, times a year", "周转率，次/年"),
    "y": ("gross margin rate, %", "毛利率，%"),
    "curve": ("cross {cross:g}", "交叉 {cross:g}"),
    "h_product": ("product 产品", "产品"),
    "h_mix": ("mix 销售构成比 %", "销售构成比 %"),
    "h_margin": ("margin 毛利率 %", "毛利率 %"),
    "h_turnover": ("turns 周转率", "周转率"),
    "h_cross": ("cross 交叉比率", "交叉比率"),
    "h_contribution": ("contr. 贡献比率 %", "贡献比率 %"),
    "h_a": ("rank (a)", "排名 (a)"),
    "h_b": ("rank (b)", "排名 (b)"),
    "caption": (
        "(a) cross ratio × mix, (b) margin rate × mix; ▲▼ places against the record",
        "(a) 交叉比率×构成比，(b) 毛利率×构成比；▲▼ 为相对记录的名次变化",
    ),
    "still": (
        "{best} contributes most by version ({version}), {value:.1%}; {n} of {all} products stand at "
        "another rank "
        "by the other version.",
        "按算法({version})，{best}贡献最大，{value:.1%}；{all}种产品中有{n}种在另一种算法下名次不同。",
    ),
    "moved": (
        "With price {price:+.0f} % and stock {stock:+.0f} %, {product} goes from a cross ratio of "
        "{cross0:.2f} to "
        "{cross1:.2f} and {word}. ",
        "价格{price:+.0f}%、库存{stock:+.0f}%时，{product}的交叉比率由{cross0:.2f}变为{cross1:.2f}，{word}。",
    ),
    "rises": ("rises from rank {a} to {b}", "名次由第{a}升至第{b}"),
    "falls": ("falls from rank {a} to {b}", "名次由第{a}降至第{b}"),
    "stays": ("keeps rank {a}", "名次仍为第{a}"),
    "foot": (
        "Data set {data}, {year}, {customers:,} customers, seed {seed}, money in {currency}; stock at "
        "{valuation}, "
        "the mean of opening and closing; records in full, no sample",
        "数据集 {data}，{year}年，{customers:,}名客户，种子{seed}，货币 {currency}；库存按{valuation}计，"
        "取期初与"
        "期末平均；为全部记录，非抽样",
    ),
    "at_cost": ("cost", "成本价"),
    "at_price": ("selling price", "售价"),
}  # fmt: skip


class Ratios(NamedTuple):
    """What `compute` found: products as they were and as they would be, ranked by either version."""

    before: portfolio.ProductRatios
    after: portfolio.ProductRatios
    # ranks by product, columns a and b
    ranks_before: pd.DataFrame
    ranks: pd.DataFrame
    values: dict[str, Any]


class RatioTable(Page):
    """Products of the retail data set by margin and turnover; price and stock of one can be moved."""

    name = "ratios"
    texts = TEXT
    question = ("Which product earns its place on the shelf?", "哪种产品对得起它占用的库存？")
    about = ("margin, turnover, cross and contribution ratio", "毛利率、周转率、交叉比率与贡献比率")
    preset = "retail"
    css = "ratios.css"
    _kept: Any = None

    @property
    def data(self) -> dict[str, pd.DataFrame]:
        if self._kept is None:
            self._kept = load_dataset(DATA)
        return dict(self._kept)

    def groups(self) -> Sequence[Group]:
        products = self.data["products"]
        names = [
            (str(row.product), (f"{row.english} ({row.chinese})", str(row.chinese)))
            for row in products.itertuples()
        ]
        years = range(int(self.data["stock"]["month"].max() + 1) // 12)
        return [
            Group(("How it is computed (算法)", "算法"), [
                Choice("contribution", ("Contribution ratio (贡献比率)", "贡献比率"),
                       [("cross", ("(a) cross × mix", "(a) 交叉×构成")),
                        ("margin", ("(b) margin × mix", "(b) 毛利×构成"))], "cross",
                       ("two textbook versions; they order products differently",
                        "两种教科书算法，产品排序不同"), buttons=True),
                Choice("valuation", ("Stock valued at (库存计价)", "库存计价"),
                       [("cost", TEXT["at_cost"]), ("price", TEXT["at_price"])], "cost",
                       ("at cost the cross ratio is the return on stock (GMROI)",
                        "按成本价时交叉比率即库存毛利回报率"), buttons=True),
                Choice("year", ("Year", "年份"), [(k, (str(2024 + k), str(2024 + k))) for k in years],
                       max(years), buttons=True),
            ]),
            Group(("What if (假设)", "假设"), [
                Choice("product", ("Product", "产品"), names, "lamp"),
                Number("price", ("Its price", "价格变动"), 0, -40, 40, 1, ("%", "%"), whole=True),
                Number("stock", ("Its stock", "库存变动"), 0, -80, 100, 1, ("%", "%"),
                       ("pieces on the shelf, with sales as they are", "库存数量，销售不变"), whole=True),
                Number("elasticity", ("Buyers mind the price", "价格弹性"), 1.5, 0.0, 5.0, 0.1,
                       ("% fewer per 1 %", "涨1%少卖%"),
                       ("an assumption; 0: they buy as before", "假设值；0为购买不变")),
            ]),
        ]  # fmt: skip

    def build(self) -> Sequence[Any]:
        self.picture = Picture(4.6, 5.0, language=self.language, dpi=165)
        self._artists: dict[str, Any] = {}
        self.table = ipywidgets.HTML()
        row = ipywidgets.HBox([self.picture.widget, self.table])
        row.add_class("cs-ratios-row")
        return [row]

    # -- the products ------------------------------------------------------------------------------

    def compute(self, values: dict[str, Any], task: Task) -> Iterator[Any]:
        sold = year_of(self.data, int(values["year"]))
        moved = what_if(sold, values["product"], values["price"] / 100, values["stock"] / 100,
                        values["elasticity"])  # fmt: skip
        how = {"valuation": values["valuation"], "stock_in": "cost"}
        results, ranks = [], []
        for frame in (sold, moved):
            both = {c: portfolio.product_ratios(frame, contribution=c, **how) for c in ("cross", "margin")}
            results.append(both[values["contribution"]])
            ranks.append(
                pd.DataFrame({k: both[c].table["rank"] for k, c in (("a", "cross"), ("b", "margin"))})
            )
        yield Ratios(results[0], results[1], ranks[0], ranks[1], values)

    # -- what is shown -----------------------------------------------------------------------------

    def _called(self, product: Any) -> str:
        row: Any = self.data["products"].set_index("product").loc[product]
        return str(row["chinese"] if self.language == "zh" else row["english"])

    def show(self, found: Ratios) -> None:
        values = found.values
        product, version = values["product"], "a" if values["contribution"] == "cross" else "b"
        other = "b" if version == "a" else "a"
        old, new = found.before.total, found.after.total
        rank, was = (int(r.loc[product, version]) for r in (found.ranks, found.ranks_before))
        name = self._called(product)
        self.cards(
            Card(self.text("margin"), self.text("percent", share=new["margin_rate"]),
                 self.text("all", before=self.text("percent", share=old["margin_rate"]))),
            Card(self.text("turnover"), self.text("times", x=new["turnover"]),
                 self.text("all", before=self.text("times", x=old["turnover"]))),
            Card(self.text("cross"), f"{new['cross_ratio']:.2f}",
                 self.text("all", before=f"{old['cross_ratio']:.2f}")),
            Card(self.text("rank", product=name), self.text("rank_value", rank=rank),
                 self.text("rank_detail", before=was, other=int(found.ranks.loc[product, other])),
                 *(("▲", "good") if rank < was else ("▼", "bad") if rank > was else ("", ""))),
        )  # fmt: skip
        self._draw(found)
        self.table.value = self._html(found, product, version)
        table = found.after.table
        told = ""
        if values["price"] or values["stock"]:
            word = self.text("rises" if rank < was else "falls" if rank > was else "stays", a=was, b=rank)
            told = self.text(
                "moved", price=values["price"], stock=values["stock"], product=name, word=word,
                cross0=found.before.table.loc[product, "cross_ratio"],
                cross1=table.loc[product, "cross_ratio"],
            )  # fmt: skip
        moved = int((found.ranks["a"] != found.ranks["b"]).sum())
        best = self._called(table.index[0])
        best = best[:1].upper() + best[1:]
        told += self.text("still", version=version, best=best, n=moved, all=len(table),
                          value=float(table["contribution"].iloc[0]))  # fmt: skip
        about = self.data["about"].set_index("name")["value"]
        self.say(told, self.text(
            "foot", data=DATA, year=2024 + int(values["year"]), customers=len(self.data["customers"]),
            seed=about["seed"], currency=about["currency"], valuation=self.text(f"at_{values['valuation']}"),
        ))  # fmt: skip

    def _draw(self, found: Ratios) -> None:
        table, a, product = found.after.table, self._artists, found.values["product"]
        was: Any = found.before.table.loc[product]
        order = table["cross_ratio"].dropna().sort_values(kind="stable").index
        title = self.text("title", best=self._called(order[-1]), worst=self._called(order[0]))
        x, y = table["turnover"].to_numpy(), 100 * table["margin_rate"].to_numpy()
        names = [self._called(p) for p in table.index]
        mine = list(table.index).index(product)
        with self.picture.drawing(title) as (ax,):
            if "dots" not in a:
                from matplotlib.patheffects import withStroke
                from matplotlib.ticker import FixedLocator, NullLocator

                halo = [withStroke(linewidth=3, foreground="white")]
                a["dots"] = ax.scatter([], [], zorder=3, edgecolors="white", linewidths=1.2)
                a["was"] = ax.scatter(
                    [], [], s=130, zorder=3, facecolors="white", edgecolors=CHOSEN, linewidths=2
                )
                a["way"] = ax.plot([], [], color=CHOSEN, lw=2, zorder=2)[0]
                a["curves"] = [ax.plot([], [], color="#9A9A9A", lw=1.2, zorder=1)[0] for _ in CURVES]
                a["curve_words"] = [
                    ax.text(
                        0,
                        0,
                        self.text("curve", cross=c),
                        color=GREY,
                        fontsize=11,
                        ha="right",
                        va="center",
                        path_effects=halo,
                    )
                    for c in CURVES
                ]
                a["names"] = [ax.text(0, 0, "", fontsize=13, zorder=4, path_effects=halo) for _ in names]
                ax.set_xscale("log")
                ax.xaxis.set_major_locator(FixedLocator(TICKS))
                ax.xaxis.set_major_formatter("{x:g}")
                ax.xaxis.set_minor_locator(NullLocator())
                ax.set_xlabel(self.text("x"))
                ax.set_ylabel(self.text("y"))
            # as far as the record and the what-if reach, so that small steps do not move everything
            record = found.before.table
            ends = np.array([*x, *record["turnover"]])
            left, right = 0.6 * float(np.nanmin(ends)), 1.9 * float(np.nanmax(ends))
            top = 1.12 * max(*y, *(100 * record["margin_rate"]))
            low = min(0.0, 1.1 * float(y.min()))
            ax.set_xlim(left, right)
            ax.set_ylim(low, top)
            grid = np.geomspace(left, right, 200)
            last, words = np.inf, []
            for cross, curve, word in reversed(list(zip(CURVES, a["curves"], a["curve_words"], strict=True))):
                height = 100 * cross / grid
                curve.set_data(grid, height)
                # named where it ends, inside the picture and apart from the one above
                apart = 0.055 * (top - low)
                inside = low + apart / 2 < height[-1] < min(0.93 * top, last - apart)
                last = height[-1] if inside else last
                word.set_visible(bool(inside))
                if inside:
                    words.append((WIDE - 62.0, TALL * (height[-1] - low) / (top - low)))
                word.set_position((0.97 * right, height[-1]))
            colours = [CHOSEN if k == mine else OKABE_ITO["blue"] for k in range(len(x))]
            a["dots"].set_offsets(np.column_stack([x, y]))
            a["dots"].set_sizes(50 + 700 * table["sales_mix"].to_numpy() / table["sales_mix"].max())
            a["dots"].set_facecolors(colours)
            a["dots"].set_alpha(0.75)
            start = (float(was["turnover"]), 100 * float(was["margin_rate"]))
            a["was"].set_offsets([start])
            a["was"].set_visible(start != (x[mine], y[mine]))
            a["way"].set_data([start[0], x[mine]], [start[1], y[mine]])
            across, up = WIDE / np.log(right / left), TALL / (top - low)
            places = beside(across * np.log(x / left), up * (y - low), names, 13,
                            np.sqrt(a["dots"].get_sizes()) / 2, (WIDE, TALL),
                            [(u, v - 8, WIDE, v + 8) for u, v in words])  # fmt: skip
            for k, (label, (dx, dy)) in enumerate(zip(a["names"], places, strict=True)):
                label.set_text(names[k])
                label.set_position((x[k] * np.exp(dx / across), y[k] + dy / up))
                label.set_va("center")
                label.set_color(CHOSEN if k == mine else "black")
                label.set_fontweight("bold" if k == mine else "normal")
            ax.set_title(title, fontsize=15, x=-0.13)

    def _html(self, found: Ratios, product: Any, version: str) -> str:
        heads = [
            self.text(f"h_{k}") for k in ("product", "mix", "margin", "turnover", "cross", "contribution")
        ]
        heads += [self.text("h_a"), self.text("h_b")]
        rows = []
        for key, row in zip(map(str, found.after.table.index), _rows(found.after.table), strict=True):
            cells = [
                html.escape(self._called(key)),
                f"{100 * row['sales_mix']:.1f}",
                f"{100 * row['margin_rate']:.1f}",
                f"{row['turnover']:.2f}",
                f"{row['cross_ratio']:.2f}",
                f"{100 * row['contribution']:.1f}",
            ]
            for k in "ab":
                rank, was = (int(r[k][key]) for r in (found.ranks, found.ranks_before))
                step = was - rank
                arrow = f' <small class="{"cs-up" if step > 0 else "cs-down"}">' if step else ""
                arrow += f"{'▲' if step > 0 else '▼'}{abs(step)}</small>" if step else ""
                cells.append(f"<b>{rank}</b>{arrow}" if k == version else f"{rank}{arrow}")
            chosen = ' class="cs-chosen"' if key == product else ""
            rows.append(f"<tr{chosen}>" + "".join(f"<td>{c}</td>" for c in cells) + "</tr>")
        head = "".join(f'<th scope="col">{html.escape(h)}</th>' for h in heads)
        return (
            f'<table class="cs-ratios"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
            f"<small>{html.escape(self.text('caption'))}</small>"
        )


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def year_of(data: dict[str, pd.DataFrame], year: int) -> pd.DataFrame:
    """Sales, cost, opening and closing stock of each product in a year, counted from 0, in money."""
    first, last = 12 * year, 12 * year + 11
    month = data["purchases"].set_index("purchase")["month"]
    lines = data["purchase_lines"]
    lines = lines[lines["purchase"].map(month).between(first, last)]
    sums = lines.groupby("product", observed=True)[["amount", "cost"]].sum()
    stock = data["stock"]
    for name, at in (("opening", first), ("closing", last)):
        sums[name] = stock[stock["month"] == at].set_index("product")[name].reindex(sums.index).fillna(0.0)
    return sums.rename(columns={"amount": "sales"}).reset_index()


def what_if(sold: pd.DataFrame, product: str, price: float, stock: float, elasticity: float) -> pd.DataFrame:
    """The products with one at another price and stock (shares of change); pieces sold go as the new price
    over the old to the power of minus `elasticity`."""
    moved = sold.set_index("product").astype(float)
    pieces = (1 + price) ** -elasticity
    moved.loc[product, "sales"] *= (1 + price) * pieces
    moved.loc[product, "cost"] *= pieces
    moved.loc[product, ["opening", "closing"]] *= 1 + stock
    return moved.reset_index()


def beside(
    x: np.ndarray,
    y: np.ndarray,
    names: Sequence[str],
    size: float,
    radius: np.ndarray,
    frame: tuple[float, float],
    there: Sequence[Sequence[float]] = (),
) -> list[tuple[float, float]]:
    """Where names stand from their dots, to the left edge and middle of the text; all in one unit.

    Each takes the first of ten places where it meets least of the dots, of the names before it, and of
    what is there already: boxes (left, bottom, right, top).
    """
    boxes = [(u - r, v - r, u + r, v + r) for u, v, r in zip(x, y, radius, strict=True)]
    found: list[tuple[float, float]] = [(0.0, 0.0)] * len(names)
    for k in np.argsort(-radius, kind="stable"):
        long = size * sum(1.02 if ord(c) > 0x2E80 else 0.62 for c in names[k])
        r, tall = float(radius[k]) + 3, 1.15 * size
        up, far = r + 0.5 * tall, 0.6 * (r + tall)
        places = [
            (r, 0.0), (-r - long, 0.0), (-long / 2, up), (-long / 2, -up), (0.7 * r, far),
            (0.7 * r, -far), (-0.7 * r - long, far), (-0.7 * r - long, -far), (0.0, 1.9 * up),
            (-long, -1.9 * up),
        ]  # fmt: skip
        costs = []
        for dx, dy in places:
            box = (x[k] + dx, y[k] + dy - tall / 2, x[k] + dx + long, y[k] + dy + tall / 2)
            out = max(0, -box[0]) + max(0, box[2] - frame[0]) + max(0, -box[1]) + max(0, box[3] - frame[1])
            costs.append(
                20 * out
                + sum(_meet(box, b) for j, b in enumerate(boxes) if j != k)
                + sum(_meet(box, b) for b in there)
            )
        dx, dy = found[k] = places[int(np.argmin(costs))]
        boxes.append((x[k] + dx, y[k] + dy - tall / 2, x[k] + dx + long, y[k] + dy + tall / 2))
    return found


def _meet(a: Sequence[float], b: Sequence[float]) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
