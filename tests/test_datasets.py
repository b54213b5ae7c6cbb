"""The data sets of the course: whole, as described, and the same when built anew."""

import hashlib

import numpy as np
import pandas as pd
import pytest

import crmsim as cs
from crmsim import datasets
from crmsim.cli import main
from crmsim.data.database import Database, write_tables
from crmsim.data.importing import read_purchases
from crmsim.data.schema import BY_NAME, faults
from crmsim.data.transactions import DataError
from crmsim.datasets import DATASETS, DIRTY, TRUTH, load_dataset

FIRMS = [name for name in DATASETS if name != DIRTY]


@pytest.fixture(scope="module")
def folder(root):
    return root / "datasets"


@pytest.fixture(scope="module")
def said(folder):
    return pd.read_csv(folder / datasets.CHECKSUMS).set_index("file")


@pytest.fixture(scope="module")
def firms():
    return {name: load_dataset(name, truth=True) for name in FIRMS}


@pytest.fixture(scope="module")
def dirty():
    return load_dataset(DIRTY, truth=True)


# -- the files ---------------------------------------------------------------------------------


def test_every_file_is_the_one_of_the_checksums(folder, said):
    here = datasets._files(folder)
    assert [path.relative_to(folder).as_posix() for path in here] == said.index.tolist()
    for path in here:
        assert (
            hashlib.sha256(path.read_bytes()).hexdigest()
            == said.loc[path.relative_to(folder).as_posix(), "sha256"]
        )
    assert said["bytes"].sum() < 10e6
    assert {name.split("/")[0] for name in said.index} == set(DATASETS)


@pytest.mark.slow
def test_a_rebuild_is_the_same_byte_for_byte(folder):
    """Byte for byte where DuckDB is of the version that wrote the files, else table by table."""
    assert datasets.check(folder) == []


def test_a_file_that_was_changed_lost_or_added_is_found(tmp_path, monkeypatch):
    def write(name, place):
        place.mkdir(parents=True, exist_ok=True)
        (place / "clean.parquet").unlink(missing_ok=True)
        frame = pd.DataFrame({"row": np.arange(5)})
        datasets._write_parquet(place / "clean.parquet", frame, [("row", "INTEGER")])
        (place / "key.csv").write_text(f"a\n{name}\n")

    monkeypatch.setattr(datasets, "write_dataset", write)
    monkeypatch.setattr(datasets, "DATASETS", {DIRTY: DATASETS[DIRTY]})
    table = datasets.build(tmp_path / "sets")
    assert table["rows"].tolist() == [5, 1]
    assert datasets.check(tmp_path / "sets") == []
    place = tmp_path / "sets" / DIRTY
    (place / "key.csv").write_text("a\nother\n")
    assert datasets.check(tmp_path / "sets") == [f"{DIRTY}/key.csv is not the file of the checksums"]
    datasets.build(tmp_path / "sets")
    (place / "more.csv").write_text("a\n")
    (place / "clean.parquet").unlink()
    assert datasets.check(tmp_path / "sets") == [
        f"{DIRTY}/clean.parquet is missing",
        f"{DIRTY}/more.csv is not among the checksums",
    ]
    # a build that comes out otherwise than it did
    datasets.build(tmp_path / "sets")
    monkeypatch.setattr(datasets, "write_dataset", lambda name, place: write("new", place))
    assert datasets.check(tmp_path / "sets") == [f"{DIRTY}/key.csv comes out otherwise when built anew"]
    # the same table in other bytes is well when another version wrote it, and only then
    monkeypatch.setattr(datasets, "write_dataset", write)
    whole = datasets.checksums
    monkeypatch.setattr(
        datasets,
        "checksums",
        lambda place: (
            whole(place)
            if place == tmp_path / "sets"
            else whole(place).assign(sha256="0" * 64, written_by="DuckDB 9")
        ),
    )
    assert datasets.check(tmp_path / "sets") == []


