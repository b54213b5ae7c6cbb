# %% [markdown] id=title
"""
{{set}}

Put your own student id 学号 in the next cell: it gives you data of your own, always the same. `check` says
at once whether an answer holds, as often as you like.
"""

# %% id=start
import numpy as np
import pandas as pd

import crmsim as cs
from crmsim.analysis import value

course = cs.exercises.start("value", student="your id 学号")
check = course.check
purchases, cohort, balance = (course.data[name] for name in ("purchases", "cohort", "balance"))
customers, terms = course.data["customers"], course.data["terms"].iloc[0]
print(terms.to_string())
print(cohort.to_string(index=False))

# %% [markdown] id=value-1-task
"""
{{value-1}}
"""

# %% id=value-1
historical = ...
### BEGIN SOLUTION
sums = purchases[purchases["month"] <= 17].groupby("customer")["amount"].sum()
historical = (sums * terms["margin_rate"]).rename("historical").reset_index()
### END SOLUTION
check("value-1", historical)

# %% [markdown] id=value-2-task
"""
{{value-2}}
"""

# %% id=value-2
clv = ...
### BEGIN SOLUTION
month = np.arange(1, 37)
clv = (terms["margin"] * (terms["retention"] / (1 + terms["discount"])) ** month).sum()
### END SOLUTION
check("value-2", clv)

# %% [markdown] id=value-3-task
"""
{{value-3}}
"""

# %% id=value-3
there = ...
### BEGIN SOLUTION
model = value.fit_sbg(cohort["customers"])
there = float(model.survival(10))
### END SOLUTION
check("value-3", there)

# %% [markdown] id=value-4-task
"""
{{value-4}}
"""

# %% id=value-4
parts = ...
### BEGIN SOLUTION
was, stays = balance["value_before"] > 0, balance["value_after"] > 0
both = balance[was & stays]
months_before = both["value_before"] / both["margin_before"]
months_after = both["value_after"] / both["margin_after"]
more_margin = (both["margin_after"] - both["margin_before"]) * (months_before + months_after) / 2
more_months = (months_after - months_before) * (both["margin_before"] + both["margin_after"]) / 2
won = balance.loc[~was, "value_after"].sum() - terms["acquisition_cost"] * (~was & stays).sum()
kept = more_months.sum() - balance.loc[~stays, "value_before"].sum()
first, last = balance["value_before"].sum(), balance["value_after"].sum()
names = ["before", "acquisition", "expansion", "retention", "after"]
parts = pd.DataFrame({"part": names, "amount": [first, won, more_margin.sum(), kept, last]})
### END SOLUTION
check("value-4", parts)

# %% [markdown] id=value-5-task
"""
{{value-5}}
"""

# %% id=value-5
tenths = ...
### BEGIN SOLUTION
customers["profit"] = customers["sales"] - customers["goods"] - customers["service"]
customers["tenth"] = pd.qcut(customers["days"], 10, labels=False) + 1
tenths = customers.groupby("tenth")[["sales", "profit"]].mean().reset_index()
### END SOLUTION
check("value-5", tenths)

# %% [markdown] id=value-6-task
"""
{{value-6}}
"""

# %% id=value-6
errors = ...
### BEGIN SOLUTION
oldest = customers.loc[customers["tenth"] == 10, "profit"]
others = customers.loc[customers["tenth"] < 10, "profit"]
error = np.sqrt(oldest.var() / len(oldest) + others.var() / len(others))  # var of pandas divides by n - 1
errors = (oldest.mean() - others.mean()) / error
### END SOLUTION
check("value-6", errors)

# %% [markdown] id=value-6-why tags=solution
"""
The oldest buy more than the newest. Whether they also earn more depends on what serving them costs. Reinartz
and Kumar (2000, Journal of Marketing 64(4), 17-35) found no strong tie between age and profit
without contracts.
"""
