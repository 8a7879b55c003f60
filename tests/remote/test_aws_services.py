"""The DynamoDB lock with a deltalake that still has it, and AWS's token service: both by moto."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from datetime import datetime, timezone
from importlib.metadata import distribution
from pathlib import Path

import pytest
import servers
from dfd_storage import (
    AmbientCredentials,
    AssumeRoleCredentials,
    CredentialsUnavailable,
    DynamoDBLock,
    S3Profile,
    Secret,
    StaticCredentials,
    WebIdentityCredentials,
)
from dfd_storage.credentials import sts
from servers import MOTO, Server

ROLE = "arn:aws:iam::123456789012:role/lake"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """S3, DynamoDB and STS, with the bucket `lake` and the lock's table."""
    with servers.moto(tmp_path_factory.mktemp("moto")) as server:
        made = in_old_deltalake(
            """
            import boto3, json, sys
            place = json.loads(sys.argv[1])
            given = dict(endpoint_url=place["endpoint"], region_name="us-east-1",
                         aws_access_key_id=place["key_id"], aws_secret_access_key=place["secret"])
            boto3.client("s3", **given).create_bucket(Bucket="lake")
            boto3.client("dynamodb", **given).create_table(
                TableName="delta_log", BillingMode="PAY_PER_REQUEST",
                KeySchema=[{"AttributeName": "tablePath", "KeyType": "HASH"},
                           {"AttributeName": "fileName", "KeyType": "RANGE"}],
                AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("tablePath", "fileName")])
            print("made")
            """,
            server,
        )
        assert made.communicate(timeout=120)[0].strip() == "made"
        yield server


def in_old_deltalake(code: str, server: Server, *arguments: str) -> subprocess.Popen[str]:
    """A process of the environment with moto and deltalake 1.6.0; dfd_storage is there, and nothing else of dfd."""
    import textwrap

    place = {"endpoint": server.endpoint, "key_id": server.key_id, "secret": server.secret}
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "PYTHON", "VIRTUAL_ENV"))
    }
    return subprocess.Popen(
        [str(MOTO.install()), "-c", textwrap.dedent(code), json.dumps(place), *arguments],
        env=kept | {"AWS_EC2_METADATA_DISABLED": "true"},
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """A directory with dfd_storage and its base alone."""
    parts = (distribution(name).files or [] for name in ("dfd-base", "dfd-storage"))
    for file in itertools.chain.from_iterable(parts):
        if ".." not in file.parts:
            target = tmp_path / "alone" / str(file)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(Path(str(file.locate())).read_bytes())
    return tmp_path / "alone"


WRITE = """
import json, sys
sys.path.insert(0, sys.argv[2])
import deltalake, pyarrow as pa
from dfd_storage import DynamoDBLock, S3Profile, Secret, StaticCredentials
place = json.loads(sys.argv[1])
profile = S3Profile(
    uri="s3://lake", endpoint=place["endpoint"], allow_http=True,
    credentials=StaticCredentials(place["key_id"], Secret(place["secret"])),
    commits=DynamoDBLock(endpoint=place["endpoint"]),
)
assert not [issue for issue in profile.validate() if issue.severity == "error"]
assert profile.mechanism == "dynamodb"
profile.require_safe_commits("s3://lake/t")
options = profile.to_deltalake_options()
print("ready", flush=True)
sys.stdin.readline()
done = 0
while done < int(sys.argv[4]):
    try:
        deltalake.write_deltalake("s3://lake/t", pa.table({"w": [int(sys.argv[3])], "n": [done]}),
                                  mode="append", storage_options=options)
        done += 1
    except Exception as error:
        # Only what is known not to have happened is tried again.
        assert "Failed to commit transaction" in str(error) or "already exists" in str(error), error
print(deltalake.__version__, deltalake.DeltaTable("s3://lake/t", storage_options=options).version())
"""
READ = """
import json, sys
sys.path.insert(0, sys.argv[2])
import boto3, deltalake
place = json.loads(sys.argv[1])
given = dict(endpoint_url=place["endpoint"], region_name="us-east-1",
             aws_access_key_id=place["key_id"], aws_secret_access_key=place["secret"])
items = boto3.client("dynamodb", **given).scan(TableName="delta_log")["Items"]
table = deltalake.DeltaTable("s3://lake/t", storage_options={
    "aws_access_key_id": place["key_id"], "aws_secret_access_key": place["secret"],
    "aws_endpoint_url": place["endpoint"], "aws_allow_http": "true", "aws_region": "us-east-1"})
rows = sorted((r["w"], r["n"]) for r in table.to_pyarrow_table().to_pylist())
# deltalake aborts at exit now and then.
print(json.dumps([table.version(), len(items), rows]), flush=True)
"""


def test_writers_with_the_lock_lose_nothing(cloud: Server, alone: Path) -> None:
    writers, appends = 3, 5
    first = in_old_deltalake(WRITE, cloud, str(alone), "0", "1")
    assert first.communicate("go\n", timeout=120)[0].split() == ["ready", "1.6.0", "0"]
    running = [
        in_old_deltalake(WRITE, cloud, str(alone), str(number), str(appends))
        for number in range(1, writers + 1)
    ]
    for writer in running:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in running:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.wait(240) for writer in running] == [0] * writers
    read = in_old_deltalake(READ, cloud, str(alone))
    version, locks, rows = json.loads(read.communicate(timeout=120)[0])
    assert version == writers * appends
    assert locks == version + 1, "the lock's table has an entry for every commit"
    expected = [(w, n) for w in range(1, writers + 1) for n in range(appends)]
    assert [tuple(row) for row in rows] == [(0, 0), *expected]


