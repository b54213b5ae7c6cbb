"""The service desk, without a browser."""

import re

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="pages need the extra `course`")

from crmsim.simulation.compile import parameters_of
from crmsim.simulation.engine import simulate
from crmsim.simulation.erlang import ErlangA
from crmsim.simulation.rules import contact_experience, satisfaction_lost
from crmsim.simulation.stations_report import event_log
from crmsim.teaching.pages import repairs, service_desk

CHINESE = re.compile("[\u4e00-\u9fff]")
SIZE = 6000
# the fixture `page` makes it
PAGE = "service-desk", {"customers": SIZE, "months": 3, "calls": 4.0}, {"SOON": 2, "YEARS": 1}


def month_of(page, k=0):
    world = page._world(page.values).replace(population__months=1)
    return simulate(world, [], 1, replication=k, progress=False, events=True)


def test_the_day_is_that_of_the_event_log(page):
    run, day = month_of(page), page.desk.day
    log = event_log(run.station("hotline"))
    first = run.contacts().query("attempt == 1 and record_type != 'closed'")
    busiest = (first["arrival_time"] // 24).value_counts().idxmax()
    log = log[(log["time"] // 24 == busiest)]
    assert (log["event"] == "arrives").sum() == len(day["arrives"])
    assert (log["event"] == "abandons").sum() == sum(day["kind"])
    # callers who find a free agent stand in line for no time at all
    settled = log.groupby("time")["queue_length"].last()
    assert settled.max() == service_desk.longest_line(day)
    assert day["arrives"] == sorted(day["arrives"])
    assert min(day["arrives"]) >= day["opens"] == 8 and max(day["arrives"]) <= day["closes"] == 17
    assert f"{len(day['arrives'])} calls reach one agent" in page.sentence


def test_the_month_is_that_of_the_books(page):
    rows = [month_of(page, k).service.iloc[0] for k in range(2)]
    assert [m["row"]["wait"] for m in page.found["months"]] == [row["wait"] for row in rows]
    wait = np.mean([row["wait"] for row in rows])
    assert f"mean wait is {wait:.0f} s" in page.sentence
    month = page.found["months"][0]
    assert month["waited"].sum() / month["answered"].sum() == pytest.approx(rows[0]["wait"], rel=0.02)
    assert month["gave_up"].sum() == pytest.approx(rows[0]["gave_up"], abs=0.2 * rows[0]["gave_up"])
    assert month["open"].min() >= 0 and month["open"].sum() == pytest.approx(9 * 22)


def test_erlang_a_is_asked_for_the_load_of_each_hour(page):
    world = page.found["world"]
    one = {"calls": np.array([30, 0]), "open": np.array([10.0, 10.0]), "agents": 1, "handling": 0.1}
    by_hour, mean = service_desk.erlang_wait([one, one], world)
    formula = ErlangA(1, 3.0, 0.1, world.service.patience / 60)
    np.testing.assert_allclose([mean, by_hour[0]], 3600 * formula.mean_wait_answered)
    assert np.isnan(by_hour[1])
    assert service_desk.erlang_wait([{**one, "calls": np.zeros(2)}], world)[1] == -1


def test_points_follow_the_rules(page):
    world = page.found["world"]
    p = parameters_of(world)
    minutes, gave_up = np.array([0.5, 3.0, 8.0]), np.array([False, False, True])
    points = service_desk.points_lost(minutes, gave_up, world)
    waited = [contact_experience(m, 0.0, 1.0, 0.0, p) for m in minutes]
    alone = world.service.abandon_points
    np.testing.assert_allclose(points, [waited[0], waited[1], waited[2] + alone])
    assert contact_experience(8.0, 1.0, 1.0, 0.0, p) == pytest.approx(points[2])
    weight = next(t.weight for t in world.touchpoints if t.name == "service")
    assert service_desk.satisfaction_points(world) == pytest.approx(satisfaction_lost(weight, 1.0, p))


def test_more_agents_answer_the_same_callers_sooner(page):
    before, rows, sentence = page.desk.day, page.found["months"], page.sentence
    picture, waited = page.hours.widget.value, rows[0]["row"]["wait"]
    page.set(service__agents=3)
    row = page.wait()["months"][0]["row"]
    assert row["wait"] < waited / 3 and row["abandoned"] < rows[0]["row"]["abandoned"]
    assert row["contacts"] == rows[0]["row"]["contacts"]
    assert page.desk.day["agents"] == 3 and page.desk.day != before
    assert page.sentence != sentence and page.hours.widget.value != picture


def test_patience_fees_and_days_matter(page):
    row = page.found["months"][0]["row"]
    calls = len(page.desk.day["arrives"])
    page.set(service__patience=2.0)
    hasty = page.wait()["months"][0]["row"]
    assert hasty["abandoned"] > row["abandoned"] and hasty["wait"] < row["wait"]
    page.panel.reset()
    page.set(calls=4.0, day="quietest")
    page.wait()
    assert len(page.desk.day["arrives"]) < calls
    page.panel.reset()
    page.set(calls=4.0, service__wait_points=5.0)
    dear = page.wait()["year"].mean
    page.set(service__wait_points=0.0)
    assert 0 < page.wait()["year"].mean < dear


def test_both_languages(page):
    page.guard(page._other_language)
    page.wait()
    assert CHINESE.search(page.sentence) and CHINESE.search(page.desk.words["agents"])
    cards = re.sub("<[^>]*>", " ", page._cards.value)
    assert "秒" in cards and " s " not in cards and " %" not in cards and "%" in cards
    pairs = {**service_desk.TEXT, **service_desk.CANVAS}
    assert all(pair[0] and pair[1] for pair in pairs.values())


def test_errors_are_told_in_words(page, monkeypatch):
    with pytest.raises(ValueError, match=r"service\.agents must be from 1 to 6"):
        page.set(service__agents=0)
    monkeypatch.setattr(
        service_desk, "simulate", lambda *a, **k: (_ for _ in ()).throw(ValueError("no line"))
    )
    page.refresh()
    with pytest.raises(RuntimeError, match="This cannot be shown: no line"):
        page.wait()


def test_the_seed_decides(page, monkeypatch):
    monkeypatch.setattr(service_desk, "SOON", 1)
    days = []
    for seed in (5, 6, 5):
        monkeypatch.setattr(page, "seed", seed)
        page.refresh()
        page.wait()
        days.append(page.desk.day)
    assert days[0] == days[2] != days[1]


# --- the field crews --------------------------------------------------------------------------------


@pytest.fixture
def crews(page, monkeypatch):
    """The page at its crews, with two years of luck and few steps."""
    monkeypatch.setattr(repairs, "YEARS", 2)
    monkeypatch.setattr(repairs, "STEPS", (0.25, 2.0))
    page.set(view="crews")
    page.wait()
    return page


def year_of(page, k=0, **changes):
    return simulate(page._world(page.values).replace(**changes), [], 1, replication=k, progress=False)


def test_late_jobs_are_those_of_the_books(crews):
    found = crews.found
    books = [year_of(crews, k).service for k in range(2)]
    assert [y.hours.size for y in found.years] == [book["jobs"].sum() for book in books]
    deadline = found.world.service.repair_deadline
    late = [int((y.hours > deadline).sum()) for y in found.years]
    assert late == [book["repairs_late"].sum() for book in books] and sum(late) > 0
    jobs = sum(y.hours.size for y in found.years)
    assert f"{100 * sum(late) / jobs:.1f} % are done later than 24 hours" in crews.sentence
    done = ~np.isnan(found.years[0].finished)
    assert done.any()
    started, finished, work = (
        getattr(found.years[0], name)[done] for name in ("started", "finished", "work")
    )
    # nobody mends faster than the work takes; nights come on top
    assert (finished - started >= work - 1e-9).all() and (started >= found.years[0].reported[done]).all()


def test_points_are_differences_of_whole_worlds(crews):
    def end(k, **changes):
        return year_of(crews, k, **changes).monthly["satisfaction"].iloc[-1]

    usual = np.array([end(k) for k in range(2)])
    at_hand = {"service__crews": repairs.ENOUGH, "service__crew_from": 0, "service__crew_to": 24}
    slow = [end(k, **at_hand) for k in range(2)] - usual
    silent = [end(k, service__notified=1.0) for k in range(2)] - usual
    assert crews.found.slow.mean == pytest.approx(slow.mean())
    assert crews.found.silent.mean == pytest.approx(silent.mean()) and silent.mean() > 0
    few = [end(k, **at_hand) - end(k, service__crews=0.25) for k in range(2)]
    assert dict(crews.found.curve)[0.25].mean == pytest.approx(np.mean(few))


def test_crews_hours_and_deadline_move_late_jobs(crews):
    def late(**values):
        crews.set(**values)
        found = crews.wait()
        hours = np.concatenate([y.hours for y in found.years])
        return float(np.mean(hours > found.world.service.repair_deadline)), found

    usual, found = late()
    picture, sentence = crews.crews.month.widget.value, crews.sentence
    fewer, slower = late(service__crews=0.25)
    assert fewer > usual and slower.slow.mean > found.slow.mean
    assert crews.crews.month.widget.value != picture and crews.sentence != sentence
    assert [y.hours.size for y in slower.years] == [y.hours.size for y in found.years]
    nights, _ = late(service__crews=0.25, service__crew_from=0, service__crew_to=24)
    assert nights < fewer
    strict, same = late(
        service__crews=1.0, service__crew_from=7, service__crew_to=19, service__repair_deadline=6
    )
    assert strict > usual and same.slow == found.slow
    none, _ = late(service__crews=0, service__repair_deadline=24)
    assert none == 1.0 and "never" in crews._cards.value
    _, told = late(service__crews=1.0, service__notified=1.0)
    assert told.silent.mean == 0 < found.silent.mean


def test_either_view_shows_its_own_controls(crews):
    def shown():
        boxes = crews.panel.box.children
        return [
            whose for box, whose in zip(boxes, service_desk.GROUPS, strict=True) if not box.layout.display
        ]

    assert shown() == ["both", "crews", "crews"] and crews.stage.children == (crews.crews.box,)
    crews.set(view="hotline")
    crews.wait()
    assert shown() == ["both", "hotline", "hotline", "hotline"]
    assert crews.stage.children == (crews.hotline,) and "calls reach" in crews.sentence


def test_the_crews_in_chinese_and_errors(crews):
    crews.guard(crews._other_language)
    crews.wait()
    assert "抢修队" in crews.sentence and crews.stage.children == (crews.crews.box,)
    crews.set(service__crew_from=20, service__crew_to=8)
    with pytest.raises(RuntimeError, match="crew"):
        crews.wait()
