"""The PDCA board: choose projects under a budget, roll them out, ask customers, keep or drop."""

from __future__ import annotations

import dataclasses
import html
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import ipywidgets
import pandas as pd

from ...plots import control_chart
from ...plots.style import GREY, OKABE_ITO
from ...research.cases import PROJECTS, projects
from ...research.pdca import PdcaCycle, Project
from ...simulation.policies import PolicyError, Programme, policies_of
from ...simulation.scenario import Scenario
from ...simulation.survey import Survey
from ..controls import Choice, Group, Number, Switch
from ..page import Card, Page
from ..picture import Picture
from ..titles import fitted
from ..uncertainty import Interval, signed
from ..words import Pair, scenario_words
from ..worker import Task

# a world settles for a year; surveys of the next, one a quarter, give the chart its limits
START, EVERY = 24, 3
MOST_ROUNDS = 3
# lines in the picture of effects
SHOWN = 7

TEXT: dict[str, Pair] = {
    "money": ("Money left (余额)", "余额"),
    "money_detail": ("of {budget:g}; kept projects need {kept:.1f} a round",
                     "总额{budget:g}；保留项目每轮需{kept:.1f}"),
    "index": ("Survey says (满意度)", "调查满意度"),
    "index_detail": ("{low:.1f} to {high:.1f}; {n:,} answers", "{low:.1f} 至 {high:.1f}；{n:,}份回答"),
    "change": ("Change in round {round} (变化)", "第{round}轮变化"),
    "no_change": ("Change (变化)", "变化"),
    "change_detail": ("{low} to {high}; sees {mde:.1f} or more", "{low} 至 {high}；可辨识{mde:.1f}以上"),
    "no_change_detail": ("roll out the first round", "请先实施第一轮"),
    "earned": ("True gain so far (真实增益)", "累计真实增益"),
    "earned_detail": ("against nothing; spent {cost:.1f}", "对照未实施；已支出{cost:.1f}"),
    "hidden": ("?", "？"),
    "hidden_detail": ("show the truth to see", "选择显示真实值后可见"),
    "teaching": ("Teaching mode: effects doubled", "教学模式：效果已加倍"),
    "card": ("{name}\n{cost:.1f} → {aim}\n{state}", "{name}\n{cost:.1f} → {aim}\n{state}"),
    "open": ("choose", "选择"),
    "chosen": ("✓ chosen", "✓ 已选"),
    "kept": ("kept, runs on", "已保留，继续"),
    "dropped": ("dropped; again?", "曾放弃；再选？"),
    "not_now": ("not in this round", "本轮未选"),
    "never": ("never tried", "未尝试"),
    "whole_city": ("acts on everybody", "只能全市实施"),
    "to": ("Roll out (范围)", "实施范围"),
    "to_all": ("everywhere", "全市"),
    "to_first": ("2 districts first", "先在两区"),
    "to_help": ("{places}: the oldest pipes", "{places}：管网最老"),
    "given_up": ("dropped", "已放弃"),
    "keep": ("✓ keep", "✓ 保留"),
    "drop": ("✗ drop", "✗ 放弃"),
    "head_plan": ("Round {round}, plan (计划): choose projects. Cost {cost:.1f}, kept ones {kept:.1f} to the "
                  "end; {left:.1f} left.",
                  "第{round}轮，计划：选择项目。所选费用{cost:.1f}，保留项目到结束共{kept:.1f}，将余{left:.1f}。"),
    "head_act": ("Round {round}, act (处理): click what to keep. Kept ones cost {kept:.1f} to the end; "
                 "{left:.1f} left.",
                 "第{round}轮，处理：点击要保留的项目。保留项目到结束共需{kept:.1f}，将余{left:.1f}。"),
    "step_plan": ("Next {months} months: roll out, ask ▸", "下{months}个月：实施并调查 ▸"),
    "step_act": ("Decide ▸", "决定 ▸"),
    "over": ("This would cost {cost:.1f} to the end, and {left:.1f} is left: leave a project out or raise "
             "the budget.", "到结束共需{cost:.1f}，余额仅{left:.1f}：请减少项目或增加预算。"),
    "over_now": ("The {n} rounds are over. Show the truth, or press Reset for a new game.",
                 "{n}轮已结束：可显示真实值，或按“复原”重新开始。"),
    "finished": ("Finished", "已结束"),
    "satisfaction": ("satisfaction (满意度)", "满意度"),
    "month": ("month", "月"),
    "nothing": ("nothing done", "未实施"),
    "effects": ("Measured effects, points", "实测效果，分"),
    "effects_none": ("No project was tried yet", "尚未尝试项目"),
    "effects_sure": ("{k} of {n} effects are surely not 0", "{n}项效果中{k}项确实不为0"),
    "effect_x": ("change of what it aims at, points", "所针对指标的变化，分"),
    "unseen": ("a change of satisfaction\nunder {x:.1f} points\nis often missed",
               "小于{x:.1f}分的\n满意度变化\n常无法辨识"),
    "row_all": ("{round}. all together → satisfaction", "{round}. 全部 → 满意度"),
    "row": ("{round}. {name} → {aim}: {word}", "{round}. {name} → {aim}：{word}"),
    "row_part": ("{round}. {name} in {n} districts: {word}", "{round}. {name}，{n}区：{word}"),
    "word_keep": ("kept", "保留"),
    "word_drop": ("dropped", "放弃"),
    "word_": ("undecided", "未决"),
    "true": ("true effect", "真实效果"),
    "none_sentence": (
        "Before the first round {n} surveys put {what} at {centre:.1f} points; a survey of this size sees a "
        "change between two waves only from about {mde:.1f} points. Choose projects and roll them out.",
        "第一轮之前，{n}次调查的{what}平均为{centre:.1f}分；这一规模的两次调查只能辨识约{mde:.1f}分以上的变化。"
        "请选择项目并实施。",
    ),
    "sentence": (
        "In round {round} surveyed satisfaction changed by {change} points ({low} to {high}): {verdict}. "
        "{projects}{truth}",
        "第{round}轮中，调查满意度变化{change}分（{low} 至 {high}）：{verdict}。{projects}{truth}",
    ),
    "noise": ("that may be noise", "可能只是波动"),
    "up": ("surely a rise", "确有上升"),
    "down": ("surely a fall", "确有下降"),
    "projects": ("Of {n} projects {up} surely moved what they aim at. ",
                 "{n}个项目中{up}个确实改变了所针对指标。"),
    "project_sure": ("The project surely moved what it aims at. ", "该项目确实改变了所针对指标。"),
    "project_unsure": ("Whether the project moved what it aims at is not sure. ",
                       "尚不能确定该项目改变了所针对指标。"),
    "part": (
        "Compared: {places} with the other districts (difference of differences). ",
        "以{places}的变化与其他各区的变化相比（双重差分）。",
    ),
    "no_projects": ("Nothing new was tried. ", "本轮未尝试新项目。"),
    "truth": (
        "In truth all that was done has brought {gain} points against a world with nothing done{right}.",
        "实际上，与未实施相比，累计带来{gain}分{right}。",
    ),
    "right": ("; {right} of {n} decisions were right", "；{n}项决定中{right}项正确"),
    "foot": (
        "{scenario}, seed {seed}, {customers:,} customers, {asked:,} asked a wave; 95 % intervals; costs are "
        "assumed; thin line: nothing done{mode}",
        "{scenario}，种子{seed}，{customers:,}名客户，每次询问{asked:,}名；95%区间；费用属假设；细线：未实施{mode}",
    ),
    "progress": ("round {k} of {n}", "第{k}轮，共{n}轮"),
}  # fmt: skip


