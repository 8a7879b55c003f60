"""Names resolve as DataFusion resolves them."""

from __future__ import annotations

import dfd
import pytest
from datafusion import Catalog, SessionContext
from dfd.table_reference import TableReference
from hypothesis import assume, given
from hypothesis import strategies as st


@given(st.text('aAéÉ_1$-." `', min_size=1, max_size=12))
def test_a_name_is_the_table_that_datafusion_makes_of_it(name: str) -> None:
    # Comments are parts of a name here, and spaces around it are none.
    assume("--" not in name and name == name.strip())
    try:
        reference = TableReference.parse(name, "datafusion", "public")
    except dfd.ConfigurationError:
        return
    session = SessionContext()
    if reference.catalog != "datafusion":
        session.register_catalog_provider(reference.catalog, Catalog.memory_catalog())
    catalog = session.catalog(reference.catalog)
    if reference.schema not in catalog.schema_names():
        catalog.register_schema(
            reference.schema, SessionContext().catalog("datafusion").schema("public")
        )
    session.register_table(name, session.from_pydict({"n": [1]}))
    assert reference.table in catalog.schema(reference.schema).table_names()
    assert session.table_exist(str(reference))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("T", ("c", "s", "t")),
        ('"T"', ("c", "s", "T")),
        ("S2.t", ("c", "s2", "t")),
        (' x."S.2".`T` ', ("x", "S.2", "T")),
        ('"a ""b"""', ("c", "s", 'a "b"')),
        ("Daily-2024", ("c", "s", "Daily-2024")),
        ("É", ("c", "s", "É")),
    ],
)
def test_parts_and_quotes(name: str, wanted: tuple[str, str, str]) -> None:
    reference = TableReference.parse(name, "c", "s")
    assert (reference.catalog, reference.schema, reference.table) == wanted
    assert TableReference.parse(str(reference), "other", "other") == reference


@pytest.mark.parametrize("name", ["", " ", "a.b.c.t", "t.", ".t", '"t', '""', "public.my-t", None])
def test_a_refusal_says_what_a_name_is(name: str) -> None:
    with pytest.raises(dfd.ConfigurationError, match=r"`schema\.table`") as refusal:
        TableReference.parse(name, "c", "s")
    assert repr(name) in str(refusal.value)
