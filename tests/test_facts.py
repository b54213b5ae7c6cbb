"""The facts: well formed, measured as their formulas say, and reported as they are."""

import math

import numpy as np
import pandas as pd
import pytest

from crmsim.research import quantities as q
from crmsim.research.facts import FACTS, Fact, FactsReport, Result, facts
from crmsim.research.worlds import World, Worlds
from crmsim.simulation.scenario import Scenario

NAMES = {"null", *Scenario.presets()}


# -- the collection --------------------------------------------------------------------------------


def test_facts_are_well_formed():
    assert len({(f.number, f.name, f.preset) for f in FACTS}) == len(FACTS)
    for fact in FACTS:
        assert set(fact.preset.split(", ")) <= NAMES, fact
        assert fact.low < fact.high, fact
        assert fact.quantity and fact.source and fact.evidence, fact
        if fact.measure is None:
            assert fact.note.startswith("not yet:") and not fact.fitted, fact
        else:
            assert math.isfinite(fact.low) or math.isfinite(fact.high), fact


def test_every_number_of_the_collection_is_there():
    expected = [
        1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 19, 20, 21, 22, 24, 25, 27, 28, 29, 30, 31, 33, 34,
        37, 38, 39, 40, 42, 44, 45, 46, 47, 48, 49, 50, 51, 52,
    ]  # fmt: skip
    assert sorted({int(f.number) for f in FACTS}) == expected


def test_presets_are_tested_by_facts_they_were_not_fitted_to():
    for name in NAMES:
        assert any(f.preset == name and not f.fitted and f.measure for f in FACTS), name


# -- the quantities ---------------------------------------------------------------------------------


@pytest.mark.parametrize("retention", [0.75, 0.85, 0.95])
def test_value_of_constant_retention(retention):
    value = q.Perpetuity(np.full(5, retention), margin=1.0, acquisition=0.0)
    assert value.value() == pytest.approx(1.12 / (1.12 - retention))  # 1 + r/(1+i) + r^2/(1+i)^2 ...
    slope = (value.value(lambda r: 1.0001 * r) / value.value() - 1) / 0.0001
    assert slope == pytest.approx(retention / (1.12 - retention), rel=1e-2)


# The shifted beta-geometric models of High End and Regular, acquisition at .3 of a year's margin.
@pytest.mark.parametrize(("a", "b", "one", "five"), [(0.668, 3.806, 5.7, 38.7), (0.704, 1.182, 4.2, 35.0)])
def test_published_elasticities_of_the_sbg(a, b, one, five):
    t = np.arange(1, 500)
    value = q.Perpetuity((b + t - 1) / (a + b + t - 1), margin=1.0, acquisition=0.3)
    assert 100 * (value.value(lambda r: 1.01 * r) / value.value() - 1) == pytest.approx(one, abs=0.06)
    assert 100 * (value.net(lambda r: r + 0.05) / value.net() - 1) == pytest.approx(five, abs=0.1)


def test_retention_is_never_above_one():
    value = q.Perpetuity(np.array([0.9, 0.98]), margin=10.0, acquisition=5.0)
    certain = value.value(lambda r: r + 0.05)
    assert certain == pytest.approx(10 * (1 + 0.95 / 1.12 * (1 + 1 / 1.12 / (1 - 1 / 1.12))))
    assert value.net() == value.value() - 5


@pytest.fixture(scope="module")
def world() -> World:
    scenario = Scenario.preset("subscription").replace(population__size=2_000, population__months=30)
    return World(scenario, (), seed=3, events=True, snapshots=(12,), follow=3)


def test_a_world_is_the_run_without_the_recorder(world):
    from crmsim.simulation.engine import simulate

    plain = simulate(world.scenario, [], seed=3)
    pd.testing.assert_frame_equal(plain.monthly, world.run.monthly)


