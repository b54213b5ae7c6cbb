"""The base of the course's pages: names, controls, the worker, a page without a browser."""

import re

import pytest

pytest.importorskip("anywidget", reason="pages need the extra `course`")
pytest.importorskip("ipywidgets", reason="pages need the extra `course`")

from crmsim.simulation.policies import LIBRARY
from crmsim.simulation.scenario import Scenario
from crmsim.teaching import words
from crmsim.teaching.controls import Parameter, Setting
from crmsim.teaching.names import PARAMETERS, POLICIES, SETTINGS, TOUCHPOINT, UNITS, Name

CHINESE = re.compile("[\u4e00-\u9fff]")

# --- names ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def declared():
    """Every number of every preset, with its row."""
    tables = {name: Scenario.from_name(name).table() for name in Scenario.presets()}
    return {number: row for table in tables.values() for number, row in table.iterrows()}


def test_every_parameter_has_its_words_and_no_other(declared):
    plain = {name for name in declared if not name.startswith("touchpoints.")}
    assert plain == set(PARAMETERS)
    of_touchpoints = {name.rpartition(".")[2] for name in declared if name not in plain}
    assert of_touchpoints == set(TOUCHPOINT)


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


@pytest.mark.parametrize(
    "names", [PARAMETERS, TOUCHPOINT, SETTINGS], ids=["scenario", "touchpoint", "policy"]
)
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
        (Parameter("touchpoints.water_quality.failure"), "Water quality: failures", "水质：失误率"),
        (Setting("dunning.cure"), "Dunning: failed payments cured", "催缴提醒：付款补救率"),
    ):
        heads = [declaration.control(scenario, language).box.children[0].value for language in ("en", "zh")]
        assert english in heads[0] and not CHINESE.search(heads[0])
        assert chinese in heads[1]


def test_money_stands_in_the_scenarios_currency():
    assert words.unit_words("money per month", "en", "CNY") == "CNY per month"
    assert words.unit_words("money per month", "zh", "CNY") == "CNY/月"
