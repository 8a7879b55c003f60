"""The sessions of the workspace; `./dev test` runs the default ones, and says what each took.

`lint`, `types` and `docs` read the sources, and need neither Rust nor wheels. The wheels are built
once, by `wheels`; every session of tests installs those, so that a file or a dependency that a
wheel lacks shows.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import nox

sys.path.insert(0, str(Path(__file__).parent / "tools"))

import pythons
import zig_linker

nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = True
nox.options.stop_on_first_error = False
nox.options.sessions = [
    "lint", "types", "docs", "wheels", "lint-rust", "rust", "tests", "integration", "compat",
]  # fmt: skip

ROOT = Path(__file__).parent
DIST = ROOT / "dist"
# The library and its extension for Delta tables are of one version.
DUCKDB = ("duckdb==1.5.5", "duckdb-extension-delta==1.5.5")
# What looks at wheels, and installs from the index, beside uv.
PACKAGING = ("auditwheel", "packaging", "poetry")
# Every release of deltalake that dfd-delta-policy takes.
DELTALAKES = ("1.6.4", "1.6.5", "1.6.6")
ORCHESTRATORS = ("airflow", "dagster")
PACKAGES = ("base", "storage", "delta-policy", "cache", "obs", "native")
SOURCES = sorted(ROOT.glob("packages/*/src"))
PYTHONS = pythons.supported()
CURRENT = f"{sys.version_info.major}.{sys.version_info.minor}"
# Tests at a time, each in a process; `-- -n 0` for one after the other in nox's own.
PARALLEL = ("-n", "2", "--dist", "loadgroup")
# Where many of them wait for servers and processes.
WAITING = ("-n", "3", "--dist", "loadgroup")


def _is_installed(python: str) -> bool:
    return subprocess.run(["uv", "python", "find", python], capture_output=True).returncode == 0


# Where an older Python isn't installed, no test is left out: it runs on the next.
OLDEST = next(filter(_is_installed, PYTHONS), CURRENT)
CARGO = ("--release", "--target", zig_linker.TRIPLE)


def _project(name: str) -> dict[str, Any]:
    return nox.project.load_toml(ROOT / "packages" / name / "pyproject.toml")


def _test_group(name: str) -> tuple[str, ...]:
    """What the tests of a distribution need beside it."""
    return nox.project.dependency_groups(_project(name), "test")


def _extras(name: str) -> dict[str, list[str]]:
    extras: dict[str, list[str]] = _project(name)["project"].get("optional-dependencies", {})
    return extras


def _need_cargo(session: nox.Session) -> None:
    if shutil.which("cargo") is None:
        session.error("A Rust toolchain (cargo) is needed")


def _cargo(session: nox.Session, *arguments: str) -> None:
    _need_cargo(session)
    session.run("cargo", *arguments, env=zig_linker.environment(), external=True)


def _install(session: nox.Session, *requirements: str) -> None:
    if not any(DIST.glob("dfd_native-*.whl")):
        session.error("There are no wheels in dist/: run `nox -s wheels` first.")
    # A wheel built anew has the version of the one before: uv's cache must not answer for it.
    names = ("dfd", *(f"dfd-{package}" for package in PACKAGES))
    fresh = [option for name in names for option in ("--refresh-package", name)]
    session.install("--find-links", str(DIST), *fresh, *requirements)


def _joined(paths: list[Path]) -> str:
    return os.pathsep.join(map(str, paths))


def _pytest(
    session: nox.Session, *paths: str, at_once: tuple[str, ...] = PARALLEL, **variables: str
) -> None:
    session.chdir(session.create_tmp())
    session.run(
        "pytest",
        "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), *at_once,
        *(path if path.startswith("-") else str(ROOT / path) for path in paths),
        *session.posargs,
        env={
            "DFD_WHEELS": str(DIST),
            "AWS_METADATA_ENDPOINT": "http://127.0.0.1:9",
            # By these pytest shows all lines that differ, which takes hours for some hundred.
            "CI": None,
            "BUILD_NUMBER": None,
            **variables,
        },
    )  # fmt: skip


@nox.session(venv_backend="none")
def wheels(session: nox.Session) -> None:
    """Build the seven wheels into dist/, and the source distributions into dist/source/."""
    _need_cargo(session)
    shutil.rmtree(DIST, ignore_errors=True)
    session.log("Compiling dfd-native: about 25 minutes from cold, seconds when warm.")
    session.run("python", "tools/build.py", str(DIST))
    session.run("python", "tools/check_wheels.py", str(DIST))
    session.run("python", "tools/build_index.py", str(DIST))


def _package_session(package: str) -> None:
    @nox.session(name=f"tests-{package}", python=OLDEST, tags=["tests"])
    def tests(session: nox.Session) -> None:
        _install(session, f"dfd-{package}", *_test_group(f"dfd-{package}"))
        _pytest(session, f"packages/dfd-{package}/tests")


for _package in PACKAGES:
    _package_session(_package)


@nox.session(name="tests-dfd", python=OLDEST, tags=["tests"])
def tests_dfd(session: nox.Session) -> None:
    """The meta-package's own tests."""
    _install(session, "dfd", *_test_group("dfd"))
    _pytest(session, "packages/dfd/tests")


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """The tests of every package, each from its wheel in an environment of its own."""
    for package in (*PACKAGES, "dfd"):
        session.notify(f"tests-{package}", session.posargs)


