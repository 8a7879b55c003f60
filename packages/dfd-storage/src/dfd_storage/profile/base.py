"""The base of all profiles: a location, its renderings, its commits and its failures."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec
from dfd_base import warn_renamed

from dfd_storage.capabilities import installed_version, require
from dfd_storage.commit_safety import CommitSafety, Mechanism
from dfd_storage.commit_safety.probe import prove
from dfd_storage.commit_safety.requirement import (
    Store,
    refuse_read_only,
    remember,
    require_safe_commits,
)
from dfd_storage.error_mapping import (
    causal_chain,
    classify_failure,
    has_no_body,
    panics_as_errors,
)
from dfd_storage.errors import (
    AccessRefused,
    InvalidProfile,
    InvalidUri,
    StorageFailure,
    UnsupportedSetting,
)
from dfd_storage.fields import check_fields
from dfd_storage.parse.settings import from_settings
from dfd_storage.parse.toml import from_toml
from dfd_storage.parse.variables import from_variables
from dfd_storage.profile.issue import StorageIssue
from dfd_storage.render.duckdb_secret import Settings, create_secret
from dfd_storage.render.obstore_store import list_first
from dfd_storage.render.toml import to_toml
from dfd_storage.uri import Location, canonical_uri, parse_uri

if TYPE_CHECKING:
    import pyarrow.fs
    from datafusion import SessionContext
    from obstore.store import ObjectStore


class StorageProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A location and everything needed to reach it. Frozen, and checked when it is built.

    `uri` is the location that the profile covers, kept in its canonical form. Build one of the
    kinds, or let `from_uri`, `from_env` or `from_toml` choose it.
    """

    schemes: ClassVar[tuple[str, ...]] = ()
    uri: str

    def __post_init__(self) -> None:
        check_fields(self)
        location = parse_uri(self.uri)
        if location.scheme not in self.schemes:
            raise InvalidProfile(
                f"{type(self).__name__} takes no {location.scheme}:// location.",
                "Let StorageProfile.from_uri choose the kind.",
                field="uri",
            )
        msgspec.structs.force_setattr(self, "uri", self._located(location).uri)

    @staticmethod
    def from_uri(uri: str | os.PathLike[str], **settings: Any) -> StorageProfile:
        """The profile of the kind that the URI's scheme names.

        Raises:
            InvalidUri: the URI is refused.
            InvalidProfile: a setting is none of the kind's, or has a wrong value.
        """
        location = canonical_uri(uri)
        return from_settings(kind_of(location), location, settings)

    @staticmethod
    def from_env(
        uri: str | os.PathLike[str], environ: Mapping[str, str] | None = None
    ) -> StorageProfile:
        """The profile in the variables `DFD_<KIND>_<FIELD>`, read once; no other is looked at.

        `DFD_S3_REGION`, `DFD_AZURE_ACCOUNT`; the fields of the credentials stand beside them
        (`DFD_S3_ACCESS_KEY_ID`), and `DFD_S3_CREDENTIALS` names the variant where they leave a
        choice; `DFD_S3_EXTRA_<KEY>` is a further option.

        Raises:
            UnknownOption: a variable with that prefix names no setting.
        """
        location = canonical_uri(uri)
        return from_variables(
            kind_of(location), location, os.environ if environ is None else environ
        )

    @staticmethod
    def from_toml(source: str | Path | Mapping[str, Any]) -> StorageProfile:
        """The profile in a TOML file or mapping: `kind`, `uri` and the kind's fields.

        Credentials are a table `{kind = "static", access_key_id = "...",
        secret_access_key = {env = "NAME"}}` or another variant; secrets are references.

        Raises:
            InvalidProfile: it can't be read, or a field is refused.
        """
        return from_toml(source, kind_of)

    def to_toml(self) -> str:
        """The profile as `from_toml` reads it: secrets as the references that they came from.

        Raises:
            SecretExposed: a secret came from no reference, or credentials from a callback.
        """
        return to_toml(self)

    @property
    def kind(self) -> str:
        """The kind's name, as `kind` in TOML says it: `"s3"` of an `S3Profile`."""
        return str(self.__struct_config__.tag)

    def canonical_uri(self, uri: str | os.PathLike[str] | None = None) -> str:
        """The canonical form of `uri`, or the profile's own location."""
        return self.uri if uri is None else self._located(parse_uri(uri)).uri

    def _located(self, location: Location) -> Location:
        """The location, with what the profile knows of it."""
        return location

    def covers(self, uri: str | os.PathLike[str]) -> bool:
        """Whether the location is the profile's, or lies below it."""
        location = self.canonical_uri(uri)
        return location == self.uri or location.startswith(self.uri.rstrip("/") + "/")

    @property
    def fingerprint(self) -> str:
        """A digest of all settings but the secrets: equal for equal meaning, for cache keys."""
        settings = msgspec.to_builtins(self, enc_hook=lambda _: "***")
        return hashlib.sha256(msgspec.json.encode(settings, order="sorted")).hexdigest()

    @property
    def credentials_generation(self) -> int:
        """The number of the credentials that hold now; another than before: register and open anew.

        0 for credentials that don't change. Looking renews those that are about to end.
        """
        return 0

    @property
    def generation(self) -> int:
        """Deprecated name of `credentials_generation`."""
        warn_renamed("StorageProfile.generation", "StorageProfile.credentials_generation")
        return self.credentials_generation

    def settings(self) -> list[str]:
        """The names of what is set and no default, as the table of capabilities has them."""
        return ["uri"]

    def to_deltalake_options(self) -> dict[str, str]:
        """The `storage_options` of deltalake: complete, so that the environment adds nothing.

        Raises:
            EnvironmentContradiction: variables are set that deltalake takes whatever the options
                say.
            UnsupportedSetting: deltalake can't express a field that is set.
        """
        require(self.kind, self.settings(), "deltalake")
        return {}

    def to_native_options(self) -> dict[str, str]:
        """The options of dfd-native's tables and engine; it reads nothing from the environment.

        Raises:
            UnsupportedSetting: dfd-native can't express a field that is set.
        """
        require(self.kind, self.settings(), "dfd-native")
        return {}

    def to_datafusion_object_store(self) -> Any:
        """The store of `datafusion.object_store`.

        Raises:
            UnsupportedSetting: DataFusion's class can't express a field that is set, or has no
                class for this kind.
            EnvironmentContradiction: variables are set that DataFusion takes whatever it is given.
            MissingDependency: datafusion isn't installed.
            LibraryPanic: datafusion panics over the values.
        """
        installed_version("datafusion")
        require(self.kind, self.settings(), "datafusion")
        with panics_as_errors("datafusion"):
            return self._datafusion_store()

    def _datafusion_store(self) -> Any:
        raise UnsupportedSetting("kind", "datafusion", installed_version("datafusion"))

    def store_uris(self) -> tuple[str, ...]:
        """The roots under which the store is reached: one for every scheme that leads to it."""
        return ()

    def registrations(self) -> tuple[tuple[str, str | None], ...]:
        """The scheme and host pairs under which DataFusion looks for the store."""
        found = []
        for uri in self.store_uris():
            scheme, _, host = uri.partition("://")
            # DataFusion knows the host alone, not the container before it.
            found.append((f"{scheme}://", host.rpartition("@")[2] or None))
        return tuple(found)

    def register(self, session_context: SessionContext) -> None:
        """Register the store in a session, under every scheme that leads to it.

        Raises:
            UnsupportedSetting: as `to_datafusion_object_store`.
        """
        store = self.to_datafusion_object_store()
        for scheme, host in self.registrations():
            session_context.register_object_store(scheme, store, host)

    def to_obstore(self) -> ObjectStore:
        """A store of obstore, of the location itself: `obstore.get(store, "file below it")`.

        Raises:
            UnsupportedSetting: obstore can't express a field that is set.
        """
        installed_version("obstore")
        require(self.kind, self.settings(), "obstore")
        with panics_as_errors("obstore"):
            return self._obstore_store()

    def _obstore_store(self) -> ObjectStore:
        raise UnsupportedSetting("kind", "obstore", installed_version("obstore"))

    def to_pyarrow_fs(self) -> pyarrow.fs.FileSystem:
        """A file system of pyarrow, rooted at the location.

        Raises:
            UnsupportedSetting: pyarrow can't express a field that is set.
        """
        installed_version("pyarrow")
        require(self.kind, self.settings(), "pyarrow")
        return self._pyarrow_filesystem()

    def _pyarrow_filesystem(self) -> pyarrow.fs.FileSystem:
        raise UnsupportedSetting("kind", "pyarrow", installed_version("pyarrow"))

    def to_polars_options(self) -> dict[str, Any]:
        """The `storage_options` of polars.

        Raises:
            UnsupportedSetting: polars can't express a field that is set.
        """
        require(self.kind, self.settings(), "polars")
        return {}

    def to_duckdb_secret(self, name: str) -> str:
        """The `CREATE SECRET` statement of DuckDB for this location, every value quoted.

        The text holds the secrets in the clear: execute it, and show it to nobody.

        Raises:
            UnsupportedSetting: DuckDB can't express a field that is set.
        """
        require(self.kind, self.settings(), "duckdb")
        return create_secret(name, self._duckdb_settings())

    def _duckdb_settings(self) -> Settings:
        raise UnsupportedSetting("kind", "duckdb", installed_version("duckdb"))

    def validate(self) -> list[StorageIssue]:
        """The issues of the profile, found offline; an empty list where nothing looks wrong."""
        return []

    @property
    def mechanism(self) -> Mechanism:
        """The mechanism that keeps concurrent commits on this store apart."""
        raise NotImplementedError

    @property
    def needs_proof(self) -> bool:
        """Whether nobody vouches for the store, so that it is probed before the first commit."""
        return False

    def probe(self) -> CommitSafety:
        """Prove on the live store that it can be written and keeps concurrent commits apart.

        Two puts of one name, the second of which must fail, then eight at once, of which one must
        win; in a scratch prefix that is removed. The verdict is remembered for writers of this
        process.

        Raises:
            StorageFailure: the store refuses, or can't be reached.
            MissingDependency: obstore isn't installed.
        """
        refuse_read_only(self.uri, self.mechanism)
        with self.failures(library="obstore"):
            verdict = prove(self.uri, self.mechanism, self.to_obstore())
        remember(self._store, verdict)
        return verdict

    def require_safe_commits(self, uri: str | os.PathLike[str]) -> None:
        """Refuse a store that isn't safe, before a writer's first commit to the table at `uri`.

        Where nobody vouches for the store it is probed, once per process.

        Raises:
            UnsafeStorage: its commits overwrite one another; or they are asked for as unsafe, and
                another process of this machine writes to the table.
        """
        require_safe_commits(
            self.canonical_uri(uri),
            self.uri,
            self.mechanism,
            self._store,
            self.probe if self.needs_proof else None,
        )

    @property
    def _store(self) -> Store:
        return Store.of(self.uri, getattr(self, "endpoint", None))

    @contextlib.contextmanager
    def failures(
        self,
        uri: str | os.PathLike[str] | None = None,
        library: str | None = None,
        passing: tuple[type[Exception], ...] = (),
    ) -> Iterator[None]:
        """A block in which an error of a library over this store becomes a `StorageFailure`.

        Other errors pass as they are, and so do those of the classes `passing`.
        """
        try:
            yield
        except passing:
            raise
        except Exception as error:
            found = self.failure_of(error, uri, library)
            if found is None or found in causal_chain(error):
                raise
            raise found from error

    def failure_of(
        self,
        error: BaseException,
        uri: str | os.PathLike[str] | None = None,
        library: str | None = None,
    ) -> StorageFailure | None:
        """The failure of storage that an error tells of; None where it tells of something else."""
        location = self.canonical_uri(uri)
        found = classify_failure(error, location, library)
        if type(found) in (AccessRefused, type(None)) and has_no_body(error):
            # The answer to HEAD has no body that says why: a listing's has.
            try:
                list_first(self.to_obstore())
            except Exception as told:  # noqa: BLE001 - whatever it is, the refusal stands
                return classify_failure(told, location, library) or found
        return found


K = TypeVar("K", bound="type[StorageProfile]")
_kinds: dict[str, type[StorageProfile]] = {}


def register_kind(kind: K) -> K:
    """Register a kind of profile for the locations of its schemes; a decorator of its class."""
    for scheme in kind.schemes:
        _kinds[scheme] = kind
    return kind


def kind_of(location: str) -> type[StorageProfile]:
    """The registered kind of profile for a canonical URI.

    Raises:
        InvalidUri: there is none.
    """
    scheme = parse_uri(location).scheme
    if scheme not in _kinds:
        raise InvalidUri(
            f"There is no profile for {scheme}:// locations.",
            f"Use one of {', '.join(sorted(_kinds))}.",
            part="scheme",
        )
    return _kinds[scheme]
