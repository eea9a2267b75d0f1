"""Who can mend a run that failed, and where: told on the run's page and in mails alike."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.models import SyncRun

_MENDS = {
    "unauthorized": ("credentials", "An IT admin enters the key again, under Credentials."),
    "credentials_invalid": ("credentials", "An IT admin mends the credentials."),
    "refresh_refused": ("credentials", "An IT admin presses Connect, under Credentials."),
    "no_token": (
        "",
        "Nobody at first: the vendor gave no access token just now; run it again later.",
    ),
    "forbidden": (
        "credentials",
        "The account behind the key lacks a right: the vendor's administrator gives it.",
    ),
    "input_invalid": ("integration", "An IT admin mends the input on the integration's page."),
    "not_found": ("integration", "Check the inputs on the integration's page."),
    "egress_refused": ("credentials", "Check the base URL of the credentials."),
    "rate_limited": ("", "Nobody: run it again later, the vendor asked us to wait."),
    "timeout": ("", "Nobody at first: run it again; if it stays, ask the vendor."),
    "connection": ("", "Whoever runs this server: check that it reaches the internet."),
    "dns": ("integration", "Check the sub-domain first, then this server's name resolution."),
    "tls": ("", "Whoever runs this server: the certificate could not be verified."),
    "server_error": ("", "Nobody here: the vendor has a fault. Run it again later."),
}
_OTHERWISE = ("integration", "An IT admin, on the integration's page.")


@dataclass(frozen=True)
class Mend:
    """`where` is `credentials`, `integration` or nothing; `text` says who, in a sentence."""

    where: str
    text: str


def mend_of(run: SyncRun) -> Mend | None:
    """Who can mend a failed run, and the page where. No query."""
    if run.state != SyncRun.State.FAILED:
        return None
    return Mend(*_MENDS.get(run.error_code, _OTHERWISE))