def board_of(scenario: Scenario) -> dict[str, Project]:
    """The projects of an industry by their names."""
    return {project.name: project for project in projects(scenario)}


# how many districts come first where a project is not rolled out everywhere at once
FIRST = 2


def first_districts(scenario: Scenario) -> tuple[str, ...]:
    """The districts with the oldest pipes; none where there are not more districts than those."""
    oldest = sorted(scenario.districts, key=lambda d: -d.pipe_age)[:FIRST]
    return tuple(d.name for d in oldest) if len(scenario.districts) > FIRST else ()


def works_in_districts(project: Project, scenario: Scenario) -> bool:
    """Whether it moves only what may differ from district to district."""
    try:
        policies_of(scenario, [dataclasses.replace(p, districts=first_districts(scenario))
                               for p in project.policies if isinstance(p, Programme)])  # fmt: skip
    except PolicyError:
        return False
    return True


class Turn(NamedTuple):
    """A round as the reader plays it: what was tried and in which districts (none: everywhere), and what was
    kept (None before the decision)."""

    tried: tuple[str, ...]
    to: tuple[str, ...] = ()
    kept: tuple[str, ...] | None = None


class Board(NamedTuple):
    """What `compute` found of the game so far."""

    turns: tuple[Turn, ...]
    candidates: pd.DataFrame
    table: pd.DataFrame
    rounds: pd.DataFrame
    # control charts: of the world as played and of the one in which nothing was done
    chart: pd.DataFrame
    nothing: pd.DataFrame
    # the same of overall satisfaction, whatever the picture shows
    overall: pd.DataFrame
    gain: float
    spent: float
    values: dict[str, Any]

    @property
    def deciding(self) -> bool:
        return bool(self.turns) and self.turns[-1].kept is None


