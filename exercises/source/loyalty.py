# %% [markdown] id=title
"""
{{set}}

Put your own student id 学号 in the next cell: it gives you data of your own, always the same. `check` says
at once whether an answer holds, as often as you like.
"""

# %% id=start
import pandas as pd

import crmsim as cs
from crmsim.analysis import loyalty

course = cs.exercises.start("loyalty", student="your id 学号")
check = course.check
survey, customers, purchases = (course.data[name] for name in ("survey", "customers", "purchases"))
survey.describe().round(1)

# %% [markdown] id=loyalty-1-task
"""
{{loyalty-1}}
"""

# %% id=loyalty-1
mean_rate = ...
### BEGIN SOLUTION
year = purchases[purchases["month"] >= 12].drop_duplicates(["customer", "month"])
joined = customers.set_index("customer")["joined_month"]
active = year.groupby("customer").size().reindex(joined.index, fill_value=0)
rate = active / (24 - joined.clip(lower=12))
mean_rate = rate.mean()
### END SOLUTION
check("loyalty-1", mean_rate)

# %% [markdown] id=loyalty-2-task
"""
{{loyalty-2}}
"""

# %% id=loyalty-2
reached = ...
### BEGIN SOLUTION
names = ("cognitive", "affective", "conative", "action")
reached = loyalty.layers(survey, items={name: name for name in names})[["customer", "layer"]]
### END SOLUTION
check("loyalty-2", reached)

# %% [markdown] id=loyalty-3-task
"""
{{loyalty-3}}
"""

# %% id=loyalty-3
spurious = ...
### BEGIN SOLUTION
attitude = customers.set_index("customer")["attitude"]
spurious = list(attitude.index[(attitude < 60) & (rate >= rate.median())])
### END SOLUTION
check("loyalty-3", spurious)

# %% [markdown] id=loyalty-4-task
"""
{{loyalty-4}}
"""

# %% id=loyalty-4
shares = ...
### BEGIN SOLUTION
rows = []
for answer in ("keep_using", "stay_if_cheaper"):
    found = loyalty.exceptions(survey["satisfaction"], survey[answer]).set_index("claim")["share"]
    rows.append({"answer": answer, "necessary": found["necessary"], "sufficient": found["sufficient"]})
shares = pd.DataFrame(rows)
### END SOLUTION
check("loyalty-4", shares)

# %% [markdown] id=loyalty-4-why tags=solution
"""
Where there is no rival, nearly everybody will keep using it, the dissatisfied too: a quarter to a third of
these "loyal" are not satisfied. Satisfaction is not needed for what want of a choice brings about 虚假忠诚.
Asked about a choice, fewer break the first claim, and many the second.
"""

# %% [markdown] id=loyalty-5-task
"""
{{loyalty-5}}
"""

# %% id=loyalty-5
captive = ...
### BEGIN SOLUTION
# everybody will keep using it: that answer tells nothing. Those that leave a choice are taken together.
asked = ["affective", "cognitive", "conative", "stay_if_cheaper", "recommend"]
liking = survey.set_index("customer")[asked].mean(axis=1)
captive = list(liking.sort_values().index[:60])
### END SOLUTION
check("loyalty-5", captive)

# %% [markdown] id=loyalty-5-why tags=solution
"""
Such worlds were lived on, with a market opened as that of British energy was. After five years 69 % of
sixty chosen in this way had gone to a rival (54 to 82 % in 20 worlds), and 41 % of the other respondents. Of
the sixty with the lowest answers to keep_using 44 % had gone. Those who moved away are not counted.
"""
