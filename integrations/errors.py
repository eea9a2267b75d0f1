"""What can go wrong in integrations, ordered by what the caller does next.

IntegrationsError
├── VendorError              a call ended badly; `code`, `message`, `status`, `retry_after`
│   ├── TryLater             repeat later: connection, dns, timeout, rate_limited, server_error,
│   │                        no_token (nothing was sent to the API: no access token could be had)
│   ├── AskPerson            a person mends it: unauthorized, forbidden, not_found, tls, redirect,
│   │   │                    egress_refused, refused, credentials_invalid, refresh_refused
│   │   ├── InputInvalid     one input of the vendor (its sub-domain) cannot be what was typed
│   │   └── TokenRefused     the token endpoint says no; `reason` is its RFC 6749 code
│   └── BrokenAnswer         no sense in it: html, wrong_type, not_json, empty, truncated,
│                            too_large, too_deep, contradiction
├── ConsentFailed            a person presses Connect again; `credentials_id` where it is known
├── NotReady                 a person completes the integration; `problems`, each with its field
│   └── InstallationPaused   somebody looks at previews and says go first
├── AlreadyRunning           nothing: the run that is under way will do it; `run_id`
├── UndoRefused              nothing, or mend it otherwise: the run cannot be undone
├── CannotSettle             a person decides otherwise about an issue
├── CannotResolve            look again: an operation is not open any more
├── LeaseLost                stop: another process works on this run now
├── RecordRefused            skip this record
│   └── TransformFailed      a value cannot be read as what the mapping wants
└── DefinitionInvalid        mend what was written
    ├── ManifestInvalid      a vendor folder
    ├── UnknownVendor
    ├── UnknownLoad
    ├── UnknownPreset
    ├── PresetRefused        a preset cannot be called like this; `problems`, each with its input
    ├── UnknownTransform
    ├── OverrideRefused      `overrides` of credentials
    ├── SecretsUnreadable    sealed secrets that do not open, or belong to other credentials
    ├── RuleInvalid          filters; `problems` lists each with its place
    ├── ScheduleInvalid      a schedule; `problems` lists each with its key
    ├── ConfigurationRefused a configuration file; `problems` lists each with line and key
    ├── BackupRefused        a backup that cannot be made, or not be restored here
    └── TemplateError        `position` is the first character's number, from 1
        └── MissingValue     the template is right, the data lacks `path`
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

# M-32: what counts towards three failures of the connection in a row.
_CONNECTION_FAILURES = frozenset(
    {
        "connection",
        "dns",
        "tls",
        "timeout",
        "server_error",
        "html",
        "unauthorized",
        "forbidden",
        "refresh_refused",
        "no_token",
    }
)
_SIGN_IN_REFUSED = frozenset({401, 403})
_SERVER = 500


def is_connection_failure(code: str, status: int | None = None) -> bool:
    """Say whether an error with this code and HTTP status counts towards the error state (M-32).

    A manifest may give a status a code of its own; the status counts all the same, unless it says
    that the vendor only asks to be called less often.
    """
    if code in _CONNECTION_FAILURES:
        return True
    if status is None or code == "rate_limited":
        return False
    return status in _SIGN_IN_REFUSED or status >= _SERVER


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Give ` Did you mean "x"?`, or nothing when no known word is near."""
    by_fold = {name.casefold(): name for name in known}
    near = get_close_matches(word.casefold(), by_fold, n=1, cutoff=0.6)
    return f' Did you mean "{by_fold[near[0]]}"?' if near else ""


class IntegrationsError(Exception):
    """The root; `message` is a sentence for the admin and holds no secret and no body."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


LONGEST_ASKED = 31 * 86_400.0
"""Seconds: who asks for a longer pause names a moment in their place, or what no calendar holds."""


class VendorError(IntegrationsError):
    """A call to a vendor that ended badly.

    `status` is the HTTP status where there was an answer; `retry_after` are seconds that the
    vendor asked us to wait, at most a month, where it asked for more than one wait may last. `sent`
    is False where certainly not one byte of the request went out. `body` is what a short answer
    said, for judging what it means; it is never shown or stored as it is.
    """

    sent: bool = True
    body: Any = None

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.retry_after = None if retry_after is None else min(retry_after, LONGEST_ASKED)

    @property
    def is_connection_failure(self) -> bool:
        """Say whether this counts towards the error state of an integration (M-32)."""
        return is_connection_failure(self.code, self.status)


class TryLater(VendorError):
    """The same call may succeed later without anybody changing anything."""


class AskPerson(VendorError):
    """It stays like this until a person changes credentials, settings or the vendor's side."""


class InputInvalid(AskPerson):
    """What was typed for the input `field` cannot be used."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__("input_invalid", message)
        self.field = field


class TokenRefused(AskPerson):
    """The token endpoint refuses; no repeat helps. `reason` is a code of RFC 6749, else "other"."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__("refresh_refused", message)
        self.reason = reason


class BrokenAnswer(VendorError):
    """The vendor answered, but not with what its documentation promises."""


@dataclass(frozen=True)
class Problem:
    """Something that is missing or wrong; `field` is the form field that it belongs to."""

    field: str
    message: str


