# %% [markdown] id=title
"""
{{set}}

Put your own student id 学号 in the next cell: it gives you data of your own, always the same. `check` says
at once whether an answer holds, as often as you like.
"""

# %% id=start
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

import crmsim as cs

course = cs.exercises.start("measures", student="your id 学号")
check = course.check
runs, menu, pair, firm = (course.data[name] for name in ("runs", "menu", "pair", "firm"))
print(menu.to_string(index=False))
print(firm.to_string(index=False))
runs.head(6)

# %% [markdown] id=measures-1-task
"""
{{measures-1}}
"""

# %% id=measures-1
returns = ...
### BEGIN SOLUTION
means = runs.groupby("measure")[["gross", "cost"]].mean()
gained = (means - means.loc["none"]).drop(index="none")
returns = (gained["gross"] / gained["cost"] - 1).rename("return").reset_index()
### END SOLUTION
check("measures-1", returns)

# %% [markdown] id=measures-2-task
"""
{{measures-2}}
"""

# %% id=measures-2
effects = ...
### BEGIN SOLUTION
kept = runs.pivot(index="luck", columns="measure", values="kept")
more = 1000 / 800 * kept.drop(columns="none").sub(kept["none"], axis=0)
half = stats.t.ppf(0.975, len(more) - 1) * more.std() / len(more) ** 0.5
effects = pd.DataFrame({"effect": more.mean(), "low": more.mean() - half, "high": more.mean() + half})
### END SOLUTION
check("measures-2", effects)

# %% [markdown] id=measures-3-task
"""
{{measures-3}}
"""

# %% id=measures-3
misled = ...
### BEGIN SOLUTION
with_it, without = (runs.loc[runs["measure"] == m, "kept"].to_numpy() for m in ("complaint_handling", "none"))
seems = with_it[:, None] - without[None, :]
other = ~np.eye(len(seems), dtype=bool)
misled = (seems[other] < 0).mean()
### END SOLUTION
check("measures-3", misled)

# %% [markdown] id=measures-3-why tags=solution
"""
The customers of a pair with one luck meet the same rivals, failures and moves; what is left of the
difference is the measure. Between two lucks the difference holds both worlds' chance as well, which is larger
than what most measures do. A firm that compares this year with the last has one such pair.
"""

# %% [markdown] id=measures-4-task
"""
{{measures-4}}
"""

# %% id=measures-4
works_on = ...
### BEGIN SOLUTION
expected = runs.groupby("measure")[["natural", "competitive", "fault", "retaliatory", "payment_lapse"]].mean()
avoided = 1000 / 800 * (expected.loc["none"] - expected.drop(index="none"))
works_on = pd.DataFrame({"cause": avoided.idxmax(axis=1), "avoided": avoided.max(axis=1)})
### END SOLUTION
check("measures-4", works_on)

# %% [markdown] id=measures-5-task
"""
{{measures-5}}
"""


# %% id=measures-5
def saves(without, with_it):
    """Expected saves, their standard deviation with the same luck, and with two."""
    ### BEGIN SOLUTION
    a, b = np.array(without), np.array(with_it)
    between = np.abs(a - b)  # the chance that the two lives differ
    same = (between * (1 - between)).sum() ** 0.5
    twice = (a * (1 - a) + b * (1 - b)).sum() ** 0.5
    return [float((a - b).sum()), float(same), float(twice)]
    ### END SOLUTION


check("measures-5", saves)

# %% [markdown] id=measures-6-task
"""
{{measures-6}}
"""

# %% id=measures-6
plan = ...
### BEGIN SOLUTION
cost = menu.set_index("measure")["cost"]
net = gained["gross"] - gained["cost"]
mend_bills = {"dunning", "payment_channels"}
together = pair["gross"].mean() - pair["cost"].mean() - means.loc["none", "gross"]
overlap = net[list(mend_bills)].sum() - together  # what both keep is kept once


def promises(names):
    return net[names].sum() - (overlap if mend_bills <= set(names) else 0)


every = [list(names) for k in range(1, 6) for names in combinations(cost.index, k)]
within = [names for names in every if cost[names].sum() <= firm["budget"][0]]
plan = max(within, key=promises)
### END SOLUTION
check("measures-6", plan)

# %% [markdown] id=measures-6-why tags=solution
"""
The budget is a limit and no aim: a measure whose money does not come back is left out even if there is room
for it. The other measures overlap as well, but little here, so that the sum of what they bring apart serves.
"""
