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

course = cs.exercises.start("markets", student="your id 学号")
check = course.check
people, answers, measures = (course.data[name] for name in ("people", "answers", "measures"))
survey, bonds = course.data["survey"], course.data["bonds"]
pd.crosstab(people["market"], people["outcome"])

# %% [markdown] id=markets-1-task
"""
{{markets-1}}
"""

# %% id=markets-1
satisfied_leavers = ...
### BEGIN SOLUTION
left = people[people["outcome"].isin(["rival", "fault"])]
satisfied_leavers = (left["satisfaction"] >= 60).mean()
### END SOLUTION
check("markets-1", satisfied_leavers)

# %% [markdown] id=markets-1-why tags=solution
"""
More than half of those who left had been satisfied. Satisfaction is not sufficient 不是充分条件: a better
offer, or the end of a contract, takes satisfied customers as well.
"""

# %% [markdown] id=markets-2-task
"""
{{markets-2}}
"""

# %% id=markets-2
steepest_first = ...
### BEGIN SOLUTION
free = people[~people["outcome"].isin(["moved", "died"])].copy()
free["stayed"] = (free["outcome"] == "stayed").astype(float)
curves = loyalty.satisfaction_loyalty(free["satisfaction"], free["stayed"], by=free["market"])
print(curves)
steepest_first = list(curves.shape.sort_values("rise", ascending=False)["group"])
### END SOLUTION
check("markets-2", steepest_first)

# %% [markdown] id=markets-3-task
"""
{{markets-3}}
"""

# %% id=markets-3
convex = ...
### BEGIN SOLUTION
told = answers["stay_if_cheaper"]
ways = {"points": (told - 1) / 9 * 100}
ways |= {name: 100.0 * (told >= cut) for name, cut in measures.itertuples(index=False)}
found = {name: loyalty.satisfaction_loyalty(answers["satisfaction"], way) for name, way in ways.items()}
shapes = pd.Series({name: curve.shape["shape"].iloc[0] for name, curve in found.items()})
print(shapes.to_string())
convex = list(shapes.index[shapes == "convex"])
### END SOLUTION
check("markets-3", convex)

# %% [markdown] id=markets-3-why tags=solution
"""
A share that few reach rises where people come near its limit, at the top; one that nearly all reach falls
off at the bottom. The mean of the same answers is nearly straight. So the bend of a published curve may come
from the question that was asked.
"""

# %% [markdown] id=markets-4-task
"""
{{markets-4}}
"""

# %% id=markets-4
by_market = ...
### BEGIN SOLUTION
rows = []
for market, part in free.groupby("market"):
    stayed = part["satisfaction"].corr(part["stayed"]) if part["stayed"].min() < 1 else None
    liking = part["satisfaction"].corr(part["liking"])
    rows.append({"market": market, "r_liking": liking, "r_stayed": stayed})
by_market = pd.DataFrame(rows)
### END SOLUTION
check("markets-4", by_market)

# %% [markdown] id=markets-4-why tags=solution
"""
What people feel goes with satisfaction in every market. What they do goes with it the more, the freer the
market is; a monopolist learns nothing from who stays.
"""

# %% [markdown] id=markets-5-task
"""
{{markets-5}}
"""

# %% id=markets-5
empty = ...
### BEGIN SOLUTION
read = survey[survey["attention"] == 1]
found = loyalty.necessity(read["satisfaction"], read["liking"], scope=(0, 100, 0, 100), permutations=100)
print(found)
empty = found.table.set_index("ceiling").loc["ce_fdh", "effect"]
### END SOLUTION
check("markets-5", empty)

# %% [markdown] id=markets-6-task
"""
{{markets-6}}
"""

# %% id=markets-6
by_bond = ...
### BEGIN SOLUTION
chose = bonds[~bonds["outcome"].isin(["moved", "died"])]
weak = chose[chose["liking"] < 60].copy()
weak["gone"] = weak["outcome"] != "stayed"
by_bond = weak.groupby("bond")["gone"].agg(["size", "mean"])
by_bond["spurious"] = by_bond["size"] * (1 - by_bond["mean"])
by_bond["held"] = by_bond["size"] * (by_bond.loc["none", "mean"] - by_bond["mean"])
by_bond = by_bond.drop("none")[["spurious", "held"]]
### END SOLUTION
check("markets-6", by_bond)

# %% [markdown] id=markets-6-why tags=solution
"""
Most of the spuriously loyal would be there without their bond too, out of inertia 惰性. The bond with most of
them need not be the one that holds most. One caution: who takes a contract may differ from who takes none;
then the difference is not the contract's alone.
"""
