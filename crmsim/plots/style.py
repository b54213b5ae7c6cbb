"""What all figures share: colours, fonts, the page, words in two languages, files.

A module of figures registers its words with `add_words` and draws on a page:

    with a_page(ax, language) as page:
        page.ax.plot(...)
        return page.finish(title, sentence, note)

One visual language for all of them. Loyalty layers are one ramp from grey (none) to deep blue
(action), the five causes of churn five fixed hues, all safe for colour-blind eyes (Okabe & Ito 2008).
A world without policies is a thin black line, one with policies a solid coloured line; what is
uncertain has a band or bar. The title says what is found, lines are labelled where they end, the
foot (`note`) names scenario, seed and customers.
"""

from __future__ import annotations

import contextlib
import io
import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from ..vocabulary import LoyaltyLayer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Language = Literal["en", "zh"]
OKABE_ITO = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "purple": "#CC79A7",
}
CAUSE_COLOURS = {
    "natural": OKABE_ITO["green"],
    "competitive": OKABE_ITO["vermillion"],
    "fault": OKABE_ITO["purple"],
    "payment_lapse": OKABE_ITO["orange"],
    "retaliatory": OKABE_ITO["black"],
}
LAYER_COLOURS = dict(
    zip(LoyaltyLayer.keys(), ("#C9C9C9", "#A6C8E4", "#6AA3D0", "#2B74B3", "#0A3A75"), strict=True)
)
# The baseline is black; the policies take these in turn.
POLICY_COLOURS = [OKABE_ITO[c] for c in ("blue", "orange", "green", "purple", "sky", "vermillion")]
GREY, LIGHT = "#5A5A5A", "#DDDDDD"
# Looked for in this order; a name stands for all fonts that begin with it.
CHINESE_FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Noto Sans CJK", "Source Han Sans", "Microsoft YaHei", "PingFang",
    "WenQuanYi", "SimHei", "Heiti SC", "Hiragino Sans GB", "Arial Unicode MS",
)  # fmt: skip
SENTENCES: WeakKeyDictionary[Any, str] = WeakKeyDictionary()

# Words by key, English and Chinese; `add_words` adds those of a module.
_TEXT: dict[str, tuple[str, str]] = {
    "no_font": ("no Chinese font is installed, so the words are English", ""),
    "1000": ("thousand", "千"),
    "1000000": ("million", "百万"),
    "and": (", ", "，"),
}


def add_words(words: Mapping[str, tuple[str, str]]) -> None:
    """Register a module's words: key -> (English, Chinese), for `Page.say`.

    Raises ValueError for a key that already has other words.
    """
    for key, pair in words.items():
        if _TEXT.setdefault(key, pair) != pair:
            raise ValueError(f"the words {key!r} are taken: {_TEXT[key][0]!r}")


def save_figure(figure: Any, path: str | Path) -> tuple[Path, Path]:
    """Write a figure (or that of axes) as `path` with .png and .svg added, each whole or not at all.

    The files carry no date, and the same figure gives the same bytes. Returns the two paths. OSError
    where they cannot be written.
    """
    import matplotlib

    if isinstance(figure, np.ndarray):
        figure = figure.flat[0]
    fig: Figure = figure.get_figure(root=True) if hasattr(figure, "get_figure") else figure
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sentence = next((text for ax in fig.axes if (text := words(ax))), "")
    written = []
    metadata: dict[str, dict[str, Any]] = {
        "png": {"Software": None, "Description": sentence},
        "svg": {"Date": None, "Creator": None, "Description": sentence},
    }
    with matplotlib.rc_context({"svg.hashsalt": "crmsim"}):
        for kind, about in metadata.items():
            target = path.with_name(f"{path.name}.{kind}")
            part = target.with_name(target.name + ".part")
            fig.savefig(part, format=kind, metadata=about, facecolor="white")
            part.replace(target)
            written.append(target)
    return written[0], written[1]


def words(ax: Any) -> str:
    """The sentence that says what a figure of this module shows; empty for another's axes."""
    if isinstance(ax, np.ndarray):
        ax = ax.flat[0]
    return SENTENCES.get(ax, "")


def chinese_font() -> str | None:
    """Name of an installed font with Chinese characters, None if there is none."""
    return find_font(_installed())


