"""The base of the course's pages: names, controls, the worker, a page without a browser."""

import base64
import io
import re
import threading
import time

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("anywidget", reason="pages need the extra `course`")
pytest.importorskip("ipywidgets", reason="pages need the extra `course`")

import ipywidgets

from crmsim.simulation.engine import simulate
from crmsim.simulation.policies import LIBRARY
from crmsim.simulation.scenario import Scenario
from crmsim.teaching import words
from crmsim.teaching.controls import Choice, Group, Number, Panel, Parameter, Setting, Switch, round_step
from crmsim.teaching.names import (
    DISTRICT,
    DISTURBANCE,
    PARAMETERS,
    POLICIES,
    SEGMENT,
    SETTINGS,
    TIER,
    TOUCHPOINT,
    UNITS,
    Name,
)
from crmsim.teaching.page import Card, Page
from crmsim.teaching.picture import Picture
from crmsim.teaching.prediction import Prediction
from crmsim.teaching.worker import Worker

CHINESE = re.compile("[\u4e00-\u9fff]")

# --- names ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def declared():
    """Every number of every preset, with its row."""
    tables = {name: Scenario.from_name(name).table() for name in Scenario.presets()}
    return {number: row for table in tables.values() for number, row in table.iterrows()}


def test_every_parameter_has_its_words_and_no_other(declared):
    several = {"touchpoints.": TOUCHPOINT, "disturbances.": DISTURBANCE, "metering.tiers.": TIER}
    several |= {"districts.": DISTRICT, "segments.": SEGMENT}
    assert {name for name in declared if not name.startswith(tuple(several))} == set(PARAMETERS)
    for start, names in several.items():
        assert {name.rpartition(".")[2] for name in declared if name.startswith(start)} == set(names)


def test_every_policy_and_setting_has_its_words_and_no_other():
    assert set(LIBRARY) == set(POLICIES)
    numbers = {name: list(kind.table().index) for name, kind in LIBRARY.items()}
    pairs = {(policy, number) for policy in numbers for number in numbers[policy]}
    used = {f"{p}.{n}" if f"{p}.{n}" in SETTINGS else n for p, n in pairs}
    assert used == set(SETTINGS)


def test_every_unit_has_its_words(declared):
    units = {row["unit"] for row in declared.values()}
    units |= {row["unit"] for kind in LIBRARY.values() for _, row in kind.table().iterrows()}
    assert units <= set(UNITS)
    assert [unit for unit, chinese in UNITS.items() if unit and not CHINESE.search(chinese)] == []


@pytest.mark.parametrize("names", [PARAMETERS, TOUCHPOINT, DISTURBANCE, TIER, DISTRICT, SEGMENT, SETTINGS])
def test_names_are_short_and_in_their_language(names: dict[str, Name]):
    for key, name in names.items():
        assert 0 < len(name.english) <= 32, key
        assert not CHINESE.search("".join(name.english)), key
        assert CHINESE.search(name.chinese) and len(name.chinese) <= 14, key
        assert CHINESE.search(name.help), key


def test_no_two_parameters_have_the_same_label():
    for k in (0, 1):
        labels = [name[k] for name in PARAMETERS.values()]
        assert sorted({label for label in labels if labels.count(label) > 1}) == []


def test_a_control_speaks_both_languages(declared):
    scenario = Scenario.from_name("water_utility")
    for declaration, english, chinese in (
        (Parameter("complaint.resolved"), "Complaints resolved", "投诉解决率"),
        (
            Parameter("districts.highrise.share"),
            "High-rise estates: share of customers",
            "高层小区：客户占比",
        ),
        (Parameter("segments.business.leaving"), "Business: readiness to leave", "工商户：转投倾向"),
        (Parameter("touchpoints.water_quality.failure"), "Water quality: failures", "水质：失误率"),
        (Parameter("disturbances.burst.hours"), "Burst: length", "爆管：持续时间"),
        (Parameter("metering.tiers.1.price"), "Step 2: price", "第2阶梯：单价"),
        (Setting("dunning.cure"), "Dunning: failed payments cured", "催缴提醒：付款补救率"),
    ):
        heads = [declaration.control(scenario, language).box.children[0].value for language in ("en", "zh")]
        assert english in heads[0] and not CHINESE.search(heads[0])
        assert chinese in heads[1]


