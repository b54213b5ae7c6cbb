"""A live page: controls on the left, pictures beside them, a sentence below.

A page of the course is a class of this kind. It declares its controls, computes in a worker thread
what they ask for, and shows what was found; everything else is here: the bar with Run, Stop and
Reset, progress, errors in words, the switch between English and Chinese, the page's style.

    class Lines(Page):
        name = "lines"
        question = ("How many stay?", "有多少客户留下？")

        def groups(self):
            return [Group(("The world", "世界"), [Parameter("market.openness")])]

        def build(self):                                    # once for each language
            self.picture = Picture(language=self.language)
            return [self.picture.widget]

        def compute(self, values, task):                    # in the worker; may yield several times
            run = simulate(self.world(values), seed=self.seed, stop=task.stop)
            yield run.survival()

        def show(self, survival):                           # moves artists, then says what is seen
            with self.picture.drawing() as (ax,):
                ...
            self.say(f"{survival.iloc[-1]:.0%} are there after five years.")
"""

from __future__ import annotations

import contextlib
import html
import re
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from typing import Any, ClassVar, NamedTuple

import anywidget
import ipywidgets
import traitlets

from ..plots.style import spoken
from ..simulation.compile import RuleError
from ..simulation.engine import Stopped
from ..simulation.policies import PolicyError
from ..simulation.scenario import Scenario, ScenarioError
from .controls import Group, Panel
from .words import Pair, pick, say, scenario_words
from .worker import Task, Worker


def static(name: str) -> str:
    """A style or script of the pages, as text."""
    return (resources.files("crmsim.teaching") / "static" / name).read_text(encoding="utf-8")


# English sets per cent apart from its number, Chinese does not
PERCENT = re.compile(r"(?<=\d)%")
# a hyphen that stands for a minus, and not between two numbers or words
MINUS = re.compile(r"(?<![\w.)\]])-(?=\d)")


class Manners(anywidget.AnyWidget):
    """Gives controls their names for screen readers, and the page its language."""

    _esm = static("manners.js")
    language = traitlets.Unicode("en").tag(sync=True)


class Card(NamedTuple):
    """One of the numbers on top: `tone` is "good", "bad" or "" for its arrow's colour."""

    label: str
    value: str
    detail: str = ""
    arrow: str = ""
    tone: str = ""


