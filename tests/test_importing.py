"""Reading a firm's own purchases into the customer database."""

import gzip
import io
import sys
import tempfile
import zipfile
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from cdnow import cdnow_file, cdnow_sample
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmsim.data import importing
from crmsim.data.database import Database
from crmsim.data.importing import Imported, customers_file, import_file, read_purchases
from crmsim.data.schema import faults
from crmsim.data.transactions import DataError, read_transactions

UCI = """InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,"HOLDER, WHITE",6,12/1/2010 8:26,2.55,17850,United Kingdom
536365,71053,LANTERN,6,12/1/2010 8:26,3.39,17850,United Kingdom
536365,85123A,"HOLDER, WHITE",2,12/1/2010 8:27,2.55,17850,United Kingdom
536366,22633,HAND WARMER,12,12/1/2010 8:28,1.85,17850,United Kingdom
536367,84879,BIRD,32,12/1/2010 8:34,1.69,13047,United Kingdom
C536379,84879,BIRD,-5,12/14/2010 9:41,1.69,13047,United Kingdom
C536380,84879,BIRD,-28,12/15/2010 9:41,1.69,13047,United Kingdom
C536381,D,Discount,-1,12/15/2010 9:43,27.50,13047,United Kingdom
536414,22139,,56,12/16/2010 11:52,0,,United Kingdom
A563185,B,Adjust bad debt,1,12/17/2010 14:51,-11062.06,13047,United Kingdom
536500,84879,BIRD,1,12/18/2010 9:00,1.69,13047,United Kingdom
536500,84879,BIRD,1,12/18/2010 9:00,1.69,13047,United Kingdom
"""


@pytest.fixture
def read(tmp_path):
    """Writes a file and reads it."""

    def write_and_read(content: str | bytes, name: str = "sales.csv", **options) -> Imported:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_purchases(path, **options)

    return write_and_read


def listing(frame: pd.DataFrame, *names: str) -> list[tuple]:
    return list(frame[["row", *(names or ("column", "reason"))]].itertuples(index=False, name=None))


def balanced(result: Imported) -> bool:
    """Every row of the file is in one of the four frames, and in one only."""
    frames = (result.lines, result.dropped, result.apart, result.refused)
    rows = [row for frame in frames for row in frame["row"]]
    return len(rows) == len(set(rows)) == result.rows


# -- real data -----------------------------------------------------------------------------------


