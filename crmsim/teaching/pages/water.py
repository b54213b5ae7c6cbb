"""City A: the case of the water utility in eight acts, each a story, a question and the page to play."""

from __future__ import annotations

import html
import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import ipywidgets

from ...simulation.scenario import Scenario
from ..controls import Choice, Group, Panel
from ..page import Manners, Page, static
from ..words import Pair

TEXT: dict[str, Pair] = {
    "city": ("City A (A市供水)", "A市供水"),
    "act": ("Act", "幕"),
    "part": ("Pages of this act", "本幕的页面"),
    "number": ("Act {k}: ", "第{k}幕："),
}


class Act(NamedTuple):
    """One act: what stands on its button, its story and question, and its pages, each with module, class
    and what stands on its button where there are several."""

    name: Pair
    story: Pair
    question: Pair
    pages: tuple[tuple[str, str, Pair], ...]


ACTS: tuple[Act, ...] = (
    Act(
        ("The boss", "水老大"),
        ("City A's water utility is nearly a hundred years old and has no rival: people call it the water "
         "boss (水老大). Its board reports that almost all customers are satisfied and that nobody leaves.",
         "A市的供水企业近百年历史，没有竞争者，人称“水老大”。管理层报告：几乎所有客户都满意，而且无人流失。"),
        ("What do these two figures prove?", "这两个数字证明了什么？"),
        (("city", "CityToday", ("", "")),),
    ),
    Act(
        ("Listen", "倾听"),
        ("Before it asks, the firm must know what about: touchpoints in three layers, material, spiritual "
         "and social (物质、精神、社会). Managers compare them in pairs; one in a hurry contradicts himself.",
         "调查之前，先要确定问什么：物质、精神、社会三个层次的接触点。管理者两两比较，匆忙者自相矛盾。"),
        ("Which weights would you defend, and how many customers must be asked?",
         "你会采用哪些权重？需要询问多少客户？"),
        (("ahp", "IndicatorTree", ("weights", "权重")), ("sample", "SampleSize", ("sample size", "样本量"))),
    ),
    Act(
        ("First survey", "第一次测评"),
        ("The first survey goes out. Many do not answer, some answer more kindly than they feel, and a "
         "general liking colours every question (halo 光环效应).",
         "第一次调查开始了。许多人不回答，有人回答得比感受更客气，总体印象又影响每一题（光环效应）。"),
        ("How near does it come to the truth, and what does a larger sample not mend?",
         "离真实有多近？增大样本解决不了什么？"),
        (("survey", "SurveyDesk", ("", "")),),
    ),
    Act(
        ("Model", "模型"),
        ("The index says how satisfied customers are, not what to do about it. A path model (路径模型) says "
         "what acts on what; importance set against performance (IPA 重要性—绩效分析) sorts the touchpoints, "
         "and what customers call important is not always what moves them.",
         "指数说明客户有多满意，却不说明该怎么办。路径模型说明什么影响什么；重要性—绩效分析（IPA）为接触点排序；"
         "客户口头上的重要，未必真正影响满意度。"),
        ("What comes first, and does that hang on where the lines cross?",
         "应先改进什么？结论是否取决于十字线的位置？"),
        (("path_diagram", "PathDiagram", ("path model", "路径模型")),
         ("ipa", "ImportancePerformance", ("importance", "重要性"))),
    ),
    Act(
        ("Process", "流程"),
        ("Dissatisfaction is made in processes: callers wait, give up and call again, a burst main waits for "
         "a crew, and somebody must pay for those who answer and those who mend.",
         "不满产生于流程：来电者等待、放弃、再次来电，爆管等待抢修，而接听与抢修的人都需要成本。"),
        ("What does a wait cost in points, on the phone and for a crew, and whom would you pay for?",
         "等电话、等抢修各损失多少分？你愿意为谁付钱？"),
        (("service_desk", "ServiceDesk", ("", "")),),
    ),
    Act(
        ("PDCA", "PDCA"),
        ("One budget must last for three rounds, and seven projects wait. Choose, roll out, ask again, keep "
         "or drop: plan, do, check, act (计划、实施、检查、处理).",
         "一笔预算要用于三轮，七个项目待选。选择、实施、再调查、保留或放弃：计划、实施、检查、处理。"),
        ("Did it work, or was it noise? Which project was worth its money?",
         "真有效果，还是波动？哪个项目物有所值？"),
        (("pdca", "PdcaBoard", ("", "")),),
    ),
    Act(
        ("Loyalty", "忠诚之谜"),
        ("Asked whether they will keep using the firm's water, nearly all say yes: what else should they do? "
         "Attitude and behaviour have to be told apart (态度与行为).",
         "问是否会继续使用，几乎人人回答“会”：不然又能怎样？态度与行为必须分开来看。"),
        ("Who is truly loyal, and which question would have told?",
         "谁真正忠诚？哪个问题能够看出来？"),
        (("loyalty_matrix", "LoyaltyMatrix", ("", "")),),
    ),
    Act(
        ("Market opens", "市场开放"),
        ("A law lets every customer choose a supplier. When England opened water to businesses, 2.9 % "
         "switched in the first year (Ofwat 2018); about half of British homes had a new energy supplier by "
         "year seven (Ofgem 2004).",
         "法律允许客户自选供水者。英格兰向非居民用户开放供水，第一年2.9%转换（Ofwat 2018）；"
         "英国居民能源到第七年约一半已转换（Ofgem 2004）。"),
        ("Who leaves first, how fast, and what should act 6 have bought?",
         "谁先离开？多快？第六幕本应投资什么？"),
        (("market", "MarketOpens", ("", "")),),
    ),
)  # fmt: skip


