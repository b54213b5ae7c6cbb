"""Kinds of answer: what is asked for, when it counts as right, and what kind of wrong it is.

Each kind judges a plain value (`plain.plain`) against the reference and gives a `Verdict`. It tells what is
wrong, never what would be right. `wrong` names typical mistakes as functions of the data: whoever hands in
what such a function gives is told its sentence.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .plain import plain

Data = Mapping[str, Any]
Wrong = Mapping[str, Callable[[Any], Any]]
Call = Callable[[Sequence[Any]], Any]

ODD = {
    "NaN": "it is NaN, not a number: something was divided by nothing, or a missing value came in",
    "infinity": "it is infinite: something was divided by 0",
    "missing value": "it is a missing value",
}


@dataclass(frozen=True)
class Verdict:
    """share: of the points, 0 to 1. mistake: the kind of wrong in a few words, the same for all who make it,
    empty if right. told: what the student reads. answered: False where nothing was handed in.
    """

    share: float
    told: str
    mistake: str = ""
    answered: bool = True

    @property
    def right(self) -> bool:
        return self.share >= 1


RIGHT = Verdict(1.0, "Right 正确.")
OPEN = Verdict(0.0, "Not answered yet 未作答.", "not answered", answered=False)


def wrong(mistake: str, told: str = "", share: float = 0.0) -> Verdict:
    words = told or mistake
    head = "Not right 不正确" if share <= 0 else f"Partly right 部分正确 ({share:.0%})"
    return Verdict(min(max(share, 0.0), 0.99), f"{head}: {words}.", mistake)


def _type_problem(value: Any, wanted: str) -> Verdict:
    """A value of another kind than asked for, in words."""
    if isinstance(value, dict) and "$odd" in value:
        odd = str(value["$odd"])
        return wrong("no plain value", ODD.get(odd, f"the answer is a {odd}; {wanted} is asked for"))
    if isinstance(value, dict) and "$function" in value:
        return wrong("another kind", f"the answer is a function; call it and give what it returns, {wanted}")
    if isinstance(value, dict):
        kind = {"$table": "table", "$series": "Series", "$dict": "dict"}.get(next(iter(value), ""), "dict")
    else:
        kind = {bool: "yes or no (True or False)", str: "text", list: "list"}.get(type(value), "number")
    quoted = isinstance(value, str) and wanted.startswith("one number") and _reads_as_number(value)
    more = " without quotes" if quoted else ""
    return wrong("another kind", f"the answer is a {kind}; {wanted}{more} is asked for")


def _reads_as_number(words: str) -> bool:
    with contextlib.suppress(ValueError):
        return math.isfinite(float(words))
    return False


def _open(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and "$open" in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _scalar(value: Any) -> Any:
    """The only entry of a list, Series or table of one, else the value itself."""
    inner = _entries(value)
    if isinstance(inner, list) and len(inner) == 1 and not isinstance(inner[0], list | dict):
        return inner[0]
    return value


def _entries(value: Any) -> Any:
    """The values of a list or Series; of a table with one column, that column; else None."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict) and "$series" in value:
        return value["$series"]["values"]
    if isinstance(value, dict) and "$table" in value and len(value["$table"]["columns"]) == 1:
        return [row[0] for row in value["$table"]["rows"]]
    return None


class Answer:
    """Base of the kinds."""

    wanted = "an answer"

    def check(self, value: Any, reference: Any, data: Data, seed: int, call: Call | None = None) -> Verdict:
        """Judge a plain value against the reference that `Exercise.solve` or `truth` gave.

        call: for a function, calls it with arguments and gives its plain result.
        """
        if _open(value):
            return OPEN
        return self.judge(value, reference, data, seed, call)

    def judge(self, value: Any, reference: Any, data: Data, seed: int, call: Call | None) -> Verdict:
        raise NotImplementedError


# -- one number ---------------------------------------------------------------------------------------

