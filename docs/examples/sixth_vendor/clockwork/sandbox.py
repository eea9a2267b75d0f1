"""Clockwork's side of the sandbox: a team of members in pages, who can be suspended."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from integrations.sandbox.messages import Answer, Request
from integrations.sandbox.people import KEY_OWNER, Worker
from integrations.sandbox.vendor import (
    RecordChange,
    RefusedError,
    Settings,
    VendorSide,
    route,
)

TEAM = "acme"
MOST = 100
LONGEST_REASON = 200


@dataclass
class Member:
    """One member, by the vendor's own names."""

    id: str
    email: str
    name: str
    owner: bool = False
    suspended: bool = False
    last_seen_at: str | None = None


class Vendor(VendorSide):
    """One team; its key belongs to the company's owner of keys."""

    base_path: ClassVar[str] = "/v2"
    default_settings: ClassVar[Settings] = {"per_minute": 120}

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.key = self.secret("key")
        self.members: dict[str, Member] = {}

    # Who may come in, and what others are told.

    def inputs(self) -> dict[str, str]:
        return {}

    def credentials(self) -> dict[str, Any]:
        return {"type": "api_key", "settings": {}, "secrets": {"value": self.key}}

    def signed(self) -> dict[str, str]:
        return {"x-api-key": self.key}

    def refusal(self, request: Request) -> Answer | None:
        if request.header("x-api-key") == self.key:
            return None
        return Answer.of({"error": "bad_key"}, status=401)

    def too_many(self, seconds: int) -> Answer:
        return Answer.of({"error": "slow_down"}, status=429).with_headers(Retry_After=str(seconds))

    def not_found(self, request: Request) -> Answer:
        del request
        return Answer.of({"error": "not_found"}, status=404)

    def wrong_account(self, request: Request) -> Answer:
        return self.not_found(request)

    # The API.

    @route("GET", "/account")
    def account(self, request: Request) -> Answer:
        """The team, and the member behind the key."""
        del request
        return Answer.of({"account": {"id": TEAM}, "key_owner": f"m-{KEY_OWNER}"})

    @route("GET", "/members")
    def list_members(self, request: Request) -> Answer:
        """A page of members by id; `after` is the mark that the page before gave."""
        limit, after = request.parameter("limit") or str(MOST), request.parameter("after")
        if not limit.isdecimal() or not 0 < int(limit) <= MOST:
            raise _refused("limit is a number from 1 to 100")
        ids = sorted(self.members)
        if after is not None and not after.startswith("mark-"):
            raise _refused("after is no mark")
        rest = [one for one in ids if after is None or one > after.removeprefix("mark-")]
        shown = rest[: int(limit)]
        mark = f"mark-{shown[-1]}" if len(rest) > len(shown) else None
        members = [asdict(self.members[one]) for one in shown]
        return Answer.of({"members": members, "next_cursor": mark})

    @route("GET", "/members/{member_id}")
    def get_member(self, request: Request, member_id: str) -> Answer:
        """One member."""
        del request
        return Answer.of({"member": asdict(self._member(member_id))})

    @route("POST", "/members/{member_id}/suspend")
    def suspend_member(self, request: Request, member_id: str) -> Answer:
        """Suspend; again is no mistake and no second effect."""
        member = self._member(member_id)
        given = request.json()
        if not isinstance(given, dict) or set(given) - {"reason"}:
            raise _refused("the body takes a reason only")
        if len(str(given.get("reason", ""))) > LONGEST_REASON:
            raise _refused("reason is too long")
        if not member.suspended:
            member.suspended = True
            self.commit("member.suspend", key=member.email, target=member.id, names=sorted(given))
        return Answer.of({"member": asdict(member)})

    def _member(self, member_id: str) -> Member:
        if member_id not in self.members:
            raise RefusedError(Answer.of({"error": "not_found"}, status=404))
        return self.members[member_id]

    # The world behind the API.

    def hire(self, worker: Worker) -> None:
        if worker.email:
            name = f"{worker.first_name} {worker.last_name}"
            member = Member(f"m-{worker.number}", worker.email, name)
            member.owner = worker.number == KEY_OWNER
            self.members[member.id] = member

    def has_record(self, record_id: str) -> bool:
        return record_id in self.members

    def change_record(self, change: RecordChange) -> None:
        for name, value in change.set.items():
            setattr(self.members[change.id], name, value)

    def add_record(self, values: dict[str, Any]) -> str:
        number = len(self.members) + 1
        defaults = {"id": f"m-9{number:05}", "email": f"member{number}@acme.example", "name": "New"}
        member = Member(**{**defaults, **values})
        self.members[member.id] = member
        return member.id

    def delete_record(self, record_id: str) -> None:
        del self.members[record_id]

    def kept(self) -> dict[str, Any]:
        return {"members": [asdict(one) for one in self.members.values()]}

    def keep(self, kept: dict[str, Any]) -> None:
        self.members = {one["id"]: Member(**one) for one in kept["members"]}


def _refused(why: str) -> RefusedError:
    return RefusedError(Answer.of({"error": why}, status=400))
