"""Reading a user's own transaction log, and summing it up per customer."""

import datetime as dt
import re
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cdnow import cdnow_file, cdnow_halves, cdnow_sample
from hypothesis import given, settings
from hypothesis import strategies as st

from crmsim.data.transactions import DataError, Transactions, read_transactions, repeat_summary

WIDE = {ord(digit): 0xFF10 + int(digit) for digit in "0123456789"}  # digits as a Chinese keyboard writes them


@pytest.fixture
def read(tmp_path):
    """Writes a file and reads it."""

    def write_and_read(content: str | bytes, *columns, **options) -> Transactions:
        path = tmp_path / "log.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_transactions(path, *columns, **options)

    return write_and_read


def values(result: Transactions) -> list[tuple]:
    log = result.log
    return [
        (c, f"{d:%Y-%m-%d}", a) for c, d, a in zip(log["customer"], log["date"], log["amount"], strict=True)
    ]


def refusals(result: Transactions) -> list[tuple]:
    return list(result.refused[["row", "column", "reason"]].itertuples(index=False, name=None))


# CDNOW


def test_cdnow_sample_is_read_without_a_header():
    sample = cdnow_sample()
    assert (sample.rows, len(sample.log), len(sample.refused)) == (6919, 6919, 0)
    assert sample.log["customer"].nunique() == 2357
    assert sample.log["customer"].iloc[0] == "00004"  # leading zeros are part of an id
    assert sample.log["date"].min() == pd.Timestamp("1997-01-01")
    assert sample.log["date"].max() == pd.Timestamp("1998-06-30")
    assert sample.log["amount"].sum() == pytest.approx(244_091.94, abs=0.005)
    assert any(note.startswith("21 exact duplicates") for note in sample.notes)
    assert any(note.startswith("8 purchases of amount 0") for note in sample.notes)


