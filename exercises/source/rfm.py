# %% [markdown] id=title
"""
{{set}}

Put your own student id 学号 in the next cell: it gives you data of your own, always the same. `check` says
at once whether an answer holds, as often as you like.
"""

# %% id=start
import pandas as pd

import crmsim as cs
from crmsim.analysis import rfm

course = cs.exercises.start("rfm", student="your id 学号")
check = course.check
mailing, campaign, purchases = (course.data[name] for name in ("mailing", "campaign", "purchases"))
print(campaign.to_string(index=False))
mailing.head()

# %% [markdown] id=rfm-1-task
"""
{{rfm-1}}
"""

# %% id=rfm-1
rate = ...
### BEGIN SOLUTION
mailed = mailing[mailing["mailed"] == 1]
rate = mailed["bought"].mean()
### END SOLUTION
check("rfm-1", rate)

# %% [markdown] id=rfm-2-task
"""
{{rfm-2}}
"""

# %% id=rfm-2
index = ...
### BEGIN SOLUTION
cost, sale, margin_rate = campaign.iloc[0]
level = cost / (sale * margin_rate)  # a response is worth its margin
index = (rate - level) / level * 100
### END SOLUTION
check("rfm-2", index)

# %% [markdown] id=rfm-3-task
"""
{{rfm-3}}
"""


# %% id=rfm-3
def fifths(values):
    """Scores 5 (largest fifth) to 1, in the order of the values."""
    ### BEGIN SOLUTION
    rank = pd.Series(values).rank() - 1  # 0 for the smallest
    return [int(r * 5 // len(values)) + 1 for r in rank]
    ### END SOLUTION


check("rfm-3", fifths)

# %% [markdown] id=rfm-4-task
"""
{{rfm-4}}
"""

# %% id=rfm-4
chosen = ...
### BEGIN SOLUTION
rates = mailed.groupby("cell")["bought"].mean()
chosen = list(rates.index[rates > level])
### END SOLUTION
check("rfm-4", chosen)

# %% [markdown] id=rfm-5-task
"""
{{rfm-5}}
"""

# %% id=rfm-5
names = ...
### BEGIN SOLUTION
# money counts half for every three months that it lies back: recency and money in one
age = (purchases["date"].max() - purchases["date"]).dt.days
recent = (purchases["amount"] * 0.5 ** (age / 90)).groupby(purchases["customer"]).sum()
names = list(recent.sort_values(ascending=False).index[:60])
### END SOLUTION
check("rfm-5", names)

# %% [markdown] id=rfm-5-why tags=solution
"""
Why not the 60 who spent most in two years? Some of them have gone. Half-lives from three to nine months do
about
equally well here; what matters is that old purchases count less 最近一次消费.
"""