class Game:
    """A cycle and the same one with nothing done, played as far as the turns say."""

    def __init__(self, scenario: Scenario, seed: int, values: Mapping[str, Any]) -> None:
        self.months = int(values["length"])
        board = list(board_of(scenario).values())
        survey = Survey(size=int(values["size"]), panel=bool(values["panel"]), importance=False)

        def cycle() -> PdcaCycle:
            return PdcaCycle(scenario, board, months=self.months, start=START, every=EVERY, seed=seed,
                             survey=survey, mode=values["mode"])  # fmt: skip

        self.cycle, self.idle = cycle(), cycle()
        # the chart has points once a round was checked, so the idle world is one round ahead at first
        self.idle.play(())
        self.turns: tuple[Turn, ...] = ()

    def follows(self, turns: tuple[Turn, ...]) -> bool:
        """Whether these turns go on from what was played."""
        if len(turns) < len(self.turns):
            return False
        for mine, theirs in zip(self.turns, turns, strict=False):
            if mine[:2] != theirs[:2] or (mine.kept is not None and mine.kept != theirs.kept):
                return False
        return True

    def play(self, turns: tuple[Turn, ...], task: Task, say: Any) -> bool:
        """Play on to these turns; False if stopped on the way."""
        for k, turn in enumerate(turns):
            if task.stop.is_set():
                return False
            played = self.turns[k] if k < len(self.turns) else None
            if played is None:
                task.progress(k, len(turns), say(k + 1, len(turns)))
                self.cycle.plan(turn.tried)
                self.cycle.do(districts=turn.to)
                self.cycle.check()
                if len(self.idle.rounds) <= k:
                    self.idle.play(())
            if (played is None or played.kept is None) and turn.kept is not None:
                self.cycle.act(dict.fromkeys(turn.kept, "keep"))
            self.turns = (*self.turns[:k], turn, *self.turns[k + 1 :])
        return True

    def chart(self, measure: str, cycle: PdcaCycle) -> pd.DataFrame:
        """The chart as far as the reader has come."""
        end = START + self.months * len(self.turns)
        if cycle is self.cycle and self.turns:
            return cycle.chart(measure)
        found = self.idle.chart(measure)
        return found[found.index < end]


