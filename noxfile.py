"""The sessions of the workspace; `./dev test` runs the default ones.

The wheels are built once, by `wheels`; every other session installs those, so that a
file or a dependency that the wheel lacks shows.
"""

from __future__ import annotations

import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = True
nox.options.stop_on_first_error = False
nox.options.sessions = [
    "wheels", "lint", "types", "rust", "tests", "integration", "docs", "compat",
]  # fmt: skip

ROOT = Path(__file__).parent
DIST = ROOT / "dist"
# The library and its extension for Delta tables are of one version.
DUCKDB = ("duckdb==1.5.5", "duckdb-extension-delta==1.5.5")
# Every release of deltalake that dfd-delta-policy takes.
DELTALAKES = ("1.6.4", "1.6.5", "1.6.6")
PACKAGES = ("storage", "delta-policy", "cache", "obs", "native")
PURE = tuple(package for package in PACKAGES if package != "native")
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
CURRENT = f"{sys.version_info.major}.{sys.version_info.minor}"


def _is_installed(python: str) -> bool:
    return subprocess.run(["uv", "python", "find", python], capture_output=True).returncode == 0


# Where an older Python isn't installed, no test is left out: it runs on the next.
OLDEST = next(filter(_is_installed, PYTHONS), CURRENT)
TRIPLE = f"{platform.machine()}-unknown-linux-gnu"
CARGO = ("--release", "--target", TRIPLE)


def _install(session: nox.Session, *requirements: str) -> None:
    if not any(DIST.glob("dfd_native-*.whl")):
        session.error("There are no wheels in dist/: run `nox -s wheels` first.")
    # A wheel built anew has the version of the one before: uv's cache must not answer for it.
    names = ("dfd", *(f"dfd-{package}" for package in PACKAGES))
    fresh = [option for name in names for option in ("--refresh-package", name)]
    session.install("--find-links", str(DIST), *fresh, *requirements)


def _zig() -> dict[str, str]:
    """The environment in which cargo compiles against glibc 2.17 (manylinux2014), linked by zig.

    The wheel, the crates' tests and clippy share it: for a linker of another path, as maturin's
    and cargo-zigbuild's own differ, cargo compiles every dependency again.
    """
    tools = Path(sys.executable).parent
    found = {}
    for variable, mode in (("CC", "cc"), ("CXX", "c++")):
        script = tools / f"dfd-zig-{mode}"
        script.write_text(
            "#!/bin/sh\n"
            f"export CARGO_ZIGBUILD_ZIG_COMMAND={shlex.quote(sys.executable)}\n"
            "export CARGO_ZIGBUILD_ZIG_COMMAND_ARGS='-m ziglang'\n"
            f"exec {shlex.quote(str(tools / 'maturin'))} zig {mode} -- -g -fno-sanitize=all "
            f'-target {platform.machine()}-linux-gnu.2.17 "$@"\n'
        )
        script.chmod(0o755)
        found[f"{variable}_{TRIPLE.replace('-', '_')}"] = str(script)
        if mode == "cc":
            found[f"CARGO_TARGET_{TRIPLE.replace('-', '_').upper()}_LINKER"] = str(script)
    return found


def _pytest(session: nox.Session, *paths: str, **variables: str) -> None:
    session.chdir(session.create_tmp())
    session.run(
        "pytest",
        "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT),
        *(path if path.startswith("-") else str(ROOT / path) for path in paths),
        *session.posargs,
        env={
            "DFD_WHEELS": str(DIST),
            "AWS_METADATA_ENDPOINT": "http://127.0.0.1:9",
            **variables,
        },
    )  # fmt: skip


