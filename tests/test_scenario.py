"""The scenario: one declaration a parameter, files in and out, every fault at once."""

import math
import tomllib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from crmsim.simulation.scenario import (
    MAX_TOUCHPOINTS,
    RivalEvent,
    Scenario,
    ScenarioError,
    Section,
    Touchpoint,
    bounds,
)

PRESETS = ["car_repair", "retail", "subscription", "water_utility"]
SECTIONS = {
    name: info.annotation
    for name, info in Scenario.model_fields.items()
    if isinstance(info.annotation, type) and issubclass(info.annotation, Section)
}


def numbers_of(model):
    """The declared numbers of a section: name, lowest, highest, whole or not."""
    for name, info in model.model_fields.items():
        if info.annotation in (int, float):
            yield name, *bounds(info), info.annotation is int


def load(tmp_path, text, name="mine.toml", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return Scenario.load(path)


def errors(tmp_path, text):
    with pytest.raises(ScenarioError) as caught:
        load(tmp_path, text)
    assert str(caught.value).count("\n") == len(caught.value.errors)
    return caught.value.errors


# -- every fault at once, where it is, what would be right -------------------------------------------

BAD = """\
title = "wrong in every way"
market.openness = 2
[populaton]
size = 3
[population]
size = "3"
moths = 3
fit_sd = true
[[touchpoints]]
name = "shop"
weight = 0.3
[[touchpoints]]
name = "billing"
weight = 0.3
quality = 101
smell = "sour"
kind = "must"
[[touchpoints]]
weight = 0.3
[payment]
card_share = 0.7
[churn]
natural = nan
baseline_a = 2
[purchase]
contract = "yes"
[[rivals]]
month = 2
kind = "price cut"
[[rivals]]
month = 1.5
[[policies]]
name = "dunnig"
[[policies]]
name = "dunning"
cure = 7
"""
FAULTS = [
    ("line 2, market.openness", "less than or equal to 1 (found 2)", "from 0 to 1 share"),
    ("line 3, populaton", "unknown section or parameter 'populaton'", "did you mean 'population'?"),
    ("line 6, population.size", "a number is needed, not '3'", "from 1 to 50,000,000 customers"),
    ("line 7, population.moths", "unknown parameter 'moths'", "did you mean 'months'?"),
    ("line 8, population.fit_sd", "a number is needed, not True", "from 0 to 40 points"),
    ("line 9, touchpoints", "the weights sum to 0.9", "must sum to 1"),
    ("line 15, touchpoints.billing.quality", "(found 101)", "from 0 to 100 points"),
    ("line 16, touchpoints.billing.smell", "unknown parameter 'smell'", "known: name, chinese, weight"),
    ("line 17, touchpoints.billing.kind", "'one_dimensional', 'must_be' or 'attractive'", "found 'must'"),
    ("line 18, touchpoints.2.name", "is missing", ""),
    ("line 20, payment", "channel shares sum to 1.2", "must sum to 1"),
    ("line 22, churn", "baseline_a and baseline_b", "or neither"),
    ("line 23, churn.natural", "finite number (found nan)", "from 0 to 1 per month"),
    ("line 26, purchase.contract", "true or false is needed, not 'yes'", ""),
    ("line 29, rivals.0.kind", "'price_cut', 'improvement', 'entry' or 'opening'", "found 'price cut'"),
    ("line 31, rivals.1.month", "valid integer", "from 0 to 600 month"),
    ("line 32, policies.dunnig", "unknown policy 'dunnig'", "did you mean 'dunning'?"),
    ("line 34, policies.dunning", "cure must be from 0 to 1 (share), not 7", ""),
]


def test_a_bad_file_tells_every_fault_at_once_with_its_line(tmp_path):
    found = errors(tmp_path, BAD)
    assert [where for where, _ in found] == [where for where, *_ in FAULTS]
    for (_, what), (_, *parts) in zip(found, FAULTS, strict=True):
        assert all(part in what for part in parts), what


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("touchpoints = 3", "line 1, touchpoints", "[[touchpoints]]"),
        ("touchpoints = []", "line 1, touchpoints", "0 given, at least 1"),
        ("market = 3", "line 1, market", "a table is needed, not 3"),
        ("[[market]]\nopenness = 1", "line 1, market", "a table is needed"),
        ("policies = [3]", "line 1, policies.0", "a table is needed, not 3"),
        ("\nmarket = { openess = 1 }", "line 2, market.openess", "did you mean 'openness'?"),
        ("# x\n[market]\n'openness' = -1", "line 3, market.openness", "(found -1)"),
        ("[ market ]\n openness\t= -1 # no", "line 2, market.openness", "(found -1)"),
        ("name = 3", "line 1, name", "valid string"),
        ("[population]\nsize = 1e3000", "line 2, population.size", "found inf"),
        ("[population]\nsize = 0", "line 2, population.size", "from 1 to 50,000,000 customers"),
        ("[purchase]\ndropout_b = 1", "line 1, purchase", "dropout_a and dropout_b"),
        ("[[policies]]\ncure = 0.3", "line 1, policies.0", "a policy table needs a name"),
        ('[[policies]]\nname = "dunning"\ncura = 0.3', "line 1, policies.dunning", "did you mean 'cure'?"),
        ('[[policies]]\nname = "four_problems"', "line 1, policies.four_problems", "no touchpoint called"),
        ('[[touchpoints]]\nname = "A b"', "line 2, touchpoints.A b.name", "match pattern"),
        (
            '[[touchpoints]]\nname = "a"\nweight = 0.5\n[[touchpoints]]\nname = "a"\nweight = 0.5',
            "line 1, touchpoints",
            "the name 'a' is used 2 times",
        ),
    ],
)
def test_one_fault_is_named_where_it_is(tmp_path, text, where, what):
    ((place, sentence),) = errors(tmp_path, text)
    assert place == where
    assert what in sentence