class PdcaBoard(Page):
    """Projects as cards, a budget, a control chart with honest noise, and the reader keeps or drops."""

    name = "pdca"
    texts = TEXT
    question = ("Did it work, or is it noise?", "真有效果，还是波动？")
    about = (
        "PDCA board: projects under a budget, control chart, keep or drop",
        "PDCA项目板：预算内选项目、控制图、保留或放弃",
    )
    preset = "water_utility"
    customers = 20_000
    months = START
    css = "pdca.css"

    def __init__(self, *given: Any, **more: Any) -> None:
        self.turns: tuple[Turn, ...] = ()
        self.chosen: set[str] = set()
        self._game: tuple[Any, Game] | None = None
        self._game_lock = threading.Lock()
        super().__init__(*given, **more)

    def groups(self) -> Sequence[Group]:
        options = [(name, scenario_words(name)) for name in PROJECTS]
        if self.scenario.name not in dict(options):
            options.insert(0, (self.scenario.name, scenario_words(self.scenario.name)))
        if self.given.name not in dict(options):
            options.insert(0, (self.given.name, scenario_words(self.given.name)))
        measures = [("satisfaction", TEXT["satisfaction"])]
        measures += [(t.name, (t.name.replace("_", " "), t.chinese)) for t in self.scenario.touchpoints]
        most = self.scenario.population.size
        places = first_districts(self.scenario)
        help = TEXT["to_help"]
        help = (help[0].format(places=self._places(places, "en")),
                help[1].format(places=self._places(places, "zh")))  # fmt: skip
        part = Choice("to", TEXT["to"], [("all", TEXT["to_all"]), ("first", TEXT["to_first"])], "all", help,
                      buttons=True)  # fmt: skip
        unit = (f"100,000 {self.scenario.currency}", f"10万{self.scenario.currency}")
        return [
            Group(("The game (项目)", "项目"), [
                Number("budget", ("Budget (预算)", "预算"), 10, 2, 40, 0.5, unit,
                       ("for all three rounds", "用于三轮")),
                Choice("mode", ("Effects (效果)", "效果"),
                       [("honest", ("honest", "真实")), ("teaching", ("doubled", "加倍"))], "honest",
                       ("doubled: teaching mode, and the page says so", "加倍：教学模式，页面会注明"),
                       buttons=True),
                *([part] if places else []),
                Switch("truth", ("Show the truth (真实值)", "显示真实值"), False,
                       ("true effects, and the world with nothing done", "真实效果与未实施的世界")),
            ]),
            Group(("The survey (调查)", "调查"), [
                Number("size", ("Customers asked (样本量)", "每次询问"), min(5_000, most),
                       min(500, most), most, 100, whole=True),
                Switch("panel", ("Same people again (固定样本)", "询问同一批客户"), False,
                       ("differences of persons no longer add noise", "消除个体差异带来的波动")),
                Choice("measure", ("Chart of (控制图)", "控制图指标"), measures, "satisfaction"),
            ]),
            Group(("A new game (重新开始)", "重新开始"), [
                Choice("length", ("Months in a round (每轮月数)", "每轮月数"),
                       [(k, (str(k), str(k))) for k in (3, 6, 12)], 6, buttons=True),
                Choice("preset", ("Firm (企业)", "企业"), options, self.scenario.name),
            ]),
        ]  # fmt: skip

    def build(self) -> Sequence[Any]:
        self.banner = ipywidgets.HTML()
        self.banner.add_class("cs-pdca-banner")
        self.head = ipywidgets.HTML()
        self.head.add_class("cs-pdca-head")
        self.cards_of: dict[str, Any] = {}
        for name in board_of(self.scenario):
            card = ipywidgets.ToggleButton(description="…", layout=ipywidgets.Layout(width="auto"))
            card.add_class("cs-pdca-card")
            card.observe(self._told(name), names="value")
            self.cards_of[name] = card
        self.step = ipywidgets.Button(button_style="primary", layout=ipywidgets.Layout(width="auto"))
        self.step.add_class("cs-pdca-step")
        self.step.on_click(lambda _: self.guard(lambda: self.refresh(run=True)))
        board = ipywidgets.Box([*self.cards_of.values(), self.step])
        board.add_class("cs-pdca-board")
        self.wave = Picture(5.5, 3.3, language=self.language, dpi=170)
        self.effects = Picture(3.7, 3.3, language=self.language, dpi=170)
        row = ipywidgets.HBox([self.wave.widget, self.effects.widget])
        row.add_class("cs-pdca-row")
        return [self.banner, self.head, board, row]

    # -- the game ----------------------------------------------------------------------------------

    def _told(self, name: str) -> Any:
        def told(change: Any) -> None:
            if not self._placing:
                self.guard(lambda: self._choose(name, bool(change["new"])))

        return told

    _placing = False

    def _choose(self, name: str, wanted: bool) -> None:
        self.chosen = self.chosen | {name} if wanted else self.chosen - {name}
        if self.found is not None:
            self._show_board(self.found)

    def choose(self, *names: str) -> None:
        """Tick these projects, and no others: to try them, or to keep them after a round."""
        for name in names:
            if name not in self.cards_of:
                raise ValueError(f"no project {name!r}; there are {', '.join(self.cards_of)}")
        self.chosen = set(names)
        if self.found is not None:
            self._show_board(self.found)

    def refresh(self, run: bool = False) -> None:
        # a step is taken from what is in sight; one that was cut short is played first
        if run and not self._worker.busy and self.found is not None and self.found.turns == self.turns:
            self._advance(self.found)
        super().refresh(False)

    def _make(self, values: dict[str, Any]) -> None:
        super()._make(values)
        self._stop.on_click(lambda _: self.guard(self._take_back))

    def _take_back(self) -> None:
        """A round that was stopped was not played: the board stands as before, with its ticks."""
        with self._lock:
            if self.found is not None and self.found.turns != self.turns:
                self.turns = self.found.turns
                self.chosen = {name for name, card in self.cards_of.items() if card.value}

    def _advance(self, found: Board) -> None:
        """Roll out what is chosen, or decide what is kept."""
        if self._over(found):
            raise ValueError(self.text("over_now", n=MOST_ROUNDS))
        cost, kept_cost, left = self._bill(found)
        if cost + kept_cost > left + 1e-9:
            raise ValueError(self.text("over", cost=cost + kept_cost, left=left))
        if found.deciding:
            last = self.turns[-1]
            kept = tuple(name for name in last.tried if name in self.chosen)
            self.turns = (*self.turns[:-1], last._replace(kept=kept))
        else:
            self.turns = (*self.turns, Turn(self._wanted(found), self._to))
        self.chosen = set()

    def _busy(self, busy: bool) -> None:
        super()._busy(busy)
        # pressed while a round is played, it would do nothing
        self.step.disabled = busy or (self.found is not None and self._over(self.found))

    @staticmethod
    def _over(found: Board) -> bool:
        return len(found.turns) >= MOST_ROUNDS and not found.deciding

    def _state(self, found: Board, name: str) -> str:
        return str(found.candidates.loc[name, "state"])

    @property
    def _to(self) -> tuple[str, ...]:
        """The districts of the next roll-out; none for everywhere."""
        return first_districts(self.scenario) if self.panel.values.get("to") == "first" else ()

    def _can_be_tried(self, name: str) -> bool:
        return not self._to or works_in_districts(board_of(self.scenario)[name], self.scenario)

    def _wanted(self, found: Board) -> tuple[str, ...]:
        """The projects chosen, as far as they can be tried now."""
        free = (n for n in self.cards_of if n in self.chosen and self._state(found, n) != "kept")
        return tuple(name for name in free if self._can_be_tried(name))

    def _places(self, names: Sequence[str], language: str = "") -> str:
        """Districts in words."""
        chinese = (language or self.language) == "zh"
        called = [(d.chinese if chinese else d.words) for d in self.scenario.districts if d.name in names]
        return ("、" if chinese else " and ").join(called)

    def _bill(self, found: Board) -> tuple[float, float, float]:
        """Cost of the projects chosen to be tried, of all that are kept until the last round ends, and
        the money there is. What is kept must stay affordable, or the game could not go on."""
        rows, plans = found.candidates, board_of(self.scenario)
        kept = rows["state"] == "kept"
        mine = [n for n in self.chosen if n in found.turns[-1].tried] if found.deciding else [
            *self._wanted(found)]  # fmt: skip
        left = float(self.panel.values["budget"]) - found.spent
        going, new = float(rows["cost"][kept].sum()), float(rows["cost"][mine].sum())
        if found.deciding:
            going += sum(plans[str(name)].running or 0.0 for name in mine) * int(found.values["length"])
            new = 0.0
        rounds = MOST_ROUNDS - len(found.turns)
        return new, going * rounds, left

    def _reset_all(self) -> None:
        self.turns, self.chosen = (), set()
        super()._reset_all()

    def _make_anew(self) -> None:
        self.turns, self.chosen = (), set()
        super()._make_anew()

    def compute(self, values: dict[str, Any], task: Task) -> Iterator[Any]:
        turns = self.turns
        key = (self.scenario.model_dump_json(), self.seed,
               tuple(values[k] for k in ("length", "size", "panel", "mode")))  # fmt: skip
        if self._game is None or self._game[0] != key or not self._game[1].follows(turns):
            self._game = None
            game = Game(self.scenario, self.seed, values)
        else:
            game = self._game[1]

        def say(k: int, n: int) -> str:
            return self.text("progress", k=k, n=n)

        # half a round played is no game to go on from
        self._game = None
        if not game.play(turns, task, say):
            return
        self._game = (key, game)
        cycle = game.cycle
        yield Board(
            turns, cycle.candidates(), cycle.table, cycle.rounds,
            game.chart(values["measure"], cycle), game.chart(values["measure"], game.idle),
            game.chart("satisfaction", cycle),
            float(cycle.earned["points"]) if turns else 0.0,
            float(cycle.rounds["cost"].sum()) if turns else 0.0, values,
        )  # fmt: skip

    # -- what is seen ------------------------------------------------------------------------------

    def _aim(self, name: str) -> str:
        place = next((t for t in self.scenario.touchpoints if t.name == name), None)
        chinese = place.chinese if place is not None else ""
        return chinese if self.language == "zh" and chinese else name.replace("_", " ")

    def _called(self, name: str) -> str:
        """A project's letter and name."""
        board = board_of(self.scenario)
        called = self.pick((board[name].english, board[name].chinese))
        return f"{chr(ord('A') + list(board).index(name))} {called}"

    def show(self, found: Board) -> None:
        self._show_board(found)
        self._show_cards(found)
        self._draw_chart(found)
        self._draw_effects(found)
        self._tell_story(found)
        teaching = found.values["mode"] == "teaching"
        words = html.escape(self.text("teaching"))
        self.banner.value = f'<p role="status">{words}</p>' if teaching else ""

    def _show_board(self, found: Board) -> None:
        tried = found.turns[-1].tried if found.deciding else ()
        self._placing = True
        try:
            for name, card in self.cards_of.items():
                state = self._state(found, name) if name not in tried else "open"
                ticked = name in self.chosen
                if found.deciding:
                    word = ("keep" if ticked else "drop") if name in tried else (
                        "kept" if state == "kept" else "not_now")  # fmt: skip
                    free = name in tried
                else:
                    possible = state == "kept" or self._can_be_tried(name)
                    free = state != "kept" and not self._over(found) and possible
                    word = "chosen" if ticked and free else state if possible else "whole_city"
                    if self._over(found):
                        word = {"open": "never", "dropped": "given_up"}.get(state, state)
                aim = board_of(self.scenario)[name].touchpoint
                card.disabled, card.value = not free, ticked and free
                cost = float(found.candidates["cost"][name])
                if name in tried:
                    rows = found.table[found.table["round"] == len(found.turns)].set_index("project")
                    cost = float(rows["cost"][name])
                words = {"name": self._called(name), "aim": self._aim(aim)}
                card.description = self.text("card", cost=cost, state=self.text(word), **words)
        finally:
            self._placing = False
        months = int(found.values["length"])
        over = ""
        self.step.disabled = self._over(found)
        if self._over(found):
            said = self.text("over_now", n=MOST_ROUNDS)
            self.step.description = self.text("finished")
        else:
            cost, kept, left = self._bill(found)
            over = ' class="cs-pdca-over"' if left - cost - kept < -1e-9 else ""
            key, number = ("act", len(found.turns)) if found.deciding else ("plan", len(found.turns) + 1)
            said = self.text(f"head_{key}", round=number, cost=cost, kept=kept, left=left - cost - kept)
            said = said.replace("-", "\N{MINUS SIGN}")
            self.step.description = self.text(f"step_{key}", months=months)
        self.head.value = f"<p{over}>{html.escape(said)}</p>"

    def _show_cards(self, found: Board) -> None:
        rows = found.candidates
        kept = float(rows.loc[rows["state"] == "kept", "cost"].sum())
        budget, last = float(found.values["budget"]), found.overall.iloc[-1]
        half = 1.96 * float(last["sigma"])
        change = Card(self.text("no_change"), "–", self.text("no_change_detail"))
        if len(found.rounds):
            row = found.rounds.iloc[-1]
            change = Card(
                self.text("change", round=int(row["round"])), signed(row["change"], 1),
                self.text("change_detail", low=signed(row["low"], 1), high=signed(row["high"], 1),
                          mde=row["mde"]),
                *Interval(row["change"], row["low"], row["high"]).arrow,
            )  # fmt: skip
        truth = bool(found.values["truth"])
        self.cards(
            Card(self.text("money"), f"{budget - found.spent:.1f}".replace("-", "−"),
                 self.text("money_detail", budget=budget, kept=kept)),
            Card(self.text("index"), f"{last['value']:.1f}",
                 self.text("index_detail", low=last["value"] - half, high=last["value"] + half,
                           n=int(last["n"]))),
            change,
            Card(self.text("earned"), signed(found.gain, 1) if truth else self.text("hidden"),
                 self.text("earned_detail", cost=found.spent) if truth else self.text("hidden_detail")),
        )  # fmt: skip

    def _draw_chart(self, found: Board) -> None:
        values = found.values
        what = self._aim(values["measure"])
        if values["measure"] == "satisfaction":
            what = self.text("satisfaction") if self.language == "zh" else "satisfaction"
        decided = sum(turn.kept is not None for turn in found.turns)
        known = START + int(values["length"]) * (len(found.turns) if values["truth"] else decided)
        # months are counted from 1 where they are read
        chart, nothing = (f.set_axis(f.index + 1) for f in (found.chart, found.nothing))
        with self.wave.drawing() as (ax, *_):
            ax.clear()
            control_chart(chart, ax, "", what=what, x=self.text("month"), language=self.language)
            ax.set_xlim(right=ax.get_xlim()[1])
            before, after = chart.index[chart.index <= START], chart.index[chart.index > START]
            ax.set_xticks([*before[::2], *after])
            if known > START:
                part = nothing[(nothing.index >= START) & (nothing.index <= known)]
                ax.plot(part.index, part["value"], color="black", linewidth=1.0, zorder=5)
                # below the lower end of the line, where the line itself does not pass
                rising = part["value"].iloc[-1] > part["value"].iloc[0]
                at = 0 if rising else -1
                ax.annotate(self.text("nothing"), (part.index[at], part["value"].iloc[at]), (4, -4),
                            textcoords="offset points", ha="left" if rising else "right", va="top",
                            fontsize=12, color="black")  # fmt: skip
                low, high = ax.get_ylim()
                ax.set_ylim(min(low, part["value"].min() - 1), max(high, part["value"].max() + 1))
            for k in range(len(found.turns)):
                ax.axvline(START + k * int(values["length"]) + 0.5, color=GREY, linewidth=0.8, linestyle=":")
            ax.tick_params(labelsize=12)
            for words in (*ax.texts, ax.xaxis.label, ax.yaxis.label):
                words.set_fontsize(12)
            title = ax.get_title("left")
            if values["mode"] == "teaching":
                title += (
                    f" ({self.text('teaching')})" if self.language == "en" else f"（{self.text('teaching')}）"
                )
            ax.set_title(fitted(title.replace("\n", " "), self.language, 46), loc="left", fontsize=15)
            self.wave.alt = title

    def _measured(self, found: Board) -> list[dict[str, Any]]:
        """What was measured, last round last: a row a project, and one for overall satisfaction."""
        rows: list[dict[str, Any]] = []
        for one in found.rounds.to_dict("records"):
            mine = found.table[found.table["round"] == one["round"]] if len(found.table) else found.table
            part = len(found.turns[int(one["round"]) - 1].to)
            for row in mine.to_dict("records"):
                words = self.text("row_part" if part else "row", round=row["round"], n=part,
                                  name=self._called(row["project"]), aim=self._aim(row["measure"]),
                                  word=self.text(f"word_{row['decision']}"))  # fmt: skip
                rows.append({"words": words, "decision": row["decision"],
                             **{k: row[k] for k in ("effect", "low", "high", "true")}})  # fmt: skip
            rows.append({"words": self.text("row_all", round=one["round"]), "decision": "all",
                         "effect": one["change"], "low": one["low"], "high": one["high"],
                         "true": one["true_change"]})  # fmt: skip
        return rows[-SHOWN:]

    def _draw_effects(self, found: Board) -> None:
        rows = self._measured(found)
        truth = bool(found.values["truth"])
        sure = sum(row["low"] > 0 or row["high"] < 0 for row in rows)
        title = self.text("effects_sure", k=sure, n=len(rows)) if rows else self.text("effects_none")
        told = [title]
        unseen = self._unseen(found)
        with self.effects.drawing() as (ax, *_):
            ax.clear()
            ax.grid(False)
            ax.grid(axis="x", color="#DDDDDD")
            if not rows:
                ax.axvspan(-unseen, unseen, color="#F2F2F2", zorder=0)
            ax.axvline(0, color=GREY, linewidth=1.4)
            for k, row in enumerate(rows):
                colour = {"drop": GREY, "all": OKABE_ITO["purple"]}.get(row["decision"], OKABE_ITO["blue"])
                ax.plot([row["low"], row["high"]], [-k, -k], color=colour, linewidth=4, alpha=0.6)
                ax.plot([row["effect"]], [-k], "o", color=colour, markersize=9)
                words = row["words"]
                ax.text(0.01, -k + 0.2, words, fontsize=12, va="bottom", transform=ax.get_yaxis_transform())
                ends = ", ".join(signed(row[c], 1) for c in ("low", "high"))
                line = f"{words} {signed(row['effect'], 1)} ({ends})"
                if truth:
                    ax.plot([row["true"]] * 2, [-k - 0.24, -k + 0.2], color="black", linewidth=2.4,
                            linestyle=(0, (2.2, 1.2)), zorder=5)  # fmt: skip
                    line += f", {self.text('true')} {signed(row['true'], 1)}"
                told.append(line)
            if not rows:
                ax.text(0, -0.9, self.text("unseen", x=unseen), ha="center", fontsize=12, va="center",
                        bbox={"facecolor": "#F2F2F2", "edgecolor": "none"})  # fmt: skip
            elif truth:
                ax.annotate(f"╎ {self.text('true')}", (1, 1), (0, 2), xycoords="axes fraction", ha="right",
                            textcoords="offset points", va="bottom", fontsize=12)  # fmt: skip
            wide = max(abs(row[c]) for row in rows for c in ("low", "high", "true")) if rows else 0.0
            wide = 1.08 * max(wide, 1.2 * unseen)
            ax.set_xlim(-wide, wide)
            ax.set_ylim(-max(len(rows), 3) + 0.4, 0.75)
            ax.set_yticks([])
            ax.set_xlabel(self.text("effect_x"), fontsize=13)
            below = "\n" if truth and rows else ""
            ax.set_title(fitted(title, self.language, 34) + below, loc="left", fontsize=15)
            self.effects.alt = "; ".join(told)

    @staticmethod
    def _unseen(found: Board) -> float:
        """The change of satisfaction between two waves that is found in four of five cases."""
        if len(found.rounds):
            return float(found.rounds["mde"].iloc[-1])
        # two waves, each with its own error; 1.96 and .84 for an 80 % chance to see it
        return (1.96 + 0.84) * 2**0.5 * float(found.overall["sigma"].mean())

    def _tell_story(self, found: Board) -> None:
        values = found.values
        teaching = values["mode"] == "teaching"
        mode = ("；" if self.language == "zh" else "; ") + self.text("teaching") if teaching else ""
        foot = self.text(
            "foot", scenario=self.industry, seed=self.seed, mode=mode,
            customers=self.scenario.population.size, asked=int(values["size"]),
        )  # fmt: skip
        if not len(found.rounds):
            base = found.overall
            mde, what = self._unseen(found), self.text("satisfaction")
            said = self.text("none_sentence", n=len(base), what=what, centre=base["centre"].iloc[0], mde=mde)
            self.say(said, foot)
            return
        row = found.rounds.iloc[-1]
        mine = found.table[found.table["round"] == row["round"]] if len(found.table) else found.table
        verdict = "up" if row["low"] > 0 else "down" if row["high"] < 0 else "noise"
        moved = int(((mine["low"] > 0) | (mine["high"] < 0)).sum()) if len(mine) else 0
        truth = ""
        if values["truth"]:
            made = found.table[found.table["decision"] != ""] if len(found.table) else found.table
            right = self.text("right", right=int(made["right"].sum()), n=len(made)) if len(made) else ""
            truth = self.text("truth", gain=signed(found.gain, 1), right=right)
        said = self.text(
            "sentence", round=int(row["round"]), change=signed(row["change"], 1), low=signed(row["low"], 1),
            high=signed(row["high"], 1), verdict=self.text(verdict), truth=truth,
            projects=self._projects_said(len(mine), moved) + self._part_said(found, len(mine)),
        )  # fmt: skip
        self.say(said.strip(), foot)

    def _projects_said(self, n: int, moved: int) -> str:
        if n == 0:
            return self.text("no_projects")
        if n == 1:
            return self.text("project_sure" if moved else "project_unsure")
        return self.text("projects", n=n, up=moved)

    def _part_said(self, found: Board, n: int) -> str:
        places = found.turns[-1].to
        return self.text("part", places=self._places(places)) if places and n else ""
