"""Fingerprints: equal for what differs in literals alone, and nothing of a literal in what is hashed."""

from __future__ import annotations

import pytest
from dfd_obs.fingerprint import fingerprint, key_of, shape
from hypothesis import given
from hypothesis import strategies as st

KEY = key_of("a key of these tests")

SAME = [
    ("select * from t where a = 1", "SELECT *\n FROM t WHERE a=  -4711.5e3 -- now"),
    ("select 'it''s'", "select ''"),
    ("select e'it\\'s'", "select 'x'"),
    ("select $$a ' b$$", "select $tag$ $$ $tag$"),
    ("select x'00', 0xff", "select 1"),
    ("select a from t where b in (1, 2, 3)", "select a from t where b in ('x')"),
    ("insert into t values (1, 'a'), (2, 'b')", "insert into t values (-3, 'c')"),
    ("select $1", "select 1"),
    ("select /* a /* b */ ' */ 1", "select 2"),
    ("select date '2001-01-01' - interval '1 day'", "select date '1903-12-17' - interval '3 h'"),
]
OTHER = [
    ("select a from t", "select b from t"),
    ('select "A" from t', 'select "a" from t'),
    ("select a - 1 from t", "select a + 1 from t"),
    ("select a from t where b = 1", "select a from t where b = c"),
    ("select f(1)", "select f(1, a)"),
    ("select `a`", "select 'a'"),
]


@pytest.mark.parametrize(("one", "two"), SAME)
def test_statements_that_differ_in_literals(one: str, two: str) -> None:
    assert shape(one) == shape(two)
    assert fingerprint(one, KEY) == fingerprint(two, KEY)


@pytest.mark.parametrize(("one", "two"), OTHER)
def test_statements_of_another_shape(one: str, two: str) -> None:
    assert fingerprint(one, KEY) != fingerprint(two, KEY)


def test_a_fingerprint_is_not_to_be_looked_up_without_the_key() -> None:
    assert fingerprint("select 1", KEY) != fingerprint("select 1", key_of("another key of tests"))


@given(st.text("'$eEnNxXuU&01. \\-a;ä\n", max_size=30))
def test_nothing_of_an_open_or_closed_text_is_in_the_shape(inner: str) -> None:
    closed = inner.replace("'", "''")
    assert shape(f"select '{closed}' from t") == "select ? from t"
    assert shape(f"select '{closed}") == "select ?"
