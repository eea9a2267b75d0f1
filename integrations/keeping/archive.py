"""The file of a backup: a zip with a manifest and, per table, rows as lines of JSON.

Written beside its name and moved there when it is whole; read with suspicion: a backup comes from
a disk that may have failed, or from somebody else.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tomllib
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Annotated, Any

from django.conf import settings
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from integrations.errors import BackupRefused
from integrations.keeping.tables import KINDS, Table

FORMAT = 1
MANIFEST = "manifest.json"
_MOST_OF_MANIFEST = 16 * 2**20
_LONGEST_LINE = 64 * 2**20
# JSON of rows becomes 5 to 30 times smaller; what grows more was not written by a backup.
_MOST_GROWTH = 100
_ALWAYS_ALLOWED = 2**28
_PIECE = 2**18


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TableEntry(_Strict):
    """What the manifest says about one table; `last_id` is the highest that was ever given."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    columns: dict[str, str]
    rows: int
    size: int
    sha256: str
    last_id: int

    @property
    def table(self) -> Table:
        return Table(self.name, self.columns)

    @property
    def member(self) -> str:
        return f"tables/{self.name}.ndjson"


class KeyEntry(_Strict):
    """Which keys open the secrets: how many each, by a check value that is no part of the key."""

    salt: str
    opened_by: dict[str, int]
    unreadable: int


class Manifest(_Strict):
    """The whole of `manifest.json`."""

    format: int
    version: str
    created_at: AwareDatetime
    database: str
    migrations: dict[str, list[str]]
    keys: KeyEntry
    tables: list[TableEntry]

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)


def product_version() -> str:
    """The version of this code."""
    text = (Path(settings.BASE_DIR) / "pyproject.toml").read_text(encoding="utf-8")
    version: str = tomllib.loads(text)["project"]["version"]
    return version


@contextmanager
def new_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """A zip that stands under its name, mode 0600, once all of it is on the disk.

    Until then it is `FILE.part`, so that a process that is killed leaves no FILE, or the one of
    before. Raises BackupRefused when another backup is writing there, or the disk refuses.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with _own_file(part) as file:
            try:
                with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
                    yield archive
                file.flush()
                os.fsync(file.fileno())
                part.replace(path)
            except BaseException:
                with suppress(FileNotFoundError):
                    part.unlink()
                raise
        _sync_folder(path.parent)
    except OSError as error:
        raise BackupRefused(
            f"{path} cannot be written ({error.strerror or error}). Name a file in a folder that "
            "exists, may be written and has room."
        ) from None


@contextmanager
def _own_file(part: Path) -> Iterator[IO[bytes]]:
    """The file, empty, private, and locked against a second backup to the same name."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(part, flags, 0o600), "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = part.stat().st_ino == os.fstat(file.fileno()).st_ino
        except (BlockingIOError, FileNotFoundError):
            is_ours = False
        if not is_ours:
            raise BackupRefused(f"Another backup is writing {part} now; wait until it has ended.")
        os.fchmod(file.fileno(), 0o600)
        file.truncate()
        yield file


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_table(
    archive: zipfile.ZipFile, table: Table, lines: Iterable[bytes], *, last_id: int
) -> TableEntry:
    """Stream a table into the archive; what its entry in the manifest says."""
    entry = TableEntry(
        name=table.name, columns=dict(table.columns), rows=0, size=0, sha256="", last_id=last_id
    )
    digest, rows, size = hashlib.sha256(), 0, 0
    with archive.open(_member(entry.member), "w", force_zip64=True) as member:
        for line in lines:
            digest.update(line)
            member.write(line)
            rows, size = rows + 1, size + len(line)
    return entry.model_copy(update={"rows": rows, "size": size, "sha256": digest.hexdigest()})


def write_manifest(archive: zipfile.ZipFile, manifest: Manifest) -> None:
    """The last thing that is written."""
    archive.writestr(_member(MANIFEST), manifest.model_dump_json(indent=1))


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=datetime.now().timetuple()[:6])  # noqa: DTZ005 - zips know no zone
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    return info


