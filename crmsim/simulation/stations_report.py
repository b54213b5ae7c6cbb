"""What a station's records add up to: figures by hour, day or month, and a log of events.

All functions take the records of one month or of several that follow one another. Months, days and
hours count from 0. Each thing is counted when it happens: an attempt when it arrives, a wait and
a service while they last, a deadline at the contact's first arrival. What the last month's contacts
still do after its end is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from .stations import ServiceRecords, overlap
from .stations_fast import CLOSED, NONE, RENEGE, SERVICE, UNSERVED

if TYPE_CHECKING:
    import pandas as pd

Period = Literal["hour", "day", "month"]
SECONDS = 3600.0


def _months(records: ServiceRecords | Sequence[ServiceRecords]) -> list[ServiceRecords]:
    months = [records] if isinstance(records, ServiceRecords) else list(records)
    if not months:
        raise ValueError("no records were given: pass those of one month or of several")
    return months


def _begins(months: Sequence[ServiceRecords]) -> np.ndarray:
    """When each month begins, and the last one ends, hours since the first began."""
    return np.cumsum([0.0, *(month.calendar.hours for month in months)])


def _periods(months: Sequence[ServiceRecords], by: Period) -> tuple[np.ndarray, pd.DataFrame]:
    """Edges of the periods, hours since the start of the first month, and their names."""
    import pandas as pd

    days = np.array([month.calendar.days for month in months])
    month, day = np.repeat(np.arange(len(days)), days), np.concatenate([np.arange(n) for n in days])
    if by == "month":
        return _begins(months), pd.DataFrame({"month": np.arange(len(days))})
    if by == "day":
        return 24.0 * np.arange(len(day) + 1), pd.DataFrame({"month": month, "day": day})
    if by == "hour":
        names = {"month": np.repeat(month, 24), "day": np.repeat(day, 24)}
        names["hour"] = np.tile(np.arange(24), len(day))
        return np.arange(24.0 * len(day) + 1), pd.DataFrame(names)
    raise ValueError(f'by must be "hour", "day" or "month", not {by!r}')


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, nan where there is nothing to divide by."""
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=np.asarray(whole) > 0)