def test_a_failed_build_leaves_the_old_files_whole(tmp_path, monkeypatch):
    place = tmp_path / DIRTY
    place.mkdir()
    (place / "key.csv").write_text("old\n")

    def fail(name, place):
        place.mkdir(parents=True)
        (place / "key.csv").write_text("new\n")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(datasets, "write_dataset", fail)
    with pytest.raises(DataError, match="cannot be written: No space left"):
        datasets.build(tmp_path)
    assert (place / "key.csv").read_text() == "old\n"
    assert [path.name for path in tmp_path.iterdir()] == [DIRTY]


# -- the firms -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", FIRMS)
def test_the_tables_are_as_described(firms, name):
    tables = firms[name]
    assert faults(tables) == []
    assert all(len(frame) for frame in tables.values())
    about = tables["about"].set_index("name")["value"]
    known = DATASETS[name]
    assert about["scenario"] == known.preset and int(about["months"]) == known.months
    assert int(about["seed"]) == known.seed
    assert (tables["customers"]["source"] == "initial").sum() > 0.9 * known.customers
    assert len(tables["survey_answers"]) > 10_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("retail", {"products", "purchases", "purchase_lines", "stock", "profiles", "complaints"}),
        ("car_repair", {"products", "purchases", "purchase_lines", "stock", "profiles"}),
        (
            "subscription",
            {"bills", "payments", "departures", "offers", "projects", "survey_waves", "profiles"},
        ),
        (
            "city_a",
            {
                "customers",
                "segments",
                "districts",
                "hardship",
                "bills",
                "payments",
                "meters",
                "readings",
                "tariff",
                "statements",
                "receipts",
                "contacts",
                "jobs",
                "event_kinds",
                "network_events",
                "event_customers",
                "formal_complaints",
                "survey_waves",
                "projects",
                "truth.weights",
                "truth.projects",
                "truth.market_panel",
                "truth.survey_sample",
                "truth.problems",
                "truth.parameters",
            },
        ),
    ],
)
def test_a_data_set_has_what_its_chapters_need(firms, name, wanted):
    assert wanted <= set(firms[name])


def test_truth_comes_only_when_asked_for(firms):
    plain = load_dataset("retail")
    names = ("customers", "departures", "failures", "weights", "survey_sample", "problems", "parameters")
    hidden = {f"truth.{name}" for name in names}
    assert set(firms["retail"]) - set(plain) == hidden
    assert set(load_dataset(DIRTY)) == {"sales_2024", "sales_2025"}


@pytest.mark.parametrize("name", ["retail", "car_repair"])
def test_lines_of_a_till_add_up_in_cents(firms, name):
    t = firms[name]
    total = t["purchase_lines"].groupby("purchase")["amount"].sum()
    amount = t["purchases"].set_index("purchase")["amount"]
    np.testing.assert_allclose(total, amount, atol=1e-6)
    assert (np.rint(100 * amount) / 100 == amount).all()


