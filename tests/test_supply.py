"""Interruptions and rates: two published tables whose figures do not follow from their own rows."""

import numpy as np
import pandas as pd
import pytest

import crmsim as cs
from crmsim.analysis import supply

# Chongyang county, stops from September 2023 to August 2024 as published (崇阳县, 83,753 accounts)
STOPS = pd.DataFrame(
    [
        ("2023-09-01 13:00", "2023-09-01 17:00", 240, 300),
        ("2023-12-16 13:00", "2023-12-16 17:00", 240, 120),
        ("2024-04-27 15:30", "2023-04-27 17:30", 120, 200),
        ("2024-05-19 12:00", "2023-05-19 15:00", 180, 150),
        ("2024-07-16 02:00", "2023-07-16 06:00", 240, 8000),
        ("2024-08-02 13:00", "2023-08-02 15:00", 120, 240),
        ("2024-08-06 15:00", "2023-08-06 17:00", 240, 180),
    ],
    columns=["start", "end", "minutes", "customers"],
)
ACCOUNTS = 83_753
# Consumer Council for Water, complaints to companies, 2024-25 to date
COMPLAINTS = pd.DataFrame(
    [
        ("Anglian", 3_082_287, 8_312, "26.97"),
        ("Welsh Water", 1_498_832, 5_826, "338.87"),
        ("Hafren Dyfrdwy", 100_686, 149, "14.80"),
        ("Northumbrian", 1_266_440, 3_147, "24.85"),
        ("Severn Trent", 4_518_810, 8_499, "18.81"),
        ("South West", 1_022_599, 5_229, "51.13"),
    ],
    columns=["company", "connections", "complaints", "published"],
).set_index("company")


def test_the_published_minutes_per_account_do_not_follow_from_the_log():
    found = supply.interruptions(STOPS, ACCOUNTS)
    assert found.customer_minutes == 2_143_800
    assert found.per_account == pytest.approx(25.6, abs=0.05)
    assert found.per_affected == pytest.approx(233.3, abs=0.05)
    # what was printed: sums multiplied, and a mean of stops rather than of customers
    assert STOPS["minutes"].sum() * STOPS["customers"].sum() / ACCOUNTS == pytest.approx(151, abs=0.6)
    assert STOPS["minutes"].mean() == pytest.approx(197, abs=0.2)


def test_a_log_that_contradicts_itself_is_told_by_row():
    mended = STOPS.assign(end=STOPS["end"].where(STOPS.index < 2, STOPS["end"].str.replace("2023", "2024")))
    problems = supply.interruptions(STOPS, ACCOUNTS, start="start", end="end").problems
    assert problems["row"].tolist() == [3, 4, 5, 6, 7]
    assert (problems["problem"] == "it ends before it begins").all()
    found = supply.interruptions(mended, ACCOUNTS, start="start", end="end", trust="times")
    assert found.problems.values.tolist() == [[7, "the minutes are not the time between", 240.0, 120.0]]
    assert found.customer_minutes == 2_122_200 and found.per_account == pytest.approx(25.3, abs=0.05)
    listed = supply.interruptions(mended, ACCOUNTS, start="start", end="end")
    assert len(listed.problems) == 1 and listed.customer_minutes == 2_143_800


def test_the_misprinted_rate_is_the_only_one_that_does_not_agree():
    found = supply.rates(
        COMPLAINTS["complaints"], COMPLAINTS["connections"], published=COMPLAINTS["published"]
    )
    assert found.index[~found["agrees"]].tolist() == ["Welsh Water"]
    assert found.loc["Welsh Water", "rate"] == pytest.approx(38.87, abs=0.005)
    assert found.loc["Welsh Water", "ratio"] == pytest.approx(8.72, abs=0.005)
    assert (found["low"] < found["rate"]).all() and (found["rate"] < found["high"]).all()


def test_the_interval_of_a_rate_covers_as_often_as_it_says():
    """4,000 counts of mean 9: an exact interval covers at least 95 %, here about 96.5; error .3 points."""
    counts = np.random.default_rng(1).poisson(9, 4_000)
    found = supply.rates(counts, np.full(4_000, 9.0), per=1)
    covered = ((found["low"] <= 1) & (found["high"] >= 1)).mean()
    assert 0.95 <= covered < 0.985
    assert supply.rates([0], [100.0]).iloc[0][["rate", "low"]].tolist() == [0, 0]
    # of no event the upper limit is -ln(.025) events
    assert supply.rates([0], [100.0], per=100)["high"].iloc[0] == pytest.approx(-np.log(0.025))


def test_a_simulated_town_reckons_the_same_from_its_own_tables():
    tables = cs.load_dataset("city_a")
    struck, events = tables["event_customers"], tables["network_events"]
    stops = events[events["kind"].isin(["burst", "planned_stop", "power"])].set_index("event")
    mine = struck[struck["event"].isin(stops.index)].dropna(subset=["minutes"])
    log = mine.groupby("event").agg(minutes=("minutes", "mean"), customers=("customer", "size"))
    found = supply.interruptions(log, len(tables["customers"]))
    assert found.customer_minutes == pytest.approx(mine["minutes"].sum())
    assert found.per_affected == pytest.approx(mine["minutes"].mean())
    assert found.times == pytest.approx(len(mine) / len(tables["customers"]))


@pytest.mark.parametrize(
    ("change", "given", "words"),
    [
        ({"minutes": "long"}, {}, "row 1: minutes must be a number"),
        ({"customers": -1}, {}, "row 1: customers must be a number of at least 0"),
        ({"customers": 90_000}, {}, "row 1 strikes 90,000 customers"),
        ({}, {"minutes": "duration"}, "no column 'duration'"),
        ({}, {"start": "start"}, "named together"),
        ({"end": "soon"}, {"start": "start", "end": "end"}, "'soon' in 'end' is no time"),
        ({}, {"trust": "times"}, "needs the columns"),
        ({}, {"trust": "me"}, 'must be "listed" or "times"'),
    ],
)
def test_a_wrong_log_is_told(change, given, words):
    with pytest.raises(ValueError, match=words):
        supply.interruptions(STOPS.assign(**change), ACCOUNTS, **given)


def test_wrong_counts_are_told():
    for events, base, words in (
        ([1.5], [10], "whole counts"),
        ([1], [0], "above 0"),
        ([1, 2], [1, 2, 3], "of one length"),
    ):
        with pytest.raises(ValueError, match=words):
            supply.rates(events, base)
    with pytest.raises(ValueError, match="2 published rates for 1 counts"):
        supply.rates([1], [10], published=["1.0", "2.0"])
    with pytest.raises(ValueError, match="the log is empty"):
        supply.interruptions(STOPS[:0], ACCOUNTS)
    with pytest.raises(ValueError, match="accounts must be above 0"):
        supply.interruptions(STOPS, 0)
