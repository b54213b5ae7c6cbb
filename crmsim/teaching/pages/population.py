"""The population alive: every customer a dot on the layers of the tower, drawn in the browser.

Python simulates once for each world and sends one byte a customer and month; playing, scrubbing and
following happen in the browser (static/population.js) without asking Python again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import anywidget
import numpy as np
import traitlets
from scipy import stats

from ...plots.style import CAUSE_COLOURS, LAYER_COLOURS
from ...simulation.customers import COHORT, REFERRED
from ...simulation.engine import simulate
from ...simulation.run import Run
from ...simulation.scenario import Scenario
from ...simulation.watch import WorldView
from ...vocabulary import ChurnCause, LoyaltyLayer
from ..controls import Group, Parameter
from ..page import Page, static
from ..words import Pair, term
from ..worker import Task
from .choices import (
    make_policy,
    policy_choice,
    policy_pair,
    preset_choice,
    quality,
    strength,
    with_quality,
)

# codes of one customer in one month: 0 to 4 the layer, then these
ABSENT, LEFT = 5, 5
# pairs of worlds behind the interval, and dots beyond which only every k-th is drawn
PAIRS, MOST_DOTS = 8, 8_000

TEXT: dict[str, Pair] = {
    "policy_group": ("The policy", "策略"),
    "world_group": ("The world", "世界"),
    "firm_group": ("The firm", "企业"),
    "without": ("without the policy", "无策略"),
    "with": ("with the policy", "有策略"),
    "play": ("Play", "播放"),
    "pause": ("Pause", "暂停"),
    "again": ("Again", "重播"),
    "speed": ("months a second", "月/秒"),
    "month": ("Month", "月份"),
    "follow": ("Follow customer", "跟踪客户"),
    "nobody": (
        "Click a dot or type a number to follow one customer; space plays, arrows step, Escape lets go.",
        "点击一个圆点或输入编号，跟踪一位客户；空格播放，方向键逐月，Esc取消跟踪。",
    ),
    "unknown": ("There is no such customer here.", "这里没有这位客户。"),
    "won": ("acquired", "企业获得"),
    "referred": ("referred", "客户推荐"),
    "initial": ("there at the start", "初始客户"),
    "joined": ("joined in month {month}", "第{month}月加入"),
    "stays": ("still there", "仍在"),
    "left": ("left in month {month}", "第{month}月离开"),
    "not_here": ("never joins in this life", "在此世界中从未加入"),
    "arrive": ("arriving", "进入"),
    "leave": ("leaving by", "离开"),
    "so_far": ("so far", "累计"),
    "customers": ("customers", "名客户"),
    "label": ("Customers on the layers of loyalty", "各忠诚层次上的客户"),
    "sentence": (
        "{world}: in month {month}, {here:,} customers stand in the tower, {top} of them on the {layer} "
        "floor, the fullest; {left} have left so far{most}. {effect}",

            "{world}：第{month}月，塔中有{here:,}名客户，人数最多的一层是{layer}（{top}名）；累计离开{left}名{most}。{effect}",
    ),
    "most": (", most by {cause} ({n})", "，以{cause}为主（{n}名）"),
    "effect": (
        "Of a thousand there at the start, {name} changes how many stay to the end by {d} ({low} to {high}).",
        "初始每千名客户中，{name}使留到期末的人数变化{d}名（{low} 至 {high}）。",
    ),
    "effect_one": (
        "Of a thousand there at the start, {name} changes how many stay to the end by {d} in this pair of "
        "worlds; one pair gives no interval yet.",
        "在这一对世界中，初始每千名客户里，{name}使留到期末的人数变化{d}名；一对世界尚无区间。",
    ),
    "foot": (
        "{scenario}, seed {seed}, {customers:,} customers at the start, pairs of worlds on the same luck: "
        "{n}; 95 % interval; {dot}",
        "{scenario}，种子{seed}，初始{customers:,}名客户，{n}对运气相同的世界；95%区间；{dot}",
    ),
    "dot": ("each dot is one customer", "每个圆点是一位客户"),
    "dot_sample": ("each dot stands for one customer in {k}", "每{k}位客户画一个圆点"),
    "refine": ("more pairs of worlds: {k} of {n}", "更多成对的世界：{k}/{n}"),
}  # fmt: skip


class Crowd(NamedTuple):
    """Everyone who ever was a customer in one world: identities, and a code a month (months + 1, people)."""

    ids: np.ndarray
    codes: np.ndarray


class Dots(anywidget.AnyWidget):
    """The canvas. `without` and `with_policy` are codes, month after month, one byte a customer."""

    _esm = static("population.js")
    words = traitlets.Dict().tag(sync=True)
    layers = traitlets.List(traitlets.List()).tag(sync=True)
    causes = traitlets.List(traitlets.List()).tag(sync=True)
    layer_colours = traitlets.List(list(LAYER_COLOURS.values())).tag(sync=True)
    cause_colours = traitlets.List(list(CAUSE_COLOURS.values())).tag(sync=True)
    ids = traitlets.List(traitlets.Int()).tag(sync=True)
    sources = traitlets.Bytes(b"").tag(sync=True)
    without = traitlets.Bytes(b"").tag(sync=True)
    with_policy = traitlets.Bytes(b"").tag(sync=True)
    months = traitlets.Int(0).tag(sync=True)
    # the month and the life shown (1 with the policy), and the dot followed, -1 for none
    month = traitlets.Int(0).tag(sync=True)
    world = traitlets.Int(0).tag(sync=True)
    chosen = traitlets.Int(-1).tag(sync=True)
    # counts the arrays sent, so that the browser reads them together
    version = traitlets.Int(0).tag(sync=True)


class Population(Page):
    """About two thousand customers, each a dot, through time."""

    name = "population"
    texts = TEXT
    question = ("Who comes, who climbs, who leaves?", "谁来了，谁上升，谁离开？")
    about = ("two thousand customers as dots on the layers of loyalty", "两千名客户化为忠诚层次上的圆点")
    customers = 2_000
    same_luck = True
    css = "population.css"

    def groups(self) -> Sequence[Group]:
        market = self.scenario.market
        return [
            Group(TEXT["world_group"], [
                preset_choice(self),
                Parameter("market.openness"),
                Parameter("market.alternative_mean", max(0, market.alternative_mean - 20),
                          min(100, market.alternative_mean + 20)),
            ]),
            Group(TEXT["firm_group"], [quality()]),
            Group(TEXT["policy_group"], [policy_choice(self.scenario, "dunning"), strength()]),
        ]  # fmt: skip

    def build(self) -> Sequence[Any]:
        keys = ("play", "pause", "again", "speed", "month", "follow", "nobody", "unknown", "won",
                "referred", "initial", "joined", "stays", "left", "not_here", "arrive", "leave", "so_far",
                "customers", "label", "without", "with")  # fmt: skip
        self.dots = Dots(
            words={key: self.pick(TEXT[key]) for key in keys},
            layers=[self._names(word) for word in LoyaltyLayer],
            causes=[self._names(word) for word in ChurnCause],
        )
        self.dots.observe(lambda _: self.guard(self._tell_month), names=["month", "world"])
        return [self.dots]

    def _names(self, word: Any) -> list[str]:
        """A term on one or two lines."""
        return [word.chinese] if self.language == "zh" else [word.english, word.chinese]

    # -- the worlds --------------------------------------------------------------------------------

    def compute(self, values: dict[str, Any], task: Task) -> Iterator[Any]:
        world = with_quality(self.world(values), values["quality"])
        chosen = make_policy(values["policy"], values["strength"])
        gains: list[float] = []
        for k in range(PAIRS):
            looks: list[Any] = [Watching(), Watching()] if k == 0 else [None, None]
            pair = [
                simulate(
                    world, policies, self.seed, replication=k, stop=task.stop, progress=False, watch=look
                )
                for policies, look in zip(([], [chosen]), looks, strict=True)
            ]
            gains.append(_kept(pair[1]) - _kept(pair[0]))
            if k == 0:
                first = {"world": world, "policy": values["policy"], "crowds": [w.crowd() for w in looks]}
                yield {**first, "gains": list(gains), "fresh": True}
            elif k == PAIRS - 1:
                yield {**first, "gains": list(gains), "fresh": False}
            else:
                task.progress(k + 1, PAIRS, self.text("refine", k=k + 1, n=PAIRS))

    # -- what is shown -----------------------------------------------------------------------------

    def show(self, found: dict[str, Any]) -> None:
        dots = self.dots
        if found["fresh"] or not dots.ids:
            ids, sources, codes, self._every = together(found["crowds"])
            followed = dots.ids[dots.chosen] if 0 <= dots.chosen < len(dots.ids) else -1
            with dots.hold_sync():
                dots.ids = ids.tolist()
                dots.sources = sources.tobytes()
                dots.without, dots.with_policy = (c.tobytes() for c in codes)
                dots.months = codes[0].shape[0] - 1
                dots.month = min(dots.month, dots.months)
                dots.chosen = dots.ids.index(followed) if followed in dots.ids else -1
                dots.version += 1
        self._shown = found
        self._tell_month()

    def _tell_month(self) -> None:
        """The sentence for the month and the life in sight."""
        found = getattr(self, "_shown", None)
        if found is None:
            return
        side, month = self.dots.world, min(self.dots.month, self.dots.months)
        codes = found["crowds"][side].codes[month]
        layers = np.bincount(codes[codes < ABSENT], minlength=5)
        causes = np.bincount(codes[codes > LEFT] - LEFT, minlength=6)[1:]
        most = ""
        if causes.any():
            cause = ChurnCause(int(causes.argmax()) + 1)
            most = self.text("most", cause=term(cause, self.language), n=f"{causes.max():,}")
        name = self.pick(policy_pair(found["policy"]))
        gains = 1000 * np.array(found["gains"])
        if gains.size > 1:
            half = float(stats.t.ppf(0.975, gains.size - 1) * gains.std(ddof=1) / math.sqrt(gains.size))
            effect = self.text("effect", name=name, d=_signed(gains.mean()), low=_signed(gains.mean() - half),
                               high=_signed(gains.mean() + half))  # fmt: skip
        else:
            effect = self.text("effect_one", name=name, d=_signed(gains.mean()))
        top = int(layers.argmax())
        every = self._every
        shown = self.text("with" if side else "without")
        sentence = self.text(
            "sentence", world=shown[:1].upper() + shown[1:], month=month, here=int(layers.sum()),
            top=f"{layers[top]:,}", layer=term(LoyaltyLayer(top), self.language), left=f"{causes.sum():,}",
            most=most, effect=effect,
        )  # fmt: skip
        dot = self.text("dot") if every == 1 else self.text("dot_sample", k=every)
        world: Scenario = found["world"]
        foot = self.text("foot", scenario=self.industry, seed=self.seed,
                         customers=round(world.population.size * world.population.initial_share),
                         n=len(found["gains"]), dot=dot)  # fmt: skip
        self.say(sentence, foot)


class Watching:
    """Notes where everyone stands at each month's beginning and at the end."""

    def __init__(self) -> None:
        self.months: list[np.ndarray] = []
        self.ids = np.zeros(0, dtype=np.int64)

    def __call__(self, month: int, world: WorldView) -> None:
        active, cause = world.column("active") > 0, world.column("cause").astype(np.uint8)
        codes = np.where(active, layers_of(world), LEFT + cause)
        self.months.append(codes.astype(np.uint8))
        self.ids = world.ids

    def crowd(self) -> Crowd:
        codes = np.full((len(self.months), self.ids.size), ABSENT, dtype=np.uint8)
        for month, then in enumerate(self.months):
            codes[month, : then.size] = then
        return Crowd(self.ids, codes)


