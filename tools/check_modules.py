"""Fail if modules of a crate import one another in a circle, and name each circle.

    python tools/check_modules.py [crate ...]     (by default every crate of crates/)

A module is a file. Module A imports module B if a path in A (in a `use` or in code) leads to an item
of B, also through what a third module re-exports. What a parent re-exports of its own children is
no import, and neither is what stands under `#[cfg(test)]`. Folders are checked as well: all files
of a folder of `src/` count as one module then.
"""

from __future__ import annotations

import re
import sys
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CRATES = Path(__file__).parent.parent / "crates"

Segments = tuple[str, ...]
Graph = dict[str, set[str]]

TOKENS = re.compile(
    r"""
    (?P<skipped>
        //[^\n]* | /\*.*?\*/
      | b?r(?P<hashes>\#*)".*?"(?P=hashes) | b?"(?:\\.|[^"\\])*"
      | b?'(?:\\(?:u\{[^}]*\}|x..|.)|[^\\'])' | '\w+ | \s+
    )
    | (?P<token> \$?[A-Za-z_]\w* | :: | . )
    """,
    re.VERBOSE | re.DOTALL,
)
ITEM = {"fn", "struct", "enum", "trait", "type", "const", "static", "union", "macro_rules"}
ROOTS = {"crate", "$crate", "self", "super"}
TEST_MODULE = re.compile(r"#\[cfg\(test\)\]\s*mod (\w+);")


@dataclass
class Import:
    """A path that a file writes, from its crate's root, and what it is called in the file."""

    path: Segments
    name: str | None
    is_use: bool
    is_public: bool