def test_cdnow_becomes_a_customer_database(tmp_path):
    out = tmp_path / "crm.duckdb"
    result = import_file(cdnow_file("CDNOW_sample.txt"), out, customer=0, date=2, quantity=3, amount=4)
    assert (result.rows, len(result.lines), len(result.refused)) == (6919, 6919, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["crm.duckdb"]
    log = cdnow_sample().log
    with Database(out) as firm:
        assert firm.faults() == []
        purchases, customers = firm.table("purchases"), firm.table("customers")
        about = firm.table("about").set_index("name")["value"]
    assert len(customers) == 2357 and len(purchases) == 6919
    assert purchases["amount"].sum() == pytest.approx(log["amount"].sum())
    # '00004' is customer 4 of the database
    spent = purchases.groupby("customer")["amount"].sum()
    expected = log.assign(customer=log["customer"].astype(int)).groupby("customer")["amount"].sum()
    pd.testing.assert_series_equal(spent, expected, check_index_type=False)
    first = log.assign(customer=log["customer"].astype(int)).groupby("customer")["date"].min()
    joined = customers.set_index("customer")["joined"]
    assert (joined == first.dt.to_period("M").dt.to_timestamp()).all()
    assert purchases["month"].max() == 17 and about["months"] == "18" and about["first_month"] == "1997-01"
    assert (purchases["date"].dt.month - 1 == purchases["month"] % 12).all()
    assert set(customers["joined_month"]) == {0, 1, 2}
    assert (customers["source"] == np.where(customers["joined_month"] == 0, "initial", "won")).all()
    assert purchases["date"].is_monotonic_increasing


def test_the_database_of_full_cdnow_gives_the_known_concentration(tmp_path):
    import_file(cdnow_file("CDNOW_master.txt"), tmp_path / "crm.duckdb")
    with Database(tmp_path / "crm.duckdb") as firm:
        share = firm.sql(
            "WITH spent AS (SELECT sum(amount) AS m FROM purchases GROUP BY customer), ranked AS "
            "(SELECT m, row_number() OVER (ORDER BY m DESC) AS r, count(*) OVER () AS n FROM spent) "
            "SELECT sum(m) FILTER (r <= n // 5) / sum(m) AS top FROM ranked"
        )
    assert share["top"][0] == pytest.approx(0.678, abs=5e-4)


def test_lines_of_the_uci_layout(read):
    result = read(UCI, missing="apart")
    assert result.columns == {
        "customer": "'CustomerID'", "date": "'InvoiceDate'", "quantity": "'Quantity'",
        "price": "'UnitPrice'", "invoice": "'InvoiceNo'", "product": "'StockCode'",
        "description": "'Description'",
    }  # fmt: skip
    assert balanced(result)
    # lines of one invoice are one purchase
    assert listing(result.purchases.rename(columns={"purchase": "row"}), "invoice", "lines") == [
        (0, "536365", 3), (1, "536366", 1), (2, "536367", 1), (3, "536500", 2),
    ]  # fmt: skip
    assert result.purchases["amount"].tolist() == pytest.approx([40.74, 22.20, 54.08, 3.38])
    assert listing(result.apart) == [(10, "CustomerID", "missing customer id")]
    assert listing(result.refused) == [(11, "UnitPrice", "negative price")]
    # 5 of 32 birds came back; 28 more than were left; the discount undoes no line
    back = result.returns
    assert back["quantity"].tolist() == [-5, -28, -1]
    assert back["amount"].tolist() == pytest.approx([-8.45, -47.32, -27.50])
    assert back["returned_row"].tolist() == [6, pd.NA, pd.NA]
    assert back["purchase"].tolist() == [2, pd.NA, pd.NA]
    assert result.purchases["returned"].tolist() == pytest.approx([0, 0, 8.45, 0])
    report = result.report()
    assert "12 rows read, 10 taken, 1 set apart, 1 refused" in report
    assert "3 returns of 83.27: 1 linked to the purchase they undo, 2 to none in the file" in report
    assert "1 row equal to an earlier row in every cell, kept (row 13)" in report
    assert "1  missing customer id (row 10)" in report


# -- messy files -----------------------------------------------------------------------------------

MESSY = """Order No;Customer;Date;SKU;Qty;Unit Price;Total;Category;Cost
1001;anna ;31/01/2024;A;2;"1.234,50 €";"2.469,00 €";x;700
1001;anna;31/01/2024;B;1;10,00;10,00;y;abc
1001;anna;31/01/2024;B;1;10,00;10,00;y;abc
C1001;anna;05/02/2024;B;-1;10,00;-10,00;y;5
C1002;Anna;05.02.2024;A;1;1234,50;1234,50;x;5
1003;;05/02/2024;A;1;5,00;5,00;;
1004;bo;05/02/2024;A;two;5,00;15,00;;
1004;bo;05/02/2024;A;two;;;;
1005;bo;05/02/2024;A;2;5,00;;;

1006;bo;05/02/2024;A;1;$ 5,00;$ 5,00;;
1007;bo;31/02/2024;A;1;5,00;5,00;;
1008;bo;05/02/1999;A;1;5,00;5,00;;
1009;bo;05/02/2024;A;0;5,00;5,00;;
1010;bo;05/02/2024;A;3;5,00;10,00;;;;x
1011;bo;05/02/2024;A;3;5,00;10,00;;
"""
MENDED = [
    (2, "Customer", "anna", "anna", "spaces around the id"),
    (2, "Total", "2.469,00 €", "2469", "amount with signs or marks"),
    (2, "Unit Price", "1.234,50 €", "1234.5", "price with signs or marks"),
    (3, "Cost", "abc", "", "unreadable or negative cost, left empty"),
    (4, "Cost", "abc", "", "unreadable or negative cost, left empty"),
    (6, "Date", "05.02.2024", "2024-02-05 00:00:00", "date written in another way than most"),
    (6, "Qty", "1", "-1", "return written without a minus"),
    (8, "Qty", "two", "3", "quantity computed as amount divided by price"),
    (10, "Total", "", "10", "amount computed as quantity times price"),
]
REFUSED = [
    (7, "Customer", "", "missing customer id"),
    (9, "Qty", "two", "unreadable quantity"),
    (12, "Total", "$ 5,00", "another currency ($)"),
    (13, "Date", "31/02/2024", "unreadable date"),
    (14, "Date", "05/02/1999", "date before 2020-01-01"),
    (15, "Qty", "0", "quantity of 0"),
    (16, "", "1010 | bo | 05/02/2024 | A | 3 | 5,00 | 10,00 |  |  |  | x",
     "number of cells does not fit"),
]  # fmt: skip


def test_every_row_of_a_messy_file_is_accounted_for(read, tmp_path):
    result = read(MESSY.encode("cp1252"), earliest="2020-01-01", duplicates="drop")
    assert balanced(result) and result.rows == 15
    mended = result.mended.assign(value=result.mended["value"].str.strip())
    assert listing(mended, "column", "value", "used", "reason") == [m for m in MENDED if m[0] != 4]
    assert listing(result.refused, "column", "value", "reason") == REFUSED
    assert listing(result.dropped) == [(4, "", "exact duplicate of an earlier row")]
    assert result.currency == "EUR"
    assert result.lines["row"].tolist() == [2, 3, 5, 6, 8, 10, 17]
    assert result.lines["amount"].tolist() == [2469.0, 10.0, -10.0, -1234.5, 15.0, 10.0, 10.0]
    assert result.lines["quantity"].tolist() == [2, 1, -1, -1, 3, 2, 3]
    assert result.lines["cost"].fillna(-1).tolist() == [700, -1, 5, 5, -1, -1, -1]
    assert result.lines["category"].fillna("").tolist() == ["x", "y", "y", "x", "", "", ""]
    # 'Anna' bought nothing that she could bring back
    assert result.returns["returned_row"].tolist() == [3, pd.NA]
    notes = " ".join(result.notes)
    for told in ("cp1252", "'Anna' and 'anna'", "numbered from 0", "1 empty row"):
        assert told in notes
    # the amount counts where it is not quantity times price
    assert "In 1 row the amount is not quantity times price (first in row 17)" in notes

    path = result.write_row_report(tmp_path / "new" / "rows.csv")
    written = pd.read_csv(path, keep_default_na=False)
    assert written["row"].tolist() == sorted(
        [m[0] for m in MENDED if m[0] != 4] + [r[0] for r in REFUSED] + [4]
    )
    assert written["what"].value_counts().to_dict() == {"mended": 8, "refused": 7, "left out": 1}
    assert [p.name for p in path.parent.iterdir()] == ["rows.csv"]


def test_duplicates_are_kept_unless_told(read):
    result = read(MESSY.encode("cp1252"), earliest="2020-01-01")
    assert 4 in result.lines["row"].tolist() and result.dropped.empty
    # a row that differs in a column which is not read is no duplicate
    text = "customer,date,amount,note\na,2024-01-01,5,x\na,2024-01-01,5,y\na,2024-01-01,5.00,y\n"
    assert listing(read(text, duplicates="drop").dropped) == [(4, "", "exact duplicate of an earlier row")]


def test_a_chinese_export(read):
    text = (
        "订单号,会员编号,下单日期,商品编号,数量,单价,类别,成本价\r\n"
        "1001,甲,2024年1月31日,A,2,￥1234.50,茶,700\r\n"
        "1002,乙,2024年2月1日,B,1,￥10,茶,5\r\n"
        "1003,乙,2024年2月1日,B,1,HK$10,茶,5\r\n"
    )
    result = read(text.encode("gb18030"))
    assert list(result.columns) == [
        "customer", "date", "quantity", "price", "invoice", "product", "category", "cost",
    ]  # fmt: skip
    assert result.lines["amount"].tolist() == [2469.0, 10.0]
    assert result.currency == "CNY" and "give currency= if it is JPY" in result.report()
    assert listing(result.refused) == [(4, "单价", "another currency (HK$)")]
    assert "sales 2,479.00 CNY" in result.report()


def test_mends_say_what_was_used_in_any_order_of_rows(read):
    days = ("09.02.2024", "08/02/2024", "07/02/2024", "06/02/2024")
    names = (" zoe", "yan ", "bo", "bo")
    lines = "".join(f"{name},{day},5\n" for name, day in zip(names, days, strict=True))
    mended = read("customer,date,amount\n" + lines + ",06/02/2024,5\n").mended
    assert listing(mended, "column", "used") == [
        (2, "customer", "zoe"), (2, "date", "2024-02-09 00:00:00"), (3, "customer", "yan"),
    ]  # fmt: skip


# -- returns -----------------------------------------------------------------------------------------

ARRIVALS = st.lists(
    st.tuples(
        st.sampled_from("ab"), st.integers(1, 9), st.sampled_from("xy"), st.sampled_from([2.0, 3.0]),
        st.integers(-3, 4).filter(bool),
    ),
    min_size=1, max_size=14,
)  # fmt: skip


def linked_one_by_one(lines: pd.DataFrame) -> list[int]:
    """What each line undoes, by the rule as it is written; -1 for nothing."""
    found, left, asked = [], {}, {}
    for i, line in enumerate(lines.itertuples()):
        if line.quantity > 0:
            left[i] = line.quantity
            found.append(-1)
            continue
        same = [
            k for k in left
            if k < i or lines["date"][k] <= line.date
            if (lines["customer"][k], lines["product"][k], lines["price"][k])
            == (line.customer, line.product, line.price)
        ]  # fmt: skip
        # lines sold at the same moment further down count too
        same += [
            k for k in range(i + 1, len(lines))
            if lines["date"][k] == line.date and lines["quantity"][k] > 0
            and (lines["customer"][k], lines["product"][k], lines["price"][k])
            == (line.customer, line.product, line.price)
        ]  # fmt: skip
        latest = max(same, default=-1, key=lambda k: (lines["date"][k], k))
        asked[latest] = asked.get(latest, 0) - line.quantity
        found.append(latest if latest >= 0 and asked[latest] <= lines["quantity"][latest] else -1)
    return found


@pytest.mark.slow
@settings(max_examples=60, deadline=None, derandomize=True)
@given(ARRIVALS)
def test_returns_are_linked_by_the_rule(rows):
    frame = pd.DataFrame(rows, columns=["customer", "day", "product", "price", "quantity"])
    frame["date"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(frame["day"], unit="D")
    result = read_purchases(frame[["customer", "date", "product", "price", "quantity"]])
    lines = result.lines.reset_index(drop=True)
    expected = [lines["row"][k] if k >= 0 else -1 for k in linked_one_by_one(lines)]
    assert lines["returned_row"].fillna(-1).tolist() == expected
    # without invoice numbers, lines of one customer and moment are one purchase
    sold = lines[lines["quantity"] > 0]
    sums = sold.groupby(["date", "customer"])["amount"].sum()
    assert sorted(result.purchases["amount"]) == pytest.approx(sorted(sums))
    assert result.purchases["returned"].sum() == pytest.approx(
        -lines.loc[lines["returned_row"].notna(), "amount"].sum()
    )
    assert balanced(result) and faults(result.tables()) == []


RETURNED = """Invoice,Customer,Date,Product,Quantity,Price,Cost
1,7,2024-01-05,A,2,10,6
1,7,2024-01-05,B,3,5,2
2,8,2024-02-01,A,1,10,6
C1,7,2024-02-10,B,-1,5,2
C2,8,2024-03-01,A,-1,10,6
C3,8,2024-03-02,Z,-2,4,
"""


@pytest.mark.parametrize("how", ["keep", "net"])
def test_returns_have_a_table_from_which_net_sales_follow(read, how):
    tables = read(RETURNED, returns=how).tables()
    assert not faults(tables)
    back, bought = tables["return_lines"], tables["purchases"]
    assert back["customer"].tolist() == [7, 8, 8] and back["month"].tolist() == [1, 2, 2]
    assert back["quantity"].tolist() == [1, 1, 2] and back["amount"].tolist() == [5, 10, 8]
    assert back["cost"].fillna(-1).tolist() == [2, 6, -1]
    assert back["taken_off"].tolist() == [how == "net", how == "net", False]
    net = bought["amount"].sum() - back.loc[~back["taken_off"], "amount"].sum()
    assert net == 45 - 5 - 10 - 8
    # The purchase of customer 8 is wholly undone: with "net" it is no purchase any more.
    assert back["purchase"].tolist() == [0, 1 if how == "keep" else pd.NA, pd.NA]
    assert back["line"].tolist() == [2, 1 if how == "keep" else pd.NA, pd.NA]
    lines = tables["purchase_lines"].merge(back, on=["purchase", "line"])
    assert (lines["product_x"] == lines["product_y"]).all() and len(lines) == (2 if how == "keep" else 1)
    # What only came back is a product too.
    assert set(tables["products"]["product"]) == {"A", "B", "Z"}
    everyone = tables["products"].set_index("product")["price"]
    assert everyone.to_dict() == {"A": 10, "B": 5, "Z": 4}


def test_returns_can_be_set_apart(read):
    result = read(UCI, returns="apart")
    assert listing(result.apart) == [(row, "Quantity", "return") for row in (7, 8, 9)]
    assert result.returns.empty and balanced(result)


def test_a_c_in_front_is_no_cancellation_where_all_numbers_have_it(read):
    lines = "invoice,customer,date,amount\n{0}1,a,2024-01-01,5\n{0}2,a,2024-01-02,5\nC3,b,2024-01-03,5\n"
    assert read(lines.format("C")).returns.empty
    assert read(lines.format("")).returns["row"].tolist() == [4]
    assert read(lines.format(""), cancelled="").returns.empty
    assert read(lines.format("").replace("C3", "R-3"), cancelled="R").returns["row"].tolist() == [4]


def test_negative_amounts_without_quantities_are_returns(read):
    result = read("customer,date,amount\na,2024-01-01,5\na,2024-01-03,-5\na,2024-01-04,(7)\n")
    assert result.returns["amount"].tolist() == [-5, -7]
    assert result.returns["returned_row"].tolist() == [2, pd.NA]
    assert len(result.purchases) == 1


def test_a_customer_may_only_have_returns(read):
    result = read("customer,date,amount\n1,2024-02-01,5\n2,2024-01-03,-5\n")
    tables = result.tables()
    assert tables["customers"]["customer"].tolist() == [1, 2]
    assert tables["purchases"]["month"].tolist() == [1]
    assert faults(tables) == []
    nothing_sold = read("customer,date,amount\n1,2024-02-01,-5\n")
    assert nothing_sold.purchases.empty and faults(nothing_sold.tables()) == []
    assert "0 purchases" in nothing_sold.report()


# -- currencies ------------------------------------------------------------------------------------


def test_a_file_has_one_currency(read):
    lines = "customer,date,amount,currency\n" + "".join(
        f"a,2024-01-0{day},{amount},{code}\n"
        for day, amount, code in [
            (1, "5", "eur"),
            (2, "6", "EUR"),
            (3, "7", ""),
            (4, "8", "GBP"),
            (5, "£9", "EUR"),
        ]
    )
    result = read(lines)
    assert result.currency == "EUR" and result.lines["amount"].tolist() == [5, 6, 7]
    assert listing(result.refused, "column", "value", "reason") == [
        (5, "currency", "GBP", "another currency (GBP)"),
        (6, "currency", "EUR", "another currency (£)"),
    ]
    told = read(lines, currency="GBP")
    assert told.currency == "GBP" and told.lines["amount"].tolist() == [7, 8]
    assert read(lines, currency_column=False).currency == "GBP"  # the only mark is £


def test_marks_of_one_currency_agree(read):
    amounts = ("$5", '"1,005.50 USD"', "US$ 7", "8")
    lines = "".join(f"a,2024-01-0{day},{amount}\n" for day, amount in enumerate(amounts, 1))
    result = read("customer,date,amount\n" + lines)
    assert result.currency == "USD" and result.lines["amount"].sum() == 1025.5
    assert not any("mark" in note for note in result.notes)
    canadian = read("customer,date,amount\na,2024-01-01,$5\na,2024-01-02,$7\n", currency="CAD")
    assert canadian.currency == "CAD" and len(canadian.lines) == 2
    yen = read("customer,date,amount\na,2024-01-01,¥5\na,2024-01-02,7 JPY\n")
    assert yen.currency == "JPY" and len(yen.lines) == 2
    assert read("customer,date,amount\na,2024-01-01,5\n").currency == ""


# -- dates -------------------------------------------------------------------------------------------


def test_dates_out_of_range(read):
    lines = "customer,date,amount\n" + "".join(
        f"a,{day},5\n" for day in ("2024-01-01", "2024-01-02 23:59", "2024-01-03", "2023-12-31")
    )
    result = read(lines, earliest="2024-01-01", latest="2024-01-02")
    assert result.lines["row"].tolist() == [2, 3]
    assert listing(result.refused) == [
        (4, "date", "date after 2024-01-02"),
        (5, "date", "date before 2024-01-01"),
    ]
    frame = pd.DataFrame({"customer": 1, "amount": 2.0, "date": pd.to_datetime(["2024-01-01", "1850-01-01"])})
    assert listing(read_purchases(frame).refused) == [(1, "date", "date outside 1900 to 2100")]


def test_lone_dates_are_pointed_out(read):
    days = pd.date_range("2023-01-01", periods=600).strftime("%Y-%m-%d").tolist()
    lines = "customer,date,amount\n" + "".join(f"a,{day},5\n" for day in [*days, "1970-01-01", "2055-05-05"])
    result = read(lines)
    notes = " ".join(result.notes)
    assert (
        "Years before all others: 1 row, such as row 602 of 1970-01-01; give earliest='2023-01-01'" in notes
    )
    assert "such as row 603 of 2055-05-05; give latest='2024-08-22'" in notes
    again = read(lines, earliest="2023-01-01", latest="2024-08-22")
    assert len(again.lines) == 600 and not any("all others" in note for note in again.notes)


# -- formats -----------------------------------------------------------------------------------------


def test_all_formats_give_the_same(read, tmp_path):
    rows = UCI.splitlines()
    frame = pd.read_csv(io.StringIO(UCI))
    frame["InvoiceDate"] = pd.to_datetime(frame["InvoiceDate"], format="%m/%d/%Y %H:%M")
    expected = read(UCI)
    packed = read(gzip.compress(UCI.encode()), "sales.csv.gz")
    spaced = read("\n".join([*rows[:1], "", *rows[1:]]), "gap.csv")
    duckdb.sql(f"COPY frame TO '{tmp_path / 'sales.parquet'}' (FORMAT parquet)")
    stored = read_purchases(tmp_path / "sales.parquet")
    typed = read_purchases(frame)
    pytest.importorskip("openpyxl")
    frame.to_excel(tmp_path / "sales.xlsx", index=False)
    sheet = read_purchases(tmp_path / "sales.xlsx")
    pd.testing.assert_frame_equal(packed.lines, expected.lines)
    assert packed.source == "sales.csv.gz"
    for other, shift in ((spaced, 1), (stored, -2), (typed, -2), (sheet, 0)):
        lines = other.lines.assign(
            row=other.lines["row"] - shift, returned_row=other.lines["returned_row"] - shift
        )
        pd.testing.assert_frame_equal(lines, expected.lines)
        assert listing(other.refused) == [(row + shift, c, why) for row, c, why in listing(expected.refused)]


def test_long_ids_in_parquet_stay_exact(tmp_path):
    path = tmp_path / "ids.parquet"
    duckdb.sql(
        "COPY (SELECT * FROM (VALUES (90071992547409931, DATE '2024-01-01', 5.25::DECIMAL(9, 2)), "
        "(NULL, DATE '2024-01-02', 6), (90071992547409932, DATE '2024-01-03', 7)) t(customer, date, amount)) "
        f"TO '{path}' (FORMAT parquet)"
    )
    result = read_purchases(path)
    assert result.lines["customer"].tolist() == ["90071992547409931", "90071992547409932"]
    assert result.lines["amount"].tolist() == [5.25, 7.0]
    assert listing(result.refused) == [(1, "customer", "missing customer id")]


def test_sheets_of_a_workbook(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.title = "Notes"
    book.active.append(["made by hand"])
    page = book.create_sheet("Sales")
    page.append(["Sales of May"])
    page.append([])
    page.append(["customer", "date", "amount"])
    page.append([7, pd.Timestamp("2024-01-31 08:00"), 1.125])
    page.append([8.0, "31/01/2024", "1,234.50 €"])
    page.append([None, "31/01/2024", True])
    book.save(tmp_path / "b.xlsx")
    for sheet in ("Sales", 1, "1"):
        result = read_purchases(tmp_path / "b.xlsx", sheet=sheet, skip=1)
        assert result.source == "b.xlsx, sheet 'Sales'"
        assert result.lines["customer"].tolist() == ["8", "7"]
        assert result.lines["amount"].tolist() == [1234.5, 1.125]
        assert result.refused["row"].tolist() == [6]
    with pytest.raises(DataError, match=r"no sheet 'May'; it has 'Notes', 'Sales'"):
        read_purchases(tmp_path / "b.xlsx", sheet="May")
    with pytest.raises(DataError, match="a header"):
        read_purchases(tmp_path / "b.xlsx")


def test_a_workbook_without_openpyxl_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    (tmp_path / "b.xlsx").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=r'pip install "crmsim\[excel\]"'):
        read_purchases(tmp_path / "b.xlsx")


CELLS = st.sampled_from(
    [
        "",
        " ",
        "a",
        "5",
        "-5",
        "C1",
        "1",
        "2024-01-01",
        "1/2/2024",
        '"x,y"',
        '"x\ny"',
        '"1,5"',
        'q"q',
        "5 €",
        "nan",
        "客",
    ]
)
GRID = st.lists(st.lists(CELLS, min_size=0, max_size=7), min_size=1, max_size=12)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(GRID, st.sampled_from(["\n", "\r\n"]), st.integers(0, 2))
def test_the_fast_reader_reads_as_the_careful_one(rows, ending, skip):
    text = ending.join(
        ["title"] * skip + ["customer,date,amount,quantity,invoice", *(",".join(row) for row in rows)]
    )

    def table(reader):
        notes = []
        try:
            return reader(text, "t", ",", None, skip, notes), notes
        except DataError:
            return None, notes

    fast, notes = table(importing._from_bulk)
    if fast is None:  # the careful one is asked
        assert notes == []
        return
    careful, told = table(importing._from_text)
    assert careful is not None and notes == told
    assert (fast.names, fast.width) == (careful.names, careful.width)
    np.testing.assert_array_equal(fast.row_numbers, careful.row_numbers)
    np.testing.assert_array_equal(fast.misfit, careful.misfit)
    for position in range(fast.width):
        assert fast.texts(position).tolist() == careful.texts(position).tolist()


def test_a_large_file_goes_through_the_fast_reader(read, monkeypatch):
    used = []
    whole = importing._from_bulk
    monkeypatch.setattr(importing, "_from_bulk", lambda *a: used.append(whole(*a)) or used[-1])
    monkeypatch.setattr(importing, "BULK", 0)
    result = read(UCI)
    assert used[0] is not None
    monkeypatch.setattr(importing, "BULK", 10**9)
    careful = read(UCI)
    assert len(used) == 1
    pd.testing.assert_frame_equal(result.lines, careful.lines)
    pd.testing.assert_frame_equal(result.row_report(), careful.row_report())


# -- rubbish -----------------------------------------------------------------------------------------

RUBBISH = st.one_of(
    st.binary(max_size=300),
    st.text("ab,;\t \"'\n\r0129-/.€$客C", max_size=200).map(str.encode),
    GRID.map(lambda rows: "\n".join(",".join(row) for row in rows).encode()),
)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    RUBBISH,
    st.sampled_from(
        [b"", b"PAR1", b"PK\x03\x04", b"\x1f\x8b", b"customer,date,amount\n", b"c,d,q,p,i\n", b"sep=;\n"]
    ),
    st.booleans(),
    st.booleans(),
)
def test_rubbish_is_read_or_refused_with_a_reason(content, start, by_position, packed):
    columns = {"customer": 0, "date": 1, "quantity": 2, "price": 3} if by_position else {}
    raw = start + content
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sales.csv"
        path.write_bytes(gzip.compress(raw) if packed else raw)
        try:
            result = import_file(path, Path(folder) / "crm.duckdb", **columns)
        except DataError as error:
            assert len(str(error)) > 20
            assert [p.name for p in Path(folder).iterdir()] == ["sales.csv"]
        else:
            assert balanced(result)
            assert result.report() and len(result.row_report()) >= len(result.refused)


AMOUNTS = st.sampled_from(["5", "7.25", "-3", "", "abc", "€4", "$4", "0", "1e300", "99999999999999999"])


@pytest.mark.slow
@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["1", "2", " 3", "", "x"]),
            st.sampled_from(["2024-01-31", "31.1.2024", "2024-02-31", "", "1901-01-01"]),
            AMOUNTS, AMOUNTS, AMOUNTS, st.sampled_from(["1", "2", "C1", ""]), st.sampled_from(["A", "B", ""]),
        ),
        min_size=1, max_size=15,
    ),
    st.sampled_from(["keep", "drop"]), st.sampled_from(["keep", "drop"]),
    st.sampled_from(["keep", "net", "apart"]),
    st.sampled_from(["refuse", "apart"]),
)  # fmt: skip
def test_whatever_is_taken_fits_the_description(rows, duplicates, zeros, returns, missing):
    frame = pd.DataFrame(rows, columns=["customer", "date", "amount", "qty", "price", "invoice", "sku"])
    try:
        result = read_purchases(
            frame, duplicates=duplicates, zeros=zeros, returns=returns, missing=missing, currency="EUR"
        )
    except DataError as error:
        assert "no row can be used" in str(error)
        return
    tables = result.tables()
    assert balanced(result) and faults(tables) == []
    sums = tables["purchase_lines"].groupby("purchase")["amount"].sum()
    pd.testing.assert_series_equal(sums, tables["purchases"].set_index("purchase")["amount"])
    off = result.purchases["returned"].sum() if returns == "net" else 0
    assert tables["purchases"]["amount"].sum() == pytest.approx(result.purchases["amount"].sum() - off)
    lines = result.lines
    np.testing.assert_allclose(lines["amount"], lines["quantity"] * lines["price"], rtol=1e-9)
    assert ((lines["amount"] <= 0) | (lines["quantity"] > 0)).all()
    sold = lines[lines["quantity"] > 0]
    assert result.purchases["amount"].sum() == pytest.approx(sold["amount"].sum())
    assert set(sold["purchase"]) == set(result.purchases["purchase"]) == set(range(len(result.purchases)))
    assert sold.groupby("purchase")["customer"].nunique().max() in (1, np.nan) or sold.empty
    assert not (zeros == "drop" and (lines["amount"] == 0).any())


