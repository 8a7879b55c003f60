"""The one way to build: tools by hash, the clock of the commit, and no place of the machine."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import build
import pytest
import twice


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("text", encoding="utf-8")
    made = tmp_path / "dfd_native-0.1.0.tar.gz"
    with tarfile.open(made, "w:gz") as archive:
        archive.add(tmp_path / "file", "dfd_native-0.1.0/file")
    return made


def test_a_file_more_in_a_source_distribution(source: Path, tmp_path: Path) -> None:
    copies = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        copy = build.with_file(source, Path(__file__), ".cargo/config.toml", tmp_path / name)
        copies.append(copy.read_bytes())
    assert copies[0] == copies[1]
    with tarfile.open(tmp_path / "a" / source.name) as archive:
        assert archive.getnames() == [
            "dfd_native-0.1.0/file",
            "dfd_native-0.1.0/.cargo/config.toml",
        ]
        added = archive.extractfile("dfd_native-0.1.0/.cargo/config.toml")
        assert added
        assert added.read() == Path(__file__).read_bytes()


def test_the_clock_is_the_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert build.commit_time(tmp_path) is None
    commit = ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty")
    for command in (("init", "-q"), (*commit, "--date", "@1700000000 +0000", "-m", "one")):
        subprocess.run(
            ["git", "-C", str(tmp_path), *command],
            env={**os.environ, "GIT_COMMITTER_DATE": "@1700000001 +0000"},
            check=True,
        )
    assert build.commit_time(tmp_path) == 1700000001
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "5")
    assert build.commit_time(tmp_path) == 5


def test_what_is_shared_is_compiled_without_a_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Crates ask for the time: another one would have them compiled again, at each commit."""
    seen: list[dict[str, str]] = []
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setattr(build, "_run", lambda *_, environment=None, **__: seen.append(environment))
    monkeypatch.setattr(build.zig_linker, "environment", lambda _: {})
    monkeypatch.setattr(
        build.third_party, "metadata", lambda _: {"packages": [], "resolve": {"nodes": []}}
    )
    build.build_native(Path("dist"), "release")
    assert "SOURCE_DATE_EPOCH" not in seen[0]
    assert not [name for name in seen[0] if name.endswith("_RUSTFLAGS") and name not in os.environ]


def test_what_differs_is_named(tmp_path: Path) -> None:
    for name, text in (("a", "one"), ("b", "two")):
        (tmp_path / name / "source").mkdir(parents=True)
        for file in ("same.whl", "source/same.tar.gz", "other.whl"):
            content = text if file == "other.whl" else "same"
            (tmp_path / name / file).write_text(content, encoding="utf-8")
    (tmp_path / "b" / "more.whl").write_text("more", encoding="utf-8")
    assert twice.differences(tmp_path / "a", tmp_path / "b") == ["more.whl", "other.whl"]


def test_a_build_tool_of_another_hash_is_refused(tmp_path: Path) -> None:
    """uv builds with what the lock has, or not at all."""
    constraints = tmp_path / "constraints.txt"
    constraints.write_text(f"hatchling==1.27.0 --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    ran = subprocess.run(
        [
            *("uv", "build", "--quiet", "--wheel", "--package", "dfd-base"),
            *("--python", sys.executable, "--build-constraints", str(constraints)),
            *("--require-hashes", "--out-dir", str(tmp_path)),
        ],
        cwd=build.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode != 0
    assert "hash" in ran.stderr.lower()
    assert not list(tmp_path.glob("*.whl"))