def test_full_cdnow_gives_the_known_concentration():
    """A header this time, and columns found by name."""
    full = read_transactions(cdnow_file("CDNOW_master.txt"))
    assert full.columns == {"customer": "'customer_id'", "date": "'date'", "amount": "'dollar_value'"}
    assert len(full.log) == 69_659
    spend = full.log.groupby("customer")["amount"].sum().sort_values(ascending=False)
    assert len(spend) == 23_570
    assert spend.iloc[: len(spend) // 5].sum() / spend.sum() == pytest.approx(0.678, abs=5e-4)
    summary = repeat_summary(full)
    assert (summary["frequency"] == 0).mean() == pytest.approx(0.51, abs=0.005)
    # the known mean of 2.87 counts two purchases of one day as one
    assert (summary["frequency"] + 1).mean() == pytest.approx(2.87, abs=0.005)


def test_halves_equal_those_of_lifetimes():
    from lifetimes.utils import calibration_and_holdout_data

    theirs = calibration_and_holdout_data(
        cdnow_sample().log, "customer", "date", "1997-09-30",
        observation_period_end="1998-06-30", freq="D", monetary_value_col="amount",
    )  # fmt: skip
    ours = cdnow_halves()
    assert list(ours.index) == list(theirs.index)
    pairs = {
        "frequency": theirs["frequency_cal"],
        "recency": theirs["recency_cal"] / 7,
        "T": theirs["T_cal"] / 7,
        # they write 0 where there was no repeat purchase
        "monetary_value": theirs["monetary_value_cal"].where(theirs["frequency_cal"] > 0),
        "holdout_frequency": theirs["frequency_holdout"],
        "holdout_T": theirs["duration_holdout"] / 7,
    }
    for name, column in pairs.items():
        np.testing.assert_allclose(ours[name], column, rtol=1e-12, err_msg=name)
    assert len(ours) == 2357
    assert (ours["frequency"].sum(), ours["holdout_frequency"].sum()) == (2457, 1882)
    assert (ours["frequency"] > 0).sum() == 946


# Messy files


def test_a_messy_chinese_file(read):
    """GB18030, semicolons, decimal commas, currency signs, gaps: what can be read is, the rest is listed."""
    text = (
        "客户编号;购买日期;金额;备注\r\n"
        '张三;31/01/2024;"1.234,50";"好;新"\r\n'
        "李四;05/02/2024;12,5 ;\r\n"
        ";06/02/2024;3,00;\r\n"
        "王五;99/99/2024;3;\r\n"
        "王五;07/02/2024;abc;\r\n"
        "王五;07/02/2024;-5,00;\r\n"
        "王五;;5,00;\r\n"
        "\r\n"
        "王五;07/02/2024;;\r\n"
        "王五;07/02/2024;(5,00);\r\n"
        "王五;08/02/2024;￥ 2.000;x;y\r\n"
        "王五;08/02/2024;￥ 2.000;x;\r\n"
    )
    result = read(text.encode("gb18030"))
    assert values(result) == [
        ("张三", "2024-01-31", 1234.5), ("李四", "2024-02-05", 12.5), ("王五", "2024-02-08", 2000.0)
    ]  # fmt: skip
    assert refusals(result) == [
        (4, "客户编号", "missing customer id"),
        (5, "购买日期", "unreadable date"),
        (6, "金额", "unreadable amount"),
        (7, "金额", "negative amount"),
        (8, "购买日期", "missing date"),
        (10, "金额", "missing amount"),
        (11, "金额", "negative amount"),
        (12, "", "number of cells does not fit"),
    ]
    assert result.refused["value"].tolist()[1:4] == ["99/99/2024", "abc", "-5,00"]
    assert result.counts.to_dict()["negative amount"] == 2
    assert result.rows == len(result.log) + len(result.refused) == 11
    report = result.report()
    assert "11 rows read, 3 kept, 8 refused" in report
    assert "2  negative amount (first at row 7)" in report
    assert "gb18030" in report
    assert "missing customer id" in result._repr_html_()
    assert repr(result) == (
        "Transactions(3 purchases of 3 customers, 2024-01-31 to 2024-02-08; 8 rows refused)"
    )


ids = st.text(st.sampled_from("abcXYZ0189客户é-"), min_size=1, max_size=8).filter(
    lambda text: text not in ("-", "--")
)
days = st.dates(dt.date(1990, 1, 1), dt.date(2030, 12, 31))
cents = st.integers(0, 10**8)
date_forms = {
    "%Y-%m-%d": None, "%Y%m%d": None, "%Y/%m/%d": None, "%Y年%m月%d日": None, "%d %b %Y": None,
    "%B %d, %Y": None,
    "%d/%m/%Y": True, "%m/%d/%Y": False, "%d.%m.%Y": True,
}  # fmt: skip


def money(amount: int, mark: str, thousands: bool) -> str:
    text = f"{amount / 100:,.2f}" if thousands else f"{amount / 100:.2f}"
    return text.translate({ord("."): mark, ord(","): "." if mark == "," else ","})


@pytest.mark.slow
@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    rows=st.lists(st.tuples(ids, days, cents), min_size=1, max_size=12),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gb18030"]),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
    form=st.sampled_from(sorted(date_forms)),
    mark=st.sampled_from(".,"),
    thousands=st.booleans(),
    currency=st.sampled_from(["", "€", "$ ", "￥", " EUR", " 元"]),
    names=st.sampled_from(
        [("Customer ID", "Order Date", "Amount"), ("会员号", "日期", "销售额"), ("id", "day", "value")]
    ),
)  # fmt: skip
def test_any_way_of_writing_gives_the_same_log(
    rows, separator, encoding, ending, form, mark, thousands, currency, names
):
    def line(cells):
        return separator.join(f'"{cell}"' if set(cell) & set(',;|"') else cell for cell in cells)

    lines = [line(names)]
    for customer, day, amount in rows:
        figure = money(amount, mark, thousands)
        figure = figure + currency if currency.startswith(" ") else currency + figure
        lines.append(line((customer, day.strftime(form), figure)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.csv"
        path.write_bytes((ending.join(lines) + ending).encode(encoding))
        told = {"encoding": encoding} if encoding == "gb18030" else {}
        result = read_transactions(path, dayfirst=date_forms[form], **told)
    expected = sorted((c, day.isoformat(), amount / 100) for c, day, amount in rows)
    assert sorted(values(result)) == expected
    assert result.refused.empty


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.one_of(st.binary(max_size=400), st.text("ab,;\t \"'\n\r0129-/.€客", max_size=200).map(str.encode)))
def test_rubbish_is_read_or_refused_with_a_reason(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.csv"
        path.write_bytes(content)
        try:
            result = read_transactions(path, customer=0, date=1, amount=2)
        except DataError as error:
            assert len(str(error)) > 20
        else:
            assert result.rows == len(result.log) + len(result.refused)


def test_row_numbers_are_those_of_a_spreadsheet(read):
    result = read(
        'Sales of May\n\ncustomer,date,amount\nA,2024-01-01,5\n\n"B\nb",2024-01-02,\nC,x,1\n', skip=1
    )
    assert refusals(result) == [(6, "amount", "missing amount"), (7, "date", "unreadable date")]


def test_a_lone_quotation_mark_does_not_swallow_the_file(read):
    result = read('customer,date,amount\n"A,2024-01-01,5\nB,2024-01-02,6\n')
    assert values(result) == [("A", "2024-01-01", 5.0), ("B", "2024-01-02", 6.0)]
    assert "never closed" in result.report()


def test_western_accents_are_not_taken_for_chinese(read):
    result = read("customer,date,amount\nHervé,2024-01-01,5\nAndréa,2024-01-02,7 €\n".encode("cp1252"))
    assert [row[0] for row in values(result)] == ["Andréa", "Hervé"]
    assert "cp1252" in result.report()
    # these bytes are valid GB18030 too
    result = read("customer,date,amount\nAndréa,2024-01-01,5\n".encode("cp1252"))
    assert values(result) == [("Andréa", "2024-01-01", 5.0)]


def test_one_damaged_character_does_not_change_the_encoding(read):
    lines = "customer,date,amount\n" + "".join(f"客户{i},2024-01-01,5\n" for i in range(50))
    result = read(lines.encode().replace("客户7,".encode(), b"\xe5\xae7,"))
    assert "客户8" in set(result.log["customer"])
    assert "damaged" in result.report()


def test_decimal_commas_without_quotes_are_refused_not_cut(read):
    result = read("customer,date,amount\nA,2024-01-01,5\nB,2024-01-02,1,50\n")
    assert values(result) == [("A", "2024-01-01", 5.0)]
    assert refusals(result) == [(3, "", "number of cells does not fit")]


def test_a_missing_cell_between_spaces_shifts_nothing(read):
    result = read("1 20240101 2 5.5\n2 20240102 6.5\n3 20240103 1 7.5\n", 0, 1, 3)
    assert values(result) == [("1", "2024-01-01", 5.5), ("3", "2024-01-03", 7.5)]
    assert refusals(result) == [(2, "", "number of cells does not fit")]


# Dates


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("20240131", "2024-01-31"), ("2024-1-31", "2024-01-31"), ("2024/01/31", "2024-01-31"),
        ("2024.01.31", "2024-01-31"), ("2024年1月31日", "2024-01-31"), ("31/01/2024", "2024-01-31"),
        ("1/31/2024", "2024-01-31"), ("31.1.2024", "2024-01-31"), ("31-Jan-24", "2024-01-31"),
        ("Sept. 5, 2024", "2024-09-05"), ("5th March 2024", "2024-03-05"), ("31/01/99", "1999-01-31"),
        ("2024-01-31".translate(WIDE), "2024-01-31"),
    ],
)  # fmt: skip
def test_dates_as_people_write_them(read, written, day):
    assert values(read(f'customer;date;amount\nA;"{written}";1\n')) == [("A", day, 1.0)]