def profile(server: Server, **settings: object) -> S3Profile:
    fields = {
        "uri": "s3://lake",
        "endpoint": server.endpoint,
        "allow_http": True,
        "credentials": StaticCredentials(server.key_id, Secret(server.secret)),
    }
    return S3Profile(**(fields | settings))  # type: ignore[arg-type]


def test_lock_and_store_are_held_against_each_other() -> None:
    server = Server("http://127.0.0.1:9", "k", "s")
    codes = {
        (None,): {"lock_endpoint"},
        ("http://127.0.0.1:9",): set(),
    }
    for (endpoint,), expected in codes.items():
        found = profile(server, commits=DynamoDBLock(endpoint=endpoint)).validate()
        assert {issue.code for issue in found} - {"proxy_of_environment"} == expected
    plain = profile(
        server,
        endpoint=None,
        allow_http=False,
        commits=DynamoDBLock(endpoint="http://h", region="x"),
    )
    assert {issue.code for issue in plain.validate()} - {"proxy_of_environment"} == {
        "lock_endpoint", "lock_region", "http_refused"
    }  # fmt: skip


def test_a_role_is_assumed_once_and_works_in_every_library(cloud: Server) -> None:
    source = StaticCredentials(cloud.key_id, Secret(cloud.secret))
    role = AssumeRoleCredentials(
        role_arn=ROLE, source=source, sts_endpoint=cloud.endpoint, session_name="once"
    )
    assumed = profile(cloud, credentials=role)
    options = assumed.to_deltalake_options()
    assert options["aws_access_key_id"].startswith("ASIA")
    assert options["aws_session_token"]
    assert assumed.to_native_options() == options
    assert assumed.credentials_generation == 1
    assumed.to_datafusion_object_store()
    assert assumed.to_pyarrow_fs() is not None


def test_a_web_identity_is_exchanged(cloud: Server, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("header.eyJzdWIiOiAieCJ9.signature\n")
    identity = WebIdentityCredentials(
        token_file=str(token), role_arn=ROLE, token_service=cloud.endpoint
    )
    found = profile(cloud, credentials=identity).to_deltalake_options()
    assert found["aws_access_key_id"].startswith("ASIA")
    with pytest.raises(CredentialsUnavailable, match="token file"):
        profile(
            cloud,
            credentials=WebIdentityCredentials(token_file=str(tmp_path / "no"), role_arn=ROLE),
        ).to_deltalake_options()


def test_the_ambient_order(cloud: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    ambient = profile(cloud, credentials=AmbientCredentials())
    assert "aws_access_key_id" not in ambient.to_native_options()
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/role")
    assert ambient.to_native_options()["aws_container_credentials_relative_uri"] == "/role"
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text(
        "[default]\naws_access_key_id = FILE\naws_secret_access_key = s\n"
    )
    assert ambient.to_deltalake_options()["aws_access_key_id"] == "FILE"
    (tmp_path / "token").write_text("header.eyJzdWIiOiAieCJ9.signature")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", cloud.endpoint)
    assert ambient.to_deltalake_options()["aws_access_key_id"].startswith("ASIA")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    assert ambient.to_deltalake_options()["aws_access_key_id"] == "ENV"


def test_a_token_service_that_is_not_there_is_one_clear_error() -> None:
    key = StaticCredentials("k", Secret("hunter2-secret"))
    with pytest.raises(CredentialsUnavailable, match="gave no credentials") as caught:
        sts.request_credentials("http://127.0.0.1:9", "r", {"Action": "AssumeRole"}, key, 1.0)
    assert "hunter2" not in str(caught.value)


SIGN = """
import json, sys
from datetime import datetime, timezone
import botocore.auth, botocore.awsrequest, botocore.credentials
place = json.loads(sys.argv[1])
moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
for name in ("get_current_datetime",):
    if hasattr(botocore.auth, name):
        setattr(botocore.auth, name, lambda remove_tzinfo=True: moment.replace(tzinfo=None))
request = botocore.awsrequest.AWSRequest("POST", "https://sts.eu-west-1.amazonaws.com/", data=sys.argv[2].encode())
key = botocore.credentials.Credentials("AKID", "hunter2/secret", "tok+en")
botocore.auth.SigV4Auth(key, "sts", "eu-west-1").add_auth(request)
print(json.dumps(dict(request.headers)))
"""


def test_requests_are_signed_as_botocore_signs_them() -> None:
    body = "Action=AssumeRole&RoleArn=a%2Fb&Version=2011-06-15"
    key = StaticCredentials("AKID", Secret("hunter2/secret"), Secret("tok+en"))
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    ours = sts.signature(
        "https://sts.eu-west-1.amazonaws.com", "eu-west-1", body.encode(), key, moment
    )
    signed = in_old_deltalake(SIGN, Server("http://127.0.0.1:9"), body)
    theirs = json.loads(signed.communicate(timeout=60)[0])
    assert ours["x-amz-date"] == theirs["X-Amz-Date"]
    assert ours["Authorization"] == theirs["Authorization"]