SLIPS = (
    (100.0, "off by a factor of 100: per cent and share 百分比与比例 are mixed up"),
    (1000.0, "off by a factor of 1,000: look at the unit of money or of customers"),
    (12.0, "off by a factor of 12: per month and per year are mixed up"),
)


@dataclass(frozen=True)
class Number(Answer):
    """One number. relative, absolute: how far it may lie from the reference; say in `why` what justifies it
    (rounding, or the sampling error of the method). unit: told to the student.
    """

    unit: str = ""
    relative: float = 0.005
    absolute: float = 0.0
    why: str = "rounding to three digits"
    wrong: Wrong = field(default_factory=dict)

    @property
    def wanted(self) -> str:  # type: ignore[override]
        return f"one number ({self.unit})" if self.unit else "one number"

    def near(self, value: float, reference: float) -> bool:
        return abs(value - reference) <= max(self.absolute, self.relative * abs(reference)) + 1e-12

    def judge(self, value: Any, reference: Any, data: Data, seed: int, call: Call | None) -> Verdict:
        value, reference = _scalar(value), float(reference)
        entries = _entries(value)
        if entries is not None:
            return wrong("another shape", f"the answer has {len(entries):,} values; one number is asked for")
        if not _is_number(value):
            return _type_problem(value, self.wanted)
        if self.near(value, reference):
            return RIGHT
        slips = {sentence: float(mistake(data)) for sentence, mistake in self.wrong.items()}
        slips = {sentence: slip for sentence, slip in slips.items() if self.near(value, slip)}
        if slips:  # the nearest, as two mistakes may come to much the same
            return wrong(min(slips, key=lambda sentence: abs(value - slips[sentence])))
        for factor, sentence in SLIPS:
            if self.near(value / factor, reference) or self.near(value * factor, reference):
                return wrong(sentence)
        if self.near(-value, reference):
            return wrong("the sign is the other way round 符号相反")
        if self.unit == "share" and self.near(1 - value, reference):
            return wrong("this is the share of all the others 余下的比例")
        if self.unit == "share" and not 0 <= value <= 1:
            return wrong("no share", "a share lies between 0 and 1")
        if value and self.near(1 / value, reference):
            return wrong("the ratio is upside down 分子分母颠倒")
        close = abs(value - reference) <= 0.1 * abs(reference)
        return wrong("another number", "close, but outside the tolerance" if close else "another number")


# -- choices, names, orders -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice(Answer):
    """One of several options. wrong: option -> why it is not so, in a sentence that does not tell which
    is."""

    options: tuple[str, ...] = ()
    wrong: Mapping[str, str] = field(default_factory=dict)

    @property
    def wanted(self) -> str:  # type: ignore[override]
        return f"one of {', '.join(self.options)}"

    def judge(self, value: Any, reference: Any, data: Data, seed: int, call: Call | None) -> Verdict:
        value = _scalar(value)
        if not isinstance(value, str):
            return _type_problem(value, self.wanted)
        known = {option.casefold(): option for option in self.options}
        given = known.get(value.strip().casefold())
        if given is None:
            return wrong("not an option", f"{value[:40]!r} is no option; give {self.wanted}")
        return RIGHT if given == reference else wrong(self.wrong.get(given, "another option holds"))