@pytest.mark.parametrize(
    ("written", "clock"),
    [
        ("2024-01-31 23:59", "23:59:00"), ("2024-01-31T23:59:58.25Z", "23:59:58.250000"),
        ("31/01/2024 11:05:06 PM", "23:05:06"), ("1/31/2024 12:00 am", "00:00:00"),
        ("2024年1月31日 8:00", "08:00:00"),
    ],
)  # fmt: skip
def test_clock_times_are_kept(read, written, clock):
    (date,) = read(f"customer,date,amount\nA,{written},1\n").log["date"]
    assert (f"{date:%Y-%m-%d}", str(date.time())) == ("2024-01-31", clock)


@pytest.mark.parametrize(
    "written",
    [
        "2024-02-30", "2024-13-01", "20241301", "0024-01-01", "2124-01-01", "2024-01-01 25:00", "45322",
        "soon", "31/02/2024", "1 Foo 2024", "2024-01",
    ],
)  # fmt: skip
def test_impossible_dates_are_refused(read, written):
    result = read(f"customer,date,amount\nA,2024-01-01,1\nA,{written},1\n")
    assert refusals(result) == [(3, "date", "unreadable date")]


def test_one_date_settles_the_order_of_day_and_month(read):
    lines = "customer,date,amount\nA,03/04/2024,1\nA,{},2\n"
    assert values(read(lines.format("13/04/2024")))[0][1] == "2024-04-03"
    assert values(read(lines.format("04/13/2024")))[0][1] == "2024-03-04"
    open_case = read(lines.format("05/06/2024"))
    assert values(open_case)[0][1] == "2024-04-03"
    assert "day first" in open_case.report()
    assert values(read(lines.format("05/06/2024"), dayfirst=False))[0][1] == "2024-03-04"


