"""The crates that are compiled into dfd-native: their licences, and the bill of materials of a wheel.

    python tools/third_party.py [--write]

compares `THIRD-PARTY-LICENSES.txt` of dfd-native with what cargo says of every target of `deny.toml`,
and `--write` writes it anew. A crate whose licence `deny.toml` doesn't allow, or that is published
without the text of its licence, is an error. Needs cargo, and compiles nothing.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import product
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
LICENCES = ROOT / "packages/dfd-native/THIRD-PARTY-LICENSES.txt"
# What most crates offer, whose text is the LICENSE beside the file.
OURS = "Apache-2.0"
# Published without the text of their licence, which a crate of the same authors has.
TEXT_OF = {"alloc-stdlib": "alloc-no-stdlib"}
# Published without a text that any other has: who holds the rights, as its Cargo.toml says.
HOLDERS = {"validator": "Vincent Prouillet"}
MIT = """\
Copyright (c) {holder}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute,
sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or
substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM,
DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT
OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""
_HEAD = """\
dfd-native is compiled with the crates below. Each is used under the licence that its line names;
the texts follow. Of those under {ours} the text is the file LICENSE beside this one. Their sources
are at https://crates.io/crates/NAME/VERSION.
"""
_TEXTS = re.compile(r"(?i)^(licen[sc]e|copying|unlicense)")
# How the text of the Apache License begins, and how long it is, all white space being one character.
_APACHE = "apache license version 2.0"
_APACHE_CHARACTERS = 10_500


class LicenceError(Exception):
    """A crate can't be shipped as it is; the message names it."""


@dataclass(frozen=True, order=True)
class Crate:
    """A crate of the library: what it is called, what its licence is, and where its sources are."""

    name: str
    version: str
    expression: str
    directory: Path
    identity: str
    needs: tuple[str, ...] = ()
    own: bool = False

    @property
    def purl(self) -> str:
        """Its name as a package URL."""
        return f"pkg:cargo/{self.name}@{self.version}"


def metadata(target: str, *, offline: bool = True) -> dict[str, Any]:
    """What cargo says of the workspace for one target, as Cargo.lock has it."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    command += ["--filter-platform", target]
    if offline:
        ran = subprocess.run([*command, "--offline"], cwd=ROOT, capture_output=True, check=False)
        if ran.returncode == 0:
            return json.loads(ran.stdout)  # type: ignore[no-any-return]
    ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return json.loads(ran.stdout)  # type: ignore[no-any-return]


def compiled_in(told: dict[str, Any], root: str = "dfd-native") -> list[Crate]:
    """The crates that a library of `root` holds: neither build scripts' nor macros', nor tests'."""
    packages = {package["id"]: package for package in told["packages"]}
    nodes = {node["id"]: node for node in told["resolve"]["nodes"]}

    def runs(identity: str) -> bool:
        kinds = (kind for target in packages[identity]["targets"] for kind in target["kind"])
        return "proc-macro" not in kinds

    def needs(identity: str) -> list[str]:
        return sorted(
            needed["pkg"]
            for needed in nodes[identity]["deps"]
            if runs(needed["pkg"]) and any(kind["kind"] is None for kind in needed["dep_kinds"])
        )

    found: dict[str, Crate] = {}
    waiting = [package["id"] for package in told["packages"] if package["name"] == root]
    while waiting:
        identity = waiting.pop()
        if identity in found:
            continue
        package = packages[identity]
        found[identity] = Crate(
            package["name"],
            package["version"],
            (package["license"] or "").strip(),
            Path(package["manifest_path"]).parent,
            identity,
            tuple(needs(identity)),
            own=package["source"] is None,
        )
        waiting += found[identity].needs
    return sorted(found.values())


def alternatives(expression: str) -> list[frozenset[str]]:
    """The sets of licences that an SPDX expression lets one choose from; `/` is `OR`, as of old."""
    words = re.findall(r"[()]|[^\s()/]+|/", expression)

    def either() -> list[frozenset[str]]:
        chosen = both()
        while words and words[0].upper() in ("OR", "/"):
            words.pop(0)
            chosen = chosen + both()
        return chosen

    def both() -> list[frozenset[str]]:
        chosen = one()
        while words and words[0].upper() == "AND":
            words.pop(0)
            chosen = [left | right for left, right in product(chosen, one())]
        return chosen

    def one() -> list[frozenset[str]]:
        word = words.pop(0)
        if word == "(":
            inner = either()
            words.pop(0)
            return inner
        if words and words[0].upper() == "WITH":
            words.pop(0)
            word = f"{word} WITH {words.pop(0)}"
        return [frozenset({word})]

    return either() if words else []


def choice(crate: Crate, policy: dict[str, Any]) -> frozenset[str]:
    """The licences under which a crate is used: Apache-2.0 where that is offered.

    Raises:
        LicenceError: `deny.toml` allows none that it offers.
    """
    allowed = set(policy["allow"])
    for exception in policy.get("exceptions", ()):
        if exception["crate"] == crate.name:
            allowed |= set(exception["allow"])
    offered = [chosen for chosen in alternatives(crate.expression) if chosen <= allowed]
    if not offered:
        told = crate.expression or "no licence"
        raise LicenceError(f"{crate.name} {crate.version}: {told}, which deny.toml doesn't allow")
    return min(offered, key=lambda chosen: (len(chosen - {OURS}), len(chosen), sorted(chosen)))