def _label(value: Any) -> Any:
    """A name as it is compared: 17, 17.0 and "17" are the same."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _named(value: Any, wanted: str) -> list[Any] | Verdict:
    """The names in a list, in a Series (its values) or a table of one column; else what is wrong."""
    entries = _entries(value)
    if entries is None:
        return _type_problem(value, wanted)
    if any(each is None or (isinstance(each, dict) and "$odd" in each) for each in entries):
        return wrong("missing values", f"there are missing values in the list; {wanted} is asked for")
    if any(isinstance(each, list | dict) for each in entries):
        return wrong("lists within lists", f"there are lists within the list; {wanted} is asked for")
    if entries and all(isinstance(each, bool) for each in entries):
        return wrong("True and False", f"the list holds True and False; {wanted} is asked for")
    return [_label(each) for each in entries]


def _by_index(value: Any, right: Iterable[Any]) -> Verdict | None:
    """What to say where the names stand in the index of a Series, whose values are read."""
    if isinstance(value, dict) and "$series" in value:
        index = {_label(each) for each in value["$series"]["index"]}
        if index & set(right):
            return wrong(
                "a Series is read by its values", "a Series is read by its values; hand in its index"
            )
    return None


@dataclass(frozen=True)
class Names(Answer):
    """A set of names or ids, in any order.

    Part marks by the Jaccard index J (names in both / names in either): 2J - 1, so that naming everybody
    earns nothing where fewer than half belong.
    """

    what: str = "names"
    wrong: Wrong = field(default_factory=dict)

    @property
    def wanted(self) -> str:  # type: ignore[override]
        return f"a list of {self.what}"

    def judge(self, value: Any, reference: Any, data: Data, seed: int, call: Call | None) -> Verdict:
        names = _named(value, self.wanted)
        if isinstance(names, Verdict):
            return names
        given, right = set(names), {_label(each) for each in reference}
        if given == right:
            return RIGHT
        if not given:
            return wrong("an empty list", "the list is empty")
        for sentence, mistake in self.wrong.items():
            if given == {_label(each) for each in mistake(data)}:
                return wrong(sentence)
        share = max(0.0, 2 * len(given & right) / len(given | right) - 1)
        if not given & right:
            if found := _by_index(value, right):
                return found
            return wrong("none of them belongs", f"none of these {self.what} belongs")
        parts = ["some are missing"] * bool(right - given) + ["some do not belong"] * bool(given - right)
        return wrong(" and ".join(parts), share=share)


@dataclass(frozen=True)
class Ranking(Answer):
    """All names in order, the first the best. Part marks: Kendall's tau above .5, as 2 tau - 1."""

    what: str = "names"
    wrong: Wrong = field(default_factory=dict)

    @property
    def wanted(self) -> str:  # type: ignore[override]
        return f"a list of {self.what} in order"

    def judge(self, value: Any, reference: Any, data: Data, seed: int, call: Call | None) -> Verdict:
        given = _named(value, self.wanted)
        if isinstance(given, Verdict):
            return given
        right = [_label(each) for each in reference]
        if given == right:
            return RIGHT
        if sorted(given) != sorted(right):
            if not set(given) & set(right) and (found := _by_index(value, right)):
                return found
            return wrong(
                "not the same names", f"{self.wanted}, each once: some are missing, double or strange"
            )
        if given == right[::-1]:
            return wrong("sorted the other way 排序方向相反")
        for sentence, mistake in self.wrong.items():
            if given == [_label(each) for each in mistake(data)]:
                return wrong(sentence)
        place = {name: k for k, name in enumerate(given)}
        pairs = [(a, b) for k, a in enumerate(right) for b in right[k + 1 :]]
        tau = sum(1 if place[a] < place[b] else -1 for a, b in pairs) / len(pairs)
        return wrong("some are out of order", share=max(0.0, 2 * tau - 1))