def test_mixed_orders_are_an_error_until_the_user_decides(read):
    lines = "customer,date,amount\nA,13/04/2024,1\nA,04/14/2024,2\n"
    with pytest.raises(DataError, match=r"'date'.*'13/04/2024'.*'04/14/2024'.*dayfirst"):
        read(lines)
    result = read(lines, dayfirst=True)
    assert values(result) == [("A", "2024-04-13", 1.0)]
    assert refusals(result) == [(3, "date", "unreadable date")]


# Amounts


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1234.5", 1234.5), ("1,234.50", 1234.5), ("1.234,50", 1234.5), ("1234,5", 1234.5),
        ("1 234,50", 1234.5),
        ("1'234.50", 1234.5), ("1,23,456.70", 123456.7), ("1.234.567", 1234567.0), ("$12.30", 12.3),
        ("12,30 €", 12.3), ("￥12", 12.0), ("12元", 12.0), ("US$ 12", 12.0),
        ("+12", 12.0), (".5", 0.5), (",5", 0.5),
        ("1.5e3", 1500.0), ("0,125", 0.125), ("12".translate(WIDE), 12.0),
    ],
)  # fmt: skip
def test_amounts_as_people_write_them(read, written, value):
    assert read(f'customer;date;amount\nA;2024-01-01;"{written}"\n').log["amount"].tolist() == [value]


@pytest.mark.parametrize(
    "written", ["12%", "1,2,3", "1.2.3", "12 apples", "inf", "0x10", "1_000", "--5", "1e30", "N/K"]
)
def test_other_amounts_are_refused(read, written):
    result = read(f'customer;date;amount\nA;2024-01-01;5\nA;2024-01-01;"{written}"\n')
    assert refusals(result) == [(3, "amount", "unreadable amount")]


