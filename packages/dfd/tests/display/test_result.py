"""Rows in a terminal, and in a pipe."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from decimal import Decimal

import dfd
import pyarrow as pa
import pytest
from dfd.display.console import output
from dfd.display.result import print_stream
from rich.cells import cell_len
from rich.console import Console

ODD = pa.table(
    {
        "id": [1, -(2**63)],
        "price": [0.001, None],
        "amount": pa.array([Decimal("1.50"), Decimal("-99999.99")]),
        "name": ["a long text that goes on and on until it doesn't fit", ""],
        "at": pa.array([1, 10**15], pa.timestamp("us", "Europe/Berlin")),
    }
)


def printed(stream: object, limit: int | None = 20, width: int = 120) -> str:
    out = io.StringIO()
    print_stream(stream, limit=limit, console=Console(file=out, width=width))
    return out.getvalue()


def cells(text: str) -> list[list[str]]:
    """The cells of each row of a table, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("│")]
    return [[part.strip() for part in line.strip("│").split("│")] for line in lines[2:]]


def test_prints_the_first_rows_and_reads_no_further() -> None:
    taken: list[int] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for n in range(100):
            taken.append(n)
            yield pa.record_batch({"n": [n], "f": [n / 3], "s": [None]})

    schema = pa.schema([("n", pa.int64()), ("f", pa.float64()), ("s", pa.null())])
    out = io.StringIO()
    stream = pa.RecordBatchReader.from_batches(schema, batches())
    taken_of = print_stream(stream, limit=3, title="T", console=Console(file=out, width=60))
    assert (taken_of.shown, taken_of.seen, taken_of.is_whole) == (3, 4, False)
    text = out.getvalue()
    assert text.startswith("T")
    assert "0.6666666666666666" in text
    assert text.splitlines()[-1].startswith("3 of at least 4 rows, ")
    assert len(taken) <= 4


def test_what_is_not_cut_says_nothing() -> None:
    assert printed(pa.table({"n": [1, 2, 3]}), limit=3).splitlines()[-1] == "└───────┘"


def test_the_rest_is_counted_within_a_time() -> None:
    out = io.StringIO()
    rows = pa.table({"n": range(100)})
    print_stream(rows.to_reader(10), 3, console=Console(file=out, width=60), count_s=60)
    assert out.getvalue().splitlines()[-1].startswith("3 of 100 rows, ")


def test_in_a_terminal_the_foot_says_rows_time_and_route(runtime: dfd.Runtime) -> None:
    out = io.StringIO()
    query = runtime.sql("select value as n from generate_series(1, 2000) order by n")
    terminal = Console(file=out, width=60, force_terminal=True, color_system=None)
    print_stream(query, 20, console=terminal, count_s=60)
    foot = out.getvalue().splitlines()[-1]
    assert re.fullmatch(r"20 of 2,000 rows, [0-9.]+ m?s, engine", foot)
    out.truncate(0)
    print_stream(pa.table({"n": [1]}), 20, console=terminal)
    assert re.fullmatch(r"1 row, [0-9.]+ ms", out.getvalue().splitlines()[-1])


def test_text_is_no_markup() -> None:
    assert "[red]x[/nope]" in printed(pa.table({"s": ["[red]x[/nope]"]}))


def test_numbers_read_back_and_null_is_no_text() -> None:
    values = [0.001, 1e-9, 1e300, 5e-324, float("nan"), float("-inf"), -0.0, 1 / 3]
    shown = [row[0] for row in cells(printed(pa.table({"v": values})))]
    assert [repr(float(text)) for text in shown] == [repr(value) for value in values]
    text = printed(pa.table({"s": [None, "", "x"], "b": [True, None, False]}))
    assert cells(text) == [["NULL", "true"], ["", "NULL"], ["x", "false"]]


def test_types_stand_under_the_names_and_numbers_at_the_right() -> None:
    lines = printed(pa.table({"n": [1, 1000], "price": [Decimal("1.5"), None], "s": ["a", "b"]}))
    assert lines.splitlines() == [
        "┌───────┬───────────────┬────────┐",
        "│     n │         price │ s      │",
        "│ int64 │ decimal(2, 1) │ string │",
        "├───────┼───────────────┼────────┤",
        "│     1 │           1.5 │ a      │",
        "│  1000 │          NULL │ b      │",
        "└───────┴───────────────┴────────┘",
    ]


def test_controls_are_escaped_in_names_and_values() -> None:
    text = printed(
        pa.table({"\x1b[32mn\n": ["\x1b[31mred", "a\u202eb", "\x9b", "tab\t", "l1\nl2"]})
    )
    for hidden in ("\x1b", "\u202e", "\x9b", "\t"):
        assert hidden not in text
    for shown in (r"\x1b[32mn\n", r"\x1b[31mred", r"a\u202eb", r"\x9b", r"tab\t"):
        assert shown in text
    assert [row[0] for row in cells(text)][-2:] == ["l1", "l2"]


def test_wide_rows_are_a_table() -> None:
    lines = printed(ODD, width=170).splitlines()
    assert len(lines) == 7
    assert len({len(line) for line in lines}) == 1
    assert "-9223372036854775808" in lines[5]
    assert "1970-01-01T01:00:00.000001+01:00" in lines[4]


def test_text_is_folded_and_numbers_are_not() -> None:
    lines = printed(ODD, width=110).splitlines()
    assert max(map(len, lines)) <= 110
    assert "-9223372036854775808" in "".join(lines)
    folded = [row[3] for row in cells("\n".join(lines))]
    assert "".join("".join(folded).split()) == "".join(str(ODD["name"][0].as_py()).split())


def wide(columns: int = 19) -> pa.Table:
    return pa.table({f"c{n}": [n, n + 1] for n in range(columns)})


