# %% [markdown] id=title
"""
{{set}}

Put your own student id 学号 in the next cell: it gives you data of your own, always the same. `check` says
at once whether an answer holds, as often as you like.
"""

# %% id=start
from itertools import permutations

import numpy as np
import pandas as pd

import crmsim as cs
from crmsim.analysis import value

course = cs.exercises.start("strategy", student="your id 学号")
check = course.check
firm, years = course.data["firm"].iloc[0], course.data["years"].iloc[0]
customers, trials, plan = (course.data[name] for name in ("customers", "trials", "plan"))
print(firm.to_string(), years.to_string(), sep="\n\n")
print(plan.to_string(index=False))

# %% [markdown] id=strategy-1-task
"""
{{strategy-1}}
"""

# %% id=strategy-1
retention = ...
### BEGIN SOLUTION
retention = firm["acquisition_cost"] * (1 + firm["discount"]) / (firm["margin"] + firm["acquisition_cost"])
### END SOLUTION
check("strategy-1", retention)

# %% [markdown] id=strategy-2-task
"""
{{strategy-2}}
"""

# %% id=strategy-2
equity = ...
### BEGIN SOLUTION
sums = customers[["current", "potential"]].sum()
months = np.arange(1, 61)
each = firm["newcomer"] - firm["acquisition_cost"]
future = firm["joining"] * each * ((1 + firm["discount"]) ** -months).sum()
amounts = {"current": sums["current"], "potential": sums["potential"], "future": future}
amounts["total"] = sum(amounts.values())
equity = pd.DataFrame({"part": list(amounts), "amount": list(amounts.values())})
### END SOLUTION
check("strategy-2", equity)

# %% [markdown] id=strategy-3-task
"""
{{strategy-3}}
"""

# %% id=strategy-3
gains = ...


### BEGIN SOLUTION
def net(retention=1.0, margin=1.0, cost=1.0):
    worth = value.retention_value(
        margin * years["margin"], retention * years["retention"], discount_rate=years["discount"]
    )
    return worth - cost * years["acquisition_cost"]


better = {"retention": net(1.01), "margin": net(1, 1.01), "acquisition_cost": net(1, 1, 0.99)}
gains = pd.DataFrame({"gain": 100 * (pd.Series(better) / net() - 1)}).rename_axis("lever")
### END SOLUTION
check("strategy-3", gains)

# %% [markdown] id=strategy-3-why tags=solution
"""
The order of the three is nearly the same in every firm, since it is mostly arithmetic. It says what a
hundredth is worth and not what it costs; the next yuan is another question.
"""

# %% [markdown] id=strategy-4-task
"""
{{strategy-4}}
"""


# %% id=strategy-4
def parts(before, after):
    """The change of customers x margin x months, due to each of the three."""
    ### BEGIN SOLUTION
    orders = list(permutations(range(3)))
    due = np.zeros(3)
    for order in orders:
        now = np.array(before, dtype=float)
        for k in order:
            was = now.prod()
            now[k] = after[k]
            due[k] += now.prod() - was
    return list(due / len(orders))
    ### END SOLUTION


check("strategy-4", parts)

# %% [markdown] id=strategy-5-task
"""
{{strategy-5}}
"""

# %% id=strategy-5
order = ...
### BEGIN SOLUTION
steps = trials.sort_values(["measure", "effort"])
following = steps.groupby("measure")[["spent", "brought"]].shift(-1)
steps["next_yuan"] = (following["brought"] - steps["brought"]) / (following["spent"] - steps["spent"])
today = plan.merge(steps, on=["measure", "effort"])
order = list(today.sort_values("next_yuan", ascending=False)["measure"])
### END SOLUTION
check("strategy-5", order)

# %% [markdown] id=strategy-6-task
"""
{{strategy-6}}
"""


# %% id=strategy-6
def split(gain, scale, budget):
    """What to spend on each measure."""
    ### BEGIN SOLUTION
    gain, scale = np.array(gain, dtype=float), np.array(scale, dtype=float)

    def spend(last):  # so much that the last yuan of each measure brings `last`
        return scale * np.log(np.maximum(gain / scale / last, 1))

    low, high = 1.0, max(1.0, (gain / scale).max())
    if spend(low).sum() > budget:
        for _ in range(100):
            last = (low + high) / 2
            low, high = (last, high) if spend(last).sum() > budget else (low, last)
        return list(spend(high))
    return list(spend(low))
    ### END SOLUTION


check("strategy-6", split)

# %% [markdown] id=strategy-6-why tags=solution
"""
Three kinds of firm come out of one rule. With little money some measures get nothing; with more, all that
are worth it get some, until the next yuan brings the same everywhere; with plenty, money is left over,
because the last yuan has brought just itself.
"""