@nox.session(venv_backend="none")
def wheels(session: nox.Session) -> None:
    """Build the six wheels into dist/."""
    shutil.rmtree(DIST, ignore_errors=True)
    for package in ("storage", "delta-policy", "cache", "obs", None):
        name = f"dfd-{package}" if package else "dfd"
        session.run("uv", "build", "--quiet", "--wheel", "--package", name, "-o", str(DIST))
    session.log("Compiling dfd-native: about 40 minutes from cold, seconds when warm.")
    session.chdir(ROOT / "packages/dfd-native")
    session.run(
        "maturin", "build", *CARGO, "--compatibility", "manylinux2014", "--out", str(DIST),
        env=_zig(),
    )  # fmt: skip
    session.chdir(ROOT)
    session.run("python", "tools/check_bounds.py")
    session.run("python", "tools/check_wheels.py", str(DIST))
    session.run("python", "tools/build_index.py", str(DIST))


def _package_session(package: str) -> None:
    @nox.session(name=f"tests-{package}", python=OLDEST, tags=["tests"])
    def tests(session: nox.Session) -> None:
        _install(session, f"dfd-{package}[test]")
        _pytest(session, f"packages/dfd-{package}/tests")


for _package in PACKAGES:
    _package_session(_package)


@nox.session(name="tests-dfd", python=OLDEST, tags=["tests"])
def tests_dfd(session: nox.Session) -> None:
    """The meta-package's own tests."""
    _install(session, "dfd[test]")
    _pytest(session, "packages/dfd/tests")


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """The tests of every package, each from its wheel in an environment of its own."""
    for package in (*PACKAGES, "dfd"):
        session.notify(f"tests-{package}", session.posargs)


@nox.session(python=CURRENT)
def integration(session: nox.Session) -> None:
    """What crosses packages: reference tables, both routes, real servers, wheels in empty environments."""
    _install(session, "dfd[demo,test]", "nanoarrow", "arro3-core", *DUCKDB)
    session.run("python", "tools/servers.py", "install")
    session.run("python", "tests/sqllogictest/upstream.py")
    # The policy's own tests again: with dfd-native its writes are staged.
    ignored = f"--ignore={ROOT / 'tests/spark'}"
    _pytest(session, ignored, "tests", "packages/dfd-delta-policy/tests")


@nox.session(python=[python for python in PYTHONS if _is_installed(python)])
def compat(session: nox.Session) -> None:
    """The installed wheels on every supported Python that is there."""
    _install(session, "dfd[test]")
    session.run("python", "-m", "dfd", "doctor")
    _pytest(
        session, "packages/dfd/tests/test_runtime.py", "packages/dfd-native/tests/test_handshake.py"
    )


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """ruff, import-linter, rustfmt and clippy."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    paths = ":".join(str(path) for path in sorted(ROOT.glob("packages/*/src")))
    session.run("python", "tools/check_storage.py")
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": paths})
    session.run("cargo", "fmt", "--all", "--check", external=True)
    session.run(
        "cargo", "clippy", *CARGO, "--workspace", "--all-targets", "--", "-D", "warnings",
        env=_zig(), external=True,
    )  # fmt: skip


@nox.session(python=CURRENT)
def types(session: nox.Session) -> None:
    """Mypy (strict) and pyright over the sources and the typing tests."""
    _install(
        session, "dfd[test]", "mypy", "pyright[nodejs]", "pandas-stubs", "polars", "hypothesis"
    )
    for package in sorted(path.parent for path in ROOT.glob("packages/*/src")):
        session.run("mypy", str(package / "src"), str(package / "tests/typing"))
    session.run("pyright", "--pythonpath", str(Path(session.bin) / "python"))


@nox.session(venv_backend="none")
def rust(session: nox.Session) -> None:
    """The crates' own tests."""
    session.run("cargo", "test", *CARGO, "--workspace", env=_zig(), external=True)


@nox.session(python=CURRENT)
def docs(session: nox.Session) -> None:
    """Doctests, and the links between the documents."""
    _install(session, "dfd[test]")
    session.run("python", "tools/check_docs.py")
    _pytest(session, "--doctest-modules", *(f"packages/dfd-{name}/src" for name in PURE))


@nox.session(python=CURRENT)
def spark(session: nox.Session) -> None:
    """Spark reads what dfd writes, and the other way round. Needs Java 17, and Maven Central once; minutes long."""
    _install(session, "dfd[demo,test]", "pyspark>=4,<4.1", "delta-spark>=4,<4.1")
    _pytest(session, "tests/spark")