class Page:
    """Axes with sizes that fit them and words in the reader's language.

    own: whether the figure was made for these axes. told: a word for the foot, as `spoken` gives it.
    """

    def __init__(self, ax: Axes, language: Language, own: bool, told: str) -> None:
        self.ax, self.language, self.own, self.told = ax, language, own, told
        figure = ax.get_figure(root=True)
        assert figure is not None
        width = ax.get_position().width * figure.get_size_inches()[0] if not own else 9.0
        self.scale = min(max(width / 8.5, 0.5), 1.1)
        self.size = 15 * self.scale  # points
        self.pad = 14.0  # points between title and axes
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=0.9 * self.size, labelfontfamily=families(language))
        ax.grid(axis="y", color=LIGHT, linewidth=0.8)
        ax.set_axisbelow(True)

    def say(self, key: str, **values: Any) -> str:
        """The words of a key in the reader's language, values put in."""
        return _TEXT[key][self.language == "zh"].format(**values)

    def money_unit(self, size: float, currency: str) -> str:
        """The unit of money shown in `size`, such as thousand EUR."""
        word = self.say(f"{size:.0f}") if size > 1 else ""
        return f"{word} {currency}".strip()

    def bracket(self, unit: str) -> str:
        """A unit in brackets, to be set behind the name of an axis; nothing for none."""
        return "" if not unit else f"（{unit}）" if self.language == "zh" else f" ({unit})"

    def listed(self, parts: Iterable[str]) -> str:
        """The `parts` as one text, with the commas of the language."""
        return self.say("and").join(parts)

    def percent(self, share: float) -> str:
        """A share (0 to 1) in per cent, with a decimal below 10 where it has one."""
        if not math.isfinite(share):
            return "-"
        value = 100 * share
        digits = 0 if abs(value) >= 9.95 or abs(value - round(value)) < 0.05 else 1
        return minus(f"{value:.{digits}f}") + ("%" if self.language == "zh" else " %")

    def axes_words(self, x: str, y: str) -> None:
        """x, y: names of the two axes, units with them."""
        self.ax.set_xlabel(x, fontsize=self.size)
        self.ax.set_ylabel(y, fontsize=self.size)

    def rows(self, places: Any, names: Sequence[str]) -> None:
        """Names of rows at the left, at these `places` of the y axis; the lines of the grid stand upright."""
        self.ax.set_yticks(places, names)
        self.ax.tick_params(axis="y", length=0)
        self.ax.grid(visible=False, axis="y")
        self.ax.grid(visible=True, axis="x", color=LIGHT, linewidth=0.8)

    def value(self, x: float, y: float, text: str) -> None:
        """A number as `text` above a bar that ends at x, y, in the units of the axes."""
        self.ax.annotate(
            text, (x, y), (0, 4), textcoords="offset points", ha="center", va="bottom", fontsize=self.size
        )

    def legend(self, size: float = 0.8) -> None:
        """Marks and bars by name, in a line above the axes on the right; the title makes room for it.

        size: of the type, as a share of the usual one.
        """
        self.ax.legend(
            loc="lower right", bbox_to_anchor=(1.0, 0.99), ncols=5, frameon=False,
            fontsize=size * self.size, handletextpad=0.1, columnspacing=1.2, borderpad=0,
        )  # fmt: skip
        self.pad = 30.0 if size <= 0.8 else 36.0

    def label_ends(
        self, ends: Mapping[str, tuple[float, float, str]], number: str = "", *, leaders: bool = True
    ) -> None:
        """Name lines where they end, moved apart where they would meet.

        ends: name -> x and y of the end, colour; the labels stand right of the axes. number: format of y,
        set behind the name. leaders: a thin line from each end to its label.
        """
        if not ends:
            return
        ax = self.ax
        low, high = ax.get_ylim()
        figure = ax.get_figure(root=True)
        assert figure is not None
        tall = ax.get_position().height * figure.get_size_inches()[1] * 72
        texts = {name: broken(f"{name} {number.format(end[1])}".strip()) for name, end in ends.items()}
        unit = (high - low) * self.size / tall
        heights = {name: (1.25 * (text.count("\n") + 1) + 0.1) * unit for name, text in texts.items()}
        right = max(end for end, _, _ in ends.values())
        names = sorted(ends, key=lambda n: ends[n][1])
        places = apart([ends[n][1] for n in names], [heights[n] for n in names], low - unit, high + unit)
        beside = ax.get_yaxis_transform()
        for name, y in zip(names, places, strict=True):
            _, at, colour = ends[name]
            if leaders:
                leader, ink = ([1.003, 1.018], [at, y]), dark(colour)
                ax.plot(*leader, color=ink, linewidth=1, transform=beside, clip_on=False)
            ax.text(
                1.022, y, texts[name], transform=beside, va="center", fontsize=self.size, color=dark(colour),
                linespacing=1.1,
            )  # fmt: skip
        ax.set_xlim(0, right)
        ax.set_ylim(low, high)

    def finish(self, title: str, sentence: str, note: str, pad: float | None = None) -> Axes:
        """Title, foot, and the sentence that goes with the figure; returns the axes.

        pad: points between title and axes.
        """
        ax = self.ax
        if title:
            title = title[:1].upper() + title[1:] if self.language == "en" else title
            text = "\n".join(_even_lines(title, self._letters()))
            ax.set_title(text, loc="left", fontsize=1.2 * self.size, pad=self.pad if pad is None else pad)
        note = "; ".join(filter(None, (note, self.told)))
        if note:
            below = 3.6 if ax.get_xlabel() else 2.2
            ax.annotate(
                note, (0, 0), (0, -below * self.size), xycoords="axes fraction", textcoords="offset points",
                fontsize=0.75 * self.size, color=GREY, va="top", annotation_clip=False,
            )  # fmt: skip
        SENTENCES[ax] = sentence
        if self.own:
            _show_in_notebooks(ax)
        return ax

    def _letters(self) -> int:
        """Letters of a line of the title, which begins right of the names of the rows."""
        most = 38 if self.language == "zh" else 72
        # a Latin letter is a little over half the size of the type wide, a Chinese one all of it
        names = [
            sum(1.0 if ord(c) > 0x2E80 else 0.55 for c in line) * float(label.get_fontsize())
            for label in self.ax.get_yticklabels()
            for line in label.get_text().split("\n")
            if line
        ]
        room = 12.8 * 72 * 0.985 * (self.scale / 1.06 if not self.own else 1.0) - max(names, default=0.0)
        letter = 1.2 * self.size * (1.0 if self.language == "zh" else 0.53)
        return max(min(most, int((room - 2.5 * self.size) / letter)), 12)