def test_lines_and_products_are_written_where_the_file_has_products(read):
    text = (
        "order,customer,date,sku,description,quantity,price,cost,category\n"
        "1,7,2024-01-01,A,Tea,4,5,3,drinks\n1,7,2024-01-01,,,1,2,,\n2,8,2024-01-02,A,Tea,1,7,,drinks\n"
        "C1,7,2024-01-03,A,Tea,-1,5,3,drinks\nC2,8,2024-01-04,A,Tea,-1,7,,drinks\n3,8,2024-02-01,茶,绿茶,2,1,,\n"
    )
    kept, net = read(text).tables(), read(text, returns="net").tables()
    assert faults(kept) == [] and faults(net) == []
    assert kept["purchases"]["amount"].tolist() == [22, 7, 2]
    # a cup of four came back; the second purchase came back as a whole
    assert net["purchases"][["purchase", "amount"]].values.tolist() == [[0, 17], [2, 2]]
    lines = kept["purchase_lines"]
    assert lines[["purchase", "line", "product"]].values.tolist() == [
        [0, 1, "A"], [0, 2, "unknown"], [1, 1, "A"], [2, 1, "茶"],
    ]  # fmt: skip
    assert lines["amount"].tolist() == [20, 2, 7, 2] and lines["cost"].fillna(-1).tolist() == [12, -1, -1, -1]
    assert net["purchase_lines"]["quantity"].tolist() == [3, 1, 2]
    products = kept["products"].set_index("product")
    assert products.loc["A", ["english", "category", "price", "unit_cost"]].tolist() == [
        "Tea",
        "drinks",
        6,
        3,
    ]
    assert products["chinese"].dropna().to_dict() == {"茶": "绿茶"}
    assert products.loc["unknown", "english"] == "unknown"
    no_products = read(text, product=False).tables()
    assert not {"products", "purchase_lines"} & no_products.keys()