def test_the_record_agrees_with_the_run(world):
    first = world.first
    assert world.active.shape == (31, 2_000)
    assert (world.active[-1] == first["left_month"].isna()).all()
    assert world.satisfaction[-1] == pytest.approx(first["satisfaction"].to_numpy())
    assert world.yearly_survival() == pytest.approx(world.run.survival().iloc[::12])
    assert (world.active[:-1] & ~world.active[1:] == world.left()).all()
    parts = [world.left(cause) for cause in first["cause"].cat.categories]
    assert (sum(part.astype(int) for part in parts) == world.left()).all()
    joined = world.run.customers["joined_month"]
    assert len(world.snapshot(12)) == (joined <= 12).sum()
    # the chance of leaving, where there was one, predicts the number who leave
    chances = world.column("hazard")[1:][world.active[:-1]].sum()
    assert world.left().sum() == pytest.approx(chances, abs=4 * math.sqrt(chances))


def test_events_of_the_record(world):
    failures, complaints = world.happened("failure"), world.happened("complaint")
    assert not (failures[~world.active[:-1]]).any()
    assert (failures[complaints > 0] > 0).all()
    assert (world.happened("complaint_answered_fast") <= world.happened("complaint_resolved")).all()
    early = world.run.monthly.iloc[0]  # only first customers yet
    assert complaints[0].sum() == early["complaints"]


def test_reported_satisfaction_adds_scale_use_and_error(world):
    here = world.active[12]
    truth = world.satisfaction[12, here]
    error = world.reported[12, here] - truth - world.first["scale_use"].to_numpy()[here]
    inside = (world.reported[12, here] > 0) & (world.reported[12, here] < 100)
    assert error[inside & (truth > 40) & (truth < 75)].std() == pytest.approx(5, abs=0.5)


def test_a_changed_scenario_takes_the_presets_place():
    preset = Scenario.preset("water_utility")  # nobody is won by praise there, so all else is the same
    mine = preset.replace(word_of_mouth__negative=2 * preset.word_of_mouth.negative)
    worlds = Worlds(1, customers=500, scenarios={"water_utility": mine})
    plain = Worlds(1, customers=500)
    half = q.praise_ratio(plain, "water_utility") / 2
    assert q.praise_ratio(worlds, "water_utility") == pytest.approx(half, rel=1e-5)
    assert worlds.scenario("retail").population.size == 500


# -- the report ---------------------------------------------------------------------------------------

FACT = Fact("99", "a name", "retail", "a quantity", 1.0, 2.0, "somebody 2000", "found, high")


@pytest.mark.parametrize(
    ("figures", "met", "text"),
    [
        ([1.0, 1.0], True, "1"),
        ([2.0], True, "2"),
        ([2.5, 1.0, 2.5], True, "2 ± 0.5"),
        ([2.1], False, "2.1"),
        ([np.nan, 0.5], False, "0.5"),
        ([np.nan, np.nan], None, "-"),
    ],
)
def test_a_result_is_met_in_the_closed_band_only(figures, met, text):
    result = Result.of(FACT, np.array(figures))
    assert result.met is met
    assert result.text == text
    assert result.band == "1 to 2"


@pytest.mark.parametrize(
    ("figure", "error", "doubt"),
    [(1.5, 0.1, False), (1.5, 0.3, True), (2.1, 0.1, True), (2.1, 0.04, False), (1.0, math.nan, False)],
)
def test_a_result_near_an_edge_is_in_doubt(figure, error, doubt):
    result = Result(FACT, figure, error)
    assert result.in_doubt is doubt
    report = FactsReport([result], seed=1, replications=3, customers=None)
    assert ("?" in repr(report)) is doubt


def test_the_report_counts_and_prints_what_it_got():
    fitted = Fact("98", "fitted", "null", "q", 0.0, math.inf, "s", "e", fitted=True)
    note = "not yet: a part is missing"
    lacking = Fact("97", "lacking", "null", "q", -math.inf, 0.0, "s", "e", note=note)
    results = [Result(FACT, 3.0, 0.1), Result(fitted, 3.0, math.nan), Result(lacking, math.nan, math.nan)]
    report = FactsReport(results, seed=1, replications=2, customers=100)
    assert report.counts().to_numpy().tolist() == [[1, 0, 0], [0, 1, 1]]
    assert list(report.table["met"]) == [False, True, None]
    lines = repr(report).splitlines()
    assert lines[0] == (
        "1 facts used for fitting: 1 met, 0 not met; 2 facts that test: 0 met, 1 not met, "
        "1 not yet measurable"
    )
    assert lines[1] == "NOT MET   99 retail: a name, 3 ± 0.1 (1 to 2)"
    assert lines[2] == "met       98 null: fitted, 3 (above 0, fitted)"
    assert lines[3] == "not yet   97 null: lacking, - (below 0): not yet: a part is missing"
    text = report.markdown()
    assert (
        "| 99 | retail | a name | a quantity | 3 ± 0.1 | 1 to 2 | no |  | found, high | somebody 2000 |"
        in text
    )
    assert "- 97, null, lacking: not yet: a part is missing" in text