@contextlib.contextmanager
def a_page(ax: Axes | None, language: str, height: float = 7.2) -> Iterator[Page]:
    """A page on `ax`, or on a figure of its own, `height` inches high, with the fonts of the language.

    Raises ValueError for a language other than "en" and "zh".
    """
    reader, told = spoken(language)
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_style(reader)):
        own = ax is None
        if ax is None:
            ax = Figure(figsize=(12.8, height), dpi=100, layout="constrained").subplots()
        yield Page(ax, reader, own, told)


@contextlib.contextmanager
def some_pages(
    axes: Sequence[Axes] | None, language: str, *, rows: int = 2, columns: int = 1, sharex: bool = True
) -> Iterator[list[Page]]:
    """Several pages in rows and columns, as a rule two, one above the other.

    sharex: one x axis for all. Raises ValueError for another number of axes.
    """
    reader, told = spoken(language)
    import matplotlib
    from matplotlib.figure import Figure

    number = rows * columns
    with matplotlib.rc_context(_style(reader)):
        own = axes is None
        if axes is None:
            figure = Figure(figsize=(12.8, 8.6), dpi=100, layout="constrained")
            axes = list(figure.subplots(rows, columns, sharex=sharex, squeeze=False).flat)
        axes = list(np.ravel(np.asarray(axes, dtype=object)))
        if len(axes) != number:
            words = {2: "two", 4: "four"}
            raise ValueError(f"{words[number]} axes are needed, not {len(axes)}")
        told_by = number - columns  # the first of the last row has the foot
        yield [Page(ax, reader, own, told if k == told_by else "") for k, ax in enumerate(axes)]


def _style(language: Language) -> Any:
    return {
        "font.family": families(language),
        "text.parse_math": False,
        "axes.unicode_minus": True,
        "lines.solid_capstyle": "round",
    }


def families(language: Language) -> list[str]:
    """Fonts in the order in which a letter is looked for: English figures may hold Chinese names."""
    font = chinese_font()
    if font is None:
        return ["DejaVu Sans"]
    return [font, "DejaVu Sans"] if language == "zh" else ["DejaVu Sans", font]


def spoken(language: str) -> tuple[Language, str]:
    """The language to use, and a word for the foot where it is not the one wanted.

    Raises ValueError for another language.
    """
    if language not in ("en", "zh"):
        raise ValueError(f'language {language!r} is not known; use "en" or "zh"')
    if language == "zh" and chinese_font() is None:
        return "en", _TEXT["no_font"][0]
    return ("zh" if language == "zh" else "en"), ""


@lru_cache(maxsize=1)
def _installed() -> tuple[str, ...]:
    from matplotlib.font_manager import fontManager

    return tuple(sorted({entry.name for entry in fontManager.ttflist}))


def find_font(installed: Sequence[str]) -> str | None:
    """The first of `CHINESE_FONTS` that is installed, None without one."""
    for wanted in CHINESE_FONTS:
        for name in installed:
            if name.startswith(wanted):
                return name
    return None


def _show_in_notebooks(ax: Axes) -> None:
    """A notebook asks the last value of a cell for its picture."""

    def picture() -> bytes:
        figure = ax.get_figure(root=True)
        assert figure is not None
        file = io.BytesIO()
        figure.savefig(file, format="png", facecolor="white")
        return file.getvalue()

    ax._repr_png_ = picture  # type: ignore[attr-defined]


