"""Encryption by the server, as object_store takes it."""

from __future__ import annotations

import base64

from dfd_storage import Encryption, Secret

KEY = base64.b64encode(b"0" * 32).decode()


def test_options() -> None:
    assert Encryption(type="AES256").options() == {"aws_server_side_encryption": "AES256"}
    assert Encryption(type="aws:kms", kms_key_id="k", bucket_key=True).options() == {
        "aws_server_side_encryption": "aws:kms",
        "aws_sse_kms_key_id": "k",
        "aws_sse_bucket_key_enabled": "true",
    }
    with_key = Encryption(type="sse-c", customer_key=Secret(KEY))
    assert with_key.options()["aws_sse_customer_key_base64"] == KEY
    assert KEY not in repr(with_key)
