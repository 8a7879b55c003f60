"""What an error of a library tells of its store: one class, whichever library asked."""

from __future__ import annotations

import pytest
from dfd_storage import classify_failure, errors
from dfd_storage.error_mapping import panics_as_errors


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("<Code>SignatureDoesNotMatch</Code>", errors.WrongSecret),
        ("<Code>InvalidAccessKeyId</Code>", errors.UnknownKey),
        ("<Code>NoSuchBucket</Code>", errors.BucketNotFound),
        ("Error after 1 retries, retry_timeout:180s: Connection refused", errors.ConnectionRefused),
        ("operation timed out", errors.ConnectionStalled),
        ("<Code>ExpiredToken</Code> The provided token has expired", errors.ExpiredCredentials),
        ("Signature not valid in the specified time frame", errors.ExpiredCredentials),
        ("status code: 403 Forbidden", errors.AccessRefused),
        ("No files in log segment", None),
        ("column timeout_s not found", None),
    ],
)
def test_what_a_text_tells(text: str, kind: type[errors.StorageFailure] | None) -> None:
    try:
        try:
            raise OSError(text)
        except OSError as inner:
            raise RuntimeError("outer") from inner
    except RuntimeError as outer:
        found = classify_failure(outer, "s3://b/t", "deltalake")
    if kind is None:
        assert found is None
    else:
        assert type(found) is kind
        assert found.location in str(found)
        assert text not in str(found)


def test_the_words_of_a_user_tell_nothing() -> None:
    for text in ("no column named AccessDenied", "note = 'Connection refused'", "403 Forbidden"):
        assert classify_failure(ValueError(text), "s3://b/t") is None


class _OfNative(Exception):
    """As dfd-native raises what a stage meets, with its code."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        ("rule_violation", "CHECK (note <> 'Generic S3 error: timed out') is violated by row 3", None),
        ("stage_source", "the stream failed after 3 rows: Generic S3 error: 403 Forbidden", None),
        ("stage", "the store failed on t/x: Generic S3 error: 403 Forbidden", errors.AccessRefused),
        ("table", "the Delta table at s3://b/t can't be read: Generic S3 error: timed out",
         errors.ConnectionStalled),
    ],
)  # fmt: skip
def test_what_quotes_the_rows_or_their_source_tells_nothing(
    code: str, text: str, kind: type[errors.StorageFailure] | None
) -> None:
    found = classify_failure(_OfNative(code, text), "s3://b/t")
    assert type(found) is (kind or type(None))


class PanicException(BaseException):
    """Stands in for pyo3's class, which no module exports: it is told by its name."""


def test_a_panic_is_an_error_without_its_text() -> None:
    with pytest.raises(errors.LibraryPanic) as caught, panics_as_errors("obstore"):
        raise PanicException("hunter2")
    assert caught.value.library == "obstore"
    assert "hunter2" not in str(caught.value)
    with pytest.raises(KeyboardInterrupt), panics_as_errors("obstore"):
        raise KeyboardInterrupt