# -- writing -----------------------------------------------------------------------------------------


def test_customers_with_names_are_numbered_and_listed(read, tmp_path):
    (tmp_path / "s.csv").write_text(
        "customer,date,amount\nbo,2024-01-01,5\nann,2024-02-01,6\nbo,2024-02-02,7\n"
    )
    result = import_file(tmp_path / "s.csv", tmp_path / "crm.duckdb")
    names = customers_file(tmp_path / "crm.duckdb")
    assert names.name == "crm-customers.csv"
    assert pd.read_csv(names).to_dict("list") == {"id": [0, 1], "customer": ["ann", "bo"]}
    assert not result.own_ids
    with Database(tmp_path / "crm.duckdb") as firm:
        assert firm.table("purchases")["customer"].tolist() == [1, 0, 1]
        assert firm.faults() == []


def test_a_failed_import_leaves_the_old_files_whole(tmp_path, monkeypatch):
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text("customer,date,amount\nbo,2024-01-01,5\n")
    new.write_text("customer,date,amount\ncy,2024-01-01,5\n")
    out = tmp_path / "crm.duckdb"
    import_file(old, out)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    from crmsim.data import database

    def stop(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(database, "_insert", stop)
    with pytest.raises(DataError, match="No space left"):
        import_file(new, out)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        (None, {}, "There is no file"),
        ("customer,date\n1,2024-01-01\n", {}, "no column looks like the amount, or like quantity and price"),
        ("customer,date,amount\n1,2024-01-01,5\n", {"price": "cost"}, "there is no column 'cost'"),
        (
            "customer,date,amount\n1,2024-01-01,5\n",
            {"amount": 0, "customer": 0},
            "given for customer and amount",
        ),
        ("customer,date,amount\n1,2024-01-01,5\n", {"customer": False}, "every purchase needs a customer"),
        ("customer,date,amount\n1,2024-01-01,x\n", {}, "no row can be used of 1 (1 unreadable amount)"),
        ("1,2024-01-01,5\n", {}, "Give the columns by position"),
        ("1,2024-01-01,5\n", {"customer": 0, "date": 1, "amount": 7}, "positions run from 0 to 2"),
        ("invoice,day,amount\n1,2024-01-01,5\n", {}, "no column looks like the customer"),
        ("customer,date,order,order,amount\n1,2024-01-01,1,1,5\n", {}, "2 columns are called 'order'"),
        ("customer,date,amount\n1,2024-01-01,5\n", {"sheet": 0}, "is no Excel workbook"),
        ("customer,date,amount\n1,2024-01-01,5\n", {"earliest": "soon"}, "earliest='soon' is not a date"),
        (
            "customer,date,amount\n1,2024-01-01,5\n",
            {"earliest": "2024-02-01", "latest": "2024-01-01"},
            "comes after",
        ),
        ("customer,date,amount\n1,2024-01-01,5\n", {"duplicates": "mend"}, "give 'keep' or 'drop'"),
        ("customer,date,amount\n1,13/01/2024,5\n1,01/14/2024,5\n", {}, "The dates mix two orders"),
        ("customer,date,amount\n1,2024-01-01,5\n", {"skip": -1}, "skip=-1"),
        ("PK\x03\x04 no workbook", {}, "cannot be read as an Excel workbook"),
        ("PAR1 no table", {}, "cannot be read as a Parquet file"),
        ("\xa0", {}, "holds nothing but blanks"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, text, options, told):
    path = tmp_path / "sales.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError) as error:
        read_purchases(path, **options)
    assert told in str(error.value)


PLAIN = "Customer,Date,Amount\n1,2024-01-05,10.5\n2,2024-02-07,20\n"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16", "utf-32", "utf-8-sig"])
def test_wide_characters_are_read_with_and_without_their_mark(tmp_path, encoding):
    path = tmp_path / "sales.csv"
    path.write_bytes(PLAIN.encode(encoding))
    assert read_purchases(path).lines["amount"].tolist() == [10.5, 20]


def test_a_zero_byte_here_and_there_is_left_out(tmp_path):
    path = tmp_path / "sales.csv"
    path.write_bytes(PLAIN.encode().replace(b"20\n", b"20\x00\n"))
    result = read_purchases(path)
    assert result.lines["amount"].tolist() == [10.5, 20] and "Left out: 1 zero byte." in result.notes


def test_traditional_characters_name_columns_too(read):
    result = read("客戶編號,日期,金額,數量,單價,商品名稱\n甲,2024-01-05,10,2,5,茶\n", encoding="utf-8")
    assert {"customer", "date", "amount", "quantity", "price", "product"} <= set(result.columns)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"Report 2024,,\nprinted,,\n" + PLAIN.encode(), "row 3 looks like the names .*skip=2"),
        (b"<html><table><tr><td>customer</td></tr></table></html>", "is a web page or XML"),
        (b'[{"customer": 1, "date": "2024-01-05"}]', "looks like JSON"),
        (b"12345678DUCK" + bytes(100), "is a DuckDB database"),
    ],
)
def test_files_that_are_something_else_are_named(tmp_path, content, told):
    path = tmp_path / "sales.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=told):
        read_purchases(path)