@dataclass
class Module:
    """One file: its imports, and the names of its items."""

    path: Segments
    imports: list[Import] = field(default_factory=list)
    items: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The path as Rust writes it."""
        return "::".join(("crate", *self.path))


def tokens_of(text: str) -> list[str]:
    """The tokens, without comments, literals and lifetimes."""
    found = TOKENS.finditer(text)
    return [match["token"] for match in found if match["token"] is not None]


def use_tree(
    tokens: list[str], at: int, prefix: Segments
) -> tuple[list[tuple[Segments, str]], int]:
    """The paths of a use tree that begins at `at`, each with its name, and where the tree ends."""
    path = prefix
    while True:
        lexeme = tokens[at]
        if lexeme == "{":
            leaves: list[tuple[Segments, str]] = []
            at += 1
            while tokens[at] != "}":
                if tokens[at] == ",":
                    at += 1
                    continue
                inner, at = use_tree(tokens, at, path)
                leaves += inner
            return leaves, at + 1
        if lexeme != "::":
            path = path if lexeme == "self" and path else (*path, lexeme)
        at += 1
        if tokens[at] == "as":
            return [(path, tokens[at + 1])], at + 2
        if tokens[at] not in ("::", "{") and lexeme != "::":
            return [(path, path[-1])], at


def after_item(tokens: list[str], at: int) -> int:
    """Where the item that begins at `at` ends, with the attributes before it."""
    while tokens[at] == "#":
        at = after_brackets(tokens, at + 1)
    while at < len(tokens):
        if tokens[at] == "use":
            return tokens.index(";", at) + 1
        if tokens[at] == ";":
            return at + 1
        if tokens[at] in "([{":
            is_body = tokens[at] == "{"
            at = after_brackets(tokens, at)
            if is_body:
                return at
            continue
        at += 1
    return at


def after_brackets(tokens: list[str], at: int) -> int:
    """Where the brackets that open at `at` have closed."""
    depth = 0
    while at < len(tokens):
        depth += (tokens[at] in "([{") - (tokens[at] in ")]}")
        at += 1
        if depth == 0:
            break
    return at


class Reader:
    """Reads one file."""

    def __init__(self, module: Module, children: set[str], text: str) -> None:
        """`children` are the modules that are files of their own below this one."""
        self.module = module
        self.children = children
        self.tokens = tokens_of(text)
        # The inline module that each open brace is of, if it is of one.
        self.scopes: list[str | None] = []
        # Paths that begin with a name that a `use` may have brought.
        self.paths: list[Segments] = []

    def read(self) -> None:
        """Gather imports and items."""
        tokens, at = self.tokens, 0
        while at < len(tokens):
            lexeme = tokens[at]
            if tokens[at : at + 7] == ["#", "[", "cfg", "(", "test", ")", "]"]:
                at = after_item(tokens, at + 7)
            elif lexeme == "use" and tokens[at + 1] != "<":
                leaves, end = use_tree(tokens, at + 1, ())
                for path, name in leaves:
                    self.add(path, name, is_use=True, is_public=self.is_public(at))
                at = end
            elif lexeme == "mod" and tokens[at + 2] == "{":
                self.scopes.append(tokens[at + 1])
                at += 3
            elif lexeme == "{":
                self.scopes.append(None)
                at += 1
            elif lexeme == "}":
                self.scopes.pop()
                at += 1
            else:
                if lexeme in ITEM and not any(self.scopes):
                    self.module.items.add(tokens[at + (2 if lexeme == "macro_rules" else 1)])
                at = self.path(at)
        brought = {found.name: found.path for found in self.module.imports if found.is_use}
        for first, *rest in self.paths:
            if first in brought:
                path = (*brought[first], *rest)
                self.module.imports.append(Import(path, None, is_use=False, is_public=False))

    def path(self, at: int) -> int:
        """Add the path that begins at `at`, if one does."""
        tokens = self.tokens
        segments: list[str] = []
        if at > 0 and tokens[at - 1] == "::":
            return at + 1
        while at + 1 < len(tokens) and tokens[at + 1] == "::":
            segments.append(tokens[at])
            at += 2
        if segments:
            self.add((*segments, tokens[at]), None, is_use=False, is_public=False)
        return at + 1

    def add(self, path: Segments, name: str | None, *, is_use: bool, is_public: bool) -> None:
        """Add an import unless it leads out of the crate."""
        scopes = tuple(scope for scope in self.scopes if scope)
        base = (*self.module.path, *scopes)
        if path[0] in self.children and not scopes:
            path = (*base, *path)
        elif path[0] not in ROOTS:
            if not is_use:
                self.paths.append(path)
            return
        else:
            while path and path[0] in ROOTS:
                first, path = path[0], path[1:]
                base = {"super": base[:-1], "self": base}.get(first, ())
            path = (*base, *path)
        # Items of an inline module are this file's.
        inline = self.module.path
        if scopes and path[: len(inline) + len(scopes)] == (*inline, *scopes):
            return
        self.module.imports.append(Import(path, name, is_use, is_public))

    def is_public(self, at: int) -> bool:
        """Whether `pub` or `pub(...)` stands before the token."""
        before = self.tokens[max(at - 5, 0) : at]
        if before and before[-1] == ")":
            before = before[: len(before) - before[::-1].index("(") - 1]
        return bool(before) and before[-1] == "pub"


def modules_of(source: Path) -> dict[Segments, Module]:
    """The modules of a crate by their paths, without those that are compiled for tests alone."""
    paths: dict[Segments, Path] = {}
    for file in sorted(source.rglob("*.rs")):
        relative = file.relative_to(source).with_suffix("").parts
        if relative[-1] in ("mod", "lib", "main"):
            relative = relative[:-1]
        paths[relative] = file
    tests = {
        (*path, name)
        for path, file in paths.items()
        for name in TEST_MODULE.findall(file.read_text())
    }
    paths = {
        path: file
        for path, file in paths.items()
        if not any(path[:size] in tests for size in range(1, len(path) + 1))
    }
    modules = {path: Module(path) for path in paths}
    for path, file in paths.items():
        children = {other[-1] for other in paths if other and other[:-1] == path}
        Reader(modules[path], children, file.read_text()).read()
    return modules


def resolve(modules: dict[Segments, Module], path: Segments, seen: frozenset[Segments]) -> Segments:
    """The module whose item a path leads to."""
    length = max(size for size in range(len(path) + 1) if path[:size] in modules)
    module, rest = modules[path[:length]], path[length:]
    if not rest or rest[0] in module.items or path in seen:
        return module.path
    for found in module.imports:
        if found.is_use and found.name == rest[0]:
            return resolve(modules, (*found.path, *rest[1:]), seen | {path})
    for found in module.imports:
        if found.is_use and found.is_public and found.name == "*":
            target = resolve(modules, found.path[:-1], seen | {path})
            if rest[0] in modules[target].items:
                return target
    return module.path


def imports_of(modules: dict[Segments, Module], module: Module) -> Iterator[Segments]:
    """The modules that one imports."""
    for found in module.imports:
        path = found.path[:-1] if found.name == "*" else found.path
        target = resolve(modules, path, frozenset())
        is_child = target[: len(module.path)] == module.path
        if target != module.path and not (is_child and found.is_public):
            yield target


def circles(graph: Graph) -> list[tuple[list[str], set[str]]]:
    """Each set of nodes that all lead to one another, with a shortest circle in it."""
    found: list[tuple[list[str], set[str]]] = []
    placed: set[str] = set()
    for start in sorted(graph):
        if start in placed:
            continue
        together = {node for node in reachable(graph, start) if start in reachable(graph, node)}
        placed |= together
        if together:
            circle = shortest({node: graph[node] & together for node in together})
            found.append((circle, together))
    return found


def reachable(graph: Graph, start: str) -> set[str]:
    """The nodes to which a path of one step at least leads."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def shortest(graph: Graph) -> list[str]:
    """The shortest circle of a graph that has one."""
    best: list[str] = []
    for start in sorted(graph):
        ways = deque([[start]])
        seen: set[str] = set()
        while ways and (not best or len(ways[0]) < len(best)):
            way = ways.popleft()
            for node in sorted(graph[way[-1]]):
                if node == start:
                    ways.clear()
                    best = [*way, start]
                    break
                if node not in seen:
                    seen.add(node)
                    ways.append([*way, node])
    return best


