"""What a token server of the sandbox keeps: grants, codes and access tokens; all by the clock."""

import base64
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

IMPORTED = "imported"


@dataclass(slots=True)
class Grant:
    """One consent and the family of tokens that came of it. Moments are Unix times in seconds.

    `spent` are refresh tokens that were replaced. A family that is revoked stays so.
    """

    id: str
    refresh: str
    issued: float
    scope: str
    spent: list[str] = field(default_factory=list)
    revoked: bool = False


@dataclass(slots=True)
class Code:
    """A code of the consent page; `grant` is the id of what it was exchanged for, once it was."""

    redirect_uri: str
    ends: float
    scope: str
    challenge: str = ""
    grant: str = ""

    def is_proven_by(self, verifier: str) -> bool:
        """Whether this is the verifier of the challenge (RFC 7636, S256); true without one."""
        digest = hashlib.sha256(verifier.encode()).digest()
        return not self.challenge or self.challenge == _unpadded(digest)


@dataclass(slots=True)
class AccessToken:
    """A token for calls. `grant` is empty for one that no family revokes."""

    ends: float
    grant: str = ""


def _unpadded(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


class TokenStore:
    """Every token of one token server. `make_secret` gives a token for a purpose and number."""

    def __init__(self, make_secret: Callable[[str], str]) -> None:
        self._make_secret = make_secret
        self._made = 0
        self.grants: dict[str, Grant] = {}
        self.codes: dict[str, Code] = {}
        self.access: dict[str, AccessToken] = {}
        self.counts: Counter[str] = Counter()

    def new_secret(self, kind: str) -> str:
        """A token that was never given before."""
        self._made += 1
        return self._make_secret(f"{kind}:{self._made}")

    def add_grant(self, now: float, scope: str, *, refresh: str = "") -> Grant:
        """Begin a family; the one whose refresh token is given is the imported one."""
        number = IMPORTED if refresh else f"grant-{len(self.grants)}"
        grant = Grant(number, refresh or self.new_secret("refresh"), now, scope)
        self.grants[grant.id] = grant
        return grant

    def grant_of(self, refresh: str) -> tuple[Grant | None, bool]:
        """The family of a refresh token, and whether the token was replaced before."""
        for grant in self.grants.values():
            if refresh == grant.refresh:
                return grant, False
            if refresh in grant.spent:
                return grant, True
        return None, False

    def rotate(self, grant: Grant, now: float) -> None:
        """Replace the refresh token; the old one is remembered."""
        grant.spent.append(grant.refresh)
        grant.refresh = self.new_secret("refresh")
        grant.issued = now

    def revoke(self, grant: Grant) -> None:
        """End a family: its refresh token and all of its access tokens."""
        grant.revoked = True
        self.access = {key: one for key, one in self.access.items() if one.grant != grant.id}

    def add_access(self, now: float, ends: float, grant: str) -> str:
        """Give an access token; those that have ended are forgotten."""
        self.access = {key: one for key, one in self.access.items() if one.ends > now}
        token = self.new_secret("access")
        self.access[token] = AccessToken(ends, grant)
        return token

    def kept(self) -> dict[str, Any]:
        """Everything as JSON types; the reverse of `keep`."""
        return {
            "made": self._made,
            "grants": [asdict(grant) for grant in self.grants.values()],
            "codes": {key: asdict(code) for key, code in self.codes.items()},
            "access": {key: asdict(token) for key, token in self.access.items()},
            "counts": dict(self.counts),
        }

    def keep(self, kept: dict[str, Any]) -> None:
        """Take over what `kept` gave."""
        self._made = kept["made"]
        self.grants = {one["id"]: Grant(**one) for one in kept["grants"]}
        self.codes = {key: Code(**one) for key, one in kept["codes"].items()}
        self.access = {key: AccessToken(**one) for key, one in kept["access"].items()}
        self.counts = Counter(kept["counts"])