class WaterCase(Page):
    """The acts as a bar of buttons; the page of an act is made when it is first opened.

    Only the page in sight computes: leaving it stops its worker, and coming back lets it go on.
    `set(act=2, part=2)` opens the second page of the second act; other words set controls of the page.
    `page` is the one in sight, `pages` those made so far by act and part.
    """

    name = "water"
    texts = TEXT
    question = ("City A: can a monopoly learn to serve?", "A市供水：垄断者能学会服务吗？")
    about = ("the case of a water utility in eight acts", "供水企业案例，共八幕")
    preset = "water_utility"
    css = "water.css"

    def __init__(self, scenario: Scenario | str | None = None, **more: Any) -> None:
        # the pages have sizes of their own unless one is asked for
        self._sizes = {key: more[key] for key in ("customers", "months") if more.get(key)}
        self.pages: dict[tuple[int, int], Page] = {}
        self.page: Page | None = None
        # those left in the middle of their work
        self._cut: set[tuple[int, int]] = set()
        # the part looked at last of each act
        self._part: dict[int, int] = {}
        super().__init__(scenario, **more)

    def groups(self) -> Sequence[Group]:
        options = [(k, (f"{k} {act.name[0]}", f"{k} {act.name[1]}")) for k, act in enumerate(ACTS, 1)]
        return [Group(TEXT["act"], [Choice("act", TEXT["act"], options, 1, buttons=True)])]

    def set(self, **values: Any) -> None:
        """Open an act (`act`, `part`, from 1), and set controls of its page. Raises ValueError."""
        with self._lock:
            if "act" in values:
                self.panel.set({"act": values.pop("act")})
            act = int(self.panel.values["act"])
            if "part" in values:
                most = len(ACTS[act - 1].pages)
                if values["part"] not in range(1, most + 1):
                    raise ValueError(f"part must be from 1 to {most} in act {act}, not {values['part']!r}")
                self._part[act] = values.pop("part")
            self._open(act)
            if values and self.page is not None:
                self.page.set(**values)

    def wait(self, seconds: float = 60.0) -> Any:
        """Wait for the page in sight, and return what it found last. Raises as `Page.wait`."""
        if self.error or self.page is None:
            raise RuntimeError(self.error)
        return self.page.wait(seconds)

    def refresh(self, run: bool = False) -> None:
        if self.page is not None:
            self.page.refresh(run)

    def close(self) -> None:
        for page in self.pages.values():
            page.close()
        super().close()

    # -- how it works ------------------------------------------------------------------------------

    def _make(self, values: dict[str, Any]) -> None:
        """The bar of acts, the story and the place of the page."""
        self.panel = Panel(self.groups(), self.scenario, self.language, self._changed)
        self.panel.set(values)
        head = ipywidgets.HTML(f"<h2>{html.escape(self.text('city'))}</h2>")
        head.add_class("cs-question")
        self.bar = self.panel.controls["act"].widget
        self.bar.add_class("cs-water-acts")
        speak = self._button("language", self._other_language)
        speak.add_class("cs-language")
        top = ipywidgets.HBox([head, self.bar, speak])
        top.add_class("cs-header")
        self.story = ipywidgets.HTML()
        self.parts = ipywidgets.ToggleButtons(options=[("", 1)], tooltips=[self.text("part")])
        self.parts.add_class("cs-water-acts")
        self.parts.observe(self._other_part, names="value")
        told = ipywidgets.HBox([self.story, self.parts])
        told.add_class("cs-water-story")
        self._message = ipywidgets.HTML()
        self.stage = ipywidgets.VBox([])
        self.stage.add_class("cs-water-stage")
        style = ipywidgets.HTML(f"<style>{static('page.css')}{static(self.css)}</style>")
        style.add_class("cs-hidden")
        manners = Manners(language=self.language)
        manners.on_msg(lambda *_: self.guard(self._tell_again))
        self.root.children = [style, manners, top, told, self._message, self.stage]

    def _tell_again(self) -> None:
        for widget in (self.bar, self.story, self.parts, self._message, self.stage):
            widget.send_state([name for name in widget.keys if not name.startswith("_")])

    def _changed(self, name: str) -> None:
        self.guard(lambda: self._open(int(self.panel.values["act"])))

    _placing = False

    def _other_part(self, change: Any) -> None:
        if not self._placing:
            act = int(self.panel.values["act"])
            self._part[act] = int(change["new"])
            self.guard(lambda: self._open(act))

    def _open(self, act: int) -> None:
        """Show an act's page, made now if it was not yet, and let the one before rest."""
        key = (act, self._part.get(act, 1))
        before, page = self.page, self.pages.get(key)
        if before is not None and before is not page:
            left = next(known for known, one in self.pages.items() if one is before)
            if before._worker.busy or before.found is None:
                self._cut.add(left)
            before._worker.stop()
        self._tell_story(*key)
        self.error, self._message.value = "", ""
        if page is None:
            module, kind, _ = ACTS[act - 1].pages[key[1] - 1]
            made = getattr(importlib.import_module(f".{module}", __package__), kind)
            page = self.pages[key] = made(self.given, language=self.language, seed=self.seed, **self._sizes)
        elif page.language != self.language:
            page._other_language()
        if key in self._cut:
            self._cut.discard(key)
            page.refresh()
        self.page = page
        self.stage.children = [page.root]

    def _tell_story(self, number: int, part: int) -> None:
        act = ACTS[number - 1]
        head = self.text("number", k=number) + self.pick(act.name)
        story, question = (html.escape(self.pick(words)) for words in (act.story, act.question))
        self.story.value = f"<p><b>{html.escape(head)}</b> · {story} <b>{question}</b></p>"
        self._placing = True
        try:
            self.parts.options = [(self.pick(words), k) for k, (_, _, words) in enumerate(act.pages, 1)]
            self.parts.value = part
        finally:
            self._placing = False
        self.parts.layout.display = "" if len(act.pages) > 1 else "none"

    def _other_language(self) -> None:
        self.language = "en" if self.language == "zh" else "zh"
        self._make(self.panel.values)
        self._open(int(self.panel.values["act"]))
