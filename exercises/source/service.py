# %% [markdown] id=title
"""
{{set}}

Put your own student id 学号 in the next cell: it gives you data of your own, always the same. `check` says
at once whether an answer holds, as often as you like.
"""

# %% id=start
import math

import numpy as np
import pandas as pd

import crmsim as cs
from crmsim.simulation.erlang import erlang_c

course = cs.exercises.start("service", student="your id 学号")
check = course.check
calls, hotline, complaints, deadlines, customers = (
    course.data[name] for name in ("calls", "hotline", "complaints", "deadlines", "customers")
)
print(hotline.to_string(index=False))
print(deadlines.to_string(index=False))
calls.head()

# %% [markdown] id=service-1-task
"""
{{service-1}}
"""

# %% id=service-1
levels = ...
### BEGIN SOLUTION
answered = calls["answered"] == 1
promise = hotline["promise"].iloc[0]
told = pd.DataFrame({"service_level": answered & (calls["wait"] <= promise), "abandoned": ~answered})
levels = told.groupby(calls["hour"]).mean()
### END SOLUTION
check("service-1", levels)

# %% [markdown] id=service-2-task
"""
{{service-2}}
"""

# %% id=service-2
in_line = ...
### BEGIN SOLUTION
days, opens, closes, _ = hotline.iloc[0]
seconds = days * (closes - opens) * 3600
in_line = len(calls) / seconds * calls["wait"].mean()
### END SOLUTION
check("service-2", in_line)

# %% [markdown] id=service-3-task
"""
{{service-3}}
"""


# %% id=service-3
def agents(calls, handling, share, within):
    """The fewest agents with whom this share is answered within so many seconds."""
    ### BEGIN SOLUTION
    load = calls / 3600 * handling
    needed = math.floor(load) + 1  # with fewer the line grows without end
    while 1 - erlang_c(needed, load) * math.exp(-(needed - load) * within / handling) < share:
        needed += 1
    return needed
    ### END SOLUTION


check("service-3", agents)

# %% [markdown] id=service-4-task
"""
{{service-4}}
"""

# %% id=service-4
share = ...
### BEGIN SOLUTION
due = complaints.merge(deadlines, on="kind")
due["last"] = due["received"] + due["days"]
due = due[due["last"] <= 120]
share = (due["answered"] <= due["last"]).mean()  # a missing answer is not in time
### END SOLUTION
check("service-4", share)

# %% [markdown] id=service-5-task
"""
{{service-5}}
"""

# %% id=service-5
groups = ...
### BEGIN SOLUTION
kinds = [customers["problem"] == 0, customers["complained"] == 0, customers["days"] <= 7]
group = np.select(kinds, ["no problem", "silent", "in time"], "late")
groups = customers.groupby(group)["stayed"].agg(customers="size", stay_rate="mean")
variance = groups["stay_rate"] * (1 - groups["stay_rate"]) / groups["customers"]
groups["difference"] = groups["stay_rate"] - groups.loc["no problem", "stay_rate"]
groups["error"] = np.sqrt(variance + variance["no problem"])
groups = groups.drop(index="no problem").rename_axis("group")
### END SOLUTION
check("service-5", groups)

# %% [markdown] id=service-5-why tags=solution
"""
The late lose most, more than those who said nothing. An answer in time brings
the stay rate back 补救 for the most part,
not always all of it. Look at the error before you say more: where the difference is less than two errors, the
data do not tell it from none. Nor were the answers given by lot: a small problem is solved sooner and
forgiven sooner 混杂.
"""
