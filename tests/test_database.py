"""The customer database: what is written of a run, and how it is read."""

import os
import subprocess
import sys

import duckdb
import numpy as np
import pandas as pd
import pytest

import crmsim as cs
from crmsim.data import schema
from crmsim.data.database import FIRST_YEAR, Database, check_place, tables_of, write_run, write_tables
from crmsim.data.schema import BY_NAME, TABLES, dictionary, faults
from crmsim.data.transactions import DataError
from crmsim.simulation import catalogue, network, records, stations, survey
from crmsim.simulation.compile import PLACES, parameter_values
from crmsim.simulation.draws import Key, Purpose, normal
from crmsim.simulation.records import STATED, stated_causes
from crmsim.simulation.scenario import Touchpoint
from crmsim.simulation.survey import Survey


def scenario(name, size=1500, months=14, **changes):
    return cs.Scenario.preset(name).replace(population__size=size, population__months=months, **changes)


@pytest.fixture(scope="module")
def contract():
    """A subscription with campaigns and surveys, so that every table of a contract fills."""
    policies = [
        "dunning:start=4",
        "payment_channels:ramp=0,start=7",
        "retention_call:target=risk",
        "win_back",
    ]
    return cs.simulate(scenario("subscription"), policies, seed=3)


@pytest.fixture(scope="module")
def shop():
    return cs.simulate(scenario("retail"), [], seed=3)


@pytest.fixture(scope="module")
def contract_tables(contract):
    exit_survey = Survey(name="exit", frame="leavers", months=tuple(range(14)), response=0.5)
    return tables_of(contract, [Survey(months=(6, 13), response=0.3), exit_survey])


@pytest.fixture(scope="module")
def shop_tables(shop):
    return tables_of(shop)


@pytest.fixture(scope="module")
def utility():
    """A hotline too small, a crew of its own speed, a counter: every table of a service desk fills."""
    desk = {"agents": 0.4, "crews": 0.3, "counter_clerks": 1, "counter_share": 0.3, "escalation": 0.5}
    world = scenario("water_utility", 3000, 8, **{f"service__{name}": value for name, value in desk.items()})
    return cs.simulate(world, ["notices_by_sms"], seed=3)


@pytest.fixture(scope="module")
def utility_tables(utility):
    return tables_of(utility)


@pytest.fixture
def database(contract_tables, tmp_path):
    with Database(write_tables(contract_tables, tmp_path / "crm.duckdb")) as opened:
        yield opened


# -- what is in it ---------------------------------------------------------------------------


def test_the_file_holds_every_table_as_described(database, contract_tables):
    assert set(database.tables) == {*BY_NAME, "dictionary"}
    assert database.faults() == []
    for name, frame in contract_tables.items():
        columns = database.sql(f"SELECT * FROM (DESCRIBE {name})")
        described = [(column.name, column.type) for column in BY_NAME[name].columns]
        assert list(zip(columns["column_name"], columns["column_type"], strict=True)) == described
        assert len(database.table(name)) == len(frame)
    empty = {name for name, frame in contract_tables.items() if frame.empty}
    assert empty == {
        "purchases", "purchase_lines", "return_lines", "stock", "contacts", "jobs", "formal_complaints",
        "segments", "hardship", "meters", "readings", "tariff", "statements", "receipts", "event_kinds",
        "network_events", "event_customers", "truth.projects", "truth.market_panel",
    }  # fmt: skip


def test_the_dictionary_is_the_description(database):
    pd.testing.assert_frame_equal(database.table("dictionary"), dictionary(), check_dtype=False)
    assert len(dictionary()) == sum(len(table.columns) for table in TABLES)
    assert all(column.meaning for table in TABLES for column in table.columns)
    chinese = dictionary()[["chinese", "table_chinese"]]
    assert chinese.map(lambda name: min(name) >= "\u4e00").all(axis=None)  # no column without a name
    said = database.sql(
        "SELECT comment FROM duckdb_columns() WHERE table_name = 'bills' AND column_name = 'amount'"
    )
    assert said["comment"].tolist() == ["amount billed (money)"]


def test_the_page_of_the_tables_is_the_description(root):
    written = (root / "docs" / "tables.md").read_text(encoding="utf-8")
    assert written == schema.to_markdown(), "write crmsim.data.schema.to_markdown() to docs/tables.md"


def test_what_the_firm_must_not_see_is_in_truth_only():
    hidden = {"satisfaction", "trust", "layer", "cause", "attributed_cause", "hazard", "response", "severity"}
    for table in TABLES:
        if table.schema == "main" and table.name != "survey":
            assert not hidden & {column.name for column in table.columns}


def test_the_true_weights_are_those_of_the_scenario(contract, contract_tables):
    table = contract_tables["truth.weights"].set_index("touchpoint")
    for point in contract.scenario.touchpoints:
        row = table.loc[point.name]
        assert (row["weight"], row["chinese"]) == (point.weight, point.chinese)
        assert (row["level"], row["phase"], row["kind"]) == (point.level, point.phase, point.kind)
        assert (row["quality"], row["severity"]) == (point.quality, point.severity)
    assert table["weight"].sum() == pytest.approx(1) and len(table) == len(contract.scenario.touchpoints)


def test_the_true_parameters_are_those_of_the_scenario_and_the_surveys(contract, contract_tables):
    known = contract_tables["truth.parameters"].set_index("name")
    for k, (section, name) in enumerate(PLACES):
        if isinstance(getattr(getattr(contract.scenario, section), name), bool):  # no number
            continue
        assert known.loc[f"{section}.{name}", "value"] == parameter_values(contract.scenario)[k]
    assert known.loc["survey.satisfaction.response", "value"] == 0.3
    assert known.loc["survey.exit.halo", "value"] == Survey().halo
    assert (known["meaning"] != "").all()


def test_the_description_knows_the_words_of_a_touchpoint():
    for name, words in (("level", schema.LEVELS), ("phase", schema.PHASES), ("kind", schema.KANO)):
        assert Touchpoint.model_fields[name].annotation.__args__ == words


def test_money_and_people_of_a_contract_add_up(contract, contract_tables):
    t, monthly = contract_tables, contract.monthly
    came_in = t["payments"].groupby("month")["amount"].sum()
    np.testing.assert_allclose(came_in, monthly["revenue"], rtol=1e-5)
    assert t["bills"].groupby("month").size().tolist() == monthly["at_risk"].tolist()
    assert t["payments"]["failed"].sum() == monthly["failed_payments"].sum()
    assert t["payments"]["cured"].sum() == monthly["cured_payments"].sum()
    assert len(t["complaints"]) == monthly["complaints"].sum()
    assert t["complaints"]["resolved"].sum() == monthly["resolved"].sum()
    assert not (t["complaints"]["fast"] & ~t["complaints"]["resolved"]).any()
    assert len(t["departures"]) == monthly["left"].sum()
    assert len(t["returns"]) == monthly["returned"].sum() > 0
    assert len(t["offers"]) == monthly["offers"].sum() > 0
    assert len(t["customers"]) == monthly["joined"].sum()