@pytest.mark.parametrize("written", ["-5", "5-", "(5)", "-$5", "$-5", "\u22125", "(€ 5,00)"])
def test_returns_are_refused_as_negative(read, written):
    result = read(f'customer;date;amount\nA;2024-01-01;5\nA;2024-01-01;"{written}"\n')
    assert refusals(result) == [(3, "amount", "negative amount")]


def test_the_column_decides_what_a_comma_means(read):
    lines = 'customer;date;amount\nA;2024-01-01;"1,234"\nB;2024-01-01;{}\n'
    assert read(lines.format("12.50")).log["amount"].tolist() == [1234.0, 12.5]
    assert read(lines.format("12,50")).log["amount"].tolist() == [1.234, 12.5]
    open_case = read(lines.format("12"))
    assert open_case.log["amount"].tolist() == [1234.0, 12.0]
    assert "two ways" in open_case.report()
    assert read(lines.format("12"), decimal=",").log["amount"].tolist() == [1.234, 12.0]
    mixed = read(lines.format("12,50") + "C;2024-01-01;7.25\n")
    assert mixed.log["amount"].tolist() == [12.5, 7.25]
    assert refusals(mixed) == [(2, "amount", "unreadable amount")]
    assert "mix decimal marks" in mixed.report()


def test_duplicates_and_zeros(read):
    lines = "customer,date,amount\nA,2024-01-01,5\nA,2024-01-01,5.00\nA,2024-01-02,0\n"
    kept = read(lines)
    assert len(kept.log) == 3
    assert "1 exact duplicate" in kept.report()
    assert "1 purchase of amount 0" in kept.report()
    dropped = read(lines, duplicates="drop", zeros="drop")
    assert values(dropped) == [("A", "2024-01-01", 5.0)]
    assert refusals(dropped) == [(3, "", "exact duplicate"), (4, "amount", "zero amount")]


# Columns


def test_price_times_quantity(read):
    lines = "client,date,quantity,unit price\nA,2024-01-01,2,2.50\nB,2024-01-01,-1,4\nC,2024-01-01,,4\n"
    result = read(lines)
    assert values(result) == [("A", "2024-01-01", 5.0)]
    assert result.columns["amount"] == "'unit price' * 'quantity'"
    assert [row[2] for row in refusals(result)] == ["negative amount", "missing amount"]
    assert values(read(lines, amount="quantity * Unit Price")) == values(result)


def test_a_log_without_money(read):
    result = read("customer,date\nA,2024-01-01\nA,2024-01-09\n", amount=False)
    assert result.log["amount"].isna().all()
    assert "total amount" not in result.report()
    assert repeat_summary(result).loc["A", ["frequency", "recency"]].tolist() == [1, pytest.approx(8 / 7)]
    assert np.isnan(repeat_summary(result).loc["A", "monetary_value"])


def test_columns_by_position_and_by_loose_name(read):
    lines = "Kunde;Tag;Betrag\nA;2024-01-01;5\n"
    for columns in ((0, 1, 2), ("0", "1", "2"), ("kunde", "TAG", " betrag")):
        assert values(read(lines, *columns)) == [("A", "2024-01-01", 5.0)]


def test_whole_numbers_that_pandas_wrote_as_floats(read):
    result = read("customer,date,amount\n17850.0,2024-01-01,5\n,2024-01-01,5\n")
    assert result.log["customer"].tolist() == ["17850"]


def test_frames_are_read_like_files():
    frame = pd.DataFrame(
        {
            "cust": [17850.0, np.nan, 3, 4, 5],
            "date": pd.to_datetime(["2024-01-02", "2024-01-02", "2024-01-01", None, "2024-01-05"]),
            "amount": [1, 2, np.inf, 4, 5],
        },
        index=list("vwxyz"),
    )
    result = read_transactions(frame)
    assert values(result) == [("17850", "2024-01-02", 1.0), ("5", "2024-01-05", 5.0)]
    # positions, so that frame.iloc[row] shows the row
    assert refusals(result) == [
        (1, "cust", "missing customer id"), (2, "amount", "unreadable amount"), (3, "date", "missing date")
    ]  # fmt: skip
    mixed = pd.DataFrame({0: ["a", "b"], 1: [20240101.0, 20240105.0], 2: ["1,5", None]})
    assert values(read_transactions(mixed, 0, 1, 2)) == [("a", "2024-01-01", 1.5)]


