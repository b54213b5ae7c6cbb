"""The report on a customer database: what it says, that it works offline, and what stops no other part."""

import re
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from cdnow import cdnow_file

import crmsim as cs
from crmsim.analysis import churn, pages, portfolio, report
from crmsim.data.database import Database, write_tables
from crmsim.data.importing import import_file
from crmsim.data.transactions import DataError

# each builds a report or a page
pytestmark = pytest.mark.slow


SPACE = pages.SPACE


save = pages._save


@pytest.fixture(scope="module", autouse=True)
def unwritten():
    """Figures are drawn, but not written where no test looks at them: the writing takes longest."""

    def note(axes, path, sentence):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "_save", note)
        yield


class Page(HTMLParser):
    """What stands in a page: text by section, links, images, ids, and whether all tags are closed."""

    ALONE = frozenset({"meta", "img", "br", "!doctype"})

    def __init__(self, folder):
        super().__init__()
        self.folder, self.open, self.tags, self.ids = folder, [], [], []
        self.links, self.images, self.texts, self.section = [], [], {}, "head"
        self.source = (folder / "index.html").read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag, attributes):
        about = dict(attributes)
        self.tags.append(tag)
        if tag not in self.ALONE:
            self.open.append(tag)
        if "id" in about:
            self.ids.append(about["id"])
        if tag == "section":
            self.section = about.get("id", "short")
        if tag == "a":
            self.links.append(about["href"])
        if tag == "img":
            self.images.append((about["src"], about["alt"]))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts[self.section] = self.texts.get(self.section, "") + data

    def __getitem__(self, section):
        """The text of a section, with plain spaces."""
        return " ".join(self.texts[section].replace(SPACE, " ").split())


def make(database, folder, only=None, **options):
    settings = report.Settings(bootstrap=20, **options)
    with Database(database) as opened:
        sheets = report.write_report(opened, folder, settings, only=only, progress=False, strict=True)
    return Page(folder), {sheet.key: sheet for sheet in sheets}


@pytest.fixture(scope="module")
def firms(tmp_path_factory):
    """Databases of small simulated firms, with surveys."""
    folder = tmp_path_factory.mktemp("firms")
    made = {}
    for name in ("subscription", "retail", "water_utility"):
        scenario = cs.Scenario.preset(name).replace(population__size=1500, population__months=26)
        survey = cs.Survey(months=(12, 25), size=1500)
        made[name] = cs.simulate(scenario, None, 1).to_database(folder / f"{name}.duckdb", surveys=[survey])
    return made


@pytest.fixture(scope="module")
def reports(firms, unwritten, tmp_path_factory):
    """Their reports: page and sections by name of the firm, made when first asked for."""
    made = {}

    def report_of(name):
        if name not in made:
            made[name] = make(firms[name], tmp_path_factory.mktemp("reports") / name)
        return made[name]

    return report_of


@pytest.fixture(scope="module")
def shop(firms, tmp_path_factory):
    """A copy of the retail database whose tables may be spoilt."""

    def copy(*orders):
        path = tmp_path_factory.mktemp("shop") / "shop.duckdb"
        path.write_bytes(firms["retail"].read_bytes())
        with duckdb.connect(str(path)) as connection:
            for order in orders:
                connection.execute(order)
        return path

    return copy


KEYS = [key for key, *_ in report.SECTIONS]


# -- the page ------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["subscription", "retail", "water_utility"])
def test_every_section_is_made(reports, name):
    page, sheets = reports(name)
    assert list(sheets) == KEYS
    assert {key: sheet.stopped for key, sheet in sheets.items() if sheet.stopped} == {}
    without_figure = {key for key, sheet in sheets.items() if not sheet.figures}
    expected = {
        "subscription": {"rfm", "campaign", "service"},
        "retail": {"campaign", "service"},
        "water_utility": {"rfm", "campaign"},
    }
    assert without_figure == expected[name]
    assert page.open == []  # every tag was closed
    assert "could not be drawn" not in page.source