def test_an_archive_is_not_taken_for_a_workbook(tmp_path):
    with zipfile.ZipFile(tmp_path / "sales.zip", "w") as archive:
        archive.writestr("sales.csv", PLAIN)
    with pytest.raises(DataError, match=r"is an archive, not a workbook; it holds 'sales\.csv'"):
        read_purchases(tmp_path / "sales.zip")


def test_parquet_types_that_are_no_plain_columns(tmp_path):
    rows = (
        "(VALUES (1, TIMESTAMP '2024-01-05 10:00', 5.125), (2, TIMESTAMP '2024-02-05', 6)) "
        "t(customer, date, amount)"
    )
    path = tmp_path / "sales.parquet"

    def save(columns):
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'Asia/Shanghai'")
            connection.execute(f"COPY (SELECT {columns} FROM {rows}) TO '{path}' (FORMAT parquet)")
        return read_purchases(path)

    plain = save("*, ['a'] AS tags, {'b': 1} AS more")
    assert plain.lines["amount"].tolist() == [5.125, 6]
    assert not plain.notes  # a number of three decimals is no text that could be read two ways
    zoned = save("customer, timezone('UTC', date) AS date, amount")
    assert zoned.lines["date"].equals(plain.lines["date"])
    assert "clock times of UTC" in " ".join(zoned.notes)
    for columns, told in (
        (
            "customer, date, {'value': amount} AS amount",
            r"'amount', read as the amount, .*nested values \(STRUCT",
        ),
        ("[customer] AS customer, date, amount", r"nested values \(INTEGER\[\]\)"),
    ):
        with pytest.raises(DataError, match=told):
            save(columns)
    frame = pd.DataFrame({"customer": [{"a": 1}], "date": ["2024-01-05"], "amount": [5]})
    with pytest.raises(DataError, match=r"nested values \(dict\)"):
        read_purchases(frame)