def test_money_stands_in_the_scenarios_currency():
    assert words.unit_words("money per month", "en", "CNY") == "CNY per month"
    assert words.unit_words("money per month", "zh", "CNY") == "CNY/月"


# --- controls -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wanted", "step"), [(0.013, 0.01), (0.9, 0.5), (1.0, 1.0), (7, 5), (0.002, 0.002)])
def test_steps_are_round_numbers(wanted, step):
    assert round_step(wanted) == pytest.approx(step)


@pytest.fixture
def panel():
    heard = []
    groups = [
        Group(("World", "世界"), [Parameter("market.openness"), Setting("hire_agents.agents")]),
        Group(("Page", "页面"), [
            Number("n", ("n", "数"), 5, 1, 9, whole=True),
            Choice("kind", ("Kind", "种类"), [("a", ("A", "甲")), ("b", ("B", "乙"))]),
            Switch("on", ("On", "开")),
        ]),
    ]  # fmt: skip
    made = Panel(groups, Scenario.from_name("subscription"), "en", heard.append)
    made.heard = heard
    return made


def test_a_control_holds_what_is_declared(panel):
    openness = panel.controls["market.openness"].widget
    assert (openness.min, openness.max, openness.value) == (0.0, 1.0, 1.0)
    assert isinstance(panel.controls["n"].widget, ipywidgets.IntSlider)