def folder(path: Segments, folders: set[str]) -> str:
    """The folder of `src/` that a module is in, else the module."""
    name = "::".join(("crate", *path[:1]))
    return f"{name}/" if path and path[0] in folders else name


def check(crate: Path) -> list[str]:
    """What is wrong with a crate, one line a circle."""
    modules = modules_of(crate / "src")
    folders = {path[0] for path in modules if len(path) > 1}
    graph: Graph = {module.name: set() for module in modules.values()}
    of_folders: Graph = {folder(path, folders): set() for path in modules}
    for path, module in modules.items():
        for target in imports_of(modules, module):
            graph[module.name].add(modules[target].name)
            if folder(path, folders) != folder(target, folders):
                of_folders[folder(path, folders)].add(folder(target, folders))
    told = [describe(crate, circle, together) for circle, together in circles(graph)]
    for circle, together in circles(of_folders):
        if any(name.endswith("/") for name in circle):
            told.append(describe(crate, circle, together))
    return told


def describe(crate: Path, circle: list[str], together: set[str]) -> str:
    """A circle, and what else hangs together with it."""
    others = sorted(together - set(circle))
    also = f" (with {', '.join(others)})" if others else ""
    return f"{crate.name}: imports in a circle: {' -> '.join(circle)}{also}"


def main(names: list[str]) -> int:
    """Check the crates of these names; 1 if one has a circle."""
    crates = [CRATES / name for name in names] or sorted(CRATES.iterdir())
    missing = [crate.name for crate in crates if not (crate / "src").is_dir()]
    if missing:
        print(f"no such crate: {', '.join(missing)}")
        return 1
    told = [line for crate in crates for line in check(crate)]
    if told:
        told.append("Move what both sides of an arrow back need into a module below the two.")
    print("\n".join(told) or f"no circle in {', '.join(crate.name for crate in crates)}")
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