class Integration(NamedTuple):
    """A session of what crosses packages: what it proves, and what it takes."""

    proves: str
    paths: tuple[str, ...]
    requirements: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    at_once: tuple[str, ...] = PARALLEL


INTEGRATION = {
    "conformance": Integration(
        "Reference tables read as others do.", ("tests/conformance",), DUCKDB
    ),
    "routes": Integration(
        "Statements in the engine, beside a plain session and DataFusion's own test files.",
        ("tests/routes", "tests/sqllogictest"),
        DUCKDB,
    ),
    "sql": Integration(
        "Statements that change and keep tables: rows, races, any words in any order.",
        ("tests/sql",),
        DUCKDB,
        at_once=WAITING,
    ),
    "differential": Integration(
        "Random queries over random tables, with duckdb as the judge.",
        ("tests/differential",),
        DUCKDB,
    ),
    "caches": Integration(
        "Every place where caches are says what was applied; pins, and how old a read may be.",
        ("tests/cache",),
        at_once=WAITING,
    ),
    "streams-stage": Integration(
        "Arrow streams of every library in and out, and staged files.",
        ("tests/streams", "tests/stage"),
        ("nanoarrow", "arro3-core", *DUCKDB),
        at_once=WAITING,
    ),
    "policy": Integration(
        "Races, faults and kills; and the policy's own tests that write again, now that writes are staged.",
        (
            "tests/policy",
            *(
                f"packages/dfd-delta-policy/tests/{name}"
                for name in ("commit", "operations", "test_table.py")
            ),
        ),
        DUCKDB,
        ("versitygw",),
        WAITING,
    ),
    "remote": Integration(
        "Object stores and web servers on loopback.",
        ("tests/remote",),
        DUCKDB,
        ("versitygw", "fake-gcs", "azurite", "s3rver", "moto"),
        WAITING,
    ),
    "pages": Integration(
        "The code of every page and every README.",
        ("tests/docs",),
        ("flask", "opentelemetry-exporter-otlp-proto-http", *DUCKDB),
        ("versitygw", "azurite", "fake-gcs"),
        WAITING,
    ),
    "examples": Integration(
        "The demonstration and the examples.",
        ("tests/integration",),
        ("jsonschema", *DUCKDB),
        at_once=WAITING,
    ),
    "obs": Integration(
        "One trace and one run however a query is read, in other processes too; no literal and no secret is told.",
        ("tests/obs",),
        ("nbclient", "ipykernel", "playwright>=1.50", *DUCKDB),
    ),
    "packaging": Integration(
        "What is wrong with a distribution is found; an index that uv, pip and poetry read; dfd from it.",
        ("tests/packaging",),
        PACKAGING,
    ),
    "wheels-compat": Integration(
        "The wheels in empty environments, and beside other releases of their dependencies.",
        ("tests/compat",),
    ),
}
# Long sessions of their own.
APART = {"tests/spark"}


def _integration_session(name: str, part: Integration) -> None:
    def tests(session: nox.Session) -> None:
        _install(session, "dfd", *_test_group("dfd"), *part.requirements)
        if part.servers:
            session.run("python", "tools/servers.py", "install", *part.servers)
        if "tests/sqllogictest" in part.paths:
            session.run("python", "tests/sqllogictest/upstream.py")
        _pytest(session, *part.paths, at_once=part.at_once)

    tests.__doc__ = part.proves
    nox.session(tests, name=name, python=CURRENT, tags=["integration"])


for _name, _part in INTEGRATION.items():
    _integration_session(_name, _part)


@nox.session(venv_backend="none")
def integration(session: nox.Session) -> None:
    """What crosses packages: every session of INTEGRATION."""
    claimed = {path for part in INTEGRATION.values() for path in part.paths} | APART
    there = {f"tests/{path.parent.name}" for path in ROOT.glob("tests/*/test_*.py")}
    if there - claimed:
        session.error(
            f"No session runs {', '.join(sorted(there - claimed))}: enter it in INTEGRATION"
        )
    for name in INTEGRATION:
        session.notify(name, session.posargs)