@contextmanager
def open_archive(path: Path) -> Iterator[tuple[zipfile.ZipFile, Manifest]]:
    """An archive whose members are those of its manifest, and no more; nothing is unpacked.

    Raises BackupRefused for what is no backup, is cut off, or would grow beyond reason.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = _read_manifest(archive)
            _check_members(archive, manifest, path.stat().st_size)
            yield archive, manifest
    except OSError as error:
        raise BackupRefused(f"{path} cannot be read ({error.strerror or error}).") from None
    except (
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        EOFError,
        ValidationError,
        KeyError,
    ):
        raise BackupRefused(
            f"{path} is no backup of Rolecall, or it is cut off or damaged. Take another copy."
        ) from None


def _read_manifest(archive: zipfile.ZipFile) -> Manifest:
    info = archive.getinfo(MANIFEST)
    if info.file_size > _MOST_OF_MANIFEST:
        raise BackupRefused("The manifest of the backup is too large to be one. Nothing was read.")
    with archive.open(info) as member:
        text = member.read(_MOST_OF_MANIFEST + 1)
    _check_format(text)
    manifest = Manifest.model_validate_json(text)
    unknown = {kind for table in manifest.tables for kind in table.columns.values()} - KINDS
    if unknown:
        raise BackupRefused(
            f"The backup holds columns of a kind that is unknown here: {', '.join(sorted(unknown))}"
            ". It was made by a newer version; update Rolecall first."
        )
    return manifest


def _check_format(text: bytes) -> None:
    try:
        given = json.loads(text)["format"]
    except (ValueError, TypeError):
        raise KeyError("format") from None
    if given != FORMAT:
        raise BackupRefused(
            f"The backup has format {str(given)[:20]}; this version reads format {FORMAT}. "
            "Update Rolecall first."
        )


def _check_members(archive: zipfile.ZipFile, manifest: Manifest, size: int) -> None:
    expected = {entry.member: entry.size for entry in manifest.tables}
    found = [info for info in archive.infolist() if info.filename != MANIFEST]
    names = [info.filename for info in found]
    if len(set(names)) != len(names) or set(names) != set(expected):
        raise BackupRefused("The files in the backup are not those that its manifest lists.")
    if len(names) + 1 != len(archive.infolist()):
        raise BackupRefused("The backup has more than one manifest.")
    if any(info.file_size != expected[info.filename] for info in found):
        raise BackupRefused("The tables in the backup are not as long as its manifest says.")
    if sum(expected.values()) > max(_ALWAYS_ALLOWED, _MOST_GROWTH * size):
        raise BackupRefused(
            "The backup would grow beyond reason when it is read, as no backup of Rolecall does. "
            "Nothing was read."
        )


def check_table(archive: zipfile.ZipFile, entry: TableEntry) -> None:
    """Read the table once, without keeping it. Raises BackupRefused when it is damaged."""
    digest = hashlib.sha256()
    with _reading(entry), archive.open(entry.member) as member:
        while piece := member.read(_PIECE):
            digest.update(piece)
    if digest.hexdigest() != entry.sha256:
        raise _damaged(entry)


def read_lines(archive: zipfile.ZipFile, entry: TableEntry) -> Iterator[list[Any]]:
    """The rows of a table. Raises BackupRefused when they are not as the manifest says."""
    rows = 0
    with _reading(entry), archive.open(entry.member) as member:
        while line := member.readline(_LONGEST_LINE):
            row = json.loads(line)
            if not isinstance(row, list) or len(row) != len(entry.columns):
                raise _damaged(entry)
            rows += 1
            yield row
    if rows != entry.rows:
        raise _damaged(entry)


@contextmanager
def _reading(entry: TableEntry) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, json.JSONDecodeError, UnicodeDecodeError):
        raise _damaged(entry) from None


def _damaged(entry: TableEntry) -> BackupRefused:
    return BackupRefused(
        f"The backup is damaged: its table {entry.name} is not what its manifest says. Take "
        "another copy. Nothing was written."
    )
