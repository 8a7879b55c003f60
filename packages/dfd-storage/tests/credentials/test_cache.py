"""Credentials that end: asked for once, renewed ahead, and never shown."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from dfd_storage import (
    AzureProfile,
    CredentialCache,
    CredentialsUnavailable,
    GCSProfile,
    InvalidProfile,
    ProviderCredentials,
    S3Profile,
    SasCredentials,
    Secret,
    StaticCredentials,
)

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


class Clock:
    """A time that a test owns."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def key(number: int) -> StaticCredentials:
    return StaticCredentials(f"AK{number}", Secret(f"hunter2-{number}"))


def counting(clock: Clock, lasts_s: float = 3600) -> tuple[Callable[[], Any], list[int]]:
    calls: list[int] = []

    def provide() -> tuple[StaticCredentials, datetime]:
        calls.append(len(calls))
        return key(len(calls)), clock() + timedelta(seconds=lasts_s)

    return provide, calls


def test_asked_once_for_many_threads() -> None:
    entered, release = threading.Event(), threading.Event()
    calls: list[int] = []

    def provide() -> tuple[StaticCredentials, None]:
        calls.append(1)
        entered.set()
        assert release.wait(30)
        return key(1), None

    source = CredentialCache(provide)
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(source.current) for _ in range(16)]
        assert entered.wait(30)
        release.set()
        assert {answer.result() for answer in asked} == {key(1)}
    assert (len(calls), source.generation) == (1, 1)


def test_renewed_ahead_of_the_end() -> None:
    clock = Clock()
    provide, calls = counting(clock)
    source = CredentialCache(provide, 300, clock)
    assert source.current() == key(1)
    clock.pass_s(3299)
    assert (source.current(), source.generation, len(calls)) == (key(1), 1, 1)
    clock.pass_s(2)
    assert (source.current(), source.generation, len(calls)) == (key(2), 2, 2)


def test_the_same_answer_is_no_new_generation() -> None:
    clock = Clock()
    source = CredentialCache(lambda: (key(1), clock() + timedelta(hours=1)), 300, clock)
    source.current()
    clock.pass_s(3500)
    assert (source.current(), source.generation) == (key(1), 1)


def test_a_failed_renewal_leaves_what_still_holds(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    answers: list[Any] = [(key(1), START + timedelta(hours=1))]

    def provide() -> Any:
        if not answers:
            raise RuntimeError("hunter2-in-an-error")
        return answers.pop()

    source = CredentialCache(provide, 300, clock)
    source.current()
    clock.pass_s(3400)
    assert source.current() == key(1)
    assert "RuntimeError" in caplog.text
    clock.pass_s(300)
    with pytest.raises(CredentialsUnavailable, match="RuntimeError") as caught:
        source.current()
    assert caught.value.__cause__ is None
    assert "hunter2" not in caplog.text + str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        key(1),
        (key(1),),
        (key(1), "tomorrow"),
        (key(1), datetime(2026, 1, 1)),
        (key(1), START - timedelta(days=1)),
        None,
    ],
)
def test_refuses_what_is_no_answer(answer: Any) -> None:
    with pytest.raises(CredentialsUnavailable):
        CredentialCache(lambda: answer, now=Clock()).current()


def test_profiles_take_the_newest_answer() -> None:
    answers = [(key(2), None), (key(1), datetime.now(timezone.utc) + timedelta(seconds=200))]
    profile = S3Profile(
        uri="s3://b", credentials=ProviderCredentials(provider=lambda: answers.pop())
    )
    assert profile.credentials_generation == 1
    # 200 s are fewer than the 300 s ahead: the next look renews.
    assert profile.to_deltalake_options()["aws_access_key_id"] == "AK2"
    assert profile.credentials_generation == 2
    assert profile.to_deltalake_options()["aws_secret_access_key"] == "hunter2-2"
    assert "hunter2" not in repr(profile) + profile.fingerprint


def test_each_kind_says_what_it_takes() -> None:
    wrong = ProviderCredentials(provider=lambda: ("hunter2", None))
    for profile in (
        S3Profile(uri="s3://b", credentials=wrong),
        AzureProfile(uri="az://b", account="a", credentials=wrong),
        GCSProfile(uri="gs://b", credentials=wrong),
    ):
        with pytest.raises(CredentialsUnavailable, match="Credentials") as caught:
            profile.to_deltalake_options()
        assert "hunter2" not in str(caught.value)
    azure = AzureProfile(
        uri="az://b",
        account="a",
        credentials=ProviderCredentials(
            provider=lambda: (SasCredentials(Secret("sig=hunter2")), None)
        ),
    )
    assert azure.to_deltalake_options()["azure_storage_sas_key"] == "sig=hunter2"
    with pytest.raises(InvalidProfile):
        ProviderCredentials(provider="no function")  # type: ignore[arg-type]