@nox.session(python=CURRENT)
def index(session: nox.Session) -> None:
    """The index of dist/, and dfd from it on every Python that is there. `packaging` takes the newest."""
    _install(session, "dfd", *_test_group("dfd"), *PACKAGING)
    _pytest(session, "tests/packaging", DFD_LONG="1")


@nox.session(venv_backend="none")
def combinations(session: nox.Session) -> None:
    """The wheels beside the releases of compat.toml, every pair of them; `-- --write` tells the document."""
    session.run("python", "tools/combinations.py", str(DIST), *session.posargs)


@nox.session(venv_backend="none")
def twice(session: nox.Session) -> None:
    """Build the last commit twice, and compare the bytes; `-- --parts sources` without compiling. Compiles all crates twice."""
    session.run("python", "tools/twice.py", *session.posargs)


@nox.session(python=list(filter(_is_installed, PYTHONS)))
def compat(session: nox.Session) -> None:
    """The installed wheels on every supported Python that is there."""
    _install(session, "dfd", *_test_group("dfd"))
    session.run("python", "-m", "dfd", "doctor")
    native = ("test_handshake.py", "test_threads.py")
    _pytest(
        session,
        "packages/dfd/tests/test_runtime.py",
        *(f"packages/dfd-native/tests/{name}" for name in native),
    )


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """ruff, import-linter, zizmor, actionlint, module cycles, and the workspace's own rules. Needs no Rust."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("python", "tools/check_bounds.py")
    session.run("python", "tools/pythons.py", "--check")
    session.run("python", "tools/check_storage.py")
    session.run("python", "tools/check_modules.py")
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": _joined(SOURCES)})
    session.run("python", "tools/check_workflows.py")
    session.run("zizmor", "--offline", "--quiet", "--persona", "pedantic", ".github")


@nox.session(name="lint-rust", venv_backend="none")
def lint_rust(session: nox.Session) -> None:
    """Rustfmt, clippy, and the licences of crates."""
    _cargo(session, "fmt", "--all", "--check")
    session.run("python", "tools/third_party.py")
    _cargo(
        session,
        *("clippy", *CARGO, "--workspace", "--all-targets", "--", "-D", "warnings"),
    )


@nox.session(venv_backend="none")
def types(session: nox.Session) -> None:
    """Mypy (strict) over the sources and the typing tests, pyright over the latter. Needs no wheel."""
    for source in SOURCES:
        session.run(
            "mypy", str(source), str(source.parent / "tests/typing"),
            env={"MYPYPATH": _joined(SOURCES)},
        )  # fmt: skip
    # By name: of a pattern that matches nothing pyright checks nothing, and succeeds.
    typing_tests = [str(source.parent / "tests/typing") for source in SOURCES]
    session.run("pyright", "--pythonpath", sys.executable, *typing_tests)


@nox.session(venv_backend="none")
def rust(session: nox.Session) -> None:
    """The crates' own tests."""
    _cargo(session, "test", *CARGO, "--workspace")


@nox.session(venv_backend="none")
def docs(session: nox.Session) -> None:
    """The links and lines of the documents, the site (into site/), the API reference in it, and doctests. Needs no wheel."""
    session.run("python", "tools/check_docs.py")
    session.run("sphinx-build", "--quiet", "--fail-on-warning", "--keep-going", "docs", "site")
    session.run("python", "tools/build_reference.py", "site/api")
    _pytest(
        session, "-puncompiled", "--doctest-modules",
        *(str(source.relative_to(ROOT)) for source in SOURCES),
        at_once=(), PYTHONPATH=str(ROOT / "tools"),
    )  # fmt: skip


@nox.session(venv_backend="none")
def msrv(session: nox.Session) -> None:
    """The crates on the oldest Rust that Cargo.toml names. Compiles everything once more."""
    oldest = nox.project.load_toml(ROOT / "Cargo.toml")["workspace"]["package"]["rust-version"]
    session.run("rustup", "toolchain", "install", oldest, "--profile", "minimal", external=True)
    _cargo(session, f"+{oldest}", "check", "--target", zig_linker.TRIPLE, "--workspace", "--locked")


@nox.session(python=OLDEST)
def lowest(session: nox.Session) -> None:
    """The packages' tests with every dependency at the lowest version that its bound takes."""
    names = sorted(source.parent.name for source in SOURCES)
    # Named one by one: uv takes the lowest of what it is asked for itself.
    bounded = {
        requirement
        for name in names
        for requirement in (
            *_project(name)["project"]["dependencies"],
            *(one for extra in _extras(name).values() for one in extra),
            *_test_group(name),
        )
    }
    _install(session, "--resolution", "lowest-direct", *names, *sorted(bounded))
    _pytest(session, *(f"packages/{name}/tests" for name in names))