def line_styles(names: Sequence[str]) -> Iterator[tuple[str, str, float]]:
    """Name, colour and width of lines: the first thin and black."""
    for k, name in enumerate(names):
        if k == 0 and len(names) > 1:
            yield name, OKABE_ITO["black"], 1.6
        else:
            yield name, POLICY_COLOURS[max(k - 1, 0) % len(POLICY_COLOURS)], 3.2


def broken(text: str, wide: int = 26) -> str:
    """A long label on two lines or more, broken after a space (but not before %), colon, plus or comma."""
    lines, line = [], ""
    for part in re.split(r"(?<=[ :+,])(?!%)", text):
        if line and len(line) + len(part.rstrip()) > wide:
            lines.append(line.rstrip())
            line = ""
        line += part
    return "\n".join([*lines, line.rstrip()])


@lru_cache
def dark(colour: str) -> str:
    """The same hue, dark enough to be read as text on white (contrast of 4.5, WCAG 2)."""
    parts = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    for percent in range(100, 0, -1):
        shade = [c * percent // 100 for c in parts]
        linear = [
            c / 3294.6 if c <= 10.31475 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in map(float, shade)
        ]
        light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        if 1.05 / (light + 0.05) >= 4.5:
            break
    return "#{:02X}{:02X}{:02X}".format(*shade)


def apart(places: Sequence[float], heights: Sequence[float], low: float, high: float) -> list[float]:
    """Middles of labels of these heights near sorted places: moved as little as keeps them apart,
    and between low and high where they all fit."""
    groups: list[tuple[float, list[float]]] = []  # lower edge, heights
    for place, height in zip(places, heights, strict=True):
        groups.append((inside(place - height / 2, height, low, high), [height]))
        while len(groups) > 1:
            (a, below), (b, above) = groups[-2:]
            if b >= a + sum(below):
                break
            # Their common middle, each label pulling alike.
            joined = below + above
            middle = (len(below) * (a + sum(below) / 2) + len(above) * (b + sum(above) / 2)) / len(joined)
            edge = inside(middle - sum(joined) / 2, sum(joined), low, high)
            groups[-2:] = [(edge, joined)]
    found = []
    for edge, joined in groups:
        for height in joined:
            found.append(edge + height / 2)
            edge += height
    return found


def inside(edge: float, height: float, low: float, high: float) -> float:
    """A lower edge such that the height stays between low and high, if it can."""
    return edge if height > high - low else min(max(edge, low), high - height)


def _even_lines(text: str, wide: int) -> list[str]:
    """A text on as few lines as it takes, about equally long, so that no word is left alone."""
    text = text.replace(" %", "\N{NO-BREAK SPACE}%")  # a number keeps its sign
    lines = textwrap.wrap(text, wide)
    if len(lines) > 1:
        for width in range(-(-len(text) // len(lines)), wide):
            if len(textwrap.wrap(text, width)) == len(lines):
                lines = textwrap.wrap(text, width)
                break
    return [line.replace("\N{NO-BREAK SPACE}%", " %") for line in lines]


def need(frame: Any, columns: Sequence[str], who: str, source: str) -> None:
    """ValueError, in the name of `who`, unless the frame has these columns and a row.

    source: what gives such a table.
    """
    if lacking := [c for c in columns if not isinstance(frame, pd.DataFrame) or c not in frame]:
        raise ValueError(f"{who}: column {lacking[0]!r} is missing; give the table of {source}")
    if not len(frame):
        raise ValueError(f"{who}: the table is empty")


def word_for(key: Any, names: Mapping[Any, str] | None) -> str:
    """The user's word for a key, or the key itself with spaces."""
    return str(names[key]) if names and key in names else str(key).replace("_", " ")


def signed(value: float, digits: int = 1) -> str:
    """A number with its sign and so many `digits` after the point."""
    return minus(f"{value:+.{digits}f}")


def minus(text: str) -> str:
    """A number as text with a true minus sign, and none before a zero."""
    if not any(digit in text for digit in "123456789"):
        text = text.lstrip("+-")
    return text.replace("-", "\N{MINUS SIGN}")


def money_size(largest: float) -> float:
    """1, a thousand or a million: the unit in which money up to `largest` is shown."""
    return next((size for size in (1e6, 1e3) if largest >= 10 * size), 1.0)


def writer(values: pd.Series, whole: bool) -> Any:
    """How to write numbers like `values`: a function of the number and the sign wanted.

    whole: they are counts, without decimals from 10 on.
    """
    effects = np.abs(values.to_numpy(float))
    largest = float(np.max(effects[np.isfinite(effects)], initial=0.0))
    digits = 0 if largest >= 100 or (whole and largest >= 10) else 1 if largest >= 1 else 2

    def write(x: float, sign: str = "+") -> str:
        return minus(f"{x:{sign},.{digits}f}")

    return write