# -- tables ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table(Answer):
    """A table with a row a key. key: the column (or index) that names rows; columns: those compared.

    Part marks: the mean share of right entries, counted from one half. wrong: functions that give such a
    table (DataFrame indexed by the key); a column that equals theirs and not the reference is told.
    """

    key: str = "customer"
    columns: tuple[str, ...] = ()
    relative: float = 0.005
    absolute: float = 1e-9
    wrong: Wrong = field(default_factory=dict)

    @property
    def wanted(self) -> str:  # type: ignore[override]
        return f"a table with a row a {self.key} and the columns {', '.join(self.columns)}"

    def judge(self, value: Any, reference: Any, data: Data, seed: int, call: Call | None) -> Verdict:
        if not (isinstance(value, dict) and "$table" in value):
            return _type_problem(value, self.wanted)
        given = self.read(value)
        right = self.read(plain(reference))
        assert isinstance(right, dict)
        if isinstance(given, Verdict):
            return given
        if missing := [name for name in self.columns if name not in given]:
            return wrong(
                "columns are missing", f"the columns {', '.join(missing)} are missing; {self.wanted}"
            )
        rows = right[self.columns[0]].keys()
        strange = given[self.columns[0]].keys() ^ rows
        if strange == rows | given[self.columns[0]].keys():
            return wrong("other rows", f"no row is named as in {self.key}; give {self.wanted}")
        hits = {name: self.hits(given[name], right[name]) for name in self.columns}
        rate = sum(hits.values()) / len(hits)
        if rate == 1 and not strange:
            return RIGHT
        share = max(0.0, 2 * rate - 1)
        faulty = [name for name, hit in hits.items() if hit < 1]
        for sentence, mistake in self.wrong.items():
            other = self.read(plain(mistake(data)))
            if isinstance(other, dict) and any(
                name in other and self.hits(given[name], other[name]) == 1 for name in faulty
            ):
                return wrong(sentence, share=share)
        if strange:
            lost, more = len(strange & rows), len(strange - rows)
            parts = [f"rows missing: {lost:,}"] * bool(lost) + [f"rows too many: {more:,}"] * bool(more)
            return wrong("other rows", f"{', '.join(parts)}; give {self.wanted}", share)
        if any(each is None or isinstance(each, dict) for name in faulty for each in given[name].values()):
            return wrong("missing values", f"there are missing values in {', '.join(faulty)}", share)
        if text := [n for n in faulty if self._text_for_numbers(given[n], right[n])]:
            told = f"there is text in place of numbers in {', '.join(text)}"
            return wrong("text in place of numbers", told, share)
        return wrong(f"not right: {', '.join(faulty)}", f"look again at {', '.join(faulty)}", share)

    @staticmethod
    def _text_for_numbers(given: Mapping[Any, Any], right: Mapping[Any, Any]) -> bool:
        return any(isinstance(given.get(key), str) and _is_number(each) for key, each in right.items())

    def read(self, value: Any) -> dict[str, dict[Any, Any]] | Verdict:
        """Column -> key -> entry; or what is wrong with the table."""
        table = value["$table"]
        names = [str(name) for name in table["columns"]]
        rows = table["rows"]
        keys = [row[names.index(self.key)] for row in rows] if self.key in names else table["index"]
        keys = [_label(each) for each in keys]
        if len(set(keys)) != len(keys):
            return wrong("rows are named twice", f"a {self.key} has several rows")
        return {
            name: {key: row[k] for key, row in zip(keys, rows, strict=False)} for k, name in enumerate(names)
        }

    def hits(self, given: Mapping[Any, Any], right: Mapping[Any, Any]) -> float:
        found = sum(key in given and self.same(given[key], each) for key, each in right.items())
        return found / max(len(right), 1)

    def same(self, given: Any, right: Any) -> bool:
        if _is_number(given) and _is_number(right):
            return bool(abs(given - right) <= max(self.absolute, self.relative * abs(right)))
        if isinstance(right, dict) or right is None:  # missing in the reference
            return isinstance(given, dict) or given is None
        return not isinstance(given, dict | list) and _label(given) == _label(right)