def layers_of(world: WorldView) -> np.ndarray:
    """The layer everyone stands on. Who has just come has points of loyalty, but no layer written down
    before the first month is over; so it is read from the points, as `rules.loyalty_layer` does."""
    reached = np.ones(world.ids.size, dtype=bool)
    layer = np.zeros(world.ids.size, dtype=np.uint8)
    for name in ("cognitive", "affective", "conative", "action"):
        reached &= world.column(name) >= np.float32(world.parameter("loyalty.threshold"))
        layer += reached
    return layer


def together(crowds: Sequence[Crowd]) -> tuple[np.ndarray, np.ndarray, list[np.ndarray], int]:
    """Identities of everyone in any of the worlds, how they came (0 at the start, 1 won, 2 referred), the
    codes of each world in that order, and k where only every k-th customer is kept."""
    ids = np.unique(np.concatenate([crowd.ids for crowd in crowds]))
    every = max(1, math.ceil(ids.size / MOST_DOTS))
    ids = ids[::every]
    found = []
    for crowd in crowds:
        codes = np.full((crowd.codes.shape[0], ids.size), ABSENT, dtype=np.uint8)
        order = np.argsort(crowd.ids)
        place = np.minimum(np.searchsorted(crowd.ids[order], ids), crowd.ids.size - 1)
        here = crowd.ids[order[place]] == ids
        codes[:, here] = crowd.codes[:, order[place[here]]]
        found.append(codes)
    sources = np.where(ids < COHORT, 0, np.where(ids % COHORT >= REFERRED, 2, 1)).astype(np.uint8)
    return ids, sources, found, every


def _kept(run: Run) -> float:
    return float(run.survival().iloc[-1])


def _signed(value: float) -> str:
    text = f"{value:+.0f}"
    return "0" if text in ("+0", "-0") else text.replace("-", "−")
