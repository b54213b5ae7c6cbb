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
from crmsim.analysis import sampling, targeting

course = cs.exercises.start("targeting", student="your id 学号")
check = course.check
mailing, experiment, test, candidates = (
    course.data[name] for name in ("mailing", "experiment", "test", "candidates")
)
print(test.to_string(index=False))
experiment.head()

# %% [markdown] id=targeting-1-task
"""
{{targeting-1}}
"""

# %% id=targeting-1
deciles = ...
### BEGIN SOLUTION
lifts = targeting.lift_table(mailing["bought"], mailing["score"])
deciles = lifts.rename(columns={"group": "decile"})[["decile", "rate", "lift", "captured"]]
### END SOLUTION
check("targeting-1", deciles)

# %% [markdown] id=targeting-2-task
"""
{{targeting-2}}
"""

# %% id=targeting-2
uplift = ...
### BEGIN SOLUTION
rates = experiment.groupby("listed")["stayed"].mean()
uplift = rates[1] - rates[0]
### END SOLUTION
check("targeting-2", uplift)

# %% [markdown] id=targeting-3-task
"""
{{targeting-3}}
"""

# %% id=targeting-3
names = ...
### BEGIN SOLUTION
# in each cell of plan and usage: which part of the risk did being listed take away?
cells = ["plan", "usage"]
by_lot = experiment.groupby([*cells, "listed"])["stayed"].mean().unstack()
part = (by_lot[1] - by_lot[0]) / experiment.groupby(cells)["risk"].mean()
kept = candidates.join(part.rename("part"), on=cells).eval("part * risk")
names = list(candidates.loc[kept.sort_values(ascending=False).index[:100], "customer"])
### END SOLUTION
check("targeting-3", names)

# %% [markdown] id=targeting-3-why tags=solution
"""
By risk alone the list holds customers whom a call reminds of leaving (sleeping dogs), and others whom nothing
keeps. The experiment tells by cell what a call does; within a cell more is to be won where the risk is high.
"""

# %% [markdown] id=targeting-4-task
"""
{{targeting-4}}
"""

# %% id=targeting-4
size = ...
### BEGIN SOLUTION
change, power, confidence = test.iloc[0]
before = experiment.loc[experiment["listed"] == 0, "stayed"].mean()
after = before + change
sd = math.sqrt((before * (1 - before) + after * (1 - after)) / 2)
size = sampling.change_sample_size(change, sd, power=power, confidence=confidence)
### END SOLUTION
check("targeting-4", size)

# %% [markdown] id=targeting-5-task
"""
{{targeting-5}}
"""


# %% id=targeting-5
def choose(view):
    """Ids of `view`, the most wanted first."""
    ### BEGIN SOLUTION
    # a call wins most where the risk is high and the call is taken well
    wanted = np.exp(view["risk_score"]) * (view["response_score"] + 0.5)
    return list(wanted.sort_values(ascending=False).index)
    ### END SOLUTION


check("targeting-5", choose)
