# %% [markdown] id=title
"""
{{set}}

Put your own student id 学号 in the next cell: it gives you data of your own, always the same. `check` says
at once whether an answer holds, as often as you like.
"""

# %% id=start
import math

import pandas as pd

import crmsim as cs
from crmsim.analysis import drivers, sampling
from crmsim.analysis import satisfaction as measured

course = cs.exercises.start("satisfaction", student="your id 学号")
check = course.check
answers, questions, plan, touchpoints = (
    course.data[name] for name in ("answers", "questions", "plan", "touchpoints")
)
print(questions.to_string(index=False))
print(plan.to_string(index=False))
answers.head()

# %% [markdown] id=satisfaction-1-task
"""
{{satisfaction-1}}
"""

# %% id=satisfaction-1
index = ...
### BEGIN SOLUTION
w, mean = questions["weight"], questions["mean"]
index = 100 * (w * (mean - 1)).sum() / (9 * w.sum())
### END SOLUTION
check("satisfaction-1", index)

# %% [markdown] id=satisfaction-2-task
"""
{{satisfaction-2}}
"""

# %% id=satisfaction-2
shares = ...
### BEGIN SOLUTION
told = answers["overall"].dropna()
shares = pd.DataFrame({"boxes": range(1, 6)})
shares["share"] = [(told > 5 - k).mean() for k in shares["boxes"]]
### END SOLUTION
check("satisfaction-2", shares)

# %% [markdown] id=satisfaction-2-why tags=solution
"""
One box makes a quarter of the customers satisfied, four boxes nearly all of them 选项数. A satisfied share
without its scale and its boxes says nothing.
"""

# %% [markdown] id=satisfaction-3-task
"""
{{satisfaction-3}}
"""

# %% id=satisfaction-3
score = ...
### BEGIN SOLUTION
score = measured.nps(answers["recommend"]).value
### END SOLUTION
check("satisfaction-3", score)

# %% [markdown] id=satisfaction-4-task
"""
{{satisfaction-4}}
"""

# %% id=satisfaction-4
asked = ...
### BEGIN SOLUTION
p = plan.iloc[0]
interviews = sampling.sample_size(p["margin"], p["customers"], design_effect=p["design_effect"])
asked = math.ceil(interviews / p["response"])
### END SOLUTION
check("satisfaction-4", asked)

# %% [markdown] id=satisfaction-5-task
"""
{{satisfaction-5}}
"""

# %% id=satisfaction-5
names = ...
### BEGIN SOLUTION
explain = answers[list(touchpoints["touchpoint"])]
outcome = answers[["satisfaction_1", "satisfaction_2", "satisfaction_3"]].mean(axis=1)
parts = drivers.lmg(explain.assign(satisfaction=outcome), "satisfaction")
names = list(parts.sort_values(ascending=False).index[:3])
### END SOLUTION
check("satisfaction-5", names)