def texts(crate: Crate, chosen: frozenset[str], beside: Iterable[Crate]) -> list[str]:
    """The texts that go with a crate: its notice, and its licences but for the one in LICENSE.

    Raises:
        LicenceError: it has none for what was chosen.
    """
    found = [_text(path) for path in _files(crate.directory, re.compile(r"(?i)^notice"))]
    licences = [_text(path) for path in _files(crate.directory, _TEXTS)]
    if chosen == {OURS}:
        # Those of what it has taken from others follow the text of some.
        return found + [text for text in licences if _begins_apache(text) and not _is_apache(text)]
    own = [text for text in licences if not _is_apache(text)]
    if not own and crate.name in TEXT_OF:
        other = next(other for other in beside if other.name == TEXT_OF[crate.name])
        own = texts(other, chosen, ())
    if not own and crate.name in HOLDERS and chosen == {"MIT"}:
        own = [MIT.format(holder=HOLDERS[crate.name])]
    if not own:
        raise LicenceError(
            f"{crate.name} {crate.version} is published without the text of {chosen}"
        )
    return [*found, *own]


def _files(directory: Path, names: re.Pattern[str]) -> list[Path]:
    return sorted(path for path in directory.iterdir() if path.is_file() and names.match(path.name))


def _text(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").lstrip("\ufeff").splitlines()
    return "\n".join(line.rstrip() for line in lines).strip("\n") + "\n"


def _begins_apache(text: str) -> bool:
    return " ".join(text.split()).replace(",", "").lower().startswith(_APACHE)


def _is_apache(text: str) -> bool:
    return _begins_apache(text) and len(" ".join(text.split())) <= _APACHE_CHARACTERS


def notices(crates: Iterable[Crate], policy: dict[str, Any]) -> str:
    """The licences of crates as one text: a line for each crate, then each text once, and whose it is."""
    # On another target a crate may need others, and is the same one.
    others = sorted({crate.purl: crate for crate in crates if not crate.own}.values())
    chosen = {crate: choice(crate, policy) for crate in others}
    lines = [
        f"{crate.name} {crate.version}: {' AND '.join(sorted(chosen[crate]))}" for crate in others
    ]
    holders: dict[str, list[str]] = {}
    for crate in others:
        for text in dict.fromkeys(texts(crate, chosen[crate], others)):
            holders.setdefault(text, []).append(f"{crate.name} {crate.version}")
    parts = [f"{'-' * 80}\n{', '.join(names)}\n\n{text}" for text, names in holders.items()]
    return "\n".join([_HEAD.format(ours=OURS), *lines, "", *parts])


def bill_of_materials(crates: list[Crate], version: str, built_s: int | None) -> str:
    """A CycloneDX 1.6 document of a wheel: what is compiled in, by whom it is needed, and no path.

    Its time is that of the sources (`built_s`, seconds since 1970), and its serial number is made
    of what it says, so that the same sources give the same bytes.
    """
    references = {crate.identity: crate.purl for crate in crates}
    hashes = checksums()
    wheel = {
        "type": "library",
        "bom-ref": f"pkg:pypi/dfd-native@{version}",
        "name": "dfd-native",
        "version": version,
        "licenses": [{"license": {"id": OURS}}],
        "purl": f"pkg:pypi/dfd-native@{version}",
    }
    told: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": wheel},
        "components": [_component(crate, hashes) for crate in crates],
        "dependencies": [
            {"ref": wheel["bom-ref"], "dependsOn": ["pkg:cargo/dfd-native@" + version]},
            *(
                {"ref": crate.purl, "dependsOn": [references[needed] for needed in crate.needs]}
                for crate in crates
            ),
        ],
    }
    if built_s is not None:
        time = datetime.fromtimestamp(built_s, timezone.utc)
        told["metadata"]["timestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ")
    told["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(told))}"
    return json.dumps(told, indent=1) + "\n"


def _component(crate: Crate, checksums: dict[tuple[str, str], str]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "type": "library",
        "bom-ref": crate.purl,
        "name": crate.name,
        "version": crate.version,
        "licenses": [{"expression": crate.expression.replace("/", " OR ")}],
        "purl": crate.purl,
    }
    if (crate.name, crate.version) in checksums:
        content = checksums[crate.name, crate.version]
        told["hashes"] = [{"alg": "SHA-256", "content": content}]
    return told


def checksums() -> dict[tuple[str, str], str]:
    """The hash of each crate and version of Cargo.lock."""
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text(encoding="utf-8"))
    return {
        (package["name"], package["version"]): package["checksum"]
        for package in lock["package"]
        if "checksum" in package
    }


def main(*, write: bool) -> int:
    """Compare the file of licences with the crates, or write it; 1 if it is another."""
    deny = tomllib.loads((ROOT / "deny.toml").read_text(encoding="utf-8"))
    targets = deny["graph"]["targets"]
    crates = {crate for target in targets for crate in compiled_in(metadata(target))}
    try:
        wanted = notices(crates, deny["licenses"])
    except LicenceError as error:
        print(error)
        return 1
    if write:
        LICENCES.write_text(wanted, encoding="utf-8")
    elif not LICENCES.exists() or LICENCES.read_text(encoding="utf-8") != wanted:
        print(f"{LICENCES.relative_to(ROOT)} isn't that of these crates:")
        print("run: python tools/third_party.py --write")
        return 1
    print(
        f"{len({crate.purl for crate in crates})} crates, all under licences that deny.toml allows"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(write=sys.argv[1:] == ["--write"]))