def test_more_touchpoints_than_there_is_room_for(tmp_path):
    n = MAX_TOUCHPOINTS + 1
    text = "".join(f'[[touchpoints]]\nname = "t{d}"\nweight = {1 / n!r}\n' for d in range(n))
    ((place, sentence),) = errors(tmp_path, text)
    assert (place, sentence) == ("line 1, touchpoints", "13 given, at most 12")


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("[market]\nopenness = .7\n", "line 2, column 12", "invalid value in: openness = .7"),
        ("[market]\nopenness = 1\nopenness = 2\n\n", "line 3", "cannot overwrite a value"),
        ("[market\nopenness = 1", "line 1", "Expected ']'"),
        ("openness 1", "", "Expected '='"),
    ],
)
def test_broken_toml_is_one_error(tmp_path, text, where, what):
    ((place, sentence),) = errors(tmp_path, text)
    assert place.startswith(where)
    assert what.lower() in sentence.lower()


# -- files that are none ---------------------------------------------------------------------------


def test_missing_folder_and_undecodable_files(tmp_path):
    with pytest.raises(ScenarioError, match="no such file"):
        Scenario.load(tmp_path / "none.toml")
    with pytest.raises(ScenarioError, match="a folder, not a TOML file"):
        Scenario.load(tmp_path)
    with pytest.raises(ScenarioError, match="save it again with encoding UTF-8"):
        load(tmp_path, 'title = "水务"', encoding="gb18030")
    with pytest.raises(ScenarioError, match="save it again with encoding UTF-8"):
        load(tmp_path, 'title = "x"', encoding="utf-16")
    with pytest.raises(ScenarioError, match="cannot be read"):
        Scenario.load("a\0b.toml")


def test_an_empty_file_is_the_default_world_under_the_files_name(tmp_path):
    assert load(tmp_path, "", name="plain.toml") == Scenario(name="plain")


def test_a_byte_order_mark_and_windows_lines_are_taken(tmp_path):
    world = load(tmp_path, '\ufefftitle = "水务"\r\n[market]\r\nopenness = 0.5\r\n')
    assert (world.title, world.market.openness) == ("水务", 0.5)


# -- presets and names -----------------------------------------------------------------------------


def test_the_presets_are_these():
    assert Scenario.presets() == PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_loads_and_survives_its_own_file(name, tmp_path):
    world = Scenario.preset(name)
    assert world.name == name
    assert Scenario.load(world.save(tmp_path / "again.toml")) == world
    assert all(t.chinese for t in world.touchpoints)
    assert world.bill > 0