def test_the_page_works_offline_and_every_link_leads_somewhere(reports):
    page, sheets = reports("retail")
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert not re.search(r"https?://|@import|url\(", page.source)
    files = {path.relative_to(page.folder).as_posix() for path in page.folder.rglob("*") if path.is_file()}
    named = {link for link in page.links if not link.startswith("#")} | {src for src, _ in page.images}
    assert named | {"index.html"} == files
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert all(len(alt) > 30 for _, alt in page.images)
    assert re.findall(r"Figure (\d+)", page.source) == [str(k + 1) for k in range(len(page.images))]
    assert sum(len(sheet.tables) for sheet in sheets.values()) == sum(name.endswith(".csv") for name in files)


@pytest.mark.slow
def test_figures_are_png_files_with_their_words(firms, tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "_save", save)
    page, _ = make(firms["subscription"], tmp_path / "out", only=["loyalty"])
    assert page.images
    for source, _ in page.images:
        content = (page.folder / source).read_bytes()
        assert content[:8] == b"\x89PNG\r\n\x1a\n" and b"Description" in content[:2000]


@pytest.mark.slow
def test_the_same_database_gives_the_same_page(firms, reports, tmp_path):
    first, _ = reports("subscription")
    second, _ = make(firms["subscription"], tmp_path / "again")
    assert first.source == second.source


def test_words_of_the_data_are_no_markup(shop, tmp_path):
    path = shop(
        "UPDATE about SET value = '<script>alert(1)</script>' WHERE name = 'currency'",
        "UPDATE products SET english = '<b>tea & biscuits</b>' WHERE product = 'tea'",
    )
    page, _ = make(path, tmp_path / "out", only=["file", "products"])
    assert "script" not in page.tags and "b" not in page.tags
    assert "<b>tea & biscuits</b>" in page["products"]


