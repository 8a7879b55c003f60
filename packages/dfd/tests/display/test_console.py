"""Rows in a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterator
from decimal import Decimal

import dfd
import pyarrow as pa
import pytest
from dfd.display.console import output, print_stream
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


def printed(stream: object, limit: int = 20, width: int = 120) -> str:
    out = io.StringIO()
    print_stream(stream, limit=limit, console=Console(file=out, width=width))
    return out.getvalue()


def test_prints_the_first_rows_and_reads_no_further() -> None:
    taken: list[int] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for n in range(100):
            taken.append(n)
            yield pa.record_batch({"n": [n], "f": [n / 3], "s": [None]})

    schema = pa.schema([("n", pa.int64()), ("f", pa.float64()), ("s", pa.null())])
    out = io.StringIO()
    stream = pa.RecordBatchReader.from_batches(schema, batches())
    assert print_stream(stream, limit=3, title="T", console=Console(file=out, width=60)) == 3
    text = out.getvalue()
    assert text.startswith("T")
    assert "0.6666666666666666" in text
    assert text.endswith("The first 3 rows; there are more.\n")
    assert len(taken) <= 4


def test_what_is_not_cut_says_nothing() -> None:
    assert "more" not in printed(pa.table({"n": [1, 2, 3]}), limit=3)


def test_text_is_no_markup() -> None:
    assert "[red]x[/nope]" in printed(pa.table({"s": ["[red]x[/nope]"]}))


def test_numbers_read_back_and_null_is_no_text() -> None:
    values = [0.001, 1e-9, 1e300, 5e-324, float("nan"), float("-inf"), -0.0, 1 / 3]
    lines = printed(pa.table({"v": values})).splitlines()[3:-1]
    shown = [line.strip("│ ") for line in lines]
    assert [repr(float(text)) for text in shown] == [repr(value) for value in values]
    text = printed(pa.table({"s": [None, "", "x"], "b": [True, None, False]}))
    assert [line.split("│")[1:3] for line in text.splitlines()[3:-1]] == [
        [" NULL ", " true  "],
        ["      ", " NULL  "],
        [" x    ", " false "],
    ]


def test_controls_are_escaped_in_names_and_values() -> None:
    text = printed(
        pa.table({"\x1b[32mn\n": ["\x1b[31mred", "a\u202eb", "\x9b", "tab\t", "l1\nl2"]})
    )
    for hidden in ("\x1b", "\u202e", "\x9b", "\t"):
        assert hidden not in text
    for shown in (r"\x1b[32mn\n", r"\x1b[31mred", r"a\u202eb", r"\x9b", r"tab\t"):
        assert shown in text
    assert "│ l1          │\n│ l2          │" in text


def test_wide_rows_are_a_table() -> None:
    lines = printed(ODD, width=160).splitlines()
    assert len(lines) == 6
    assert len({len(line) for line in lines}) == 1
    assert "-9223372036854775808" in lines[4]
    assert "1970-01-01T01:00:00.000001+01:00" in lines[3]


def test_text_is_folded_and_numbers_are_not() -> None:
    lines = printed(ODD, width=110).splitlines()
    assert max(map(len, lines)) <= 110
    assert "-9223372036854775808" in "".join(lines)
    columns = [line.split("│")[4].strip() for line in lines[3:] if line.startswith("│")]
    assert "".join(" ".join(columns).split()) == "".join(str(ODD["name"][0].as_py()).split())


@pytest.mark.parametrize("width", [30, 60, 80])
def test_rows_that_do_not_fit_are_records(width: int) -> None:
    lines = printed(ODD, width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert [line for line in lines if line.startswith("row ")] == ["row 1", "row 2"]
    assert "id      1" in map(str.rstrip, lines)
    assert "price   NULL" in map(str.rstrip, lines)


def test_no_rows_are_names_alone() -> None:
    assert printed(ODD.slice(0, 0), width=20).split()[:5] == ["No", "rows", "of", "id,", "price,"]
    assert "id ┃ price" in printed(ODD.slice(0, 0), width=60)


def test_a_text_of_many_lines_makes_records_too() -> None:
    assert printed(pa.table({"n": [1], "s": ["x" * 500]}), width=100).startswith("row 1\n")


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
    assert "│ 1.0 │\n│ 1.5 │" in text


def test_a_query_that_fails_keeps_its_error(runtime: dfd.Runtime, uri: object) -> None:
    query = runtime.sql("select 1 / (id - id) as x from t")
    with pytest.raises(dfd.QueryError, match=r"(?i)divide by zero"):
        query.show()


def test_show_and_the_command_have_one_form(
    runtime: dfd.Runtime, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime.sql("select 0.001 as v, null as n union all select 1e-9, null order by v").show(rows=1)
    out = capsys.readouterr().out
    assert "│ 1e-09 │ NULL │" in out
    assert "The first 1 rows; there are more." in out
