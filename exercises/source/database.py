# %% [markdown] id=title
"""
{{set}}

Put your own student id 学号 in the next cell: it gives you data of your own, always the same. `check` says
at once whether an answer holds, as often as you like.
"""

# %% id=start
import duckdb
import pandas as pd

import crmsim as cs
from crmsim.data.importing import read_purchases
from crmsim.data.schema import faults

course = cs.exercises.start("database", student="your id 学号")
check = course.check
register, fields, export = (course.data[name] for name in ("register", "fields", "export"))
customers, profiles = course.data["customers"], course.data["profiles"]
purchases, purchase_lines = course.data["purchases"], course.data["purchase_lines"]
intake = course.data["intake"]
for name, table in course.data.items():
    print(f"{name:14} {len(table):5,} rows: {', '.join(table.columns)}")

# %% [markdown] id=database-1-task
"""
{{database-1}}
"""

# %% id=database-1
static = ...
### BEGIN SOLUTION
who = ["birth_year", "sex", "income", "education", "club", "district", "telephone", "occupation"]
static = [name for name in register.columns if name in who]
### END SOLUTION
check("database-1", static)

# %% [markdown] id=database-1-why tags=solution
"""
Counting values does not find them: some customers moved or changed their work in this year, and what was
counted until today stands beside every purchase with the same number. In a database static data are a table
with a row a customer; dynamic data are tables of events, from which such numbers are counted anew.
"""

# %% [markdown] id=database-2-task
"""
{{database-2}}
"""

# %% id=database-2
buyers = ...
### BEGIN SOLUTION
genuine = export[~export["customer"].isin(["TEST", "TRAINING"])].copy()
plain = genuine["customer"].str.strip().str.upper().str.removeprefix("M").str.zfill(5)
genuine["member"] = ("M" + plain).where(genuine["customer"] != "")
cancels = genuine["invoice"].str.startswith("C")
buyers = genuine.loc[~cancels, "member"].nunique()
### END SOLUTION
check("database-2", buyers)

# %% [markdown] id=database-3-task
"""
{{database-3}}
"""

# %% id=database-3
net_sales = ...
### BEGIN SOLUTION
of_invoice = genuine.groupby("invoice")["member"].transform("first")
genuine["customer"] = genuine["member"].fillna(of_invoice).fillna("unknown")
read = read_purchases(genuine.drop(columns="member"), currency="USD", duplicates="drop")
print(read.report())
net_sales = read.lines["amount"].sum()
### END SOLUTION
check("database-3", net_sales)

# %% [markdown] id=database-4-task
"""
{{database-4}}
"""

# %% id=database-4
by_age = ...
### BEGIN SOLUTION
by_age = duckdb.sql("""
WITH bought AS (
    SELECT customer, sum(purchase_lines.amount) AS sales, sum(quantity) AS pieces
    FROM purchases JOIN purchase_lines USING (purchase) WHERE month >= 12 GROUP BY customer)
SELECT age_group, count(*) AS customers, sum(sales) AS sales, sum(pieces) AS pieces
FROM profiles LEFT JOIN bought USING (customer) WHERE consent GROUP BY age_group ORDER BY age_group
""").df()
### END SOLUTION
check("database-4", by_age)

# %% [markdown] id=database-5-task
"""
{{database-5}}
"""

# %% id=database-5
refused = ...
### BEGIN SOLUTION
bad = intake["purchase"].duplicated() | intake["purchase"].isin(purchases["purchase"])
bad |= ~intake["customer"].isin(customers["customer"])
bad |= intake["date"].isna() | ~(intake["amount"] >= 0)  # a missing amount is not 0 or more
refused = list(intake.loc[bad, "row"])
together = pd.concat([purchases, intake[~bad].drop(columns="row")])
print(faults({"customers": customers, "purchases": together}))  # nothing is left
### END SOLUTION
check("database-5", refused)

# %% [markdown] id=database-6-task
"""
{{database-6}}
"""

# %% id=database-6
wrong_share = ...
### BEGIN SOLUTION
right = read.lines.groupby("customer")["amount"].sum()
bought = read.lines.loc[read.lines["quantity"] > 0, "customer"].unique()
right = right[right.index.isin(bought) & (right.index != "unknown")]
money = pd.to_numeric(export["amount"], errors="coerce")
as_it_is = money.groupby(export["customer"]).sum().reindex(right.index)
wrong_share = 1 - ((as_it_is - right).abs() <= 0.005).mean()  # missing is not near
### END SOLUTION
check("database-6", wrong_share)