@nox.session(python=CURRENT)
def spark(session: nox.Session) -> None:
    """Spark reads what dfd writes, and the other way round. Needs Java 17, and Maven Central once; minutes long."""
    _install(session, "dfd", *_test_group("dfd"), "pyspark>=4,<4.1", "delta-spark>=4,<4.1")
    # Two Sparks would fetch the same jars at once.
    _pytest(session, "tests/spark", at_once=())


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
    """The policy on each release of deltalake: its own tests, every race, by SQL too, and what bare deltalake gets wrong."""
    _install(session, "dfd", *_test_group("dfd"), f"deltalake=={deltalake}")
    session.run("python", "tools/servers.py", "install", "versitygw")
    _pytest(
        session,
        *("tests/policy/matrix", "tests/sql/test_matrix.py", "packages/dfd-delta-policy/tests"),
        DFD_LONG="1",
    )


@nox.session(python=CURRENT)
def histories(session: nox.Session) -> None:
    """1,000 random histories of several writers, against plain Python. The tests run 50."""
    _install(session, "dfd", *_test_group("dfd"))
    _pytest(session, "tests/policy/matrix/test_histories.py", DFD_LONG="1")


@nox.session(python=CURRENT)
def faults(session: nox.Session) -> None:
    """The policy under faults, kills and mixes of processes, in full. Half an hour; the tests run a selection."""
    _install(session, "dfd", *_test_group("dfd"), *DUCKDB)
    session.run("python", "tools/servers.py", "install", "versitygw")
    policy = (f"tests/policy/{path}" for path in ("faults", "kills", "test_processes_mixed.py"))
    _pytest(session, *policy, "tests/integration/test_demo.py", DFD_LONG="1")


@nox.session(python=CURRENT)
def whole(session: nox.Session) -> None:
    """Every table of the references, and long streams, of which the tests take some."""
    _install(session, "dfd", *_test_group("dfd"), *DUCKDB)
    servers = ("versitygw", "azurite", "s3rver", "moto")
    session.run("python", "tools/servers.py", "install", *servers)
    policy = ("test_changed_tables", "test_restoring", "test_rewriting")
    _pytest(
        session,
        *(f"tests/policy/{name}.py" for name in policy),
        *("tests/conformance/test_spark.py", "tests/stage/test_bounded.py"),
        *("tests/remote/test_commit_safety.py", "tests/routes/test_memory.py"),
        DFD_LONG="1",
    )


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


@nox.session(name="bench-changes", python=CURRENT)
def bench_changes(session: nox.Session) -> None:
    """Changes of a few rows of large tables, beside bare deltalake. Not part of the tests."""
    _install(session, "dfd", "numpy")
    session.run("python", "-m", "benchmarks.changes", *session.posargs)


@nox.session(name="bench-memory", python=CURRENT)
def bench_memory(session: nox.Session) -> None:
    """Queries within a memory limit: dfd's engine beside duckdb. Not part of the tests."""
    _install(session, "dfd", "numpy", "polars", *DUCKDB)
    session.run("python", "-m", "benchmarks.memory", *session.posargs)


@nox.session(name="bench-metadata", python=CURRENT)
def bench_metadata(session: nox.Session) -> None:
    """Opening tables of many commits, and their first queries, on a disk and on a slow S3. Not part of the tests."""
    _install(session, "dfd", "polars", *DUCKDB, "daft")
    session.run("python", "tools/servers.py", "install", "versitygw")
    session.run("python", "-m", "benchmarks.metadata", *session.posargs)


@nox.session(name="bench-obs", python=CURRENT)
def bench_obs(session: nox.Session) -> None:
    """Queries with everything observed, without an SDK, and unobserved. Not part of the tests."""
    _install(session, "dfd", "opentelemetry-sdk", "polars", *DUCKDB, "tpchgen-cli")
    session.run("python", "-m", "benchmarks.obs", *session.posargs)


@nox.session(python=CURRENT)
def sqllogictest(session: nox.Session) -> None:
    """All of DataFusion's own test files, with their own tables and with Delta tables; `-- --form delta` one of both.

    The tests run a selection of them.
    """
    _install(session, "dfd", *_test_group("dfd"))
    forms = [[]] if "--form" in session.posargs else [["--form", "routes"], ["--form", "delta"]]
    for form in forms:
        session.run("python", "tests/sqllogictest/suite.py", *form, *session.posargs)


@nox.session(python=CURRENT)
@nox.parametrize("example", ORCHESTRATORS, ids=ORCHESTRATORS)
def orchestrators(session: nox.Session, example: str) -> None:
    """The examples for Airflow and Dagster, each beside the real library. Not part of the tests."""
    folder = ROOT / "examples" / example
    _install(session, "-r", str(folder / "requirements.txt"))
    session.chdir(folder)
    session.run("python", "-m", "pytest", "-p", "no:cacheprovider", ".", *session.posargs)


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
