# %% [markdown] id=title
"""
{{set}}

Put your own student id 学号 in the next cell: it gives you data of your own, always the same. `check` says
at once whether an answer holds, as often as you like.
"""

# %% id=start
import pandas as pd

import crmsim as cs
from crmsim.analysis import portfolio

course = cs.exercises.start("portfolio", student="your id 学号")
check = course.check
purchases, products = course.data["purchases"], course.data["products"]
products

# %% [markdown] id=portfolio-1-task
"""
{{portfolio-1}}
"""

# %% id=portfolio-1
share = ...
### BEGIN SOLUTION
sales = purchases.groupby("customer")["amount"].sum()
share = portfolio.top_share(sales, 0.2)
### END SOLUTION
check("portfolio-1", share)

# %% [markdown] id=portfolio-2-task
"""
{{portfolio-2}}
"""

# %% id=portfolio-2
variation = ...
### BEGIN SOLUTION
date = purchases["date"]
second = date.dt.year == date.dt.year.max()
monthly = purchases[second].groupby(date[second].dt.month)["amount"].sum()
variation = monthly.std() / monthly.mean()  # pandas divides by n - 1
### END SOLUTION
check("portfolio-2", variation)

# %% [markdown] id=portfolio-3-task
"""
{{portfolio-3}}
"""

# %% id=portfolio-3
class_a = ...
### BEGIN SOLUTION
ordered = sales.sort_values(ascending=False)
before = (ordered.cumsum() - ordered) / ordered.sum()
class_a = list(ordered.index[before < 0.75])
### END SOLUTION
check("portfolio-3", class_a)

# %% [markdown] id=portfolio-4-task
"""
{{portfolio-4}}
"""

# %% id=portfolio-4
ratios = ...
### BEGIN SOLUTION
p = products
ratios = pd.DataFrame({"product": p["product"], "mix": p["sales"] / p["sales"].sum()})
ratios["margin_rate"] = (p["sales"] - p["cost"]) / p["sales"]
ratios["turnover"] = p["sales"] / ((p["opening"] + p["closing"]) / 2)
ratios["cross_ratio"] = ratios["margin_rate"] * ratios["turnover"]
ratios["contribution"] = ratios["cross_ratio"] * ratios["mix"]
### END SOLUTION
check("portfolio-4", ratios)

# %% [markdown] id=portfolio-5-task
"""
{{portfolio-5}}
"""

# %% id=portfolio-5
stayed = ...
### BEGIN SOLUTION
history = portfolio.tier_history(purchases, "year")
first, second = (history[year] == "high_value" for year in history.columns)
stayed = (first & second).sum() / first.sum()
### END SOLUTION
check("portfolio-5", stayed)