def test_statements_of_city_a_add_up_in_cents(firms):
    t = firms["city_a"]
    s = t["statements"].set_index("statement")
    at = pd.MultiIndex.from_arrays([s["month"] // 2, s["customer"]])
    for name, amounts in (("bills", s["amount"]), ("payments", t["receipts"]["amount"])):
        money = t[name].groupby([t[name]["month"] // 2, "customer"])["amount"].sum()
        np.testing.assert_allclose(amounts, money.reindex(at), atol=0.001)
        assert amounts.sum() == pytest.approx(t[name]["amount"].sum(), abs=0.01)
    assert np.allclose(s["water"] + s["sewage"], s["amount"], atol=0.001)
    steps = s[["tier_1", "tier_2", "tier_3"]].to_numpy()
    assert np.allclose(steps.sum(axis=1), s["usage"], atol=0.001)
    # Volumes are to 10 litres, so the tariff gives the money to a few cents.
    tariff = t["tariff"]
    assert np.abs(steps @ tariff["price"].to_numpy() - s["water"]).max() < 0.1
    both = t["readings"].merge(t["statements"], on=["meter", "month"])
    moved = both.groupby("meter")["register"].diff()
    assert len(both) == len(s) and (moved - both["usage"]).abs().max() < 0.031


def test_city_a_is_asked_in_waves(firms):
    waves = firms["city_a"]["survey_waves"]
    assert waves.groupby("survey").size().to_dict() == {"households": 4, "contacts": 4}
    households = waves[waves["survey"] == "households"]
    assert households["completed"].between(500, 1100).all()  # the case speaks of some 700
    assert (households["month"] == [5, 11, 17, 23]).all()


def test_the_calls_of_the_subscription_were_drawn_by_lot(firms):
    """Who was called and who was not are alike in what was true of them before; some 5,000 customers.
    A correlation of .05 with their use or with their own response would be found."""
    t = firms["subscription"]
    first = t["customers"].loc[t["customers"]["source"] == "initial", "customer"]
    early = t["offers"].loc[t["offers"]["month"] <= 12, "customer"].unique()
    called = first.isin(early).to_numpy()
    assert 300 < called.sum() < len(called) - 300
    bill = t["bills"].drop_duplicates("customer").set_index("customer")["amount"].reindex(first)
    assert abs(np.corrcoef(np.log(bill), called)[0, 1]) < 0.05
    response = t["truth.customers"].set_index("customer")["response"].reindex(first)
    assert abs(np.corrcoef(response, called)[0, 1]) < 0.05


def test_the_offers_cost_what_the_campaign_did(firms):
    t = firms["subscription"]
    (project,) = t["projects"].to_dict("records")
    assert project["project"] == "retention_call:random" and project["kind"] == "campaign"
    assert t["offers"]["cost"].sum() == pytest.approx(project["cost"], abs=1)
    assert set(t["offers"]["campaign"]) == {project["project"]} and set(t["offers"]["action"]) == {"call"}
    # drawn by lot: the score is the lot
    assert abs(t["offers"]["score"].diff().mean()) < 0.01 and t["offers"]["score"].between(0, 1).all()


def test_after_the_record_city_a_tries_projects_or_its_market_opens(firms):
    t = firms["city_a"]
    projects, true = t["projects"].set_index("project"), t["truth.projects"].set_index("project")
    assert projects.index.tolist() == true.index.tolist() == ["notices", "payment", "hotline", "mains"]
    assert projects["first_month"].tolist() == [24, 24, 30, 36]
    surely = projects["low"] > 0
    assert (surely == (projects["status"] == "kept")).all() and 0 < surely.sum() < 4
    assert (true["satisfaction"] > 0).all()  # the noise hides some of what helps
    panel = t["truth.market_panel"]
    assert set(panel["year"]) == set(range(1, 8)) and (panel["month"] == 12 + 12 * panel["year"]).all()
    assert 0.02 < panel.loc[panel["year"] == 1, "switched"].mean() < 0.05  # England: 2.9 % in the first year
    # those there in the last month of the record and not gone since, nobody else
    gone = set(t["departures"]["customer"]) - set(t["returns"]["customer"] if "returns" in t else ())
    assert set(panel.loc[panel["year"] == 1, "customer"]) == set(t["customers"]["customer"]) - gone


@pytest.mark.slow
def test_columns_can_be_had_in_chinese():
    for name in ("city_a", "retail"):
        tables = load_dataset(name, truth=True, language="zh")
        for full, frame in tables.items():
            assert frame.columns.is_unique and frame.shape[1] == len(BY_NAME[full].columns)
            assert all(min(column) >= "\u4e00" for column in frame)
    assert list(load_dataset(DIRTY, language="zh")["sales_2024"])[:3] == ["单号", "日期", "会员号"]


def test_a_data_set_becomes_a_database(firms, tmp_path):
    with Database(write_tables(firms["car_repair"], tmp_path / "cars.duckdb")) as firm:
        assert firm.faults() == []
        assert len(firm.table("purchase_lines")) == len(firms["car_repair"]["purchase_lines"])


def test_the_dictionary_has_every_column(folder, firms, dirty):
    table = pd.read_csv(folder / datasets.DICTIONARY, keep_default_na=False)
    known = set(zip(table["table"], table["column"], strict=True))
    for name, tables in firms.items():
        for full, frame in tables.items():
            assert {(full, column) for column in frame} <= known
            homes = table.loc[table["table"] == full, "data_sets"].iloc[0].split()
            assert name in homes
    for full in ("sales_2024", "key", "clean"):
        assert {(full, column) for column in dirty[full]} <= known
    assert (table[["meaning", "chinese", "table_meaning", "table_chinese"]] != "").all(axis=None)
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in readme for name in DATASETS)
    assert all(f"`{kind}`" in readme for kind in dirty["key"]["kind"].unique())


# -- the exports full of mistakes ------------------------------------------------------------------


def test_the_exports_are_in_two_encodings(folder):
    english, chinese = ((folder / DIRTY / f"sales_{year}.csv").read_bytes() for year in (2024, 2025))
    assert english.startswith(b"\xef\xbb\xbf") and english.decode("utf-8-sig").startswith("invoice,date")
    assert chinese.decode("gb18030").startswith("单号;日期")
    with pytest.raises(UnicodeDecodeError):
        chinese.decode("utf-8")


def test_with_the_key_the_exports_can_be_mended(dirty):
    """Every cell that is wrong is in the key with what is right, and no other cell is wrong."""
    key, clean = dirty["key"], dirty["clean"]
    for name in ("sales_2024", "sales_2025"):
        found = dirty[name].set_axis(list(datasets.EXPORT_COLUMNS), axis=1)
        text = found.copy()
        own = key[key["file"] == f"{name}.csv"]
        for fault in own[own["column"] != ""].itertuples():
            assert found.loc[fault.row, fault.column] == fault.written
            text.loc[fault.row, fault.column] = fault.right
        text = text.drop(index=own.loc[own["column"] == "", "row"])
        right = clean[clean["file"] == f"{name}.csv"].set_index("row")
        assert text.index.tolist() == right.index.tolist()
        days = pd.to_datetime(text["date"], format="%Y-%m-%d" if name == "sales_2024" else "%Y/%m/%d")
        assert (days == right["date"]).all()
        for column in ("quantity", "price", "amount"):
            np.testing.assert_allclose(text[column].astype(float), right[column], atol=1e-9)
        known = text["customer"] != ""
        assert (text["customer"][known].str[1:].astype(int) == right["customer"][known]).all()
        assert (text["invoice"] == right["invoice"]).all()
        assert set(text["category"]) <= {
            *datasets.CATEGORIES_IN_CHINESE,
            *datasets.CATEGORIES_IN_CHINESE.values(),
        }


def test_every_kind_of_mistake_is_there_as_often_as_was_said(dirty):
    """Some 13,000 lines; each share within four standard errors."""
    key, lines = dirty["key"], len(dirty["clean"])
    shares = {**datasets.MISTAKES, "duplicate": datasets.DUPLICATES, "return": datasets.RETURNS}
    seen = key["kind"].value_counts()
    for kind, share in shares.items():
        assert seen[kind] == pytest.approx(share * lines, abs=4 * np.sqrt(share * lines) + 1)
    assert seen["test_row"] == 2 * datasets.TEST_ROWS and seen["total_row"] == 2
    assert set(seen.index) == {*shares, "test_row", "total_row"}


def test_the_true_lines_add_up(dirty):
    clean = dirty["clean"]
    np.testing.assert_allclose(clean["amount"], clean["quantity"] * clean["price"], atol=1e-6)
    back = clean["quantity"] < 0
    assert (clean["invoice"].str[0] == np.where(back, "C", "R")).all()


def test_the_importer_finds_what_the_key_says(folder, dirty):
    """Missing ids, impossible dates, duplicates and returns, row by row."""
    for year in (2024, 2025):
        found = read_purchases(folder / DIRTY / f"sales_{year}.csv", duplicates="drop")
        own = dirty["key"][dirty["key"]["file"] == f"sales_{year}.csv"]
        rows = own.groupby("kind")["row"].agg(set)
        assert rows["impossible_date"] | rows["total_row"] <= set(found.refused["row"])
        again = rows["duplicate"] - rows["missing_customer"] - rows["impossible_date"]
        assert set(found.dropped["row"]) <= rows["duplicate"] and len(again - set(found.dropped["row"])) < 15
        assert rows["return"] - set(found.refused["row"]) <= set(found.returns["row"])
        right = dirty["clean"].set_index(["file", "row"]).loc[f"sales_{year}.csv"]
        lines = found.lines.set_index("row")
        plain = lines.index.difference(own["row"])
        assert (lines.loc[plain, "date"].dt.normalize() == right.loc[plain, "date"]).all()
        np.testing.assert_allclose(lines.loc[plain, "amount"], right.loc[plain, "amount"], atol=1e-6)


# -- mistakes of the user, and no folder -----------------------------------------------------------


def test_mistakes_are_told(tmp_path, capsys):
    with pytest.raises(DataError, match="there is no data set 'retial'; there are retail, retail_dirty,"):
        load_dataset("retial")
    with pytest.raises(DataError, match="language='de' is not known"):
        load_dataset("retail", language="de")
    with pytest.raises(DataError, match=r"build the data sets with crmsim datasets build"):
        datasets.check(tmp_path)
    for words, told in (
        (["build", "retail"], "build makes all data sets"),
        (["list", "--check"], "--check goes with build"),
        (["database"], "name a data set: retail,"),
        (["database", DIRTY], "has to be cleaned and imported"),
        (["database", "retial"], "there is no data set 'retial'"),
        (["bild"], "invalid choice: 'bild'"),
    ):
        assert main(["datasets", *words]) == 2
        assert told in capsys.readouterr().err


def test_a_damaged_file_is_told(tmp_path, monkeypatch):
    (tmp_path / "retail").mkdir()
    (tmp_path / "retail" / "purchases.parquet").write_bytes(b"PAR1 no more")
    monkeypatch.setattr(datasets, "project_folder", lambda: tmp_path)
    with pytest.raises(DataError, match=r"purchases\.parquet is damaged: .*make it again"):
        load_dataset("retail")


def test_without_the_folder_a_data_set_is_built_once_into_the_cache(tmp_path, monkeypatch):
    built = []

    def write(name, place):
        built.append(name)
        (place / TRUTH).mkdir(parents=True)
        frame = pd.DataFrame({"month": [3]})
        datasets._write_parquet(place / "offers.parquet", frame, [("month", "INTEGER")])

    monkeypatch.setattr(datasets, "project_folder", lambda: None)
    monkeypatch.setattr(datasets, "write_dataset", write)
    monkeypatch.setenv("CRMSIM_CACHE", str(tmp_path))
    for _ in range(2):
        assert cs.load_dataset("retail")["offers"]["month"].tolist() == [3]
    assert built == ["retail"]
    assert [path.name[:7] for path in (tmp_path / "datasets").iterdir()] == ["retail-"]


def test_commands_list_and_make_a_database(tmp_path, capsys):
    assert main(["datasets", "list"]) == 0
    assert "A市供水企业" in capsys.readouterr().out
    path = tmp_path / "cars.duckdb"
    assert main(["datasets", "database", "car_repair", "--out", str(path)]) == 0
    with Database(path) as firm:
        assert len(firm.table("truth.customers")) == len(firm.table("customers"))