# -- functions --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Function(Answer):
    """A function of the student's, called on inputs that are drawn when it is judged.

    inputs: seed -> a list of tuples of arguments. `Exercise.solve` gives the reference function. wrong:
    functions of the data that give functions with a typical mistake. Part marks: share of right outputs above
    one half.
    """

    inputs: Callable[[int], Sequence[tuple[Any, ...]]] = lambda seed: ()
    takes: str = "values"
    relative: float = 1e-6
    absolute: float = 1e-9
    wrong: Wrong = field(default_factory=dict)

    @property
    def wanted(self) -> str:  # type: ignore[override]
        return f"a function of {self.takes} (its name, without brackets)"

    def judge(self, value: Any, reference: Any, data: Data, seed: int, call: Call | None) -> Verdict:
        if not (isinstance(value, dict) and "$function" in value) or call is None:
            if isinstance(value, dict) and "$function" in value:
                return wrong("not callable here", "the function could not be called")
            return _type_problem(value, self.wanted)
        inputs = list(self.inputs(seed))
        given = []
        for arguments in inputs:
            try:
                given.append(call(arguments))
            except CallError as error:
                return wrong("the function fails", f"the function fails where it is tried: {error}")
        if all(_open(each) for each in given):
            return OPEN
        right = [plain(reference(*arguments)) for arguments in inputs]
        hits = sum(self.same(a, b) for a, b in zip(given, right, strict=True)) / len(right)
        if hits == 1:
            return RIGHT
        for sentence, mistake in self.wrong.items():
            other = mistake(data)
            if all(self.same(a, plain(other(*x))) for a, x in zip(given, inputs, strict=True)):
                return wrong(sentence)
        if any(_entries(a) is None and _entries(b) is not None for a, b in zip(given, right, strict=True)):
            return wrong("another kind", "the function returns no list where one is asked for")
        lists = [(_entries(a), _entries(b)) for a, b in zip(given, right, strict=True)]
        if any(b is not None and len(a or ()) != len(b) for a, b in lists):
            return wrong("another length", "the function returns a list of another length than is asked for")
        flat = [each for a in given for each in (_entries(a) or [a])]
        if any(each is None or (isinstance(each, dict) and "$odd" in each) for each in flat):
            return wrong("missing values", "the function returns missing values or NaN")
        share = max(0.0, 2 * hits - 1)
        return wrong("wrong for some inputs" if hits else "wrong for every input", share=share)

    def same(self, given: Any, right: Any) -> bool:
        a, b = _entries(given), _entries(right)
        if b is not None:
            return a is not None and len(a) == len(b) and all(map(self.same, a, b))
        if _is_number(given) and _is_number(right):
            return bool(abs(given - right) <= max(self.absolute, self.relative * abs(right)))
        return not isinstance(given, dict | list) and given == right


class CallError(ValueError):
    """A student's function failed, or gave nothing that can be read."""


# -- choosing customers -------------------------------------------------------------------------------------


def scored(score: float, lucky: float, best: float, enough: float, whom: str) -> Verdict:
    """Points for a choice that brought `score`, where chance brings `lucky` and the best possible `best`.

    enough: the part of the way from chance to the best that earns all points.
    """
    way = (score - lucky) / (best - lucky) if best > lucky else 0.0
    if way >= enough:
        return RIGHT
    if way <= 0:
        return wrong("no better than chance", f"{whom} chosen by lot would have done as well or better")
    return wrong(
        "better than chance, not yet good", f"better than {whom} chosen by lot, not yet good", way / enough
    )


@dataclass(frozen=True)
class Targets(Answer):
    """So many customers, chosen by the student, scored by what they turn out to be worth.

    worth: seed -> Series by id, which the student does not have. enough: how far from chance (mean worth) to
    the best possible choice earns all points; take some less than the worked solution reaches.
    """

    count: int = 0
    worth: Callable[[int], Any] = lambda seed: None
    enough: float = 0.5
    what: str = "customers"

    @property
    def wanted(self) -> str:  # type: ignore[override]
        return f"a list of {self.count} ids of {self.what}"

    def judge(self, value: Any, reference: Any, data: Data, seed: int, call: Call | None) -> Verdict:
        names = _named(value, self.wanted)
        if isinstance(names, Verdict):
            return names
        worth = {_label(key): float(each) for key, each in self.worth(seed).items()}
        if not set(names) & worth.keys() and (found := _by_index(value, worth)):
            return found
        if len(names) != len(set(names)):
            return wrong("named twice", "somebody is named twice")
        if len(names) != self.count:
            return wrong("another number of them", f"{len(names):,} are named; give {self.wanted}")
        if strange := [name for name in names if name not in worth]:
            return wrong("unknown ids", f"{len(strange):,} ids are not among the {self.what}")
        mean = self.count * sum(worth.values()) / len(worth)
        best = sum(sorted(worth.values(), reverse=True)[: self.count])
        return scored(math.fsum(worth[name] for name in names), mean, best, self.enough, self.what)