def test_hidden_sheets_are_not_read_unasked(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["secret"])
    book.active.sheet_state = "hidden"
    shown = book.create_sheet("Data")
    for row in PLAIN.splitlines():
        shown.append(row.split(","))
    book.active = 1
    book.save(tmp_path / "sales.xlsx")
    result = read_purchases(tmp_path / "sales.xlsx")
    assert len(result.lines) == 2 and "Read was the sheet 'Data'" in " ".join(result.notes)


def test_moments_as_postgres_writes_them(read):
    result = read("customer,date,amount\n1,2024-01-05 10:00:00+00,5\n2,2024-01-06 10:00:00.5+08,6\n")
    assert result.lines["date"].dt.hour.tolist() == [10, 10]


def test_the_source_is_not_overwritten_and_other_things_are_told(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("customer,date,amount\n1,2024-01-01,5\n")
    with pytest.raises(DataError, match="is the file to be read"):
        import_file(path, tmp_path / "." / "s.csv")
    with pytest.raises(DataError, match="is a folder; name a file in it"):
        import_file(path, tmp_path)
    with pytest.raises(DataError, match="of type int"):
        read_purchases(5)
    with pytest.raises(DataError, match="cannot be unpacked"):
        (tmp_path / "s.gz").write_bytes(gzip.compress(b"customer,date,amount\n1,2024-01-01,5\n")[:-9])
        read_purchases(tmp_path / "s.gz")
    assert path.read_text().startswith("customer")


def test_a_plain_log_is_read_as_by_read_transactions(read, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(
        "customer,date,amount\n" + "".join(f"{i % 7},2024-01-{i % 28 + 1:02d},{i}.50\n" for i in range(90))
    )
    log, lines = read_transactions(path).log, read_purchases(path).lines
    lines = lines.sort_values(["customer", "date", "amount"], ignore_index=True)
    log = log.sort_values(["customer", "date", "amount"], ignore_index=True)
    pd.testing.assert_frame_equal(lines[["customer", "date", "amount"]], log)


def test_options_may_leave_out_a_column(read):
    result = read("id,day,qty,price,total,order\n1,2024-01-01,2,5,12,9\n1,2024-01-01,1,5,6,9\n", amount=False)
    assert result.lines["amount"].tolist() == [10, 5] and len(result.purchases) == 1
    apart = read("id,day,total,order\n1,2024-01-01,12,9\n1,2024-01-01,6,9\n", invoice=False)
    assert len(apart.purchases) == 2
    assert repr(apart) == "Imported(2 purchases of 1 customer, 2024-01-01 to 2024-01-01; 0 rows refused)"