def test_from_name_takes_whatever_a_user_types(tmp_path, monkeypatch):
    path = Scenario(name="x").save(tmp_path / "x.toml")
    world = Scenario.from_name("retail")
    assert Scenario.from_name(world) is world
    assert Scenario.from_name(path) == Scenario.from_name(str(path)) == Scenario(name="x")
    monkeypatch.chdir(tmp_path)
    assert Scenario.from_name("x.toml").name == "x"
    path.rename(tmp_path / "bare")
    assert Scenario.from_name("bare").name == "x"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("subscriptoin", ["unknown preset 'subscriptoin'", "did you mean 'subscription'?", "TOML file"]),
        ("zzz", ["known: car_repair, retail, subscription, water_utility"]),
        ("mine.toml", ["no such file"]),
        ("some/where", ["no such file"]),
    ],
)
def test_from_name_says_what_it_knows(name, parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_name(name)
    assert all(part in str(caught.value) for part in parts)
    with pytest.raises(ScenarioError, match="preset"):
        Scenario.preset("subscriptoin")


# -- bounds ----------------------------------------------------------------------------------------


def test_every_number_holds_its_bounds_and_refuses_what_lies_beyond():
    tried = 0
    for section, model in SECTIONS.items():
        for name, low, high, whole in numbers_of(model):
            for value in (low, high):
                assert getattr(model(**{name: value}), name) == value
            step = 1 if whole else 1e-6
            for value in (low - step, high + max(step, high * 1e-9), math.nan, math.inf, "1", True, None):
                with pytest.raises(ValidationError):
                    model(**{name: value})
            with pytest.raises(ScenarioError, match=f"{section}.{name}"):
                Scenario.from_dict({section: {name: high + max(1, high)}})
            tried += 1
    assert tried > 110


@pytest.mark.parametrize("model", [Touchpoint, RivalEvent])
def test_touchpoints_and_rivals_hold_their_bounds(model):
    more = {"name": "a"} if model is Touchpoint else {}
    for name, low, high, whole in numbers_of(model):
        assert getattr(model(**more, **{name: high}), name) == high
        for value in (low - 1, high + 1, math.nan, low + 0.5 if whole else "x"):
            with pytest.raises(ValidationError):
                model(**more, **{name: value})


def test_numbers_of_numpy_are_numbers():
    world = Scenario().replace(population__size=np.int64(50), market__openness=np.float32(0.5))
    assert (world.population.size, world.market.openness) == (50, 0.5)
    assert type(world.population.size) is int


def test_a_scenario_cannot_be_written_to():
    world = Scenario()
    with pytest.raises(ValidationError):
        world.market = None
    with pytest.raises(ValidationError):
        world.market.openness = 0.5


METERED = """
[purchase]
contract = true
[metering]
cycle = 2
[[metering.tiers]]
upto = 9.7
price = 3
[[metering.tiers]]
price = 4.5
[[touchpoints]]
name = "supply"
weight = 1
[[disturbances]]
kind = "burst"
touchpoint = "supply"
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("contract = true", "contract = false", "metering: meters need customers with a contract"),
        ("upto = 9.7", "upto = 1e6", "each step must end above the one before"),
        ("cycle = 2", "cycle = 2\ntiers = []", "tiers: 0 given, at least 1"),
        ("cycle = 2", "cycle = 2\nerror_low = 3", "error_low must not be above error_high"),
        (
            'touchpoint = "supply"',
            'touchpoint = "suply"',
            "unknown touchpoint 'suply'; the scenario has supply",
        ),
    ],
)
def test_faults_of_meters_and_disturbances_are_told(tmp_path, old, new, told):
    path = tmp_path / "metered.toml"
    path.write_text(METERED)
    world = Scenario.load(path)
    assert world.metering.tiers[0].price == 3 and world.disturbances[0].kind == "burst"
    assert "metering.tiers.1.price" in world.table().index
    text = METERED.replace(old, new)
    if "tiers = []" in new:
        text = text[: text.index("[[metering.tiers]]")] + text[text.index("[[touchpoints]]") :]
    path.write_text(text)
    with pytest.raises(ScenarioError) as error:
        Scenario.load(path)
    assert told in str(error.value)


def test_what_only_writes_tables_leaves_the_hash_alone():
    world = Scenario.preset("water_utility")
    other = world.replace(metering__cycle=3, metering__tiers=[{"price": 5}], disturbances=[])
    assert other.hash == world.hash != world.replace(service__common_events=5).hash
    assert other != world


# -- round trip ------------------------------------------------------------------------------------

PLAIN = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@st.composite
def scenarios(draw):
    """Any scenario a user can write: some numbers of some sections changed, touchpoints, rivals, text."""

    def section(model, **fixed):
        fields = list(numbers_of(model))
        chosen = draw(st.lists(st.sampled_from(fields), max_size=4, unique_by=lambda f: f[0]))
        content = {}
        for name, low, high, whole in chosen:
            number = st.integers(low, high) if whole else st.floats(low, high, allow_subnormal=False)
            content[name] = draw(number)
        return content | fixed

    content = {
        # meters need a contract and a tariff
        name: section(model, **({"cycle": 0} if name == "metering" else {}))
        for name, model in SECTIONS.items()
        if draw(st.booleans()) and name not in ("payment", "churn", "purchase")
    }
    if draw(st.booleans()):
        content["payment"] = {"manual_share": 0.25, "card_share": 0.25, "debit_share": 0.5}
        content["purchase"] = {"contract": True, "dropout_a": 0.5, "dropout_b": 2}
    number = draw(st.integers(1, MAX_TOUCHPOINTS))
    content["touchpoints"] = [
        section(
            Touchpoint,
            name=f"t{d}",
            weight=1 / number,
            chinese=draw(PLAIN),
            level=draw(st.sampled_from(["material", "spiritual", "social"])),
        )
        for d in range(number)
    ]
    content["rivals"] = [
        section(RivalEvent, kind=draw(st.sampled_from(["price_cut", "entry"])))
        for _ in range(draw(st.integers(0, 3)))
    ]
    policies = [{"name": "dunning", "cure": 0.8, "stop": None}, {"name": "retention_call", "target": "value"}]
    content["policies"] = policies[: draw(st.integers(0, 2))]
    return Scenario.from_dict(content | {"name": draw(PLAIN), "title": draw(PLAIN), "currency": draw(PLAIN)})


def without_none(world):
    tables = [{k: v for k, v in table.items() if v is not None} for table in world.policies]
    return world.replace(policies=tables)


def test_the_sign_of_a_zero_is_none_of_a_world(tmp_path):
    world = Scenario().replace(word_of_mouth__contagion=-0.0)
    again = Scenario.load(world.save(tmp_path / "a.toml"))
    assert (
        again == world and again.hash == world.hash == Scenario().replace(word_of_mouth__contagion=0.0).hash
    )


@settings(max_examples=60, deadline=None)
@given(scenarios())
def test_what_is_saved_is_what_is_loaded(tmp_path_factory, world):
    path = tmp_path_factory.mktemp("toml") / "a.toml"
    again = Scenario.load(world.save(path))
    assert again == without_none(world)
    assert again.hash == without_none(world).hash
    assert [p.name for p in path.parent.iterdir()] == ["a.toml"]
    full = Scenario.from_dict(tomllib.loads(world.to_toml(defaults=True)))
    assert full == again


def test_a_saved_file_holds_only_what_differs():
    text = Scenario().replace(market__openness=0.25).to_toml()
    assert tomllib.loads(text)["market"] == {"openness": 0.25}
    assert "churn" not in text


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = Scenario(name="old").save(tmp_path / "a.toml")
    monkeypatch.setattr(Scenario, "to_toml", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Scenario(name="new").save(path)
    assert Scenario.load(path).name == "old"


# -- replace ---------------------------------------------------------------------------------------


def test_replace_changes_what_is_named_and_nothing_else():
    base = Scenario.preset("subscription")
    changed = base.replace(
        name="open", market__openness=0.5, touchpoints__billing__quality=50, purchase__contract=False
    )
    assert changed.name == "open"
    assert changed.market.openness == 0.5
    assert {t.name: t.quality for t in changed.touchpoints} == {
        t.name: 50 if t.name == "billing" else t.quality for t in base.touchpoints
    }
    assert changed.replace(
        name=base.name,
        market__openness=base.market.openness,
        touchpoints__billing__quality=next(t.quality for t in base.touchpoints if t.name == "billing"),
        purchase__contract=True,
    ) == base  # fmt: skip
    assert base.market.openness == 1


def test_replace_takes_whole_sections_and_lists():
    base = Scenario.preset("retail")
    assert base.replace(market=base.market.model_copy(update={"openness": 0.5})).market.openness == 0.5
    assert base.replace(touchpoints=[Touchpoint(name="shop")]).touchpoints == (Touchpoint(name="shop"),)
    assert base.replace(rivals=[RivalEvent(month=3)]).replace(rivals__0__size=9).rivals[0].size == 9
    assert base.replace() == base


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"nme": "x"}, "nme: unknown parameter 'nme'; did you mean 'name'?"),
        ({"markt__openness": 1}, "markt: unknown parameter 'markt'; did you mean 'market'?"),
        ({"market__opennes": 1}, "market.opennes: unknown parameter 'opennes'; did you mean 'openness'?"),
        (
            {"touchpoints__biling__quality": 1},
            "touchpoints.biling: unknown name 'biling'; did you mean 'billing'?",
        ),
        ({"touchpoints__billing__qualty": 1}, "touchpoints.billing.qualty: unknown parameter"),
        ({"touchpoints__billing": 1}, "touchpoints.billing: name a field of it too"),
        ({"market__openness__more": 1}, "market.openness.more: unknown parameter"),
        ({"market__openness": 2}, "market.openness: input should be less than or equal to 1 (found 2)"),
        ({"touchpoints__billing__weight": 0.9}, "touchpoints: the weights sum to 1.75, they must sum to 1"),
        ({"payment__card_share": 0.9}, "payment: the three channel shares sum to 1.4"),
        ({"policies": [{"name": "dunnig"}]}, "policies.dunnig: unknown policy 'dunnig'"),
        ({"market": 3}, "market: a table is needed, not 3"),
    ],
)
def test_replace_refuses_a_slip(change, what):
    with pytest.raises(ScenarioError) as caught:
        Scenario.preset("subscription").replace(**change)
    assert what in str(caught.value)


def test_replace_tells_every_slip_at_once():
    with pytest.raises(ScenarioError) as caught:
        Scenario().replace(nme=1, market__opennes=2)
    assert len(caught.value.errors) == 2


# -- hash ------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(scenarios(), PLAIN, PLAIN)
def test_the_hash_ignores_name_and_title(world, name, title):
    assert world.replace(name=name, title=title).hash == world.hash


def test_the_hash_changes_with_every_number():
    base = Scenario.preset("subscription").replace(rivals=[RivalEvent()])
    seen = {base.hash}
    changed = 0
    for section, model in SECTIONS.items():
        for name, low, high, _ in numbers_of(model):
            if section == "metering" or (section == "payment" and name.endswith("_share")):
                continue
            if name in ("baseline_a", "baseline_b", "dropout_a", "dropout_b"):
                continue
            value = getattr(getattr(base, section), name)
            seen.add(base.replace(**{f"{section}__{name}": low if value != low else high}).hash)
            changed += 1
    for field, value in (("quality", 1), ("failure", 0.9), ("kind", "attractive"), ("chinese", "甲")):
        seen.add(base.replace(**{f"touchpoints__billing__{field}": value}).hash)
        changed += 1
    more = (
        {"currency": "CNY"},
        {"rivals__0__size": 6},
        {"policies": [{"name": "dunning"}]},
        {"churn__baseline_a": 1, "churn__baseline_b": 2},
    )
    seen |= {base.replace(**change).hash for change in more}
    assert len(seen) == 1 + changed + len(more)


def test_whole_numbers_and_fractions_hash_alike():
    assert Scenario().replace(market__openness=1).hash == Scenario().replace(market__openness=1.0).hash


# -- the table -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_every_parameter_is_documented(name):
    world = Scenario.preset(name).replace(rivals=[RivalEvent()])
    table = world.table()
    assert list(table.columns) == ["value", "default", "unit", "lowest", "highest", "meaning", "source"]
    assert table.index.is_unique
    for column in ("unit", "meaning", "source"):
        assert table.index[table[column] == ""].tolist() == []
    numeric = [isinstance(v, int | float) and not isinstance(v, bool) for v in table["value"]]
    numbers = table[numeric]
    assert numbers[["lowest", "highest"]].notna().all(axis=None)
    assert (numbers["lowest"] <= numbers["value"]).all()
    assert (numbers["value"] <= numbers["highest"]).all()
    assert (numbers["lowest"] <= numbers["default"]).all()
    assert len(table) > 130
    assert table.loc["market.openness", "value"] == world.market.openness


def test_a_scenario_shows_itself():
    world = Scenario.preset("subscription").replace(title="a < b")
    assert repr(world) == "Scenario('subscription', 20,000 customers x 60 months, 5 touchpoints)"
    shown = world._repr_html_()
    assert "a &lt; b" in shown
    assert "churn.natural" in shown


def test_the_bill_is_the_mean_revenue_of_a_month():
    assert Scenario().replace(purchase__contract=True, purchase__fee=12).bill == 12
    world = Scenario()  # CDNOW: 6.25 x 15.45 / 2.74 a purchase
    assert world.bill == pytest.approx(0.6 * 35.24, rel=1e-3)


@pytest.mark.parametrize("name", Scenario.presets())
def test_a_scenario_can_be_looked_up(name):
    one, same = Scenario.preset(name), Scenario.preset(name)
    longer = one.replace(population__months=7)
    assert {one: 1, longer: 2} == {same: 1, one.replace(population__months=7): 2}
    assert hash(one) == hash(same) != hash(longer)