def performance(
    records: ServiceRecords | Sequence[ServiceRecords], by: Period = "month", within: float = 20.0
) -> pd.DataFrame:
    """How a station did, one row a period.

    - `month`, `day`, `hour`: which period
    - `contacts`: new contacts; `attempts`: these and those who came again
    - `answered`, `abandoned`, `turned_away`, `unserved`: attempts by what came of them
    - `abandoned_share`: abandoned / (attempts - turned away)
    - `speed_of_answer`: mean wait of the answered, seconds
    - `service_level`: share of attempts not turned away that were answered within `within` seconds
    - `mean_queue`: mean number in line while the station is open (callers called back not counted)
    - `utilisation`: busy hours / hours on shift of all servers; above 1 with overtime
    - `deadlines`: contacts with a deadline; `deadlines_met`: share resolved in time

    Shares and means are nan where there is nothing to divide by.
    """
    months = _months(records)
    edges, table = _periods(months, by)
    periods = len(edges) - 1
    sums = {
        name: np.zeros(periods)
        for name in ("contacts", "attempts", "answered", "abandoned", "turned_away", "unserved", "waited")
    }
    quick, due, met = np.zeros(periods), np.zeros(periods), np.zeros(periods)
    queue, opened, busy, staffed = (np.zeros(periods) for _ in range(4))

    def count(times: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        return np.asarray(np.histogram(times, edges, weights=weights)[0], float)

    for begin, month in zip(_begins(months), months, strict=False):
        kind, waits = month.kind, month.waiting_time
        arrival = month.arrival_time + begin
        # the last edge belongs to no period, though to the histogram's last cell
        arrival = np.where(arrival < edges[-1], arrival, np.inf)
        served = kind == SERVICE
        sums["contacts"] += count(arrival[:, 0])
        sums["attempts"] += count(arrival[kind != NONE])
        for name, code in {
            "answered": SERVICE,
            "abandoned": RENEGE,
            "turned_away": CLOSED,
            "unserved": UNSERVED,
        }.items():
            sums[name] += count(arrival[kind == code])
        sums["waited"] += count(arrival[served], waits[served])
        # half a millisecond for rounding: a wait is a difference of moments
        quick += count(arrival[served & (waits <= (within + 5e-4) / SECONDS)])
        dated = np.isfinite(month.contacts.deadline)
        due += count(arrival[dated, 0])
        met += count(arrival[dated & month.met_deadline, 0])

        own = (edges >= begin) & (edges <= begin + month.calendar.hours)
        inside = own[:-1] & own[1:]
        opened[inside] += month.calendar.open_hours(edges[own] - begin)
        staffed[inside] += month.calendar.duty(edges[own] - begin)
        busy += overlap(month.service_start_time[served] + begin, month.exit_time[served] + begin, edges)

    # Waits count while the station is open, as its month's calendar says.
    fine, is_open = _open_cells(months, edges)
    for begin, month in zip(_begins(months), months, strict=False):
        here = month.waiting_time > 0
        since = month.arrival_time[here] + begin
        shared = overlap(since, since + month.waiting_time[here], fine) * is_open
        queue += np.bincount(np.searchsorted(edges, fine[:-1], side="right") - 1, shared, periods)

    for name in ("contacts", "attempts", "answered", "abandoned", "turned_away", "unserved"):
        table[name] = sums[name].astype(np.int64)
    offered = sums["attempts"] - sums["turned_away"]
    table["abandoned_share"] = _ratio(sums["abandoned"], offered)
    table["speed_of_answer"] = _ratio(sums["waited"], sums["answered"]) * SECONDS
    table["service_level"] = _ratio(quick, offered)
    table["mean_queue"] = _ratio(queue, opened)
    table["utilisation"] = _ratio(busy, staffed)
    table["deadlines"] = due.astype(np.int64)
    table["deadlines_met"] = _ratio(met, due)
    return table


def _open_cells(months: Sequence[ServiceRecords], edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Edges so fine that the station is open or closed throughout each cell, and which of the two."""
    begins = _begins(months)
    changes = [edges]
    for begin, month in zip(begins, months, strict=False):
        openings = month.calendar.openings
        changes += [np.clip(side, 0.0, month.calendar.hours) + begin for side in openings[-2:]]
    fine = np.unique(np.concatenate(changes))
    middle = (fine[:-1] + fine[1:]) / 2
    which = np.searchsorted(begins, middle, side="right") - 1
    is_open = np.zeros(len(middle), bool)
    for number, month in enumerate(months):
        here = which == number
        is_open[here] = month.calendar.is_open(middle[here] - begins[number])
    return fine, is_open


def utilisation(records: ServiceRecords | Sequence[ServiceRecords], by: Period = "month") -> pd.DataFrame:
    """How busy each group of servers was, one row a period and group.

    `month`, `day`, `hour`, `group`, `servers`, `staffed_hours`, `busy_hours` and `utilisation`, the
    ratio of the two; above 1 with overtime, nan where nobody was on shift. Raises ValueError for
    records of an approximate desk, which do not say who served.
    """
    import pandas as pd

    months = _months(records)
    edges, names = _periods(months, by)
    parts: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
    for begin, month in zip(_begins(months), months, strict=False):
        served = month.kind == SERVICE
        if (month.server[served] < 0).any():
            raise ValueError(f"records by {month.method} do not say which server served; see performance()")
        group_of = month.calendar.group[month.server[served]]
        start, finish = month.service_start_time[served] + begin, month.exit_time[served] + begin
        own = (edges >= begin) & (edges <= begin + month.calendar.hours)
        inside = own[:-1] & own[1:]
        for g, group in enumerate(month.calendar.rota.groups):
            zeros = np.zeros((3, len(names)))
            servers, staffed, busy = parts.setdefault(group.name, (zeros[0], zeros[1], zeros[2]))
            servers[inside] = group.number
            staffed[inside] += month.calendar.duty(edges[own] - begin, g)
            busy += overlap(start[group_of == g], finish[group_of == g], edges)
    tables = [
        names.assign(
            group=name,
            servers=servers.astype(np.int64),
            staffed_hours=staffed,
            busy_hours=busy,
            utilisation=_ratio(busy, staffed),
        )
        for name, (servers, staffed, busy) in parts.items()
    ]
    if not tables:
        raise ValueError("the rota of these records has no groups")
    return pd.concat(tables).sort_values([str(name) for name in names], kind="stable", ignore_index=True)


def event_log(records: ServiceRecords | Sequence[ServiceRecords]) -> pd.DataFrame:
    """Everything that happened at a station, in order of time: one row an event, to be animated.

    - `time`: hours since the start of the first month
    - `event`: "arrives", "turned away", "accepts call-back", "starts", "ends", "abandons", "unserved"
    - `month`, `contact` (row of that month's contacts), `attempt` (from 1)
    - `server`: who serves, -1 otherwise
    - `queue_length`: contacts in line after the event; whoever is called back keeps the place
    """
    import pandas as pd

    months = _months(records)
    # event: rank among events of one moment, change of the line
    events = {
        "ends": (0, 0),
        "starts": (1, -1),
        "abandons": (2, -1),
        "arrives": (3, 1),
        "turned away": (3, 0),
        "accepts call-back": (3, 0),
        "unserved": (4, -1),
    }
    codes = {name: code for code, name in enumerate(events)}
    columns: list[list[np.ndarray]] = []
    for number, (begin, month) in enumerate(zip(_begins(months), months, strict=False)):
        kind = month.kind
        came = (kind != NONE) & (kind != CLOSED)
        served = kind == SERVICE
        for name, where, times in (
            ("arrives", came, month.arrival_time),
            ("turned away", kind == CLOSED, month.arrival_time),
            ("accepts call-back", month.called_back, month.arrival_time),
            ("starts", served, month.service_start_time),
            ("ends", served, month.exit_time),
            ("abandons", kind == RENEGE, month.exit_time),
            ("unserved", kind == UNSERVED, month.exit_time),
        ):
            contact, attempt = np.nonzero(where)
            time = times[where] + begin
            rank, step = np.full(len(time), events[name][0]), np.zeros(len(time), np.int64)
            at_once = time == month.arrival_time[where] + begin
            if name in ("starts", "abandons"):  # after the arrival, if at the same moment
                rank[at_once], step[at_once] = 3, 2
            if name == "accepts call-back":
                step[:] = 1
            server = month.server[where] if name in ("starts", "ends") else np.full(len(time), -1)
            columns.append(
                [
                    time,
                    rank,
                    np.full(len(time), number),
                    contact,
                    attempt + 1,
                    step,
                    server,
                    np.full(len(time), codes[name]),
                    np.full(len(time), events[name][1]),
                ]
            )
    time, rank, month_of, contact, attempt, step, server, code, change = (
        np.concatenate(parts) for parts in zip(*columns, strict=True)
    )
    order = np.lexsort((step, attempt, contact, month_of, rank, time))
    return pd.DataFrame(
        {
            "time": time[order],
            "event": pd.Categorical.from_codes(code[order].astype(np.int64), categories=pd.Index(events)),
            "month": month_of[order],
            "contact": contact[order],
            "attempt": attempt[order],
            "server": server[order].astype(np.int64),
            "queue_length": np.cumsum(change[order]),
        }
    )


def spill_over(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """What a policy did to those who would have called anyway: the first calls made in both of two runs.

    `before`, `after`: `Run.contacts()` of the same scenario and seed, without and with the policy. A row
    a month: `callers` (customers whose first call is in both, at the same moment), `new` (first calls in
    `after` only), `wait_before`, `wait_after` (their mean wait, seconds, abandoned ones included),
    `waited_longer`, `waited_less` (number of them), `lost_before`, `lost_after` (abandoned). With the
    same luck in both, a difference is the policy's doing, through the line they share.
    """
    import pandas as pd

    key = ["month", "customer", "reason"]
    first = [frame[frame["attempt"] == 1] for frame in (before, after)]
    both = first[0].merge(first[1], on=key, suffixes=("_before", "_after"))
    both = both[both["arrival_time_before"] == both["arrival_time_after"]]
    change = both["waiting_time_after"] - both["waiting_time_before"]
    lost = [(both[f"record_type_{when}"] == "renege").astype(int) for when in ("before", "after")]
    rows = pd.DataFrame(
        {
            "month": both["month"],
            "wait_before": both["waiting_time_before"] * SECONDS,
            "wait_after": both["waiting_time_after"] * SECONDS,
            "waited_longer": (change > 0).astype(int),
            "waited_less": (change < 0).astype(int),
            "lost_before": lost[0],
            "lost_after": lost[1],
        }
    )
    total = rows.groupby("month").agg(
        wait_before=("wait_before", "mean"),
        wait_after=("wait_after", "mean"),
        waited_longer=("waited_longer", "sum"),
        waited_less=("waited_less", "sum"),
        lost_before=("lost_before", "sum"),
        lost_after=("lost_after", "sum"),
    )
    callers = rows.groupby("month").size()
    total.insert(0, "callers", callers)
    total.insert(1, "new", first[1].groupby("month").size().reindex(total.index, fill_value=0) - callers)
    return total