def test_offers_say_what_a_firm_would_note(contract, contract_tables):
    offers, back = contract_tables["offers"], contract_tables["returns"]
    assert (offers["offer"] == np.arange(len(offers))).all() and offers["month"].is_monotonic_increasing
    spent = offers.groupby("campaign")["cost"].sum()
    assert set(spent.index) == {"retention_call:risk", "win_back:price"}
    for campaign, cost in spent.items():
        assert cost == pytest.approx(contract.costs[campaign].sum())
    calls = offers[offers["action"] == "call"]
    best_first = calls.groupby("month")["score"].is_monotonic_decreasing
    assert best_first.all() and calls["accepted"].isna().all()
    asked = offers[offers["action"] == "win_back_price"]
    came = asked.loc[asked["accepted"].astype(bool), ["customer", "month"]]
    assert len(calls) + len(asked) == len(offers) and len(came) < len(asked)
    assert set(came.itertuples(index=False, name=None)) == set(
        back[["customer", "month"]].itertuples(index=False, name=None)
    )


def test_the_policies_of_a_run_are_its_projects(contract, contract_tables):
    found = contract_tables["projects"].set_index("project")
    assert found.index.tolist() == [p.name for p in contract.policies]
    np.testing.assert_allclose(found["cost"], contract.costs[found.index].sum())
    assert found["kind"].tolist() == ["programme", "programme", "campaign", "campaign"]
    assert found["first_month"].tolist() == [4, 7, 0, 0] and (found["status"] == "running").all()
    assert found["content"].tolist() == ["dunning", "payment_channels:ramp=0", "retention_call", "win_back"]
    assert found[["effect", "measure", "round"]].isna().all(axis=None)


def test_a_project_says_where_it_is_done_and_until_when():
    class Own:
        name = "own"

        def offers(self, view):
            return cs.Offers(view.id[:0], "contact", 0.0)

    policies = [
        "fault_reduction:touchpoint=supply,districts=old_town+suburb,stop=2",
        cs.Budget("retention_call", 50.0, label="calls"),
        Own(),
        "quality_control:start=9",
    ]
    tables = tables_of(cs.simulate(scenario("water_utility", 200, 3), policies, seed=3))
    found = tables["projects"].set_index("project")
    assert faults(tables) == []
    assert found.index.tolist() == ["fault_reduction", "calls", "own"]  # the last has not begun
    row = found.loc["fault_reduction"]
    assert (row["reach"], row["last_month"], row["status"]) == ("old_town, suburb", 1, "ended")
    assert found.loc["calls", "content"] == "retention_call" and found.loc["own", "content"] == "own"


def test_two_campaigns_may_address_the_same_customer_in_a_month():
    world = scenario("subscription", 300, 3)
    policies = ["retention_call:share=0.2,label=one", "retention_call:share=0.2,pause=0,label=two"]
    run = cs.simulate(world, policies, seed=3)
    offers = tables_of(run)["offers"]
    assert len(offers) == run.monthly["offers"].sum()
    assert offers.groupby(["customer", "month"]).size().max() == 2
    assert set(offers["campaign"]) == {"one", "two"}


def test_a_shop_cannot_tell_who_of_those_it_asks_back_had_left():
    run = cs.simulate(scenario("retail", 400, 10), ["win_back"], seed=3)
    offers = tables_of(run)["offers"]
    assert offers["accepted"].notna().all() and offers["accepted"].sum() == run.monthly["returned"].sum() > 0


def test_a_bill_is_the_customers_own_whether_paid_or_not(contract, contract_tables):
    bills = contract_tables["bills"].merge(contract_tables["payments"], on=["customer", "month"])
    paid = bills["paid"]
    assert (bills.loc[paid, "amount_x"] == bills.loc[paid, "amount_y"]).all()
    assert (bills.loc[~paid, "amount_y"] == 0).all() and (~paid).sum() > 20
    # no price lever moves here, so a customer's bill is the same every month
    spread = bills.groupby("customer")["amount_x"].agg(lambda x: x.max() - x.min())
    assert spread.max() < 0.01
    assert (bills["paid"] == (~bills["failed"] | bills["cured"])).all()


def test_the_channel_follows_the_firms_levers(contract, contract_tables):
    payments = contract_tables["payments"]
    draw = contract.customers["channel_draw"].loc[payments["customer"]].to_numpy()
    # shares .2, .5, .3 by hand, card, debit; from month 7 the programme keeps half and .6 of the first two
    before = np.select([draw < 0.2, draw < 0.7], ["manual", "card"], "debit")
    after = np.select([draw < 0.1, draw < 0.4], ["manual", "card"], "debit")
    expected = np.where(payments["month"] < 7, before, after)
    assert (payments["channel"].astype(str) == expected).all()


def test_the_desk_s_books_are_those_of_the_run(utility, utility_tables):
    """Counts by month and kind of each station; all of it comes from one repetition of the run."""
    t, service = utility_tables, utility.service
    assert faults(t) == []
    calls = t["contacts"][t["contacts"]["station"] == "hotline"]
    first = calls[calls["attempt"] == 1]

    def by_month(rows):
        return rows.groupby("month").size().reindex(service.index, fill_value=0).tolist()

    assert by_month(first) == service["contacts"].tolist()
    assert by_month(calls) == service["calls"].tolist()
    assert by_month(first[first["reason"] != "problem"]) == service["questions"].tolist()
    assert by_month(calls[calls["outcome"] == "service"]) == service["answered"].tolist()
    assert by_month(calls[calls["outcome"] == "closed"]) == service["turned_away"].tolist()
    assert by_month(calls[calls["outcome"] == "renege"]) == service["abandoned"].tolist()
    assert by_month(calls[calls["solved"]]) == service["solved"].tolist()
    assert by_month(calls[calls["solved"] & (calls["attempt"] == 1)]) == service["solved_at_once"].tolist()
    served = calls[calls["outcome"] == "service"].groupby("month")
    np.testing.assert_allclose(served["waited"].mean(), service["wait"], rtol=1e-6)
    # whoever the log says complained told the hotline of a problem
    assert by_month(first[first["reason"] == "problem"]) == by_month(t["complaints"])

    visits = t["contacts"][t["contacts"]["station"] == "counter"]
    assert by_month(visits) == service["visits"].tolist()
    np.testing.assert_allclose(visits.groupby("month")["waited"].mean() / 60, service["counter_wait"])
    for name, number, late in (
        ("jobs", "jobs", "repairs_late"),
        ("formal_complaints", "formal_complaints", "answers_late"),
    ):
        assert by_month(t[name]) == service[number].tolist()
        assert by_month(t[name][~t[name]["in_time"]]) == service[late].tolist()
    assert (
        service[["abandoned", "turned_away", "visits", "repairs_late", "formal_complaints"]].sum().min() > 5
    )


def test_crews_arrive_when_their_way_is_behind_them(utility, utility_tables):
    """What is left from the arrival to the end is the repair, by the engine's own number for it."""
    jobs, contacts = utility_tables["jobs"], utility_tables["contacts"]
    service, key = utility.scenario.service, utility.key
    caller = contacts[contacts["attempt"] == 1].set_index("contact")["customer"]
    names = [t.name for t in utility.scenario.touchpoints]
    spread = np.sqrt(np.log(1 + service.repair_cv**2))
    assert (jobs["started"] < jobs["arrived"]).all() and jobs["event"].notna().sum() > 20
    for job in jobs.itertuples():
        who = [caller[job.contact]]
        if not pd.isna(job.event):
            who = [network._own(names.index(job.touchpoint), k) for k in range(service.common_events)]
        repair = [
            np.exp(spread * normal(key, Purpose.CREW_REPAIR, w, job.month) - spread**2 / 2) * service.repair
            for w in who
        ]
        assert np.abs(np.array(repair) - (job.finished - job.arrived)).min() < 1e-4
    assert (jobs["in_time"] == (jobs["finished"] - jobs["reported"] <= jobs["deadline"])).all()
    assert (jobs["deadline"] == service.repair_deadline).all()