@nox.session(name="spark-tables", python=CURRENT)
def spark_tables(session: nox.Session) -> None:
    """Write the tables of tests/conformance/spark anew. Needs Java 17; not part of the tests."""
    session.install("pyspark>=4,<4.1", "delta-spark>=4,<4.1")
    session.run(
        "python", "tools/write_spark_tables.py", "tests/conformance/spark", *session.posargs
    )


@nox.session(python=CURRENT)
@nox.parametrize("deltalake", DELTALAKES, ids=DELTALAKES)
def matrix(session: nox.Session, deltalake: str) -> None:
    """The policy on each release of deltalake: its own tests, every race, and what bare deltalake gets wrong."""
    _install(session, "dfd[demo,test]", f"deltalake=={deltalake}")
    session.run("python", "tools/servers.py", "install", "versitygw")
    _pytest(session, "tests/policy/matrix", "packages/dfd-delta-policy/tests")


@nox.session(python=CURRENT)
def histories(session: nox.Session) -> None:
    """1,000 random histories of several writers, against plain Python. The tests run 100."""
    _install(session, "dfd[test]")
    _pytest(session, "tests/policy/matrix/test_histories.py", DFD_LONG="1")


@nox.session(python=CURRENT)
def faults(session: nox.Session) -> None:
    """The policy under faults, kills and mixes of processes, in full. Half an hour; the tests run a selection."""
    _install(session, "dfd[demo,test]")
    session.run("python", "tools/servers.py", "install", "versitygw")
    paths = ("faults", "kills", "test_processes_mixed.py")
    _pytest(session, *(f"tests/policy/{path}" for path in paths), DFD_LONG="1")


@nox.session(python=CURRENT)
def bench(session: nox.Session) -> None:
    """Benchmarks: candidates in turn, in one go. Not part of the tests."""
    _install(session, "dfd[demo]", "polars", "duckdb")
    session.run("python", "benchmarks/run.py", *session.posargs)


@nox.session(name="bench-scan", python=CURRENT)
def bench_scan(session: nox.Session) -> None:
    """TPC-H and selective reads: dfd's engine and leaf beside its peers. Not part of the tests."""
    _install(session, "dfd", "polars", *DUCKDB, "tpchgen-cli")
    session.run("python", "-m", "benchmarks.scan", *session.posargs)


@nox.session(name="bench-stage", python=CURRENT)
def bench_stage(session: nox.Session) -> None:
    """Writes: time, CPU and memory of dfd's stage beside its peers. Not part of the tests."""
    _install(session, "dfd", "polars", *DUCKDB)
    session.run("python", "-m", "benchmarks.stage", *session.posargs)


@nox.session(name="bench-commits", python=CURRENT)
def bench_commits(session: nox.Session) -> None:
    """Commits per second of several writers, beside bare deltalake. Not part of the tests."""
    _install(session, "dfd")
    session.run("python", "-m", "benchmarks.commits", *session.posargs)


@nox.session(python=CURRENT)
def sqllogictest(session: nox.Session) -> None:
    """All of DataFusion's own test files on both routes. The tests run a selection of them."""
    _install(session, "dfd[test]")
    session.run("python", "tests/sqllogictest/suite.py", *session.posargs)


@nox.session(python=CURRENT)
def fuzz(session: nox.Session) -> None:
    """Fuzz what dfd-storage reads, guided by coverage; `-- -max_total_time=60` and libFuzzer's other options."""
    _install(session, "dfd-storage", "atheris>=3,<4")
    session.chdir(session.create_tmp())
    session.run(
        "python", str(ROOT / "tools/fuzz_storage.py"), *(session.posargs or ["-max_total_time=60"])
    )


@nox.session(python=CURRENT)
def demo(session: nox.Session) -> None:
    """Install the wheels, and run `dfd demo`."""
    _install(session, "dfd[demo]")
    session.run("dfd", "demo", *session.posargs)