@pytest.mark.parametrize("width", [40, 80, 100])
def test_columns_are_dropped_from_the_middle_and_counted(width: int) -> None:
    lines = printed(wide(), width=width).splitlines()
    assert len({len(line) for line in lines[:-1]}) == 1
    assert width - 9 < len(lines[0]) <= width
    names = [name.strip() for name in lines[1].strip("│").split("│")]
    gap = next(n for n, name in enumerate(names) if name.endswith("more"))
    dropped = int(names[gap].split()[0])
    assert dropped == 19 - (len(names) - 1)
    assert names[:gap] == [f"c{n}" for n in range(gap)]
    assert names[gap + 1 :] == [f"c{n}" for n in range(gap + dropped, 19)]
    assert cells("\n".join(lines))[0][gap] == "…"


def test_columns_that_are_dropped_stand_in_the_foot() -> None:
    out = io.StringIO()
    print_stream(wide(), 1, console=Console(file=out, width=80))
    assert re.match(r"1 of at least 2 rows, \d+ of 19 columns, ", out.getvalue().splitlines()[-1])


def test_a_long_text_is_cut_in_a_terminal_and_whole_in_a_pipe() -> None:
    long = pa.table({"n": [1, 2], "s": ["x" * 50_000, "y"]})
    shown = printed(long, width=80)
    assert len(shown.splitlines()) < 60
    assert "x…" in shown
    assert "x" * 50_000 in printed(long, width=1_000_000)


def test_what_explain_says_is_whole() -> None:
    plan = pa.table({"plan_type": ["logical_plan"], "plan": ["Sort\n" * 500]})
    assert printed(plan, width=80).count("Sort") == 500


def test_a_pipe_gets_every_row_while_they_come() -> None:
    lines = printed(pa.table({"n": range(5000), "s": ["x"] * 4999 + ["long"]}), None, 1_000_000)
    assert cells(lines)[-1] == ["4999", "long"]
    assert len(cells(lines)) == 5000


def test_no_color_and_other_encodings() -> None:
    table = pa.table({"a€": [None, "ä€"]})
    raw = io.BytesIO()
    latin = io.TextIOWrapper(raw, encoding="latin-1")
    print_stream(table, 9, console=Console(file=latin, width=60))
    latin.flush()
    lines = raw.getvalue().decode("latin-1").splitlines()
    assert lines[1:2] + lines[4:6] == ["| a\\u20ac |", "| NULL    |", "| ä\\u20ac |"]
    assert len({len(line) for line in lines}) == 1
    styled, plain = io.StringIO(), io.StringIO()
    print_stream(table, 9, console=Console(file=styled, width=60, force_terminal=True))
    print_stream(
        table, 9, console=Console(file=plain, width=60, force_terminal=True, no_color=True)
    )
    assert "\x1b[2mNULL\x1b[0m" in styled.getvalue()
    assert "\x1b" not in plain.getvalue()


@pytest.mark.parametrize("width", [10, 18])
def test_rows_that_do_not_fit_are_records(width: int) -> None:
    lines = printed(ODD, width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert [line for line in lines if line.startswith("row ")] == ["row 1", "row 2"]
    assert any(line.split() == ["id", "1"] for line in lines)
    assert any("NULL" in line for line in lines)


def test_no_rows_are_names_alone() -> None:
    assert printed(ODD.slice(0, 0), width=10).split()[:5] == ["No", "rows", "of", "id,", "price,"]
    assert "id │  price" in printed(ODD.slice(0, 0), width=160)


def test_what_is_no_terminal_has_no_width(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    print_stream(pa.table({"s": ["x" * 500]}), limit=1, console=output())
    assert "x" * 500 in capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", "50")
    print_stream(pa.table({"s": ["x" * 500]}), limit=1, console=output())
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 50


def test_a_dataframe_has_the_types_of_its_rows(runtime: dfd.Runtime) -> None:
    text = printed(runtime.session.sql("select 1 as n union all select 1.5 order by n"))
    assert cells(text) == [["1.0"], ["1.5"]]


def test_a_query_that_fails_keeps_its_error(runtime: dfd.Runtime, uri: object) -> None:
    query = runtime.sql("select 1 / (id - id) as x from t")
    with pytest.raises(dfd.QueryError, match=r"(?i)divide by zero"):
        query.show()


def test_show_and_the_command_have_one_form(
    runtime: dfd.Runtime, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime.sql("select 0.001 as v, null as n union all select 1e-9, null order by v").show(rows=1)
    out = capsys.readouterr().out
    assert cells(out) == [["1e-09", "NULL"]]
    assert "1 of 2 rows, " in out


def test_wide_characters_are_folded_by_their_cells() -> None:
    lines = printed(pa.table({"s": ["日本語" * 40], "n": [1]}), width=40).splitlines()
    assert len({cell_len(line) for line in lines}) == 1
    assert "".join(row[0] for row in cells("\n".join(lines))) == "日本語" * 40


def test_what_is_cut_or_dropped_is_marked_in_ascii_too() -> None:
    raw = io.BytesIO()
    ascii_only = io.TextIOWrapper(raw, encoding="ascii")
    odd = pa.table({**{f"c{n}": [n] for n in range(30)}, "s": ["x" * 50_000]})
    print_stream(odd, 9, console=Console(file=ascii_only, width=60))
    print_stream(odd.select(["s"]), 9, console=Console(file=ascii_only, width=60))
    ascii_only.flush()
    lines = raw.getvalue().decode("ascii").splitlines()
    assert len({len(line) for line in lines if line.startswith(("|", "+"))}) <= 2
    assert any("x..." in line for line in lines)
    assert "\\u2026" not in "".join(lines)