@pytest.mark.slow
def test_facts_of_one_preset(tmp_path):
    report = facts("water_utility", seed=2, progress=False, replications=2, customers=1_500)
    assert set(report.table["preset"]) == {"water_utility"}
    assert report.table["figure"].notna().all()
    again = facts(["water_utility"], seed=2, progress=False, replications=2, customers=1_500)
    pd.testing.assert_frame_equal(report.table, again.table)
    other = facts("water_utility", seed=3, progress=False, replications=2, customers=1_500)
    assert not other.table["figure"].equals(report.table["figure"])
    read = pd.read_csv(report.to_csv(tmp_path / "facts.csv"))
    assert read["figure"].to_numpy() == pytest.approx(report.table["figure"].to_numpy())
    assert report.to_markdown(tmp_path / "facts.md").read_text(encoding="utf-8") == report.markdown()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["facts.csv", "facts.md"]
    assert "<table" in report._repr_html_()


def test_wrong_arguments():
    with pytest.raises(ValueError, match="unknown preset 'telecom'; known: car_repair"):
        facts("telecom")
    with pytest.raises(ValueError, match="replications must be at least 1, not 0"):
        facts(replications=0)


# -- the report as measured ---------------------------------------------------------------------------


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def published(root) -> pd.DataFrame:
    lines = (root / "docs" / "facts.md").read_text(encoding="utf-8").splitlines()
    rows = [cells(line) for line in lines if line.startswith("|") and not line.startswith("| ---")]
    return pd.DataFrame(rows[1:], columns=rows[0])


def test_the_published_report_lists_these_facts_of_these_presets(root):
    table = published(root)
    expected = [
        [
            f.number,
            f.preset,
            f.name,
            f.quantity,
            Result(f, math.nan, math.nan).band,
            "fitted" if f.fitted else "",
        ]
        for f in FACTS
    ]
    found = table[["no.", "world", "fact", "quantity", "band", "fitted"]].to_numpy().tolist()
    assert found == expected, (
        "write docs/facts.md anew: tools/calibrate_presets.py --report-only docs/facts.md"
    )
    text = (root / "docs" / "facts.md").read_text(encoding="utf-8")
    for name in Scenario.presets():
        assert Scenario.preset(name).hash in text, f"{name} has changed since docs/facts.md was written"


def test_the_published_report_gives_a_reason_for_what_is_not_met(root):
    text = (root / "docs" / "facts.md").read_text(encoding="utf-8")
    assert "reason not known" not in text


def test_part_of_the_published_report_measured_again(root):
    table = published(root)
    fresh = facts("null", progress=False, replications=1).table
    shown = table[table["world"] == "null"].reset_index(drop=True)
    for k in (0, 1, 2, 3):  # nothing is left to chance in these
        assert float(shown.at[k, "figure"]) == pytest.approx(fresh.at[k, "figure"], rel=0.01)
    assert fresh["met"].all()


@pytest.mark.slow
def test_the_whole_published_report_measured_again(root):
    """Each figure within five standard errors of both, or 2 % where those are tiny."""
    table = published(root)
    report = facts(seed=11, progress=False, replications=3)
    apart = []
    for (_, row), result in zip(table.iterrows(), report.results, strict=True):
        if row["figure"] == "-":
            assert result.met is None
            continue
        shown, _, error = row["figure"].replace(",", "").partition(" ± ")
        spread = math.hypot(float(error or 0), result.error if math.isfinite(result.error) else 0)
        allowed = 5 * spread + 0.02 * abs(float(shown)) + 1e-6
        if abs(float(shown) - result.figure) > allowed:
            apart.append((row["world"], row["fact"], shown, result.figure))
    assert len(apart) <= 2, apart  # of some 130, with three replications each
