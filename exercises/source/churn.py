# %% [markdown] id=title
"""
{{set}}

Put your own student id 学号 in the next cell: it gives you data of your own, always the same. `check` says
at once whether an answer holds, as often as you like.
"""

# %% id=start
import pandas as pd

import crmsim as cs
from crmsim.analysis import churn

course = cs.exercises.start("churn", student="your id 学号")
check = course.check
customers, departures = course.data["customers"], course.data["departures"]
stays, interviews, accounts = (course.data[name] for name in ("stays", "interviews", "accounts"))
departures.head()

# %% [markdown] id=churn-1-task
"""
{{churn-1}}
"""

# %% id=churn-1
rates = ...
### BEGIN SOLUTION
spells = churn.spells(customers, departures, months=24)
months = churn.rates(spells, every=1).groupby(lambda month: month // 12)[["left", "at_risk"]].sum()
rates = pd.DataFrame({"year": [1, 2]})
rates["monthly"] = months["left"] / months["at_risk"]
rates["yearly"] = churn.rates(spells, every=12)["rate"]
### END SOLUTION
check("churn-1", rates)

# %% [markdown] id=churn-2-task
"""
{{churn-2}}
"""

# %% id=churn-2
there = ...
### BEGIN SOLUTION
there = 1.0
for month in range(1, 13):
    at_risk = stays["duration"] >= month
    ended = (stays["duration"] == month) & (stays["left"] == 1)
    there *= 1 - ended.sum() / at_risk.sum()
### END SOLUTION
check("churn-2", there)

# %% [markdown] id=churn-3-task
"""
{{churn-3}}
"""

# %% id=churn-3
losses = ...
### BEGIN SOLUTION
losses = churn.causes(departures["stated_cause"])[["cause", "left", "share"]]
bills = departures.groupby("stated_cause")["bill"].sum()
losses["bills"] = losses["cause"].map(bills).fillna(0)
### END SOLUTION
check("churn-3", losses)

# %% [markdown] id=churn-4-task
"""
{{churn-4}}
"""

# %% id=churn-4
said = ...
### BEGIN SOLUTION
hit = interviews["stated"] == interviews["true"]
recall = hit.groupby(interviews["true"]).mean()
precision = hit.groupby(interviews["stated"]).mean()
said = pd.DataFrame({"recall": recall, "precision": precision}).rename_axis("cause").reset_index()
### END SOLUTION
check("churn-4", said)

# %% [markdown] id=churn-5-task
"""
{{churn-5}}
"""

# %% id=churn-5
loss = ...
### BEGIN SOLUTION
loss = (accounts["value"] * (1 - (1 - accounts["hazard"]) ** 3)).sum()
### END SOLUTION
check("churn-5", loss)

# %% [markdown] id=churn-6-task
"""
{{churn-6}}
"""


# %% id=churn-6
def lost(bought, now):
    """True if somebody who bought in these months counts as lost at the end of month `now`."""
    ### BEGIN SOLUTION
    limit = 3
    if len(bought) > 1:
        limit = max(limit, 2 * (bought[-1] - bought[0]) / (len(bought) - 1))
    return now - bought[-1] >= limit
    ### END SOLUTION


check("churn-6", lost)

# %% [markdown] id=churn-6-why tags=solution
"""
No silence is the right one for all: a short limit calls slow buyers lost, a long one notices late. Where the
truth is known, `churn.inactivity_errors` counts both errors for each limit.
"""
