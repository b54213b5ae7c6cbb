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
from crmsim.analysis import control, pls, sampling, satisfaction, supply, targeting
from crmsim.analysis import drivers as driving
from crmsim.simulation.erlang import ErlangA

course = cs.exercises.start("water", student="your id 学号")
check = course.check
data = course.data
survey, weights = data["survey"], data["weights"]
for name, table in data.items():
    print(f"{name:12} {len(table):5,} rows: {', '.join(table.columns)}")

# %% [markdown] id=water-1-task
"""
{{water-1}}
"""

# %% id=water-1
index = ...
### BEGIN SOLUTION
weight = weights.set_index("driver")["weight"]
index = satisfaction.csi(survey, weight.to_dict()).value
### END SOLUTION
check("water-1", index)

# %% [markdown] id=water-2-task
"""
{{water-2}}
"""

# %% id=water-2
minutes_per_account = ...
### BEGIN SOLUTION
accounts = data["area"]["accounts"].iloc[0]
log = supply.interruptions(data["stops"], accounts, start="start", end="end", trust="times")
print(log.problems)
minutes_per_account = log.per_account
### END SOLUTION
check("water-2", minutes_per_account)

# %% [markdown] id=water-3-task
"""
{{water-3}}
"""

# %% id=water-3
misprints = ...
### BEGIN SOLUTION
table = data["complaints"].set_index("company")
rates = supply.rates(table["complaints"], table["connections"], published=table["published"])
misprints = list(rates.index[~rates["agrees"]])
### END SOLUTION
check("water-3", misprints)

# %% [markdown] id=water-4-task
"""
{{water-4}}
"""

# %% id=water-4
weight_of_quality = ...
### BEGIN SOLUTION
matrices = {
    e: m.set_index("criterion").drop(columns="expert") for e, m in data["judgements"].groupby("expert")
}
found = {expert: driving.ahp(matrix) for expert, matrix in matrices.items()}
print({expert: round(each.cr, 3) for expert, each in found.items()})
kept = [matrices[expert].to_numpy() for expert in found if found[expert].consistent]
joined = driving.ahp(kept, list(matrices["A"].index))
weight_of_quality = joined.weights["quality"]
### END SOLUTION
check("water-4", weight_of_quality)

# %% [markdown] id=water-5-task
"""
{{water-5}}
"""

# %% id=water-5
interviews = ...
### BEGIN SOLUTION
sizes = data["districts"].set_index("district")["customers"]
plan = data["plan"].iloc[0]
n = sampling.sample_size(plan["margin"], sizes.sum(), design_effect=plan["design_effect"])
interviews = sampling.allocate(sizes, n, floor=int(plan["floor"])).to_frame()
### END SOLUTION
check("water-5", interviews)

# %% [markdown] id=water-6-task
"""
{{water-6}}
"""

# %% id=water-6
alpha = ...
### BEGIN SOLUTION
answers = data["scale"].drop(columns="respondent")
for question, wording in data["wording"].itertuples(index=False):
    if wording == "negative":
        answers[question] = 11 - answers[question]
alpha = pls.cronbach_alpha(answers)
### END SOLUTION
check("water-6", alpha)

# %% [markdown] id=water-7-task
"""
{{water-7}}
"""

# %% id=water-7
three = ...
### BEGIN SOLUTION
eight = list(weights["driver"])
parts = driving.lmg(survey, "satisfaction", eight).sort_values(ascending=False)
print(parts.round(3).to_string())
three = list(parts.index[:3])
### END SOLUTION
check("water-7", three)

# %% [markdown] id=water-8-task
"""
{{water-8}}
"""

# %% id=water-8
agents = ...
### BEGIN SOLUTION
desk = data["hotline"].iloc[0]
per_second = desk["calls_per_hour"] / 3600
busy = float(desk["talk_s"] + desk["after_call_s"])
agents = 1
while ErlangA(agents, per_second, busy, float(desk["patience_s"])).service_level(20) < 0.8:
    agents += 1
### END SOLUTION
check("water-8", agents)

# %% [markdown] id=water-9-task
"""
{{water-9}}
"""

# %% id=water-9
projects = ...
### BEGIN SOLUTION
effects = driving.drivers(survey, "satisfaction", eight, bootstrap=0).table["coefficient"]
offered = data["projects"].set_index("project")
gain = (offered["driver"].map(effects) * offered["lift"]).to_numpy()
every = (np.arange(2 ** len(offered))[:, None] >> np.arange(len(offered))) & 1  # a row a combination
feasible = every @ offered["cost"].to_numpy() <= 10 + 1e-9
best = every[np.argmax(np.where(feasible, every @ gain, -np.inf))]
projects = list(offered.index[best == 1])
### END SOLUTION
check("water-9", projects)

# %% [markdown] id=water-10-task
"""
{{water-10}}
"""

# %% id=water-10
months = ...
### BEGIN SOLUTION
calls = data["months"].set_index("month")
chart = control.p_chart(calls["abandoned"], calls["calls"], base=12, rules="limit")
months = list(chart.index[chart["signal"]])
### END SOLUTION
check("water-10", months)

# %% [markdown] id=water-11-task
"""
{{water-11}}
"""

# %% id=water-11
first_year_loss = ...
### BEGIN SOLUTION
pilot, city = data["pilot"], data["city"]
tells = pd.Series({item: targeting.auc(pilot["left"], -pilot[item]) for item in city.columns})
print(tells.round(2).to_string())
by_answer = pilot.groupby(tells.idxmax())["left"].mean()
first_year_loss = city[tells.idxmax()].map(by_answer).mean()
### END SOLUTION
check("water-11", first_year_loss)

# %% [markdown] id=water-11-why tags=solution
"""
Nearly everybody says `keep_using`: whoever has no choice goes on 垄断下的忠诚, so the answer tells
nothing of what comes when there is one. The estimate supposes that
people who answer alike leave alike in both places.
"""