# -- what it says ----------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_the_tables(firms, reports):
    page, _ = reports("retail")
    with Database(firms["retail"]) as firm:
        customers, bought = firm.table("customers"), firm.table("purchases")
        gone = firm.table("truth.customers")["left_month"].notna()
    assert f"The database holds {len(customers):,} customers, {len(bought):,} purchases" in page["file"]
    sales = pd.read_csv(page.folder / "tables/file-sales.csv")
    assert sales["sales"].sum() == pytest.approx(bought["amount"].sum())
    assert sales["purchases"].sum() == len(bought)

    worth = bought.groupby("customer")["amount"].sum().sort_values(ascending=False)
    best = worth.iloc[: len(worth) // 5].sum() / worth.sum()
    told = re.search(r"The best 20 % of the customers who bought bring (\d+) % of sales", page["composition"])
    assert int(told[1]) == pytest.approx(100 * best, abs=1)
    classes = pd.read_csv(page.folder / "tables/composition-classes.csv").set_index("class")
    assert classes["sales"].sum() == pytest.approx(bought["amount"].sum())
    assert classes.loc["A", "sales_share"] == pytest.approx(0.75, abs=0.005)

    buyers = bought["customer"].unique()
    left = gone[customers["customer"].isin(buyers).to_numpy()].mean()
    told = re.search(r"(\d+) % of the buyers have really left", page["truth"])
    assert int(told[1]) == pytest.approx(100 * left, abs=0.51)


def test_the_contract_is_told_by_its_departures(firms, reports):
    page, _ = reports("subscription")
    with Database(firms["subscription"]) as firm:
        gone = firm.table("departures")
        rate = churn.rates(firm, every=None).iloc[0]["rate"]
        right = gone.merge(firm.table("truth.departures"), on=["customer", "month"])
    assert f"{100 * rate:.2f} % of the customers leave in a month" in page["churn"]
    first = gone["stated_cause"].value_counts().idxmax()
    english = next(cause.english for cause in churn.ChurnCause if cause.key == first)
    assert f"Most often stated is {english}" in page["churn"]
    share = (right["stated_cause"] == right["cause"]).mean()
    assert f"{100 * share:.0f} % of {len(gone):,} departures stated the true cause" in page["truth"]
    assert "billed every month" in page["rfm"]


def test_products_are_compared_by_the_last_year(firms, reports):
    page, _ = reports("retail")
    with Database(firms["retail"]) as firm:
        sold = firm.sql(
            "SELECT p.english, sum(l.amount) AS sales, sum(l.cost) AS cost FROM purchase_lines l "
            "JOIN purchases USING (purchase) JOIN products p USING (product) WHERE month >= 14 GROUP BY ALL"
        ).set_index("english")
    table = pd.read_csv(page.folder / "tables/products-products.csv").set_index("name")
    assert table["sales"].sort_index().to_list() == pytest.approx(sold["sales"].sort_index().to_list())
    rate = 1 - sold["cost"] / sold["sales"]
    assert table["margin_rate"].sort_index().to_list() == pytest.approx(rate.sort_index().to_list())
    assert f"{sold['sales'].idxmax()} sold most" in page["products"]


@pytest.mark.slow
def test_the_break_even_decides_whom_to_mail(firms, tmp_path):
    chosen = []
    for rate in (0.02, 0.5, 1.0):
        _, sheets = make(firms["retail"], tmp_path / str(rate), only=["rfm"], break_even=rate)
        cells = pd.read_csv(tmp_path / str(rate) / "tables/rfm-cells.csv")
        assert (cells.loc[cells["mail"], "low"] > rate).all()
        assert not (cells.loc[~cells["mail"], "low"] > rate).any()
        chosen.append(int(cells["mail"].sum()))
        mailed = "rfm-mail.csv" in sheets["rfm"].tables
        assert mailed == (chosen[-1] > 0)
    assert chosen[0] > chosen[1] > chosen[2] == 0


def test_true_weights_grade_the_drivers_when_they_are_known(firms, reports, shop, tmp_path):
    page, _ = reports("subscription")
    assert "Nearest to the true weights" in page["truth"]
    table = pd.read_csv(page.folder / "tables/truth-weights.csv").set_index("driver")
    weights = {t.name: t.weight for t in cs.Scenario.preset("subscription").touchpoints}
    assert table["true"].rename(str.lower).to_dict() == pytest.approx(weights)
    bare, wanted = shop("DROP TABLE truth.weights"), ["satisfaction", "truth"]
    without, _ = make(bare, tmp_path / "without", only=wanted)
    assert "so the drivers cannot be graded here" in without["truth"]


def test_only_the_truth_needs_the_truth(firms, reports, tmp_path):
    with Database(firms["subscription"]) as firm:
        known = {name: firm.table(name) for name in firm.tables if "." not in name and name != "dictionary"}
    page, sheets = make(write_tables(known, tmp_path / "bare.duckdb"), tmp_path / "bare")
    full, _ = reports("subscription")
    assert "not from a simulation" in page["truth"]
    assert not sheets["truth"].tables
    for key in KEYS[1:-1]:
        assert page[key] == full[key]


# -- offers --------------------------------------------------------------------------------------------


def offered(folder, policy, size=1500, months=20):
    """A small subscription firm with a campaign, reported on."""
    scenario = cs.Scenario.preset("subscription").replace(population__size=size, population__months=months)
    database = cs.simulate(scenario, [policy], 1).to_database(folder / "crm.duckdb")
    page, sheets = make(database, folder / "out", only=["value", "campaign", "truth"])
    assert not any(sheet.stopped for sheet in sheets.values())
    return database, page, sheets["campaign"]


@pytest.fixture(scope="module")
def by_lot(unwritten, tmp_path_factory):
    return offered(tmp_path_factory.mktemp("by_lot"), cs.RetentionCall(target="random", share=0.1))


@pytest.mark.slow
def test_offers_by_lot_are_an_experiment(by_lot):
    database, page, sheet = by_lot
    assert sheet.figures == [f"campaign-{name}.png" for name in ("response", "lift", "qini", "profit")]
    assert "those without are a control group" in page["campaign"]
    with Database(database) as firm:
        offers, bills = firm.table("offers"), firm.table("payments")
        payments = bills[bills["paid"]]
    assert f"{len(offers):,} offers to {offers['customer'].nunique():,} customers" in page["campaign"]
    table = pd.read_csv(page.folder / "tables/campaign-response.csv")
    for kind in ("offered", "others"):
        assert table[kind].between(table[f"{kind}_low"], table[f"{kind}_high"]).all()
    told = re.search(r"who got an offer, ([\d.]+) % were .*? at the same time, ([\d.]+) %", page["campaign"])
    mean = np.average(table["offered"], weights=table["offered_n"])
    assert float(told[1]) == pytest.approx(100 * mean, abs=0.06)
    gained = re.search(r"stays: ([+\u2212][\d.]+) percentage points", page["campaign"])[1]
    assert float(gained.replace("\N{MINUS SIGN}", "-")) == pytest.approx(
        float(told[1]) - float(told[2]), abs=0.16
    )
    profit = pd.read_csv(page.folder / "tables/campaign-profit.csv")
    assert profit["cost"].to_numpy() == pytest.approx(
        0.15 * payments["amount"].mean() * profit["customers"].to_numpy()
    )
    worth = ((profit["profit"] + profit["cost"]) / profit["gain"]).to_numpy()
    assert worth == pytest.approx(worth[0])  # one value for all customers kept


def test_the_section_on_offers_needs_no_truth(by_lot, tmp_path):
    database, full, _ = by_lot
    with Database(database) as firm:
        known = {name: firm.table(name) for name in firm.tables if "." not in name and name != "dictionary"}
    bare = write_tables(known, tmp_path / "bare.duckdb")
    page, _ = make(bare, tmp_path / "out", only=["value", "campaign", "truth"])
    assert page["campaign"] == full["campaign"]


def test_the_truth_tells_whom_an_offer_keeps(by_lot):
    _, page, _ = by_lot
    assert "with that average" in page["truth"]
    table = pd.read_csv(page.folder / "tables/truth-offers.csv").set_index("score")
    assert list(table.index) == ["risk", "uplift (T-learner)", "knowing the effect"]
    assert table["profit"].idxmax() == "knowing the effect"
    # whoever is addressed first, all are in the end
    assert table["everybody"].to_numpy() == pytest.approx(table["everybody"].iloc[0])


@pytest.mark.slow
def test_offers_to_those_at_risk_are_no_experiment(tmp_path):
    _, page, sheet = offered(tmp_path, cs.RetentionCall(target="risk", share=0.1), size=3000)
    assert sheet.figures == ["campaign-response.png", "campaign-lift.png"]
    assert "The firm chose who got an offer" in page["campaign"]
    assert "campaign-profit.csv" not in sheet.tables
    assert (page.folder / "tables/truth-offers.csv").exists()


def test_offers_that_win_back_are_counted_by_who_returns(tmp_path):
    database, page, _ = offered(tmp_path, cs.WinBack(), size=2500)
    with Database(database) as firm:
        offers, back = firm.table("offers"), firm.table("returns")
    assert len(back) > 20 and offers["accepted"].sum() == len(back)
    paid = re.search(r"expected to cost ([\d,]+) EUR in all, ([\d.]+) EUR an offer", page["campaign"])
    assert float(paid[1].replace(",", "")) == pytest.approx(offers["cost"].sum(), abs=0.6)
    assert float(paid[2]) == pytest.approx(offers["cost"].mean(), abs=0.006)
    told = re.search(r"Of ([\d,]+) offers to former customers ([\d.]+) % brought", page["campaign"])
    assert told[1] == f"{len(offers):,}"
    assert float(told[2]) == pytest.approx(100 * len(back) / len(offers), abs=0.06)
    assert "too few to say whom to address" in page["campaign"]


def test_without_offers_the_section_says_so(reports):
    for name in ("subscription", "retail"):
        page, sheets = reports(name)
        assert "No offer to single customers is on file" in page["campaign"]
        assert not sheets["campaign"].tables and "truly change" not in page["truth"]


FEW = """Client,Day,Amount
Ann,2024-01-03,12.5
Bob,2024-01-05,40
Ann,2024-01-20,8
Cid,2024-02-01,15
Dee,2024-03-03,99.9
Ann,2024-04-11,14
Bob,2024-05-20,35
Eve,2024-06-01,22
"""


@pytest.mark.parametrize("lines", [9, 2])
def test_a_small_file_is_reported_without_a_fault(lines, tmp_path):
    """Five customers, and one who bought once."""
    (tmp_path / "few.csv").write_text("\n".join(FEW.splitlines()[:lines]))
    import_file(tmp_path / "few.csv", tmp_path / "few.duckdb")
    page, sheets = make(tmp_path / "few.duckdb", tmp_path / "out")
    assert {key: sheet.stopped for key, sheet in sheets.items() if sheet.stopped} == {}
    assert "at least 10 are needed" in page["value"] and "brought a margin of" in page["value"]
    assert "value-customers.csv" in sheets["value"].tables
    if lines == 2:
        assert "Only 1 customer bought" in page["composition"]
        assert "there is only 1 buyer" in page["rfm"]
    else:
        assert "The best 20 %" in page["composition"]
        assert "too few for 125 cells" in page["rfm"]
        assert "how they came" not in page["composition"]  # the file does not tell


def test_the_model_of_buying_is_chosen_and_said(reports):
    """1,500 customers of the retail world, who leave at any moment."""
    page, sheets = reports("retail")
    assert "The values below rest on the Pareto/NBD model" in page["value"]
    assert "found likelier what" in page["value"] and "higher than that of BG/NBD" in page["value"]
    assert "are still customers by the Pareto/NBD model" in page["value"]
    told = pd.read_csv(page.folder / "tables/truth-alive.csv").set_index("model")
    assert told.loc["Pareto/NBD", "auc"] > told.loc["BG/NBD", "auc"] + 0.1
    assert {"value-months.png", "value-before.png"} <= set(sheets["value"].figures)
    assert "truth-alive.png" in sheets["truth"].figures


# -- imported files ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_cdnow_imported_and_reported(tmp_path):
    database = tmp_path / "cdnow.duckdb"
    import_file(cdnow_file("CDNOW_sample.txt"), database, customer=0, date=2, amount=4)
    page, sheets = make(database, tmp_path / "out")
    assert [key for key, sheet in sheets.items() if sheet.stopped] == []
    assert "of 6,919 rows read, 6,919 were taken" in page["file"]
    assert "2,357 customers" in page["file"]
    # known of this file: the best fifth hold two thirds of the sales
    assert "The best 20 % of the customers who bought bring 67 % of sales" in page["composition"]
    assert "value-spend.png" in sheets["value"].figures
    forecast = pd.read_csv(tmp_path / "out/tables/value-holdout.csv").set_index("model")
    assert abs(forecast.loc["BG/NBD", "total_error"]) < 0.1 < forecast.loc["own rate", "total_error"]
    for key in ("products", "campaign", "satisfaction", "loyalty", "service", "truth"):
        assert not sheets[key].tables and len(page[key]) > 40  # a reason instead


def test_customers_are_shown_by_their_own_ids(tmp_path):
    days = pd.date_range("2024-01-01", periods=120)
    log = pd.DataFrame(
        {"customer": np.where(np.arange(120) % 3, "Ann & Co", "bo"), "date": days, "amount": 10.0}
    )
    import_file(log, tmp_path / "crm.duckdb")
    page, _ = make(tmp_path / "crm.duckdb", tmp_path / "out", only=["composition"])
    assert "<td>Ann &amp; Co</td><td class=n>800</td>" in page.source
    table = pd.read_csv(tmp_path / "out/tables/composition-customers.csv")
    assert table["own_id"].tolist() == ["Ann & Co", "bo"]


# -- what is wrong with a database -----------------------------------------------------------------------


def test_an_empty_database_says_so_everywhere(tmp_path):
    page, sheets = make(write_tables({}, tmp_path / "empty.duckdb"), tmp_path / "out")
    assert "holds no rows in any table" in page["short"]
    assert not any(sheet.figures or sheet.stopped for sheet in sheets.values())
    assert all('class="cannot"' in "".join(sheets[key].body) for key in KEYS[1:])


def test_a_file_without_such_tables_is_refused(tmp_path):
    with duckdb.connect(str(tmp_path / "other.duckdb")) as connection:
        connection.execute("CREATE TABLE stars AS SELECT 1 AS a")
    with Database(tmp_path / "other.duckdb") as firm, pytest.raises(DataError, match=r"but stars; .*import"):
        report.write_report(firm, tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_one_customer_with_one_purchase(tmp_path):
    day = pd.to_datetime(["2024-01-05"])
    tables = {
        "customers": pd.DataFrame(
            {"customer": [5], "joined_month": 0, "joined": day, "source": "initial", "contract": False,
             "channel": pd.Series([None], dtype=object)}
        ),
        "purchases": pd.DataFrame({"purchase": [0], "customer": 5, "month": 0, "date": day, "amount": 9.5}),
    }  # fmt: skip
    page, _ = make(write_tables(tables, tmp_path / "one.duckdb"), tmp_path / "out")
    assert "at least 10 are needed" in page["value"]
    assert "by 1 purchase of 1 customer: 9.50 each" in page["file"]
    assert "shares of so few customers say nothing" in page["composition"]
    assert "there is only 1 buyer" in page["rfm"]


def test_few_answers_do_not_tell_what_drives_satisfaction(shop, tmp_path):
    few = "(SELECT customer FROM survey_answers WHERE wave = 1 ORDER BY customer LIMIT 20)"
    path = shop(
        f"DELETE FROM survey_answers WHERE wave = 1 AND customer NOT IN (SELECT DISTINCT * FROM {few})"
    )
    page, sheets = make(path, tmp_path / "out", only=["satisfaction"])
    assert re.search(r"cannot be told from \d+ respondents? in the last wave", page["satisfaction"])
    assert sheets["satisfaction"].figures == ["satisfaction-waves.png", "satisfaction-nps.png"]


def test_a_spoilt_table_stops_only_what_needs_it(shop, reports, tmp_path):
    path = shop(
        "ALTER TABLE complaints DROP COLUMN resolved",
        "UPDATE about SET value = 'many' WHERE name = 'months'",
        "UPDATE survey SET satisfaction = 250 WHERE month = 3",
    )
    page, sheets = make(path, tmp_path / "out", only=["file", "value", "churn", "service"])
    assert "The column resolved is missing" in page["service"]
    assert "2 faults in the tables" in page["short"]
    assert "satisfaction is above 100" in page["file"]
    assert [key for key, sheet in sheets.items() if sheet.stopped] == ["service"]
    whole, _ = reports("retail")
    # the length of the record was found in spite of `about`
    table = "tables/value-tiers.csv"
    assert (page.folder / table).read_bytes() == (whole.folder / table).read_bytes()


def test_purchases_without_dates_leave_the_rest(shop, tmp_path):
    page, sheets = make(shop("ALTER TABLE purchases DROP COLUMN date"), tmp_path / "out")
    stopped = {key for key, sheet in sheets.items() if sheet.stopped}
    assert stopped == {"file", "composition", "rfm", "value", "truth"}
    assert "purchases: column date is missing" in page["file"]
    assert sheets["composition"].figures and sheets["satisfaction"].figures and sheets["loyalty"].figures


def test_a_fault_of_the_program_stops_one_part(firms, tmp_path, monkeypatch):
    def broken(*given, **options):
        raise TypeError("no such thing")

    monkeypatch.setattr(portfolio, "gini", broken)
    options = {"only": ["composition", "service"], "progress": False}
    with Database(firms["retail"]) as firm:
        sheets = report.write_report(firm, tmp_path / "out", **options)
        with pytest.raises(TypeError):
            report.write_report(firm, tmp_path / "strict", strict=True, **options)
    assert [sheet.key for sheet in sheets if sheet.stopped] == ["composition"]
    page = Page(tmp_path / "out")
    assert "A fault of the program stopped this part (TypeError: no such thing)" in page["composition"]
    assert "Who rises and who falls" in page["composition"]
    assert not (tmp_path / "strict").exists()


def test_a_figure_that_fails_leaves_its_table(firms, tmp_path, monkeypatch):
    from crmsim import plots

    def broken(*given, **options):
        raise RuntimeError("no ink")

    monkeypatch.setattr(plots, "abc_curve", broken)
    with Database(firms["retail"]) as firm:
        report.write_report(firm, tmp_path / "out", only=["composition"], progress=False)
    page = Page(tmp_path / "out")
    assert "A figure could not be drawn here: no ink." in page["composition"]
    assert "Classes of customers by sales" in page["composition"]


# -- the folder ------------------------------------------------------------------------------------------


def test_a_folder_with_files_is_refused(firms, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("three years")
    with Database(firms["retail"]) as firm, pytest.raises(ValueError, match="not empty"):
        report.write_report(firm, tmp_path / "mine", progress=False)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_report_leaves_nothing(firms, tmp_path, monkeypatch, fault):
    def stop(*given):
        raise fault

    monkeypatch.setattr(portfolio, "abc", stop)
    with Database(firms["retail"]) as firm, pytest.raises((KeyboardInterrupt, OSError)):
        report.write_report(firm, tmp_path / "out", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_section_is_refused(firms, tmp_path):
    with Database(firms["retail"]) as firm, pytest.raises(ValueError, match="no section 'magic'"):
        report.write_report(firm, tmp_path / "out", only=["value", "magic"], progress=False)


@pytest.mark.parametrize("wrong", [{"margin": 0}, {"margin": 2}, {"break_even": 0}, {"horizon": 0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match="give"):
        report.Settings(**wrong)


# -- numbers as words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.5, "50 %"), (0.0996, "10 %"), (0.0123, "1.2 %"), (0.00456, "0.46 %"), (0, "0 %"),
     (-0.2, "\N{MINUS SIGN}20 %"), (1, "100 %"), (np.nan, "–"), (-0.00001, "0 %")],
)  # fmt: skip
def test_shares_are_written_with_the_digits_they_need(share, text):
    assert pages.percent(share) == text.replace(" ", SPACE)


@pytest.mark.parametrize(
    ("amount", "text"),
    [(1_234_567, "1.23 million EUR"), (12_345.6, "12,346 EUR"), (12.3, "12.30 EUR"), (-1e-9, "0 EUR"),
     (-250, "\N{MINUS SIGN}250 EUR"), (2.5e9, "2.50 billion EUR"), (np.nan, "– EUR"), (0, "0 EUR")],
)  # fmt: skip
def test_money_is_written_to_be_read(amount, text):
    assert pages.Money("EUR")(amount) in (text, text.removesuffix(" EUR"))


def test_lists_and_counts():
    assert pages.listed(["a", "b", "c"]) == "a, b and c"
    assert (pages.listed(["a"]), pages.listed([])) == ("a", "")
    assert (pages.many(1, "customer"), pages.many(2000, "customer")) == ("1 customer", "2,000 customers")
    assert (pages.whole(7.0), pages.whole("A-7"), pages.whole(None)) == ("7", "A-7", "–")


def test_a_table_keeps_whole_numbers_and_all_rows(tmp_path):
    sheet = pages.Sheet("x", "X", "", tmp_path)
    frame = pd.DataFrame({"customer": [10**12 + 1, 2, 3], "share": [0.5, np.nan, 0.1]})
    sheet.table("t", frame, "T", {"customer": ("c", pages.whole), "share": ("s", pages.percent)}, rows=2)
    assert "1000000000001" in sheet.body[0] and "The first 2 of 3 rows" in sheet.body[0]
    assert pd.read_csv(Path(tmp_path) / "tables/x-t.csv").equals(frame)
