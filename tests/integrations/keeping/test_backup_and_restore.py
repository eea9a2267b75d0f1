"""A backup holds every row of one moment and no key; restored, nothing goes on by itself."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets as random_secrets
import stat
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connection, connections
from django.test import override_settings
from django.utils import timezone

from integrations import services
from integrations.errors import BackupRefused, InstallationPaused
from integrations.installation import find_pause
from integrations.keeping import tables
from integrations.keeping.backup import write_backup
from integrations.keeping.restore import restore_backup
from integrations.models import (
    Credentials,
    Integration,
    Notification,
    PlannedChange,
    SyncRun,
    WorkingProcess,
)
from integrations.secrets import open_sealed
from people.models import Event, Person
from tests.integrations.keeping.conftest import Company
from tests.integrations.keeping.copies import (
    differing,
    manage,
    rewritten,
    rows_of_all,
    start,
)
from tests.integrations.sync.worlds import run_sync
from tests.makers import make_person

CANARY = "Bearer canary-4f7d2a9c1b8e6a3d"
# What a restore settles on purpose.
SETTLED = [
    "integrations_installation",
    "integrations_integration",
    "integrations_notification",
    "integrations_plannedchange",
    "integrations_syncrun",
]


def restore(copy: Path, *, replace: bool = True) -> None:
    restore_backup(copy, replace=replace, by="admin", now=timezone.now())


def test_every_column_that_there_is_has_a_kind() -> None:
    """S-03: a model that somebody adds is in the backup, or left out on purpose."""
    names = {tables.table_of(model).name for model in tables.kept_models()}

    assert {"people_person", "auth_user_groups", "integrations_historicalcredentials"} <= names
    assert names.isdisjoint({"django_session", "auth_permission", "integrations_stagedrecord"})
    assert not any(name.startswith("axes_") for name in names)


def test_a_restored_database_has_the_rows_of_the_backup(company: Company, copy: Path) -> None:
    """F-43, S-03: row by row, but for what is settled."""
    company.busy_hour()
    before = rows_of_all()
    write_backup(copy, now=timezone.now())
    make_person()
    Person.objects.filter(first_name="Ann").update(title="Changed since")
    restore(copy)
    after = rows_of_all()

    assert differing(before, after) == SETTLED
    assert all(open_sealed(one)["value"] for one in Credentials.objects.all())


def test_ids_go_on_after_the_last_one_that_was_given(company: Company, copy: Path) -> None:
    """S-03: an id never comes back, also that of a row which was gone before the backup."""
    gone = make_person().pk
    Person.objects.filter(pk=gone).delete()
    write_backup(copy, now=timezone.now())
    restore(copy)

    assert make_person().pk == gone + 1


def test_the_file_is_private_and_holds_neither_keys_nor_secrets(
    company: Company, copy: Path
) -> None:
    """S-03, S-26."""
    write_backup(copy, now=timezone.now())

    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with zipfile.ZipFile(copy) as archive:
        content = b"\n".join(
            [copy.read_bytes(), *(archive.read(one) for one in archive.namelist())]
        )
    given = company.world.sandbox.credentials("aha")["secrets"]["value"]
    for secret in (given, django_settings.SECRET_KEY, *django_settings.FERNET_KEYS):
        for spelled in (secret.encode(), base64.b64encode(secret.encode())[:-4]):
            assert spelled not in content
    assert b"acme.example" in content


def test_after_a_restore_nothing_goes_on_by_itself(company: Company, copy: Path) -> None:
    """F-43: runs, approvals, mails, slots; and no event is written."""
    company.busy_hour()
    events = Event.objects.count()
    write_backup(copy, now=timezone.now())
    restore(copy)

    pause = find_pause()
    assert pause is not None
    assert "backup.zip" in pause.because
    assert not SyncRun.objects.filter(state__in=SyncRun.ACTIVE_STATES).exists()
    stopped = SyncRun.objects.filter(state="cancelled")
    assert stopped.count() == 2
    assert "restored from backup.zip" in stopped[0].error_message
    row = PlannedChange.objects.get(state="held")
    assert (row.decided_by, row.decided_at) == ("", None)
    assert Notification.objects.get().state == Notification.State.UNKNOWN
    assert not Integration.objects.filter(preview_since=None).exists()
    assert not Integration.objects.filter(schedule_since=None).exists()
    assert Event.objects.count() == events


def test_a_first_sync_after_a_restore_is_only_a_preview(company: Company, copy: Path) -> None:
    """F-43: refused while paused; then a preview, then a sync."""
    write_backup(copy, now=timezone.now())
    restore(copy)

    with pytest.raises(InstallationPaused, match="say go"):
        run_sync(company.bamboohr)
    assert run_sync(company.bamboohr, kind="preview").state == "done"
    call_command("resume", "--as", _admin())
    assert run_sync(company.bamboohr).kind == "sync"
    assert run_sync(company.aha).kind == "preview"
    assert run_sync(company.aha).kind == "sync"


def _admin() -> str:
    from django.contrib.auth.models import User

    return User.objects.filter(is_superuser=True)[0].username


def test_a_database_with_data_is_refused_unless_it_is_to_be_replaced(
    company: Company, copy: Path
) -> None:
    write_backup(copy, now=timezone.now())
    make_person(email="kept@example.com")

    with pytest.raises(BackupRefused, match="--replace"):
        restore(copy, replace=False)
    assert Person.objects.filter(email="kept@example.com").exists()


def test_an_empty_database_takes_it_without_a_word(company: Company, copy: Path) -> None:
    before = rows_of_all()
    write_backup(copy, now=timezone.now())
    call_command("flush", verbosity=0, interactive=False)
    restore(copy, replace=False)

    assert set(differing(before, rows_of_all())) <= set(SETTLED)


def test_keys_that_do_not_fit_are_refused(company: Company, copy: Path) -> None:
    """S-03: nothing is written, and the message says what to do."""
    write_backup(copy, now=timezone.now())
    before = rows_of_all()

    with (
        override_settings(FERNET_KEYS=["another-key-0123456789-0123456789-abcdef"]),
        pytest.raises(BackupRefused, match="FERNET_KEYS do not open 2 of the 2"),
    ):
        restore(copy)
    assert rows_of_all() == before

    with override_settings(FERNET_KEYS=["another-key-0123456789-0123456789-abcdef"]):
        restore_backup(copy, replace=True, by="admin", now=timezone.now(), keys_are_lost=True)
    assert Credentials.objects.count() == 2


def test_a_new_key_before_the_old_one_fits(company: Company, copy: Path) -> None:
    """S-03, S-23."""
    write_backup(copy, now=timezone.now())

    with override_settings(FERNET_KEYS=["a-new-key", *django_settings.FERNET_KEYS]):
        restore(copy)

    assert Credentials.objects.count() == 2


def _spoil_manifest(copy: Path, change: Any) -> bytes:
    with zipfile.ZipFile(copy) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    change(manifest)
    return json.dumps(manifest).encode()


def _cut(copy: Path, to: Path) -> None:
    whole = copy.read_bytes()
    to.write_bytes(whole[: len(whole) * 2 // 3])


def _flip(copy: Path, to: Path) -> None:
    """One bit in the rows of the largest table."""
    whole = bytearray(copy.read_bytes())
    with zipfile.ZipFile(copy) as archive:
        largest = max(archive.infolist(), key=lambda info: info.compress_size)
    end_of_head = whole.index(largest.filename.encode(), largest.header_offset) + 100
    whole[end_of_head + largest.compress_size // 2] ^= 0x10
    to.write_bytes(whole)


def _newer(copy: Path, to: Path) -> None:
    manifest = _spoil_manifest(
        copy, lambda one: one["migrations"]["integrations"].append("9999_from_the_future")
    )
    rewritten(copy, to, **{"manifest.json": manifest})


def _newer_format(copy: Path, to: Path) -> None:
    manifest = _spoil_manifest(copy, lambda one: one.update(format=2))
    rewritten(copy, to, **{"manifest.json": manifest})


def _stranger(copy: Path, to: Path) -> None:
    rewritten(copy, to, **{"../../etc/cron.d/evil": b"* * * * * root sh"})


def _missing(copy: Path, to: Path) -> None:
    rewritten(copy, to, **{"tables/people_event.ndjson": None})


def _forged(copy: Path, to: Path) -> None:
    with zipfile.ZipFile(copy) as archive:
        rows = archive.read("tables/people_person.ndjson")
    forged = rows.replace(b"acme.example", b"evil.example")
    rewritten(copy, to, **{"tables/people_person.ndjson": forged})


def _bomb(copy: Path, to: Path) -> None:
    zeros = 600 * 2**20

    def grow(manifest: Any) -> None:
        entry = next(one for one in manifest["tables"] if one["name"] == "people_event")
        entry["size"] = zeros

    manifest = _spoil_manifest(copy, grow)
    rewritten(copy, to, **{"manifest.json": manifest, "tables/people_event.ndjson": None})
    with (
        zipfile.ZipFile(to, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("tables/people_event.ndjson", "w") as member,
    ):
        for _megabyte in range(600):
            member.write(b"0" * 2**20)


def _no_zip(copy: Path, to: Path) -> None:
    to.write_bytes(b"-- PostgreSQL database dump")


def _other_columns(copy: Path, to: Path) -> None:
    def rename(manifest: Any) -> None:
        entry = next(one for one in manifest["tables"] if one["name"] == "people_department")
        entry["columns"] = {f'x"; --{name}': kind for name, kind in entry["columns"].items()}

    rewritten(copy, to, **{"manifest.json": _spoil_manifest(copy, rename)})


SPOILT = [
    (_cut, "cut off or damaged"),
    (_flip, "damaged"),
    (_newer, "newer"),
    (_newer_format, "Update Rolecall"),
    (_stranger, "not those that its manifest lists"),
    (_missing, "not those that its manifest lists"),
    (_forged, "damaged"),
    (_bomb, "grow beyond reason"),
    (_no_zip, "no backup"),
    (_other_columns, "does not fit"),
]


def test_what_is_no_whole_backup_is_refused_and_nothing_is_written(
    company: Company, copy: Path, tmp_path: Path
) -> None:
    """S-03, F-41."""
    write_backup(copy, now=timezone.now())
    before = rows_of_all()
    spoilt = tmp_path / "spoilt.zip"
    for spoil, words in SPOILT:
        spoil(copy, spoilt)
        with pytest.raises(BackupRefused, match=words):
            restore(spoilt)
        assert rows_of_all() == before
        assert find_pause() is None


def test_a_database_at_which_somebody_works_is_refused(company: Company, copy: Path) -> None:
    write_backup(copy, now=timezone.now())
    WorkingProcess.objects.create(name="host:1", kind="worker")

    with pytest.raises(BackupRefused, match="Stop Rolecall"):
        restore(copy)


def test_a_backup_of_before_an_upgrade_is_brought_up_to_date(
    company: Company, copy: Path, tmp_path: Path
) -> None:
    """F-42, F-43: its tables lack what later migrations add."""
    before = rows_of_all()
    call_command("migrate", "integrations", "0001", verbosity=0)
    columns = _columns_there_are()
    call_command("migrate", verbosity=0)
    write_backup(copy, now=timezone.now())
    old = _as_of_then(copy, tmp_path / "old.zip", columns)
    Person.objects.all().update(title="Changed since")
    restore(old)

    moved = set(differing(before, rows_of_all()))
    # What the later migrations brought, they bring again: empty.
    assert moved <= {*SETTLED, "integrations_historicalintegration"}
    assert Integration.objects.filter(preview_since__isnull=False).count() == 2


def _columns_there_are() -> dict[str, set[str]]:
    with connection.cursor() as cursor:
        return {
            name: {
                column.name
                for column in connection.introspection.get_table_description(cursor, name)
            }
            for name in connection.introspection.table_names(cursor)
        }


def _as_of_then(copy: Path, to: Path, columns: dict[str, set[str]]) -> Path:
    """The backup that a version with only these tables and columns would have written."""
    with zipfile.ZipFile(copy) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        members: dict[str, bytes | None] = {}
        for entry in manifest["tables"]:
            name = f"tables/{entry['name']}.ndjson"
            had = columns.get(entry["name"])
            if had is None:
                members[name] = None
                continue
            kept = [at for at, column in enumerate(entry["columns"]) if column in had]
            lines = [json.loads(line) for line in archive.read(name).splitlines()]
            content = b"".join(
                json.dumps([line[at] for at in kept]).encode() + b"\n" for line in lines
            )
            members[name] = content
            entry["columns"] = {
                column: kind for column, kind in entry["columns"].items() if column in had
            }
            entry.update(size=len(content), sha256=hashlib.sha256(content).hexdigest())
    manifest["tables"] = [one for one in manifest["tables"] if one["name"] in columns]
    manifest["migrations"]["integrations"] = ["0001_initial"]
    manifest["migrations"].pop("workflows")  # it came later
    members["manifest.json"] = json.dumps(manifest).encode()
    return rewritten(copy, to, **members)


def test_a_backup_that_is_killed_leaves_no_file(company: Company, copy: Path) -> None:
    """F-41: the file is absent or whole, and the next backup is."""
    Event.objects.bulk_create(
        Event(object="person", object_id=1, kind="edit", source="admin", actor="x",
              changes={"title": [random_secrets.token_hex(200), "b"]})
        for _ in range(3_000)
    )  # fmt: skip
    part = copy.with_name("backup.zip.part")
    for moment in range(3):
        process = start("backup", str(copy))
        end = time.monotonic() + 120
        while not part.exists() and time.monotonic() < end and process.poll() is None:
            time.sleep(0.002)
        time.sleep(moment * 0.03)
        process.kill()
        process.wait()
        if copy.exists():
            with zipfile.ZipFile(copy) as archive:
                assert archive.testzip() is None
            copy.unlink()
    write_backup(copy, now=timezone.now())
    assert not part.exists()


def test_a_backup_holds_one_moment_while_others_write(company: Company, copy: Path) -> None:
    """S-03: two rows that are always written together are both in it, or neither."""
    stop = threading.Event()
    wrote = []

    def write() -> None:
        try:
            number = 0
            while not stop.is_set():
                number += 1
                person = make_person(email=f"pair{number}@example.com")
                Event.objects.create(
                    object="person", object_id=person.pk, kind="new", source="admin", actor="x"
                )
                wrote.append(number)
        finally:
            connections.close_all()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            before = len(wrote)
            write_backup(copy, now=timezone.now())
            with zipfile.ZipFile(copy) as archive:
                people = archive.read("tables/people_person.ndjson").splitlines()
                events = archive.read("tables/people_event.ndjson").count(b'"x"')
            # The writer is at most between its two rows.
            assert 0 <= sum(b'"pair' in line for line in people) - events <= 1
            assert len(wrote) >= before
    finally:
        stop.set()
        writer.join()
    assert wrote


def test_a_folder_that_does_not_exist_is_named(company: Company, tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="cannot be written"):
        write_backup(tmp_path / "no" / "backup.zip", now=timezone.now())


def test_the_commands_say_what_they_did(company: Company, copy: Path) -> None:
    """S-26: exit codes 0, 2; no secret on the way."""
    made = manage("backup", str(copy), "--json")
    refused = manage("restore", str(copy))
    done = manage("restore", str(copy), "--replace", "--json")

    assert (made.returncode, refused.returncode, done.returncode) == (0, 2, 0)
    assert json.loads(made.stdout)["tables"]["people_person"] == Person.objects.count()
    assert json.loads(done.stdout)["paused"] is True
    assert "--replace" in refused.stderr
    assert "Traceback" not in made.stderr + refused.stderr + done.stderr


def test_a_backup_of_one_database_is_restored_in_another(
    company: Company, copy: Path, tmp_path: Path
) -> None:
    """S-03: from this one to a new SQLite file and back; row by row."""
    company.busy_hour()
    write_backup(copy, now=timezone.now())
    restore(copy)
    before = rows_of_all()
    back = tmp_path / "back.zip"
    environ = {"DATABASE_URL": f"sqlite:///{tmp_path / 'other.sqlite3'}"}
    write_backup(copy, now=timezone.now())

    there = manage("restore", str(copy), **environ)
    returned = manage("backup", str(back), **environ)
    assert (there.returncode, returned.returncode) == (0, 0), there.stderr + returned.stderr
    restore(back)

    assert set(differing(before, rows_of_all())) <= set(SETTLED)


def test_a_preview_is_allowed_and_a_sync_is_not_while_paused(company: Company) -> None:
    """F-43."""
    from integrations.installation import pause_installation

    pause_installation("restored from x", by="admin", now=timezone.now())

    with pytest.raises(InstallationPaused):
        services.queue_run(company.aha, by="admin")
    assert services.queue_run(company.aha, kind="preview", by="admin").kind == "preview"
