"""The licences of crates and the bill of materials: of made-up crates, and of those in Cargo.lock."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import third_party
from third_party import Crate, LicenceError

POLICY = {
    "allow": ["Apache-2.0", "MIT", "ISC", "BSD-3-Clause", "Apache-2.0 WITH LLVM-exception"],
    "exceptions": [{"crate": "option-ext", "allow": ["MPL-2.0"]}],
}
APACHE = "Apache License\nVersion 2.0, January 2004\n"


def crate(directory: Path, expression: str, name: str = "one", **files: str) -> Crate:
    for file, text in files.items():
        (directory / file.replace("_", ".")).write_text(text, encoding="utf-8")
    return Crate(name, "1.0.0", expression, directory, f"registry#{name}@1.0.0")


@pytest.mark.parametrize(
    ("expression", "chosen"),
    [
        ("MIT", {"MIT"}),
        ("MIT OR Apache-2.0", {"Apache-2.0"}),
        ("MIT/Apache-2.0", {"Apache-2.0"}),
        ("Unlicense OR MIT", {"MIT"}),
        (" EPL-2.0 OR Apache-2.0", {"Apache-2.0"}),
        ("(Apache-2.0 OR MIT) AND BSD-3-Clause", {"Apache-2.0", "BSD-3-Clause"}),
        ("ISC AND (Apache-2.0 OR ISC)", {"ISC"}),
        ("Apache-2.0 WITH LLVM-exception OR GPL-2.0", {"Apache-2.0 WITH LLVM-exception"}),
    ],
)
def test_the_licence_that_is_chosen(tmp_path: Path, expression: str, chosen: set[str]) -> None:
    assert third_party.choice(crate(tmp_path, expression), POLICY) == chosen


@pytest.mark.parametrize("expression", ["GPL-3.0", "MIT AND GPL-3.0", "MPL-2.0", ""])
def test_a_licence_that_is_not_allowed(tmp_path: Path, expression: str) -> None:
    with pytest.raises(LicenceError, match=r"one 1\.0\.0"):
        third_party.choice(crate(tmp_path, expression), POLICY)


def test_an_exception_is_for_its_crate(tmp_path: Path) -> None:
    assert third_party.choice(crate(tmp_path, "MPL-2.0", "option-ext"), POLICY) == {"MPL-2.0"}


def test_a_crate_without_the_text_of_its_licence(tmp_path: Path) -> None:
    with pytest.raises(LicenceError, match="without the text"):
        third_party.notices([crate(tmp_path, "MIT", LICENSE_APACHE=APACHE)], POLICY)


def test_texts_are_there_once_and_the_apache_licence_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = crate(tmp_path / "a", "MIT", "a", LICENSE="Copyright A\r\n")
    second = crate(tmp_path / "b", "MIT OR Apache-2.0", "b", LICENSE=APACHE, NOTICE="B said so")
    third = crate(tmp_path / "a", "MIT", "c")
    told = third_party.notices([third, second, first], POLICY)
    assert "a 1.0.0: MIT\nb 1.0.0: Apache-2.0\nc 1.0.0: MIT\n" in told
    assert told.count("Copyright A\n") == 1
    assert "a 1.0.0, c 1.0.0\n\nCopyright A" in told
    assert "B said so" in told
    assert "Version 2.0, January 2004" not in told


def test_what_follows_the_apache_licence_is_kept(tmp_path: Path) -> None:
    long = APACHE + "word " * 3000 + "of others"
    assert "of others" in third_party.notices([crate(tmp_path, "Apache-2.0", LICENSE=long)], POLICY)


def test_a_bill_of_materials_says_the_same_each_time(tmp_path: Path) -> None:
    crates = [crate(tmp_path, "MIT"), crate(tmp_path, "MIT/Apache-2.0", "two")]
    text = third_party.bill_of_materials(crates, "0.1.0", 0)
    assert text == third_party.bill_of_materials(crates, "0.1.0", 0)
    told = json.loads(text)
    assert told["metadata"]["timestamp"] == "1970-01-01T00:00:00Z"
    assert [one["licenses"][0]["expression"] for one in told["components"]] == [
        "MIT", "MIT OR Apache-2.0",
    ]  # fmt: skip
    other = json.loads(third_party.bill_of_materials(crates[:1], "0.1.0", 0))
    assert other["serialNumber"] != told["serialNumber"]
    assert str(tmp_path) not in text


def test_what_is_compiled_in() -> None:
    """Neither macros nor what builds and tests; each has the hash of Cargo.lock."""

    def package(name: str, kind: str = "lib", source: str | None = "registry") -> dict[str, object]:
        return {
            "id": name, "name": name, "version": "1.0.0", "license": "MIT", "source": source,
            "manifest_path": f"/{name}/Cargo.toml", "targets": [{"kind": [kind]}],
        }  # fmt: skip

    def needs(name: str, kind: str | None = None) -> dict[str, object]:
        return {"pkg": name, "dep_kinds": [{"kind": kind}]}

    told = {
        "packages": [
            package("dfd-native", "cdylib", None), package("used"), package("derive", "proc-macro"),
            package("syn"), package("cc"), package("tried"),
        ],
        "resolve": {
            "nodes": [
                {
                    "id": "dfd-native",
                    "deps": [
                        needs("used"), needs("derive"), needs("cc", "build"), needs("tried", "dev"),
                    ],
                },
                {"id": "derive", "deps": [needs("syn")]},
                *({"id": name, "deps": []} for name in ("used", "syn", "cc", "tried")),
            ]
        },
    }  # fmt: skip
    assert [one.name for one in third_party.compiled_in(told)] == ["dfd-native", "used"]


def test_every_crate_of_the_file_is_in_the_lock() -> None:
    """Without cargo: `./dev test -s lint-rust` compares the whole."""
    locked = set(third_party.checksums())
    lines = third_party.LICENCES.read_text(encoding="utf-8").split("\n\n")[1].splitlines()
    named = {tuple(line.partition(":")[0].split()) for line in lines}
    assert len(named) > 300
    assert named <= locked