def test_a_letter_helps_as_often_as_answers_do(utility, utility_tables):
    letters, made = utility_tables["formal_complaints"], utility_tables["complaints"]
    share = utility.scenario.complaint.resolved
    assert abs(letters["solved"].mean() - share) < 3.5 * np.sqrt(share * (1 - share) / len(letters))
    both = letters.merge(made, on=["customer", "month"], validate="one_to_one")
    assert len(both) == len(letters) > 20 and (both["solved"] == both["resolved"]).all()
    contacts = utility_tables["contacts"].set_index("contact").loc[letters["contact"]]
    assert contacts["job"].isna().all() and not contacts["solved"].any()


def test_a_payment_at_the_counter_names_the_visit(utility_tables):
    receipts, contacts = utility_tables["receipts"], utility_tables["contacts"]
    assert (receipts["contact"].notna() == (receipts["way"] == "counter")).all()
    visits = contacts[contacts["station"] == "counter"].set_index("contact")
    paid = receipts.dropna(subset="contact").merge(utility_tables["statements"], on="statement")
    visit = visits.loc[paid["contact"]]
    assert (visit["customer"].to_numpy() == paid["customer_x"].to_numpy()).all()
    assert (visit["month"].to_numpy() // 2 == paid["month"].to_numpy() // 2).all()


def test_an_account_is_open_until_its_customer_leaves(utility_tables):
    gone = set(utility_tables["departures"]["customer"]) - set(utility_tables["returns"]["customer"])
    closed = utility_tables["meters"].loc[~utility_tables["meters"]["open"], "customer"]
    assert set(closed) == gone and len(gone) > 20


def test_touchpoints_fail_as_often_as_the_truth_says(utility, utility_tables):
    """Some 24,000 customer-months: counts by district within four standard errors of those expected."""
    met = []

    def look(month, world):
        if month:
            lived = world.column("joined") < month
            lived &= (world.column("left") < 0) | (world.column("left") >= month - 1)
            met.append(pd.Series(world.failure("water_quality")[lived] > 0, index=world.ids[lived]))

    cs.simulate(utility.scenario, [], seed=3, watch=look, progress=False)
    people = utility_tables["profiles"].set_index("customer")[["district", "segment"]].astype(str)
    truth = utility_tables["truth.problems"].query("touchpoint == 'water_quality'")
    chance = truth.set_index(["district", "segment"])["chance"]
    frame = pd.concat(met).rename("met").to_frame().join(people)
    frame["chance"] = chance.reindex(pd.MultiIndex.from_frame(frame[["district", "segment"]])).to_numpy()
    by = frame.groupby("district").agg(met=("met", "sum"), expected=("chance", "sum"))
    assert len(by) == 6 and by["expected"].min() > 3
    assert (np.abs(by["met"] - by["expected"]) < 4 * np.sqrt(by["expected"])).all()
    assert by.loc["old_town", "met"] > 2 * by.loc["new_town", "met"]
    known = utility_tables["truth.parameters"].set_index("name")["value"]
    assert known["churn.competitive"] == utility.scenario.churn.competitive


def test_the_register_of_those_in_need_is_as_long_as_each_district_says(utility, utility_tables):
    register = utility_tables["hardship"]
    people = utility_tables["profiles"].set_index("customer")
    on = people.index.isin(register["customer"])
    shares = catalogue.catalogue(utility.scenario).hardship
    assert set(shares) == {d.name for d in utility.scenario.districts}
    for name, share in shares.items():
        here = (people["district"] == name).to_numpy()
        # three and a half standard errors
        assert abs(on[here].mean() - share) < 3.5 * np.sqrt(share * (1 - share) / here.sum()), name
    by_income = pd.Series(on).groupby(people["income"].to_numpy(), observed=True).mean()
    assert by_income["low"] > 1.5 * by_income["middle"] > 1.5 * by_income["high"] > 0
    of = people.loc[register["customer"]]
    poor = of["income"].to_numpy() == "low"
    old = FIRST_YEAR - of["birth_year"].to_numpy() >= 60
    assert ((register["reason"] == "low_income").to_numpy() == poor).all()
    assert ((register["reason"] == "old_age").to_numpy() == (old & ~poor)).all()
    assert set(register["reason"]) == set(schema.HARDSHIP)


def test_contacts_are_dated_within_the_hours_of_the_desk(utility, utility_tables):
    contacts = utility_tables["contacts"]
    first, again = contacts[contacts["attempt"] == 1], contacts[contacts["attempt"] > 1]
    assert set(first["day"]) <= set(range(1, 31)) and len(set(first["day"])) > 20
    # month 0 begins on a Monday, and its 30 days are followed by those of month 1
    assert ((30 * contacts["month"] + contacts["day"] - 1) % 7 + 1 == contacts["weekday"]).all()
    served = contacts[contacts["outcome"] == "service"]
    service = utility.scenario.service
    assert (served["weekday"] <= service.open_days).all() and len(again) > 50
    hours = served["hour"] + served["waited"] / 3600
    assert hours[served["waited"] < 3600].between(service.open_from, service.open_to + 1).all()
    assert (served["handled"] > 0).all() and served["agent"].notna().all()
    missed = contacts[contacts["outcome"] != "service"]
    assert missed["handled"].isna().all() and missed["agent"].isna().all() and not missed["solved"].any()
    numbers = first["contact"].to_numpy()
    assert (numbers == np.arange(len(first))).all() and contacts["month"].is_monotonic_increasing
    names = {t.name for t in utility.scenario.touchpoints}
    problem = contacts["reason"] == "problem"
    assert (
        set(contacts.loc[problem, "touchpoint"]) <= names
        and (contacts.loc[~problem, "touchpoint"] == "").all()
    )
    jobs = utility_tables["jobs"]
    assert (jobs["started"] >= jobs["reported"]).all() and (jobs["finished"] > jobs["started"]).all()
    letters = utility_tables["formal_complaints"]
    assert (letters["answered"] > letters["received"]).all()


def test_the_contacts_are_the_same_whether_the_run_kept_them_or_not(utility, utility_tables):
    kept = cs.simulate(utility.scenario, utility.policies, seed=3, events=True)
    again = tables_of(kept)
    for name in ("contacts", "jobs", "formal_complaints"):
        pd.testing.assert_frame_equal(again[name], utility_tables[name])
    calls = kept.contacts("hotline")
    table = utility_tables["contacts"]
    np.testing.assert_array_equal(calls["customer"], table.loc[table["station"] == "hotline", "customer"])


@pytest.mark.parametrize("desk", ["simpy", "erlang"])
def test_the_other_desks_keep_the_same_books(desk):
    run = cs.simulate(scenario("water_utility", 600, 2, service__desk=desk), [], seed=3)
    tables = tables_of(run)
    assert faults(tables) == []
    calls = tables["contacts"]
    assert calls.groupby("month").size().tolist() == run.service["calls"].tolist()
    assert calls["agent"].notna().any() == (desk == "simpy")


def test_the_books_of_a_desk_can_be_asked(utility_tables, tmp_path):
    with Database(write_tables(utility_tables, tmp_path / "crm.duckdb")) as firm:
        assert firm.faults() == []
        answer = firm.sql(
            "SELECT reason, avg(CAST(solved AS DOUBLE)) AS solved FROM contacts "
            "WHERE attempt = 1 AND station = 'hotline' GROUP BY reason ORDER BY reason"
        )
    assert answer["reason"].tolist() == ["bill question", "other question", "payment question", "problem"]


def test_the_description_knows_the_words_of_a_desk():
    assert schema.REASONS == records.REASONS
    assert tuple(stations.RECORD_TYPES.values()) == schema.ATTEMPTS


def test_the_description_knows_the_words_of_a_catalogue():
    for name in ("GENDERS", "AGE_GROUPS", "INCOMES"):
        assert getattr(schema, name) == getattr(catalogue, name)


def test_single_purchases_add_up_to_the_run(shop, shop_tables):
    t, purchases = shop_tables, shop_tables["purchases"]
    by_month = purchases.groupby("month")
    np.testing.assert_allclose(by_month["amount"].sum(), shop.monthly["revenue"], rtol=1e-5)
    assert by_month.size().tolist() == shop.monthly["purchases"].tolist()
    own = purchases.groupby("customer").size().reindex(shop.customers.index, fill_value=0)
    assert (own == shop.customers["purchases"]).all()
    assert (
        purchases["date"].dt.year * 12 + purchases["date"].dt.month - 1 - FIRST_YEAR * 12
        == purchases["month"]
    ).all()
    assert purchases["date"].is_monotonic_increasing
    assert set(purchases["date"].dt.day) == set(range(1, 32))
    for name in ("bills", "payments", "departures", "returns"):
        assert t[name].empty
    assert len(t["truth.departures"]) == shop.monthly["left"].sum()
    assert t["customers"]["channel"].isna().all()
    assert faults(t) == []


# -- goods, stock, static data -----------------------------------------------------------------


def test_lines_add_up_to_their_purchase_exactly(shop_tables):
    lines, purchases = shop_tables["purchase_lines"], shop_tables["purchases"].set_index("purchase")
    for order in (lines, lines.iloc[::-1]):  # in whatever order they are added
        total = order.groupby("purchase")["amount"].sum()
        assert (total == purchases["amount"]).all() and len(total) == len(purchases)
    number = lines.groupby("purchase")["line"]
    assert (number.min() == 1).all() and (number.max() == number.size()).all()
    assert (lines["quantity"] >= 1).all() and (lines["quantity"] % 1 == 0).all()
    assert not lines.duplicated(["purchase", "product"]).any()
    assert (lines["amount"] > 0).all()
    assert lines["line"].max() == catalogue.MAX_LINES


@pytest.mark.parametrize("name", ["retail", "car_repair"])
def test_goods_are_sold_about_at_list_price_and_earn_the_margin_of_the_preset(name):
    """Some 20,000 and 7,000 purchases: the means are known to a tenth of what they may be off by."""
    world = scenario(name, 1500, 24)
    tables = tables_of(cs.simulate(world, [], seed=5))
    lines = tables["purchase_lines"].merge(tables["products"], on="product")
    listed = (lines["quantity"] * lines["price"]).groupby(lines["purchase"]).sum()
    ratio = tables["purchases"].set_index("purchase")["amount"] / listed
    assert ratio.median() == pytest.approx(1, abs=0.1)
    assert ratio.quantile([0.1, 0.9]).between(0.7, 1.5).all()
    assert 1 - lines["cost"].sum() / lines["amount"].sum() == pytest.approx(world.purchase.margin, abs=0.02)
    np.testing.assert_allclose(lines["cost"], lines["quantity"] * lines["unit_cost"], rtol=1e-6)
    assert len(lines.groupby("product")) == len(tables["products"])  # each of them sells


def test_the_goods_of_the_shop_stand_in_different_orders(shop_tables):
    """Margin rate, turnover, cross ratio and both contribution ratios: no two orders are alike."""
    lines = shop_tables["purchase_lines"].merge(shop_tables["purchases"][["purchase", "month"]])
    stock = shop_tables["stock"]
    year = lines[lines["month"] < 12].groupby("product", observed=True)[["amount", "cost"]].sum()
    opening = stock[stock["month"] == 0].set_index("product")["opening"]
    closing = stock[stock["month"] == 11].set_index("product")["closing"]
    year["opening"], year["closing"] = year.index.map(opening.to_dict()), year.index.map(closing.to_dict())
    year = year.astype(float)
    margin = 1 - year["cost"] / year["amount"]
    turnover = year["amount"] / ((year["opening"] + year["closing"]) / 2)
    mix = year["amount"] / year["amount"].sum()
    orders = {
        "margin": margin, "turnover": turnover, "cross": margin * turnover,
        "contribution": margin * turnover * mix, "contribution_b": margin * mix,
    }  # fmt: skip
    ranks = pd.DataFrame({name: values.rank() for name, values in orders.items()})
    assert len(set(map(tuple, ranks.T.to_numpy()))) == 5
    assert ranks["margin"].corr(ranks["turnover"]) < -0.3
    assert turnover.max() > 5 * turnover.min() and margin.max() > 2 * margin.min()


def test_stock_follows_from_what_was_bought_and_sold(shop_tables):
    stock = shop_tables["stock"].astype({"product": str}).set_index(["product", "month"])
    lines = shop_tables["purchase_lines"].merge(shop_tables["purchases"][["purchase", "month"]])
    sold = lines.astype({"product": str}).groupby(["product", "month"])["cost"].sum()
    sold = sold.reindex(stock.index, fill_value=0.0)
    np.testing.assert_allclose(stock["closing"], stock["opening"] + stock["bought"] - sold, atol=0.01)
    before = stock["closing"].groupby("product").shift()
    later = before.notna()
    np.testing.assert_allclose(stock["opening"][later], before[later])
    assert (stock[["opening", "bought", "closing"]] >= 0).all(axis=None)


def test_tastes_are_a_customers_own(shop_tables):
    """Who buys of a category buys of it again: some 300 customers, chance alone stays below .2."""
    lines = shop_tables["purchase_lines"].merge(shop_tables["purchases"][["purchase", "customer"]])
    lines = lines.astype({"product": str}).merge(shop_tables["products"][["product", "category"]])
    half = np.where(lines["purchase"] % 2, "odd", "even")
    own = lines.groupby(["customer", half])["category"].agg(lambda c: (c == "grocery").mean()).unstack()
    many = lines.groupby("customer").size() >= 12
    own = own[many.reindex(own.index)].dropna()
    assert len(own) > 200
    assert own["odd"].corr(own["even"]) > 0.3


def test_prices_follow_the_lever_and_the_money_of_the_scenario(shop):
    cut = cs.simulate(shop.scenario, ["price_cut:share=0.2,start=0,ramp=0"], seed=3)
    t = tables_of(cut)
    lines = t["purchase_lines"].merge(t["products"], on="product")
    listed = (lines["quantity"] * lines["price"]).groupby(lines["purchase"]).sum()
    late = t["purchases"].set_index("purchase")["month"] >= 2
    level = cut.records().goods.args[2][5]
    ratio = (t["purchases"].set_index("purchase")["amount"] / listed)[late]
    assert level < 0.9 and ratio.median() == pytest.approx(level, abs=0.08)
    dear = shop.scenario.replace(purchase__spend_scale=shop.scenario.purchase.spend_scale * 7)
    ours, theirs = catalogue.products(shop.scenario), catalogue.products(dear)
    np.testing.assert_allclose(theirs["price"], 7 * ours["price"], rtol=0.01)


def test_static_data_is_the_customers_own_whatever_the_firm_does(shop, shop_tables):
    other = tables_of(cs.simulate(shop.scenario, ["price_cut", "quality_control"], seed=3))["profiles"]
    mine = shop_tables["profiles"].set_index("customer")
    both = mine.index.intersection(pd.Index(other["customer"]))
    assert len(both) > 1500
    pd.testing.assert_frame_equal(mine.loc[both], other.set_index("customer").loc[both])
    assert (FIRST_YEAR - mine["birth_year"] == survey.age(shop.key, mine.index.to_numpy())).all()


def test_ages_on_file_are_those_of_the_surveys(contract_tables):
    sample = contract_tables["survey_sample"].merge(contract_tables["profiles"], on="customer")
    assert len(sample) > 500 and (FIRST_YEAR - sample["birth_year"] == sample["age"]).all()
    low = sample["age_group"].astype(str).str[:2].astype(int)
    high = sample["age_group"].astype(str).str[3:].astype(int)
    assert ((sample["age"] >= low) & (sample["age"] <= high)).all()


def test_static_data_is_mildly_related_to_use_and_to_nothing_else():
    """8,000 customers: a correlation of .035 is found, at three standard errors."""
    run = cs.simulate(scenario("subscription", 8000, 1), [], seed=2)
    p = run.records().goods().profiles
    use = np.log(run.customers["usage"].to_numpy())
    assert np.corrcoef(use, p["household"])[0, 1] == pytest.approx(0.33, abs=0.05)
    assert np.corrcoef(use, p["income"].cat.codes)[0, 1] == pytest.approx(0.27, abs=0.05)
    for name in ("gender", "district", "age_group"):
        assert abs(np.corrcoef(use, p[name].cat.codes)[0, 1]) < 0.035
    assert not (p["consent"] & ~p["email_known"]).any()
    known = p.groupby("age_group", observed=True)["email_known"].mean()
    np.testing.assert_allclose(known, catalogue.EMAIL, atol=0.05)
    plans = pd.DataFrame({"plan": p["plan"], "use": use}).groupby("plan", observed=True)["use"]
    assert (plans.min().to_numpy()[1:] > plans.max().to_numpy()[:-1]).all()  # bands of usage


def test_no_number_of_a_catalogue_is_another_s():
    """Surveys use theirs up to stream 1,000, purchases from PURCHASE_PART on."""
    low = survey.STREAM * 1000 + max(survey.Purpose) + 128
    assert low < min(catalogue.Purpose)
    assert catalogue.Purpose.LINES % 4 == 0
    assert catalogue.Purpose.LINES + 8 * 10_000 < Purpose.PURCHASE_PART


def test_parts_of_a_month_are_as_uneven_as_single_purchases_are():
    """One customer's purchases vary with coefficient 1 / sqrt(spend_shape), also within a month.

    About 13,000 purchases in months with several; a spread off by 10 % would be found.
    """
    world = scenario("retail", 1500, 6, purchase__rate_mean=4.0, purchase__rate_shape=5.0)
    run = cs.simulate(world, [], seed=5)
    purchases = tables_of(run)["purchases"]
    shape = world.purchase.spend_shape
    pairs = purchases.groupby(["customer", "month"])["amount"].agg(["size", "min", "sum"])
    pairs = pairs[pairs["size"] == 2]
    assert len(pairs) > 800
    # two gamma amounts share their sum as Beta(shape, shape), whose variance is 1 / (4 (2 shape + 1))
    part = pairs["min"] / pairs["sum"]
    expected = 1 / (4 * (2 * shape + 1))
    assert np.mean((part - 0.5) ** 2) == pytest.approx(expected, rel=0.15)


def test_the_survey_is_what_campaigns_see():
    world = scenario("subscription", 800, 6, firm__survey_share=0.3)

    class Ear:
        name = "ear"

        def __init__(self):
            self.heard = {}

        def offers(self, view):
            answer = view.reported_satisfaction
            asked = ~np.isnan(answer)
            self.heard[view.month] = dict(zip(view.id[asked].tolist(), answer[asked].tolist(), strict=True))
            return cs.Offers(view.id[:0], "contact", 0.0)

    ear = Ear()
    cs.simulate(world, [ear], seed=2)
    survey = tables_of(cs.simulate(world, [], seed=2))["survey"]
    for month, answers in ear.heard.items():
        here = survey[survey["month"] == month]
        assert dict(zip(here["customer"].tolist(), here["satisfaction"].tolist(), strict=True)) == answers
    assert survey.groupby("month").size().between(180, 320).all()  # .3 of 800


def test_customer_insight_asks_more_customers():
    world = scenario("subscription", 1000, 6)
    plain, insight = (tables_of(cs.simulate(world, p, seed=2))["survey"] for p in ([], ["customer_insight"]))
    assert len(insight) > 2.5 * len(plain)


def test_stated_causes_err_as_the_table_says():
    """Some 1,300 departures, 700 competitive and over 200 of two more causes: what they state may be off
    by 3.5 standard errors, .05 and .11."""
    run = cs.simulate(scenario("subscription", 6000, 18), [], seed=4)
    departures = run.records().departures
    said = pd.crosstab(departures["cause"], departures["stated_cause"], normalize="index")
    wrong = departures["stated_cause"].astype(str) != departures["cause"].astype(str)
    assert len(departures) > 1200
    assert wrong.mean() == pytest.approx(0.25, abs=0.05)
    for cause, row in said.iterrows():
        number = (departures["cause"] == cause).sum()
        if number > 200:
            expected = STATED[cs.vocabulary.ChurnCause.from_key(cause) - 1]
            found = row.reindex(cs.vocabulary.ChurnCause.keys(), fill_value=0)
            error = np.sqrt(expected * (1 - expected) / number)
            assert (np.abs(found - expected) <= 3.5 * error).all()
    # a better offer is named more often than it was the cause, a fault less often
    true, stated = departures["cause"].value_counts(), departures["stated_cause"].value_counts()
    assert stated["competitive"] > true["competitive"] and stated["fault"] < 0.8 * true["fault"]


def test_nobody_names_a_rival_where_there_is_none():
    departures = cs.simulate(scenario("water_utility", 3000, 14), [], seed=4).records().departures
    assert (departures["stated_cause"] != departures["cause"]).sum() > 3
    assert not (departures["stated_cause"] == "competitive").any()


def test_the_table_of_stated_causes_is_one_of_chances():
    np.testing.assert_allclose(STATED.sum(axis=1), 1)
    assert (STATED >= 0).all()
    # nobody who tells the truth for sure, nobody who never does
    assert ((np.diag(STATED) > 0) & (np.diag(STATED) < 1)).all()
    everyone = np.arange(40_000)
    for cause in cs.vocabulary.ChurnCause:
        said = stated_causes(Key(3, 0), everyone, 5, np.full(everyone.size, int(cause)))
        shares = np.bincount(said - 1, minlength=5) / everyone.size
        assert np.abs(shares - STATED[cause - 1]).max() < 0.01  # four standard errors


def test_the_true_causes_are_those_of_the_run(contract, contract_tables):
    hidden = contract_tables["truth.departures"]
    assert hidden.groupby("cause", observed=False).size().to_dict() == {
        cause.key: contract.monthly[f"left_{cause.key}"].sum() for cause in cs.vocabulary.ChurnCause
    }
    people = contract.customers[contract.customers["left_month"].notna()]
    last = hidden.drop_duplicates("customer", keep="last").set_index("customer").loc[people.index]
    assert (last["cause"].astype(str) == people["cause"].astype(str)).all()
    assert (last["attributed_cause"].astype(str) == people["attributed_cause"].astype(str)).all()
    # a departure that was undone, or was not the last, has no attributed cause
    assert hidden["attributed_cause"].notna().sum() == len(people)


def test_writing_leaves_the_run_as_it_was_and_gives_the_same_twice(contract):
    before = contract.monthly.copy()
    surveys = [Survey(months=(6,), response=0.2)]
    first, second = tables_of(contract, surveys), tables_of(contract, surveys)
    for name in first:
        pd.testing.assert_frame_equal(first[name], second[name])
    pd.testing.assert_frame_equal(contract.monthly, before)


def test_a_run_writes_itself(shop, tmp_path):
    path = shop.to_database(tmp_path / "new" / "crm.duckdb")
    assert path.exists() and sorted(p.name for p in path.parent.iterdir()) == ["crm.duckdb"]
    with Database(path) as firm:
        about = firm.table("about").set_index("name")["value"]
        assert about["scenario"] == "retail" and about["seed"] == "3" and about["contract"] == "False"


def test_a_world_without_customers_has_empty_tables():
    world = scenario("subscription", 50, 2, population__initial_share=0, acquisition__external=0)
    tables = tables_of(cs.simulate(world, [], seed=1))
    assert faults(tables) == []
    filled = {name for name, frame in tables.items() if len(frame)}
    of_the_scenario = {f"truth.{name}" for name in ("weights", "problems", "parameters")}
    assert filled == {"about", "products", "districts", *of_the_scenario}


# -- meters and what disturbs many ------------------------------------------------------------


@pytest.mark.parametrize("policies", [[], ["price_cut:share=0.2,start=3,ramp=0"]])
def test_statements_sum_up_the_bills_and_follow_the_tariff(policies):
    run = cs.simulate(scenario("water_utility", 800, 7), policies, seed=4)
    t = tables_of(run)
    s, tariff = t["statements"], t["tariff"]
    cycle = t["bills"]["month"] // 2
    billed = t["bills"].groupby([cycle, "customer"])["amount"].sum()
    at = pd.MultiIndex.from_arrays([s["month"] // 2, s["customer"]])
    np.testing.assert_allclose(s["amount"], billed.reindex(at))
    assert s["amount"].sum() == pytest.approx(t["bills"]["amount"].sum()) and len(s) == len(billed)
    came_in = t["payments"].groupby([t["payments"]["month"] // 2, "customer"])["amount"].sum()
    np.testing.assert_allclose(t["receipts"]["amount"], came_in.reindex(at))
    # The tariff by itself, step by step, times the level of prices of the statement's months.
    months = t["bills"].groupby([cycle, "customer"]).size().reindex(at).to_numpy()
    low = np.concatenate([[0.0], tariff["upto"][:-1]])
    money = np.zeros(len(s))
    for begin, end, price in zip(low, tariff["upto"].fillna(np.inf), tariff["price"], strict=True):
        money += price * (np.minimum(s["usage"], end * months) - begin * months).clip(lower=0)
    level = s["amount"] / (money + tariff["sewage"][0] * s["usage"])
    early = s["month"] < 3
    assert np.allclose(level[early], 1) and np.allclose(s["water"] + s["sewage"], s["amount"])
    assert np.allclose(level[s["first_month"] >= 4], 0.8 if policies else 1)
    assert np.allclose(s[["tier_1", "tier_2", "tier_3"]].sum(axis=1), s["usage"])


def test_registers_count_what_was_billed(utility_tables):
    t = utility_tables
    both = t["readings"].merge(t["statements"], on=["meter", "month"])
    assert len(both) == len(t["statements"]) == len(t["readings"])
    steps = both.groupby("meter")["register"].diff()
    known = steps.notna()
    assert known.sum() > 5000 and np.allclose(steps[known], both["usage"][known])
    assert (both["date"] < both["issued"]).all() and (both["issued"] < both["due"]).all()
    kinds = t["meters"].set_index("meter")["kind"].reindex(t["readings"]["meter"]).to_numpy()
    by_hand = t["readings"][kinds == "mechanical"]["kind"].value_counts(normalize=True)
    # some 7,000 readings: standard error of the share estimated .0017
    assert by_hand["estimated"] == pytest.approx(0.02, abs=0.006) and by_hand["missed"] < 0.02
    assert (t["readings"][kinds == "smart"]["kind"] == "actual").all()


def test_statements_are_paid_by_the_ways_of_the_world(utility_tables):
    t = utility_tables
    r = t["receipts"].merge(t["statements"], on=["statement", "customer"], suffixes=("", "_billed"))
    assert (r["complete"] == np.isclose(r["amount"], r["amount_billed"])).all()
    assert r["date"].isna().equals(r["amount"] == 0)
    assert (((r["date"] - r["due"]).dt.days.clip(lower=0).fillna(0)) == r["late"]).all()
    assert np.allclose(r["fee"], 0.0005 * r["late"] * r["amount"])
    # With a counter, those paid there who went there.
    went = t["contacts"][t["contacts"]["station"] == "counter"]
    visits = set(zip(went["customer"], went["month"] // 2, strict=True))
    there = [pair in visits for pair in zip(r["customer"], r["month"] // 2, strict=True)]
    by_hand = r["way"].isin(["counter", "online"])
    assert ((r["way"] == "counter") == (np.array(there) & by_hand)).all() and (
        r["way"] == "counter"
    ).sum() > 300
    # A late payment is one whose first attempt failed.
    failed = t["payments"][t["payments"]["failed"]]
    late = set(zip(failed["customer"], failed["month"] // 2, strict=True))
    slow = r[r["late"] > 0]
    assert len(slow) > 100
    assert all(pair in late for pair in zip(slow["customer"], slow["month"] // 2, strict=True))


def test_wrong_bills_are_failures_of_billing(utility):
    t = tables_of(utility)
    wrong = t["statements"][t["statements"]["error"] > 0]
    share = wrong["error"] / wrong["amount"]
    assert len(wrong) > 300 and share.between(0.3, 2).all()
    months = pd.concat([wrong[["customer", "month"]], wrong[["customer", "first_month"]].set_axis(
        ["customer", "month"], axis=1)])  # fmt: skip
    failed = set(zip(t["truth.failures"]["customer"], t["truth.failures"]["month"], strict=True))
    met = [pair in failed for pair in zip(months["customer"], months["month"], strict=True)]
    assert np.array(met).reshape(2, -1).any(axis=0).all()
    # Whoever calls about billing has had a bill that was wrong.
    told = t["contacts"][(t["contacts"]["touchpoint"] == "billing") & (t["contacts"]["station"] == "hotline")]
    known = set(zip(wrong["customer"], wrong["month"] // 2, strict=True))
    assert len(told) > 50
    assert all(pair in known for pair in zip(told["customer"], told["month"] // 2, strict=True))


@pytest.mark.parametrize("moved", [False, True])
def test_events_are_those_that_the_callers_met(moved):
    """Also where a programme moves what decides them."""
    moves = [
        cs.Change("touchpoints.supply.common", multiply=0.5),
        cs.Change("touchpoints.supply.planned", add=0.3),
    ]
    policies = ["notices_by_sms", cs.Programme(moves=moves, start=2, ramp=0)] if moved else []
    t = tables_of(cs.simulate(scenario("water_utility", 3000, 8), policies, seed=3))
    assert faults(t) == []
    events, struck = t["network_events"].set_index("event"), t["event_customers"]
    assert len(events) > 50
    assert (struck.groupby("event").size() == events["affected"]).all()
    assert (struck.groupby("event")["told"].sum() == events["told"]).all()
    # Everyone struck had a failure in that month.
    failed = pd.MultiIndex.from_frame(t["truth.failures"][["customer", "month"]])
    month = events["month"].reindex(struck["event"]).to_numpy()
    assert pd.MultiIndex.from_arrays([struck["customer"], month]).isin(failed).all()
    # Whoever called of an event is among those struck, after it began, about the touchpoint it struck.
    calls = t["contacts"].dropna(subset="event").drop_duplicates("contact")
    of = events.loc[calls["event"].astype(int)]
    assert len(calls) > 50 and (of["touchpoint"].to_numpy() == calls["touchpoint"].to_numpy()).all()
    assert (
        pd.MultiIndex.from_frame(calls[["event", "customer"]])
        .isin(pd.MultiIndex.from_frame(struck[["event", "customer"]]))
        .all()
    )
    at = 24 * (calls["day"] - 1) + calls["hour"]
    assert (at.to_numpy() >= of["started"].to_numpy() - 1e-6).all()
    # Only planned stops are announced.
    assert not events.loc[~events["planned"], "told"].any() and events.loc[events["planned"], "told"].any()
    assert events["announced"].notna().equals(events["told"] > 0)


def test_jobs_are_those_of_the_reports(utility_tables):
    t = utility_tables
    jobs, calls = t["jobs"].set_index("job"), t["contacts"][t["contacts"]["attempt"] == 1]
    sent = calls.dropna(subset="job")
    assert set(sent["job"]) == set(jobs.index) and len(sent) > len(jobs) > 50
    of = jobs.loc[sent["job"].astype(int)]
    assert (of["touchpoint"].to_numpy() == sent["touchpoint"].to_numpy()).all()
    assert (of["month"].to_numpy() == sent["month"].to_numpy()).all()
    assert set(jobs["contact"]) <= set(sent["contact"])
    # A job of its own has one report; the report comes before the crew sets out.
    alone = of["event"].isna().to_numpy()
    assert not sent["job"][alone].duplicated().any()
    assert (24 * (sent["day"] - 1) + sent["hour"] <= of["reported"].to_numpy() + 1e-3)[alone].all()
    events = t["network_events"].dropna(subset="job")
    done = jobs.loc[events["job"].astype(int)]
    known = done["finished"].notna().to_numpy()
    np.testing.assert_allclose((events["started"] + events["hours"])[known], done["finished"][known])
    assert events["hours"].notna().to_numpy()[known].all() and not events["hours"].notna()[~known].any()
    assert (done["reported"].to_numpy() >= events["started"].to_numpy()).all()
    # A formal complaint is about the contact that did not help.
    letters = t["formal_complaints"].merge(calls, on="contact", suffixes=("", "_call"))
    assert len(letters) == len(t["formal_complaints"]) > 20
    assert (letters["customer"] == letters["customer_call"]).all()
    assert (letters["touchpoint"] == letters["touchpoint_call"]).all()


def test_failures_belong_to_events_as_often_as_the_touchpoint_says(utility):
    """Some 390 failures of supply and 290 of water: standard error of the shares about .03."""
    t = tables_of(utility)
    struck = t["event_customers"].merge(t["network_events"], on="event").groupby("touchpoint").size()
    months = utility.scenario.population.months
    for point in utility.scenario.touchpoints:
        if point.common:
            expected = 3000 * months * point.failure * point.exposure * point.common
            assert struck[point.name] == pytest.approx(expected, rel=0.25)


def test_meters_and_events_serve_any_scenario():
    """A telephone company with a meter read each quarter, and outages without a name of their own."""
    base = cs.Scenario.preset("subscription")
    name = base.touchpoints[0].name
    world = base.replace(
        population__size=600, population__months=7, metering__cycle=3, metering__tiers=[{"price": 0.5}],
        metering__touchpoint=name, service__desk="fast", service__touchpoint=name,
        **{f"touchpoints__{base.touchpoints[1].name}__common": 0.5},
    )  # fmt: skip
    t = tables_of(cs.simulate(world, [], seed=1))
    assert faults(t) == []
    assert t["statements"]["amount"].sum() == pytest.approx(t["bills"]["amount"].sum())
    assert np.allclose(t["statements"]["usage"], t["statements"]["amount"] / 0.5)
    assert set(t["network_events"]["kind"]) == {f"{base.touchpoints[1].name}_disturbance"}
    bare = tables_of(cs.simulate(base.replace(population__size=50, population__months=2), [], seed=1))
    for empty in (
        "meters",
        "readings",
        "tariff",
        "statements",
        "receipts",
        "network_events",
        "event_customers",
    ):
        assert bare[empty].empty


def test_segments_follow_age_and_use(utility, utility_tables):
    people = utility_tables["profiles"].set_index("customer")
    share = people["segment"].value_counts(normalize=True)
    # 3,000 customers: standard error at most .009
    for name, wanted in (("family", 0.52), ("renter", 0.22), ("elderly", 0.18), ("business", 0.08)):
        assert share[name] == pytest.approx(wanted, abs=0.03)
    age = FIRST_YEAR - people["birth_year"]
    assert ((age >= 60) == (people["segment"] == "elderly")).all()
    use = utility.customers["usage"].groupby(people["segment"].astype(str)).mean()
    assert use["business"] > use["family"] > use["renter"]


# -- faults ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "change", "told"),
    [
        ("bills", lambda f: f.drop(columns="amount"), "bills: column amount is missing"),
        ("bills", lambda f: f.assign(note=1), "bills: column note is not in the description"),
        (
            "bills",
            lambda f: pd.concat([f, f.iloc[:2]]),
            "bills: the key customer 0, month 0 occurs twice (2 rows)",
        ),
        ("survey", lambda f: f.assign(satisfaction=140.0), "survey: satisfaction is above 100 in"),
        ("bills", lambda f: f.assign(amount=-1.0), "bills: amount is below 0 in"),
        ("bills", lambda f: f.assign(amount="many"), "bills: amount is of type"),
        ("customers", lambda f: f.iloc[1:], "bills: customer 0 is not in customers"),
        (
            "departures",
            lambda f: f.assign(stated_cause="boredom"),
            "stated_cause is 'boredom', which is none of nat",
        ),
        ("customers", lambda f: f.assign(source=None), "customers: source is missing in"),
        ("products", lambda f: f.iloc[1:], "profiles: plan mini is not in products"),
        ("districts", lambda f: f.iloc[1:], "profiles: district centre is not in districts"),
        ("profiles", lambda f: f.assign(household=0), "profiles: household is below 1 in"),
    ],
)
def test_faults_are_found(contract_tables, table, change, told):
    found = faults(contract_tables | {table: change(contract_tables[table])})
    assert any(told in fault for fault in found), found


def test_a_table_nobody_described_is_a_fault():
    assert faults({"bils": pd.DataFrame()}) == ["bils: no such table in the description"]


# -- files -------------------------------------------------------------------------------------


def test_a_failed_write_leaves_the_old_file_whole(contract_tables, tmp_path):
    path = write_tables(contract_tables, tmp_path / "crm.duckdb")
    before = path.read_bytes()
    broken = contract_tables | {
        "bills": contract_tables["bills"].assign(amount=np.nan).astype({"amount": object})
    }
    broken["bills"]["amount"] = None
    with pytest.raises(DataError, match=r"cannot be written: .*NOT NULL"):
        write_tables(broken, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["crm.duckdb"]


@pytest.mark.slow
def test_a_killed_write_leaves_the_old_file_whole(contract_tables, tmp_path):
    path = write_tables(contract_tables, tmp_path / "crm.duckdb")
    before = path.read_bytes()
    code = (
        "import os, sys; from crmsim.data import database; import crmsim as cs\n"
        "database._insert = lambda *_: os._exit(9)\n"
        "world = cs.Scenario.preset('subscription').replace(population__size=50, population__months=2)\n"
        "database.write_run(cs.simulate(world), sys.argv[1])\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode == 9
    assert path.read_bytes() == before
    write_tables(contract_tables, path)  # what the killed one left does not stand in the way
    assert [p.name for p in tmp_path.iterdir()] == ["crm.duckdb"]


def test_a_folder_that_cannot_be_written_is_told(shop, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write_run(shop, tmp_path / "file" / "crm.duckdb")
    with pytest.raises(DataError, match="is a folder; name a file in it"):
        write_run(shop, tmp_path)


def test_a_database_open_elsewhere_is_not_replaced(contract_tables, tmp_path):
    path = write_tables({"about": contract_tables["about"]}, tmp_path / "crm.duckdb")
    code = (
        "import duckdb, sys\n"
        "c = duckdb.connect(sys.argv[1])\n"
        "c.execute('CREATE TABLE mine (a INT)')\n"
        "print('up', flush=True)\n"
        "sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        other.stdout.readline()
        with pytest.raises(DataError, match="open for writing in another program"):
            write_tables(contract_tables, path)
        other.kill()
    # What the stopped program had written is taken in, not lost, and its log is in nobody's way.
    assert (tmp_path / "crm.duckdb.wal").exists()
    with pytest.raises(DataError, match="is a folder"):
        check_place(tmp_path)
    check_place(path)
    with Database(path) as opened:
        assert "mine" in opened.tables
    write_tables(contract_tables, path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["crm.duckdb"]


def test_what_is_no_database_is_not_overwritten(contract_tables, tmp_path):
    (tmp_path / "notes.txt").write_text("of some length, and worth keeping")
    (tmp_path / "gone.duckdb.wal").write_bytes(b"unsaved")
    for name, told in (
        ("notes.txt", "is no DuckDB database; choose another name"),
        ("sales.csv", r"needs a name of its own, such as .*sales\.duckdb"),
        ("gone.duckdb", "log of a database that is gone"),
    ):
        with pytest.raises(DataError, match=told):
            write_tables(contract_tables, tmp_path / name)
    assert (tmp_path / "notes.txt").read_text() == "of some length, and worth keeping"
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(DataError, match="a device or a pipe"):
            write_tables(contract_tables, tmp_path / "pipe")


def test_a_database_becomes_parquet_files(database, contract_tables, tmp_path):
    files = database.to_parquet(tmp_path / "tables")
    filled = {name for name, frame in contract_tables.items() if len(frame)} | {"dictionary"}
    inside = {p.relative_to(tmp_path / "tables").with_suffix("").as_posix().replace("/", ".") for p in files}
    assert inside == filled and all(p.is_file() for p in files)
    with duckdb.connect() as connection:
        place = tmp_path / "tables" / "truth" / "customers.parquet"
        found = connection.execute(f"SELECT * FROM '{place}'").df()
    pd.testing.assert_frame_equal(found, database.table("truth.customers"))
    plain = database.to_parquet(tmp_path / "plain", truth=False)
    assert not (tmp_path / "plain" / "truth").exists() and len(plain) < len(files)
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="is a file; name a folder"):
        database.to_parquet(tmp_path / "file")
    assert not list(tmp_path.rglob("*.part"))


def test_queries_that_ask_nothing_and_closed_databases_are_told(database):
    for nothing in ("", " ; ", None, "-- a remark"):
        with pytest.raises(DataError, match="query"):
            database.sql(nothing)
    database.close()
    for ask in (lambda: database.sql("SELECT 1"), lambda: database.tables, lambda: database.table("about")):
        with pytest.raises(DataError, match="was closed; open it again"):
            ask()


def test_missing_files_and_files_of_another_kind_are_told(tmp_path):
    with pytest.raises(DataError, match=r"none\.duckdb: no such file$"):
        Database(tmp_path / "none.duckdb")
    with pytest.raises(DataError, match="is a folder"):
        Database(tmp_path)
    text = tmp_path / "text.duckdb"
    text.write_text("customer,month\n" * 1000)
    with pytest.raises(DataError, match="is not a DuckDB database"):
        Database(text)
    with pytest.raises(DataError, match=r"no such file; there is text\.duckdb"):
        Database(tmp_path / "txt.duckdb")
    text.write_bytes(b"")
    with pytest.raises(DataError, match=r"cannot be opened|is not a DuckDB database"):
        Database(text)


def test_a_database_written_elsewhere_at_the_moment_is_told(tmp_path):
    path = tmp_path / "busy.duckdb"
    code = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); c.execute('CREATE TABLE t (i INTEGER)')\n"
        "print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "open\n"
        with pytest.raises(DataError, match="open for writing in another program"):
            Database(path)
        other.communicate("")


def test_queries_are_answered_and_their_faults_told(database):
    answer = database.sql("SELECT count(*) AS n FROM customers JOIN truth.customers USING (customer)")
    assert answer["n"][0] == len(database.table("customers"))
    with pytest.raises(DataError, match=r"no table 'complaint'; did you mean 'complaints'\?"):
        database.sql("SELECT * FROM complaint")
    with pytest.raises(DataError, match=r"did you mean 'truth\.failures'"):
        database.table("truth.failure")
    with pytest.raises(DataError, match="amonut"):
        database.sql("SELECT amonut FROM bills")
    with pytest.raises(DataError, match="syntax error"):
        database.sql("SELEKT 1")
    with pytest.raises(DataError, match="read-only"):
        database.sql("DELETE FROM bills")


def test_files_of_another_schema_are_told(tmp_path):
    path = tmp_path / "own.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE customers (customer BIGINT)")
    with Database(path) as own:
        found = own.faults()
    assert "bills: the table is missing" in found
    assert "customers: column joined is missing" in found