def test_moving_a_control_is_heard_and_setting_is_not(panel):
    panel.controls["market.openness"].widget.value = 0.4
    assert panel.heard == ["market.openness"]
    panel.set({"n": 7, "kind": "b"})
    assert panel.heard == ["market.openness"]
    assert panel.values == {
        "market.openness": 0.4,
        "hire_agents.agents": 2.0,
        "n": 7,
        "kind": "b",
        "on": False,
    }
    panel.reset()
    assert (panel.values["n"], panel.values["kind"], panel.values["market.openness"]) == (5, "a", 1.0)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"nothing": 1}, "no control 'nothing'"),
        ({"n": 10}, "n must be from 1 to 9, not 10"),
        ({"n": "x"}, "n must be from 1 to 9"),
        ({"kind": "c"}, "kind must be one of a, b, not 'c'"),
    ],
)
def test_a_wrong_value_is_told(panel, values, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        panel.set(values)


def test_a_parameter_that_the_scenario_lacks_is_told():
    with pytest.raises(ValueError, match="which retail has not"):
        Parameter("touchpoints.network.quality").control(Scenario.from_name("retail"), "en")


# --- the worker -----------------------------------------------------------------------------------


class Bench:
    """A worker whose work lasts until it is stopped or let go."""

    def __init__(self):
        self.go, self.done, self.ended, self.running, self.most = threading.Event(), [], [], 0, 0
        self.state = []
        self.worker = Worker(self.do, lambda *_: None, lambda: self.state.append("begin"), self.idle)

    def idle(self, how):
        self.state.append("idle")
        self.ended.append(how)

    def do(self, request, task):
        self.running += 1
        self.most = max(self.most, self.running)
        while not (self.go.is_set() or task.stop.wait(0.002)):
            pass
        self.running -= 1
        if task.stop.is_set():
            return "stopped"
        self.done.append(request)
        return "ready"


def test_the_latest_request_wins_and_one_runs_at_a_time():
    bench = Bench()
    for k in range(50):
        bench.worker.ask(k)
        time.sleep(0.001 * (k % 3))
    bench.go.set()
    assert bench.worker.wait(5)
    assert bench.done == [49] and bench.most == 1
    assert bench.state[-1] == "idle" and bench.ended[-1] == "ready"


def test_asking_while_it_ends_is_never_lost():
    bench = Bench()
    bench.go.set()
    for k in range(300):
        bench.worker.ask(k)
        if k % 7 == 0:
            time.sleep(0.0005)
    assert bench.worker.wait(5)
    assert bench.done[-1] == 299
    assert bench.state[-1] == "idle"


def test_the_same_request_is_not_begun_twice():
    bench = Bench()
    for _ in range(3):
        bench.worker.ask("run", again=False)
    bench.go.set()
    assert bench.worker.wait(5)
    assert bench.done == ["run"] and bench.state.count("begin") == 1
    bench.worker.ask("run", again=False)  # after its end it is a new one
    assert bench.worker.wait(5) and bench.done == ["run", "run"]


def test_stop_ends_what_is_done_and_forgets_what_waits():
    bench = Bench()
    bench.worker.ask(1)
    bench.worker.ask(2)
    bench.worker.stop()
    assert bench.worker.wait(1)
    assert bench.done == [] and bench.ended[-1] == "stopped"
    assert not bench.worker.busy


def test_work_that_breaks_off_leaves_the_worker_usable(monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda told: None)
    seen = []

    def do(request, task):
        if request == "bad":
            raise SystemError
        seen.append(request)
        return "ready"

    worker = Worker(do, lambda *_: None, lambda: None, lambda how: None)
    worker.ask("bad")
    assert worker.wait(2)
    worker.ask("good")
    assert worker.wait(2) and seen == ["good"]


# --- a page ---------------------------------------------------------------------------------------


class Small(Page):
    """How many stay, of a small world; `slow` makes a long run of one simulation."""

    name = "small"
    question = ("How many stay?", "有多少客户留下？")
    customers, months = 500, 24

    def groups(self):
        presets = [(name, (name, name)) for name in Scenario.presets()]
        return [Group(("World", "世界"), [
            Choice("preset", ("Industry", "行业"), presets, self.scenario.name),
            Parameter("market.openness"),
            Number("slow", ("Slow", "慢"), 0, 0, 1, 1),
            Number("bad", ("Bad", "坏"), 0, 0, 3, 1),
        ])]  # fmt: skip

    def build(self):
        self.calls = getattr(self, "calls", [])
        self.picture = Picture(4, 2, language=self.language)
        self.line = None
        return [self.picture.widget]

    def compute(self, values, task):
        self.calls.append(values)
        if values["bad"] == 1:
            self.world(values, firm__discount_rate=-5)
        if values["bad"] == 2:
            raise KeyError("lost")
        world = self.world(values)
        if values["slow"]:
            yield world, simulate(world, [], self.seed, progress=False).survival()
            world = world.replace(population__size=150_000, population__months=600)
            simulate(world, [], self.seed, stop=task.stop, progress=False)
        yield world, simulate(world, [], self.seed, stop=task.stop, progress=False).survival()

    def show(self, found):
        survival = found[1]
        with self.picture.drawing("how many stay") as (ax,):
            if self.line is None:
                (self.line,) = ax.plot(survival)
            self.line.set_ydata(survival)
        self.cards(Card("Kept", f"{survival.iloc[-1]:.1%}"))
        self.say(self.pick(("{:.1%} stay", "{:.1%}留下")).format(survival.iloc[-1]))


@pytest.fixture
def page():
    made = Small()
    made.wait(30)
    yield made
    made.close()


def shown(page):
    return re.sub(r"<[^>]+>", " ", page._message.value).strip()


def test_a_page_computes_what_the_package_computes(page):
    world = Scenario.from_name("subscription").replace(population__size=500, population__months=24)
    expected = simulate(world, [], 1, progress=False).survival()
    assert np.array_equal(page.found[1], expected)
    assert page.sentence == f"{expected.iloc[-1]:.1%} stay" and page.sentence in page.words.value
    assert shown(page) == "ready"


def test_a_control_changes_picture_card_and_sentence(page):
    before = page.picture.widget.value, page._cards.value, page.sentence
    share = page.found[1].iloc[-1]
    page.panel.controls["market.openness"].widget.value = 0.0
    page.wait(30)
    after = page.picture.widget.value, page._cards.value, page.sentence
    assert all(a != b for a, b in zip(before, after, strict=True))
    assert page.found[1].iloc[-1] > share  # a monopoly keeps more


@pytest.mark.slow
def test_stop_acts_within_three_tenths_of_a_second_in_one_long_simulation(page):
    page.set(slow=1)
    time.sleep(1.0)
    sentence = page.sentence
    assert page._worker.busy and not page._stop.disabled and page._run.disabled
    begun = time.perf_counter()
    page._stop.click()
    assert page._worker.wait(5)
    assert time.perf_counter() - begun < 0.3
    assert page._stop.disabled and not page._run.disabled
    assert shown(page).startswith("stopped") and page.sentence == sentence


def test_two_clicks_on_run_make_one_run(page):
    page.panel.set({"slow": 1})
    page.calls.clear()
    page._run.click()
    page._run.click()
    time.sleep(0.3)
    page._run.click()
    page._stop.click()
    assert page._worker.wait(5)
    assert len(page.calls) == 1 and page.calls[0]["run"] is True


def test_moving_a_slider_while_it_computes_gives_the_answer_to_the_last_place(page):
    for openness in np.linspace(0.1, 0.9, 9):
        page.panel.controls["market.openness"].widget.value = float(openness)
        time.sleep(0.01)
    page.wait(30)
    world = page.world({"market.openness": 0.9})
    assert np.array_equal(page.found[1], simulate(world, [], 1, progress=False).survival())


@pytest.mark.parametrize(
    ("bad", "told"), [(1, "This cannot be shown: "), (2, "Something went wrong in the page itself")]
)
def test_an_error_is_told_in_words_and_the_picture_stays(page, bad, told):
    picture = page.picture.widget.value
    page.panel.controls["bad"].widget.value = bad
    with pytest.raises(RuntimeError, match=told):
        page.wait(30)
    assert shown(page).startswith(told) and 'role="alert"' in page._message.value
    assert page.picture.widget.value == picture
    assert not page._run.disabled
    page._reset.click()
    page.wait(30)
    assert shown(page) == "ready"


def test_an_error_of_what_is_no_longer_wanted_is_not_told():
    class Late(Small):
        def compute(self, values, task):
            if values["bad"]:
                task.stop.wait(5)
                raise KeyError("late")
            yield from super().compute(values, task)

    page = Late()
    page.wait(30)
    page.panel.controls["bad"].widget.value = 1
    page.panel.controls["bad"].widget.value = 0
    page.wait(30)
    assert shown(page) == "ready"


def test_the_language_switch_keeps_values_and_numbers(page):
    page.set(market__openness=0.3)
    page.wait(30)
    found, calls = page.found, len(page.calls)
    page._other_language()
    page.wait(30)
    assert page.values["market.openness"] == 0.3
    assert page.found is found and len(page.calls) == calls  # nothing is computed for other words
    assert page.sentence == f"{found[1].iloc[-1]:.1%}留下"
    assert page.root.children[1].language == "zh"
    assert shown(page) == "就绪" and page._stop.disabled
    labels = [control.box.children[0].value for control in page.panel.controls.values()]
    assert all(CHINESE.search(label) for label in labels)


@pytest.mark.slow
def test_switching_the_language_while_it_shows_never_writes_into_the_wrong_page():
    class Slow(Small):
        def show(self, found):
            language, words = self.language, self.words
            time.sleep(0.02)
            super().show(found)
            mixed.append((language, words) != (self.language, self.words))

    mixed = []
    page = Slow(customers=500, months=2)
    for k in range(20):
        page.panel.controls["market.openness"].widget.value = 0.02 * k
        time.sleep(0.004 * (k % 6))
        page.guard(page._other_language)
    page.wait(30)
    assert mixed and not any(mixed)
    assert page.language == "en" and "stay" in page.sentence
    assert page.values["market.openness"] == pytest.approx(0.38)


def test_another_preset_makes_the_page_anew(page):
    page.panel.controls["market.openness"].widget.value = 0.3
    page.panel.controls["preset"].widget.value = "water_utility"
    page.wait(30)
    assert page.scenario.name == "water_utility" and page.found[0].name == "water_utility"
    assert page.values["market.openness"] == Scenario.from_name("water_utility").market.openness
    assert page.scenario.population.size == 500
    page.set(preset="retail", market__openness=0.25)
    page.wait(30)
    assert (page.found[0].name, page.found[0].market.openness) == ("retail", 0.25)


def test_a_scenario_of_ones_own_can_be_chosen_again():
    own = Scenario.from_name("retail").replace(name="my shop")

    class Mine(Small):
        def groups(self):
            (group,) = super().groups()
            options = [(name, (name, name)) for name in ("my shop", *Scenario.presets())]
            return [Group(group.title, [Choice("preset", ("x", "x"), options, self.scenario.name)])]

        def compute(self, values, task):
            return super().compute({"slow": 0, "bad": 0, **values}, task)

    page = Mine(own)
    for name in ("subscription", "my shop"):
        page.panel.controls["preset"].widget.value = name
        page.wait(30)
        assert page.found[0].name == name


def test_reset_brings_the_defaults_back(page):
    first = page.found[1]
    page.set(market__openness=0.3)
    page.wait(30)
    page._reset.click()
    page.wait(30)
    assert page.values["market.openness"] == 1.0 and np.array_equal(page.found[1], first)


def test_settings_of_show_are_checked():
    with pytest.raises(ValueError, match="no control 'openness'"):
        Small(openness=0.3)
    with pytest.raises(ValueError, match="from 0 to 1, not 3"):
        Small(market__openness=3)
    assert Small(preset="retail").scenario.name == "retail"


def test_two_pages_do_not_disturb_each_other():
    pages = [Small(seed=k) for k in (1, 2)]
    for page in pages:
        page.wait(30)
    again = Small(seed=1)
    again.wait(30)
    assert np.array_equal(again.found[1], pages[0].found[1])
    assert not np.array_equal(pages[0].found[1], pages[1].found[1])


def test_a_front_end_that_arrives_is_told_what_it_may_have_missed(page, monkeypatch):
    told = []
    monkeypatch.setattr(ipywidgets.Widget, "send_state", lambda self, key=None: told.append((self, key)))
    page.root.children[1]._handle_custom_msg({"here": True}, [])
    known = [widget for widget, _ in told]
    for widget in (page._message, page._bar, page._run, page._cards, page.words, page.picture.widget):
        assert widget in known
    assert all("value" in keys for widget, keys in told if widget is page.picture.widget)


def test_the_last_word_a_late_front_end_hears_is_the_last_one_said(page, monkeypatch):
    shown_all, go, sent = threading.Event(), threading.Event(), []
    compute, get_state = page.compute, page._message.get_state

    def waits(values, task):
        yield from compute(values, task)
        shown_all.set()
        assert go.wait(10)

    def slow(*keys, **more):
        state = get_state(*keys, **more)
        if threading.current_thread() is threading.main_thread():
            # what is said from here on is newer than the state just read
            go.set()
            time.sleep(0.5)
        return state

    monkeypatch.setattr(page, "compute", waits)
    page.refresh()
    assert shown_all.wait(10)
    monkeypatch.setattr(page._message, "get_state", slow)
    monkeypatch.setattr(page._message, "_send", lambda say, buffers=None: sent.append(say["state"]["value"]))
    page.root.children[1]._handle_custom_msg({"here": True}, [])
    page.wait(30)
    assert "cs-ready" in sent[-1]


def test_html_of_users_is_not_markup(page):
    page.cards(Card("<b>a</b>", "<i>1</i>"))
    page.say("<script>x</script>")
    assert "<b>" not in page._cards.value and "<script>" not in page.words.value


def test_a_picture_has_its_sentence_as_alternative_text(page):
    assert 'alt="how many stay"' in page.picture.widget.value


def test_a_picture_stands_still_until_its_labels_change():
    picture = Picture(4, 2, dpi=100)
    with picture.drawing() as (ax,):
        (line,) = ax.plot([0, 1], [0, 1])
    place = ax.get_position().bounds
    with picture.drawing():
        line.set_ydata([1, 0])
    assert ax.get_position().bounds == place
    with picture.drawing():
        ax.set_ylabel("customers")
        ax.set_title("a title of\ntwo lines")
    x, y, _, high = ax.get_position().bounds
    assert x > place[0] and y + high < place[1] + place[3]
    data = base64.b64decode(re.search('base64,([^"]+)', picture.widget.value)[1])
    assert Image.open(io.BytesIO(data)).size == (400, 200)


def test_a_long_title_is_written_smaller_and_a_short_one_large_again():
    picture = Picture(4, 2, dpi=100)

    def written(text):
        with picture.drawing() as (ax,):
            ax.set_title(text)
        title = ax._left_title
        assert title.get_window_extent().x1 <= 400
        return title.get_fontsize()

    assert written("a long title " * 4) < written("short") == 17


# --- predictions ----------------------------------------------------------------------------------


def test_a_prediction_is_locked_when_committed(capsys):
    guess = Prediction("Who stays longer?", ["the old", "the new"])
    guess.commit()
    assert guess.answer is None  # nothing chosen yet
    guess.widget.value = "the new"
    guess.button.click()
    assert guess.answer == "the new" and guess.widget.disabled and guess.button.disabled
    guess.commit("the old")
    assert guess.answer == "the new"
    guess.compare("the old")
    assert capsys.readouterr().out == "You predicted the new; it is the old. Not so.\n"


def test_a_guessed_number_is_compared(capsys):
    guess = Prediction(("How many stay?", "多少？"), low=0, high=100, unit="%", language="zh")
    guess.commit(60)
    guess.compare(58.04, near=5)
    assert capsys.readouterr().out == "你的预测是60 %；实际为58.04 %。 接近。\n"


def test_a_prediction_without_a_choice_is_not_locked_and_says_why():
    guess = Prediction("Who stays longer?", ["the old", "the new"])
    guess.button.click()
    assert guess.answer is None and not guess.button.disabled
    assert "Nothing is chosen yet" in guess._told.value
    guess.widget.value = "the old"
    guess.button.click()
    assert guess.answer == "the old" and "Noted" in guess._told.value


def test_no_prediction_is_said_so(capsys):
    Prediction("?", ["a", "b"]).compare("a")
    assert capsys.readouterr().out == "You made no prediction; it is a.\n"


@pytest.mark.parametrize("bounds", [{}, {"low": 1}, {"low": 2, "high": 1}])
def test_a_prediction_without_choices_is_refused(bounds):
    with pytest.raises(ValueError, match="options to choose from, or low < high"):
        Prediction("?", **bounds)


@pytest.mark.parametrize(("made", "wrong"), [({"options": ["a"]}, "b"), ({"low": 0, "high": 1}, 7)])
def test_a_prediction_that_is_no_choice_is_refused(made, wrong):
    guess = Prediction("?", **made)
    with pytest.raises(ValueError, match=f"not {wrong!r}"):
        guess.commit(wrong)
    assert guess.answer is None