# Files that cannot be used


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", {}, "is empty"),
        ("\n \n", {}, "is empty"),
        ("customer,date,amount\n", {}, "header .* no rows"),
        ("customer\nA\nB\n", {}, "one column only.*separator="),
        (bytes(range(256)) * 9, {}, "not a text file"),
        (b"PK\x03\x04 and so on", {}, "Excel.*save it as CSV"),
        (b"PAR1....", {}, "Parquet.*read_parquet"),
        ("customer,date,amount\nA,2024-01-01,5\n", {"customer": "custmer"},
         "no column 'custmer'. The nearest is 'customer'. The columns are 'customer', 'date', 'amount'"),
        ("customer,date,amount\nA,2024-01-01,5\n", {"amount": 3}, "positions run from 0 to 2"),
        ("customer,date,amount\nA,2024-01-01,5\n", {"date": 1, "amount": "date"},
         "'date' was given for two things"),
        ("customer,date,amount\nA,2024-01-01,5\n", {"encoding": "klingon"}, "not the name of an encoding"),
        ("customer,date,amount\nAé,2024-01-01,5\n", {"encoding": "ascii"}, "is not ascii"),
        ("customer,date,amount\nA,2024-01-01,5\n", {"separator": ";;"}, "one character"),
        ("customer,date,amount\nA,2024-01-01,5\n", {"decimal": "x"}, "decimal='x'"),
        ("customer,date,amount\nA,2024-01-01,5\n", {"duplicates": "some"}, "duplicates='some'"),
        ("what,when,how much\nA,2024-01-01,5\n", {}, "looks like the customer.*'what', 'when', 'how much'"),
        ("customer,date\nA,2024-01-01\n", {}, "looks like the amount.*amount=False"),
        ("customer,start date,end date,amount\nA,2024-01-01,2024-01-01,5\n", {},
         "several columns could be the date"),
        ("customer,date,date,amount\nA,2024-01-01,2024-01-01,5\n", {}, "2 columns are called 'date'"),
        ("1,20240101,5\n", {}, "no header.*by position"),
        ("1,20240101,5\n", {"customer": "who", "date": 1, "amount": 2},
         "no column 'who' because the first row"),
        ("customer,date,amount\nA,x,5\n,2024-01-01,5\n", {},
         "no row can be used of 2.*1 unreadable date.*1 missing customer id.*row 2: 'x'"),
        ("Sales 2024\ncustomer;date;amount\nA;2024-01-01;5\n", {}, "skip="),
    ],
)  # fmt: skip
def test_errors_say_what_where_and_what_to_do(read, content, options, message):
    with pytest.raises(DataError, match=f"(?s){message}"):
        read(content, **options)


def test_paths_that_lead_nowhere(tmp_path):
    (tmp_path / "sales.csv").write_text("x")
    with pytest.raises(DataError, match=r"Did you mean 'sales.csv'"):
        read_transactions(tmp_path / "sale.csv")
    with pytest.raises(DataError, match="Check the name"):
        read_transactions(tmp_path / "none" / "b.csv")
    with pytest.raises(DataError, match="is a folder"):
        read_transactions(tmp_path)
    with pytest.raises(DataError, match="path or a DataFrame"):
        read_transactions(5)
    with pytest.raises(DataError, match="no rows"):
        read_transactions(pd.DataFrame({"customer": []}))
    assert issubclass(DataError, ValueError)