@dataclass(frozen=True)
class Plan(Answer):
    """Some things of a menu that a budget pays for, scored by what they bring together.

    costs: tables -> cost by name; budget: tables -> money. worth: seed -> what each choice within the budget
    brings, by the frozenset of its names; chance is their mean. enough: as for `Targets`.
    """

    costs: Callable[[Data], Mapping[str, float]] = lambda data: {}
    budget: Callable[[Data], float] = lambda data: math.inf
    worth: Callable[[int], Mapping[frozenset[str], float]] = lambda seed: {}
    enough: float = 0.5
    what: str = "measures"

    @property
    def wanted(self) -> str:  # type: ignore[override]
        return f"a list of {self.what} within the budget"

    def judge(self, value: Any, reference: Any, data: Data, seed: int, call: Call | None) -> Verdict:
        names = _named(value, self.wanted)
        if isinstance(names, Verdict):
            return names
        costs = self.costs(data)
        if strange := [name for name in names if name not in costs]:
            return wrong("unknown names", f"{strange[0][:40]!r} is none of the {self.what}")
        if not names:
            return wrong("an empty list", "the list is empty")
        if len(names) != len(set(names)):
            return wrong("named twice", "something is named twice")
        if math.fsum(costs[name] for name in names) > self.budget(data):
            return wrong("over the budget 超出预算", "together they cost more than the budget")
        worth = self.worth(seed)
        mean, best = math.fsum(worth.values()) / len(worth), max(worth.values())
        return scored(worth[frozenset(names)], mean, best, self.enough, self.what)


@dataclass(frozen=True)
class Policy(Answer):
    """A policy, tried in the student's world; or a rule ``choose(view)`` that names whom to call each month.

    world: seed -> (Scenario, seed of the run). A rule is given `view`, a DataFrame a row a known customer
    with the columns of `CustomerView`, indexed by id, and returns ids, the most wanted first; the first
    `share` of the customers are offered `action`, as `retention_call` does for the same cost. A policy by
    name (`"retention_call:target=value"`) must be one of `allowed`; with none allowed only a rule is taken.

    Scored by `measure` of the run (an entry of `Run.summary`, such as `customers_at_end` or `equity`) on the
    way from the
    same number of calls by lot to the oracle: calls by uplift in the same world, where the firm sees
    risk and response without error.
    """

    world: Callable[[int], tuple[Any, int]] = lambda seed: (None, 0)
    share: float = 0.05
    action: str = "call"
    measure: str = "customers_at_end"
    enough: float = 0.3
    allowed: tuple[str, ...] = ("retention_call",)

    @property
    def wanted(self) -> str:  # type: ignore[override]
        rule = "a function choose(view) that returns ids (its name, without brackets)"
        return f"{rule}, or the name of a policy" if self.allowed else rule

    def judge(self, value: Any, reference: Any, data: Data, seed: int, call: Call | None) -> Verdict:
        from .trial import SUBSTITUTES, trial

        named: list[Any] = []

        def ask(arguments: Any) -> Any:
            assert call is not None
            named.append(call(arguments))
            return named[-1]

        if isinstance(value, dict) and "$function" in value and call is not None:
            who: Any = ask
        elif isinstance(value, str) and self.allowed:
            who = value
        else:
            return _type_problem(value, self.wanted)
        if who in SUBSTITUTES:  # what it is measured against
            return wrong("the policy fails", f"{who!r} is no policy; give {self.wanted}")
        try:
            mine = trial(self, seed, who)
        except CallError as error:
            if named and all(map(_open, named)):  # the starter's function
                return OPEN
            return wrong("the policy fails", str(error))
        lucky, best = trial(self, seed, "by lot"), trial(self, seed, "oracle")
        return scored(mine, lucky, best, self.enough, "customers")