class NotReady(IntegrationsError):
    """The integration cannot be launched or run yet; `problems` says why, field by field."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(" ".join(problem.message for problem in problems))
        self.problems = tuple(problems)


class InstallationPaused(NotReady):
    """Nothing but previews begins until a person says go (F-43)."""

    def __init__(self, because: str) -> None:
        super().__init__(
            [
                Problem(
                    "installation",
                    f"Rolecall is paused: {because}. Only previews run. Look at them, then say go "
                    "on the page that the banner opens, or with `manage.py resume --as USER`.",
                )
            ]
        )


class ConsentFailed(IntegrationsError):
    """The walk over the vendor's consent page did not end in tokens; nothing was stored."""

    def __init__(self, message: str, credentials_id: int | None = None) -> None:
        super().__init__(message)
        self.credentials_id = credentials_id


class AlreadyRunning(IntegrationsError):
    """One run of an integration at a time."""

    def __init__(self, name: str, run_id: int | None) -> None:
        which = f" (run {run_id})" if run_id else ""
        super().__init__(f'"{name}" is already running or queued{which}; wait until it has ended.')
        self.run_id = run_id


class UndoRefused(IntegrationsError):
    """A run cannot be undone; the message says why."""


class CannotSettle(IntegrationsError):
    """An issue cannot be settled in this way."""


class OverLimit(IntegrationsError):
    """One more removal than the limit of 24 hours lets go; it has to be approved (M-15)."""


class CannotResolve(IntegrationsError):
    """An operation is not as a person's word about it supposes."""


class LeaseLost(IntegrationsError):
    """Another process has taken this run over; what was not committed yet is theirs to do."""


class RecordRefused(IntegrationsError):
    """A record that cannot be used; the others go on."""


class TransformFailed(RecordRefused):
    """A value cannot be turned into what the mapping wants."""


class DefinitionInvalid(IntegrationsError):
    """Something that a person wrote (manifest, mapping, rule, template) has to be mended."""


class ManifestInvalid(DefinitionInvalid):
    """A vendor folder has mistakes; `problems` holds a line for each of them."""

    def __init__(self, file: str, problems: Sequence[str]) -> None:
        super().__init__("\n".join(f"{file}: {problem}" for problem in problems))
        self.file = file
        self.problems = tuple(problems)


class UnknownVendor(DefinitionInvalid):
    """No folder of this name under `integrations/vendors/`."""

    def __init__(self, key: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(
            f'There is no vendor "{key}".{did_you_mean(key, names)} Known: {", ".join(names)}.'
        )


class UnknownLoad(DefinitionInvalid):
    """The vendor has no load of this name."""

    def __init__(self, vendor: str, key: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(
            f'{vendor} has no load "{key}".{did_you_mean(key, names)} It has: {", ".join(names)}.'
        )


class UnknownPreset(DefinitionInvalid):
    """No preset of this id in any vendor folder."""

    def __init__(self, preset_id: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(
            f'There is no preset "{preset_id}".{did_you_mean(preset_id, names)} '
            "`manage.py check_vendors` lists them."
        )


class PresetRefused(DefinitionInvalid):
    """A preset is not called: an input cannot be what was given, or a value it needs is empty.

    Nothing was sent. `problems` says why; `field` is the input, or the field of the record.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(" ".join(problem.message for problem in problems))
        self.problems = tuple(problems)


class UnknownTransform(DefinitionInvalid):
    """No transform of this name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(
            f'There is no transform "{name}".{did_you_mean(name, names)} Known: {", ".join(names)}.'
        )


class OverrideRefused(DefinitionInvalid):
    """`overrides` of credentials may change only what the vendor's manifest marks as inferred."""


class SecretsUnreadable(DefinitionInvalid):
    """What is sealed in credentials does not open with FERNET_KEYS, or is another row's (M-34)."""


@dataclass(frozen=True)
class RuleProblem:
    """One mistake in rules; `where` is its place, such as `all[1].operator`."""

    where: str
    message: str


class RuleInvalid(DefinitionInvalid):
    """Rules that cannot be judged; nothing of them was compiled."""

    def __init__(self, problems: Sequence[RuleProblem]) -> None:
        super().__init__("\n".join(f"{problem.where}: {problem.message}" for problem in problems))
        self.problems = tuple(problems)


class ScheduleInvalid(DefinitionInvalid):
    """A schedule that cannot be read; `problems` says why, key by key."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(
            " ".join(f"{one.field}: {one.message}".removeprefix(": ") for one in problems)
        )
        self.problems = tuple(problems)


@dataclass(frozen=True)
class FileProblem:
    """One mistake in a configuration file; `path` is such as `integrations[0].name`."""

    line: int | None
    path: str
    message: str


class ConfigurationRefused(DefinitionInvalid):
    """A configuration file with mistakes; nothing of it was written."""

    def __init__(self, file: str, problems: Sequence[FileProblem]) -> None:
        lines = []
        for one in problems:
            place = f"{file}:{one.line}" if one.line else file
            lines.append(f"{place}: {f'{one.path}: ' if one.path else ''}{one.message}")
        super().__init__("\n".join(lines))
        self.file = file
        self.problems = tuple(problems)


class BackupRefused(DefinitionInvalid):
    """The backup is not written, or not restored; nothing was changed."""


class TemplateError(DefinitionInvalid):
    """A template that cannot be read, or a value that has no place where it stands."""

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(f"{reason} (at character {position})")
        self.reason = reason
        self.position = position


class MissingValue(TemplateError):
    """The template is well formed, but there is no value under `path`."""

    def __init__(self, path: str, position: int) -> None:
        super().__init__(f'there is no value "{path}"', position)
        self.path = path