@pytest.mark.slow
def test_half_a_million_rows_take_seconds(tmp_path):
    """With dates and decimal commas, which take the slower way in."""
    n = 500_000
    days = pd.date_range("2020-01-01", periods=900).strftime("%d.%m.%Y").tolist()
    lines = [f"{i % 49_999};{days[i % 900]};{i % 7919},50" for i in range(n)]
    (tmp_path / "big.csv").write_text("cust;day;sales\n" + "\n".join(lines))
    start = time.perf_counter()
    result = read_transactions(tmp_path / "big.csv")
    summary = repeat_summary(result)
    seconds = time.perf_counter() - start
    assert result.log["amount"].sum() == pytest.approx(sum(i % 7919 for i in range(n)) + 0.5 * n)
    assert len(summary) == 49_999
    assert seconds < 10  # about 1.5 when nothing else runs


# The summary


def small_log() -> pd.DataFrame:
    rows = [
        ("A", "2024-01-01 09:00", 10.0), ("A", "2024-01-01 17:00", 5.0), ("A", "2024-01-15", 20.0),
        ("A", "2024-01-15", 4.0), ("A", "2024-01-29", 6.0),
        ("B", "2024-01-08", 7.0), ("C", "2024-02-12", 1.0),
    ]  # fmt: skip
    log = pd.DataFrame(rows, columns=["customer", "date", "amount"])
    return log.assign(date=pd.to_datetime(log["date"], format="mixed"))


def test_summary_by_hand():
    summary = repeat_summary(small_log())
    assert list(summary.columns) == ["frequency", "recency", "T", "monetary_value", "first"]
    assert summary.loc["A"].tolist() == [2, 4.0, 6.0, (24 + 6) / 2, pd.Timestamp("2024-01-01")]
    assert summary.loc["B", ["frequency", "recency", "T"]].tolist() == [0, 0.0, 5.0]
    assert summary.loc["C", "T"] == 0
    assert np.isnan(summary.loc["B", "monetary_value"])
    assert repeat_summary(small_log(), "D").loc["A", ["recency", "T"]].tolist() == [28.0, 42.0]
    assert repeat_summary(small_log(), "M").loc["A", "T"] == pytest.approx(42 / 30.4375)


def test_summary_with_a_holdout_by_hand():
    summary = repeat_summary(small_log(), until="2024-01-31", calibration_end="2024-01-15")
    assert list(summary.index) == ["A", "B"]  # C came later
    a = summary.loc["A"]
    assert a[["frequency", "recency", "T", "monetary_value"]].tolist() == [1, 2.0, 2.0, 24.0]
    assert a[["holdout_frequency", "holdout_T", "holdout_monetary_value"]].tolist() == [1, 16 / 7, 6.0]
    assert summary.loc["B", "holdout_frequency"] == 0
    assert np.isnan(summary.loc["B", "holdout_monetary_value"])


def test_summary_forgets_what_comes_after_until():
    early = repeat_summary(small_log(), until="2024-01-20")
    assert early.loc["A", ["frequency", "T"]].tolist() == [1, pytest.approx(19 / 7)]
    assert list(early.index) == ["A", "B"]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda log: log.drop(columns="date"), {}, "lacks 'date'"),
        (lambda log: log.assign(date=log["date"].astype(str)), {}, "not datetimes"),
        (lambda log: log.assign(customer=None), {}, "missing customers"),
        (lambda log: log.iloc[:0], {}, "is empty"),
        (lambda log: log, {"unit": "Y"}, "unit='Y'"),
        (lambda log: log, {"until": "whenever"}, "until='whenever' is not a date"),
        (lambda log: log, {"until": "2020-01-01"}, "begins on 2024-01-01"),
        (lambda log: log, {"calibration_end": "2025-01-01"}, "must come before"),
        (lambda log: log, {"calibration_end": "2024-02-12"}, "must come before"),
    ],
)  # fmt: skip
def test_summary_errors(change, options, message):
    with pytest.raises(DataError, match=re.escape(message)):
        repeat_summary(change(small_log()), **options)