class Page:
    """One live page. Show it as a cell's last value, or with `crmsim demo NAME`.

    scenario: a preset, a file or a Scenario in place of the page's own; its size and length are the
    page's unless `customers` and `months` say otherwise. Further words set controls by name, with
    two underscores for the dot: `market__openness=0.2`.
    """

    name: ClassVar[str] = ""
    question: ClassVar[Pair] = ("", "")
    # what a lecturer reads in the list of pages
    about: ClassVar[Pair] = ("", "")
    preset: ClassVar[str] = "subscription"
    customers: ClassVar[int] = 5_000
    months: ClassVar[int] = 60
    # whether every change computes at once; else only Run does
    at_once: ClassVar[bool] = True
    # controls that make the page anew, as another scenario has other parameters
    remake: ClassVar[tuple[str, ...]] = ("preset",)
    # controls that keep their value then, where the new page can hold it
    keep: ClassVar[tuple[str, ...]] = ("policy", "strength")
    # whether worlds are compared on the same luck, which the page then says
    same_luck: ClassVar[bool] = False
    # the page's own style sheet in static/, besides page.css
    css: ClassVar[str] = ""
    # its words by key, for `text`
    texts: ClassVar[Mapping[str, Pair]] = {}

    def __init__(
        self,
        scenario: Scenario | str | None = None,
        *,
        language: str = "en",
        seed: int = 1,
        customers: int | None = None,
        months: int | None = None,
        **values: Any,
    ) -> None:
        self.language, self.seed = language, seed
        self._size = customers or self.customers
        self._months = months or self.months
        self.found: Any = None
        self.error = ""
        self._lock = threading.RLock()
        self._worker = Worker(self._do, self._tell, self._begin, self._idle)
        self.root = ipywidgets.VBox()
        self.root.add_class("cs-page")
        self.root.add_class(f"cs-{self.name}")
        # the scenario given may have the name of no preset, and can be chosen again
        self.given = Scenario.from_name(self.preset if scenario is None else scenario)
        self._use(self.given)
        self._make({})
        self.set(**values)

    # -- what a page of the course says ------------------------------------------------------------

    def groups(self) -> Sequence[Group]:
        """The controls, in two or three groups."""
        return []

    def build(self) -> Sequence[Any]:
        """The widgets beside the controls, in `self.language`. Called once, and again for another.

        The sentence stands below them, unless one of them holds `self.words` at a better place.
        """
        raise NotImplementedError

    def compute(self, values: dict[str, Any], task: Task) -> Iterator[Any]:
        """Find what the controls ask for, in the worker's thread: yield a quick answer first, a
        better one after it. `values["run"]` is true when Run was pressed. Look at `task.stop`."""
        raise NotImplementedError

    def show(self, found: Any) -> None:
        """Put what `compute` yielded into the pictures, cards and the sentence."""
        raise NotImplementedError

    # -- what it can use ---------------------------------------------------------------------------

    def pick(self, pair: Pair | str) -> str:
        return pick(pair, self.language)

    def text(self, key: str, **values: Any) -> str:
        """Words of the page's own `texts` in its language, with the values put in."""
        words = self.pick(self.texts[key]).format(**values)
        return words if self.language == "zh" else PERCENT.sub(" %", words)

    def drawn(self, key: str, **values: Any) -> str:
        """Words of `texts` in a picture, which may lack a Chinese font."""
        return pick(self.texts[key], spoken(self.language)[0]).format(**values)

    def player(self, name: str = "month") -> Any:
        """A small bar that plays through the values of a slider, here months, in the browser."""
        slider = self.panel.controls[name].widget
        play = ipywidgets.Play(min=slider.min, max=slider.max, step=3, interval=500, value=slider.value,
                               tooltip=say("play", self.language))  # fmt: skip
        # forgotten, the link would end
        play.link = ipywidgets.jslink((play, "value"), (slider, "value"))
        play.add_class("cs-play")
        return play

    @property
    def industry(self) -> str:
        """The scenario's name in the page's language, for a foot."""
        return self.pick(scenario_words(self.scenario.name))

    def world(self, values: dict[str, Any], **more: Any) -> Scenario:
        """The scenario with the controls' parameters. Raises ScenarioError."""
        known = self.scenario.table().index
        changes = {name.replace(".", "__"): value for name, value in values.items() if name in known}
        return self.scenario.replace(**changes, **more)

    def cards(self, *cards: Card) -> None:
        """The numbers on top."""
        parts = []
        for card in cards:
            label, value, detail = (html.escape(self._written(text)) for text in card[:3])
            arrow = f'<span class="cs-arrow cs-{card.tone}">{html.escape(card.arrow)}</span>'
            parts.append(
                f'<div class="cs-card"><div class="cs-card-label">{label}</div>'
                f'<div class="cs-card-value">{value} {arrow if card.arrow else ""}</div>'
                f'<div class="cs-card-detail">{detail}</div></div>'
            )
        self._cards.value = f'<div class="cs-cards">{"".join(parts)}</div>' if parts else ""

    def say(self, sentence: str, foot: str = "") -> None:
        """The sentence under the pictures, which says in words what they show; and a small foot."""
        self.sentence = sentence = self._written(sentence)
        foot = f'<p class="cs-foot">{html.escape(self._written(foot))}</p>' if foot else ""
        self.words.value = f'<p class="cs-sentence" aria-live="polite">{html.escape(sentence)}</p>{foot}'

    def _written(self, words: str) -> str:
        """Numbers as they are read: a true minus; in Chinese no space before the sign of per cent."""
        words = MINUS.sub("\N{MINUS SIGN}", words)
        return (
            words.replace("\N{NO-BREAK SPACE}%", "%").replace(" %", "%") if self.language == "zh" else words
        )

    def refresh(self, run: bool = False) -> None:
        """Compute and show anew what the controls say."""
        # a second click on Run while it runs is no second run
        self._worker.ask({**self.panel.values, "run": run}, again=not run)

    def wait(self, seconds: float = 60.0) -> Any:
        """Wait for what is being computed, and return what was found last.

        Raises TimeoutError, and RuntimeError with the words the page shows if it failed.
        """
        if not self._worker.wait(seconds):
            raise TimeoutError(f"the page {self.name} was still computing after {seconds:g} s")
        if self.error:
            raise RuntimeError(self.error)
        return self.found

    @property
    def values(self) -> dict[str, Any]:
        """The controls by name."""
        return self.panel.values

    def set(self, **values: Any) -> None:
        """Set controls by name (two underscores for the dot) and show the answer. Raises ValueError."""
        wanted = {name.replace("__", "."): value for name, value in values.items()}
        with self._lock:
            before = self.panel.values
            first = {
                name: wanted[name]
                for name in self.remake
                if wanted.get(name, before.get(name)) != before.get(name)
            }
            if first:
                self.panel.set(first)
                self._make_anew()
            self.panel.set(wanted)
            self.refresh()

    def close(self) -> None:
        """Stop computing and take the page away."""
        self._worker.stop()
        self.root.close()

    # -- how it works ------------------------------------------------------------------------------

    def _use(self, scenario: Scenario | str) -> None:
        found = self.given if scenario == self.given.name else Scenario.from_name(scenario)
        self.scenario = found.replace(population__size=self._size, population__months=self._months)

    def _make(self, values: dict[str, Any]) -> None:
        """The page's widgets in its language; controls keep `values`."""
        self.panel = Panel(self.groups(), self.scenario, self.language, self._changed)
        self.panel.set(values)
        self._cards = ipywidgets.HTML()
        self._cards.add_class("cs-top")
        self.words = ipywidgets.HTML()
        self.words.add_class("cs-words")
        self._message = ipywidgets.HTML()
        self._message.add_class("cs-status")
        self._bar = ipywidgets.FloatProgress(min=0, max=1, layout=ipywidgets.Layout(width="100%"))
        self._run = self._button("run", lambda: self.refresh(run=True), "primary")
        self._stop = self._button("stop", None, "warning")
        # at once, without waiting for a picture that is being drawn
        self._stop.on_click(lambda _: self._worker.stop())
        self._reset = self._button("reset", self._reset_all)
        speak = self._button("language", self._other_language)
        speak.add_class("cs-language")
        self.sentence = ""

        badge = ""
        if self.same_luck:
            luck, help = say("same_luck", self.language), say("same_luck_help", self.language)
            badge = f'<span class="cs-badge" title="{html.escape(help)}">{html.escape(luck)}</span>'
        head = ipywidgets.HTML(f"<h2>{html.escape(self.pick(self.question))}{badge}</h2>")
        head.add_class("cs-question")
        top = ipywidgets.HBox([head, speak])
        top.add_class("cs-header")
        buttons = ipywidgets.HBox([self._run, self._stop, self._reset])
        buttons.add_class("cs-buttons")
        # Sliders first, at the height of the pictures; the buttons stay in sight above them.
        left = ipywidgets.VBox([buttons, self._bar, self._message, self.panel.box])
        left.add_class("cs-left")
        parts = list(self.build())
        self.main = ipywidgets.VBox(parts if _holds(parts, self.words) else [*parts, self.words])
        self.main.add_class("cs-main")
        body = ipywidgets.HBox([left, self.main])
        body.add_class("cs-body")
        sheets = "".join(static(name) for name in ("page.css", self.css) if name)
        style = ipywidgets.HTML(f"<style>{sheets}</style>")
        style.add_class("cs-hidden")
        manners = Manners(language=self.language)
        manners.on_msg(lambda *_: self.guard(self._tell_again))
        self.root.children = [style, manners, top, self._cards, body]

    def _button(self, key: str, do: Callable[[], None] | None, style: str = "") -> Any:
        button = ipywidgets.Button(description=say(key, self.language), button_style=style)
        if do is not None:
            button.on_click(lambda _: self.guard(do))
        return button

    def guard(self, do: Callable[[], Any]) -> None:
        """Do it while nothing is being shown, and tell what goes wrong in words: a front end hides
        errors of callbacks."""
        try:
            with self._lock:
                do()
        except Exception as error:
            self._fail(error)

    def _changed(self, name: str) -> None:
        def answer() -> None:
            if name in self.remake:
                self._make_anew()
            if self.at_once or name in self.remake:
                self.refresh()

        self.guard(answer)

    def _tell_again(self) -> None:
        """Send what the worker may have changed while a front end was being built: Voila takes a picture
        of all widgets, and a change sent before that picture arrives falls between the two."""
        waiting = [self.main, self._cards, self._message, self._bar, self._run, self._stop]
        # "ready", said between the reading of the old word and its sending, would be overtaken by it, and
        # the page would seem to compute for ever
        with self._worker.undisturbed():
            while waiting:
                widget = waiting.pop()
                waiting += getattr(widget, "children", ())
                widget.send_state([name for name in widget.keys if not name.startswith("_")])

    def _make_anew(self) -> None:
        """The page's widgets once more, after a change of a control in `remake`."""
        # what is being computed belongs to the widgets that go
        self._worker.stop()
        self.found = None
        if "preset" in self.panel.values:
            self._use(self.panel.values["preset"])
        before = self.panel.values
        self._make({key: before[key] for key in self.remake if key in before})
        for key in self.keep:
            if key in before and key in self.panel.controls:
                # the measure chosen may have nothing to act on in the new industry
                with contextlib.suppress(ValueError):
                    self.panel.set({key: before[key]})

    def _reset_all(self) -> None:
        before = {key: self.panel.values[key] for key in self.remake if key in self.panel.values}
        self.panel.reset()
        if before != {key: self.panel.values[key] for key in before}:
            self._changed(next(iter(before)))
        else:
            self.refresh()

    def _other_language(self) -> None:
        cut = self._worker.busy or self.found is None or bool(self.error)
        self._worker.stop()
        self.language = "en" if self.language == "zh" else "zh"
        self._make(self.panel.values)
        if cut:
            self.refresh()
        else:
            self.show(self.found)
            self._busy(False)
            self._status("ready")

    def _do(self, request: dict[str, Any], task: Task) -> str:
        self.error = ""
        try:
            for found in self.compute(request, task):
                # within the lock: the widgets may have been made anew meanwhile
                with self._lock:
                    if task.stop.is_set():
                        break
                    self.found = found
                    self.show(found)
        except Stopped:
            return "stopped"
        except Exception as error:
            # what is no longer wanted may go wrong unheard
            if not task.stop.is_set():
                self._fail(error)
                return "failed"
        return "stopped" if task.stop.is_set() else "ready"

    def _fail(self, error: Exception) -> None:
        known = isinstance(error, ScenarioError | PolicyError | RuleError | ValueError)
        head = say("error" if known else "unexpected", self.language)
        what = str(error) if known else f"{type(error).__name__}: {error}"
        self.error = f"{head}: {what}"
        more = ""
        if not known:
            told = html.escape("".join(traceback.format_exception(error)))
            more = f"<details><summary>Python</summary><pre>{told}</pre></details>"
        self._message.value = f'<div class="cs-error" role="alert">{html.escape(self.error)}{more}</div>'

    def _tell(self, share: float, text: str) -> None:
        self._bar.value = share
        self._status("working", text)

    def _status(self, key: str, text: str = "") -> None:
        words = text or say(key, self.language)
        self._message.value = f'<span class="cs-{key}" role="status">{html.escape(words)}</span>'

    def _begin(self) -> None:
        self._busy(True)
        self._status("working")

    def _idle(self, how: str) -> None:
        self._busy(False)
        if how != "failed":
            self._status(how)

    def _busy(self, busy: bool) -> None:
        self._run.disabled, self._stop.disabled = busy, not busy
        self._bar.value = 0.0 if busy else 1.0

    def _ipython_display_(self, **_: Any) -> None:
        from IPython.display import display

        display(self.root)

    def __repr__(self) -> str:
        return f"Page({self.name!r}, {self.scenario.name!r})"


def _holds(widgets: Sequence[Any], wanted: Any) -> bool:
    return any(w is wanted or _holds(getattr(w, "children", ()), wanted) for w in widgets)
