"""`manage.py plans`: what waits for a person, looked at and decided on from a shell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import orjson
from django.core.management.base import CommandParser
from django.db.models import QuerySet

from integrations import services
from integrations.approvals import Decision, approve, open_plan, reject
from integrations.commands import Command as BaseCommand
from integrations.commands import Exit, acting, add_as, exit_of, worst
from integrations.installation import check_may_begin
from integrations.models import Integration, PlannedChange, SyncRun
from integrations.other_plans import decide_other
from integrations.plans import OTHERS, unapplied_previews, waiting_plans
from integrations.printing import do_here, finish_lost_run, in_words, plan_lines, printable
from integrations.reports import run_as_json, write_runs
from integrations.show import moment

_DECIDE = "integrations.approve_plannedchange"
_READ = "integrations.view_plannedchange"
_RUN = "integrations.run_integration"
_WHAT = {"held": "removals held", "preview": "rows previewed", "workflow": "records held"}


class Command(BaseCommand):
    """Lists, shows, approves and rejects; what is approved is applied in this process."""

    reads_references = True
    help = "Plans that wait: held removals, and previews that nobody has applied."

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "verb", nargs="?", default="list", choices=["list", "show", "approve", "reject"]
        )
        parser.add_argument(
            "number", metavar="ID", nargs="?", help="the run whose plan it is, as `list` names it"
        )
        parser.add_argument(
            "--row",
            dest="rows",
            metavar="ID",
            action="append",
            type=int,
            help="only this row of a held plan; may be given several times",
        )
        parser.add_argument("--json", action="store_true", help="one JSON object; logs on stderr")
        add_as(parser)

    def run(self, options: dict[str, Any]) -> Exit:
        verb, as_json = options["verb"], options["json"]
        if verb == "list":
            acting(options["user"], [_READ])
            return self._list(as_json=as_json)
        letter = (options["number"] or "")[:1]
        if letter in OTHERS:
            return decide_other(self, OTHERS[letter], options)
        run = self._find(options["number"])
        if verb == "show":
            acting(options["user"], [_READ])
            return self._show(run, as_json=as_json)
        if run.kind == SyncRun.Kind.PREVIEW:
            return self._decide_preview(run, options)
        by = acting(options["user"], [_DECIDE])
        shown = self._chosen(run, options["rows"])
        if verb == "reject":
            return self._tell(run, reject(shown, by=by), [], as_json=as_json)
        return self._approve(run, shown, by, as_json=as_json)

    def _find(self, number: str | None) -> SyncRun:
        if number is None or not (number.isascii() and number.isdecimal()):
            raise self.wrong("Name the plan by the id that `plans list` prints.")
        runs = SyncRun.objects.select_related("integration").filter(pk=int(number[:18]))
        run = runs.defer("warnings").first()
        if run is None:
            raise self.wrong(f"There is no run {number}. `plans list` prints what waits.")
        return run

    def _chosen(self, run: SyncRun, ids: Sequence[int] | None) -> list[tuple[int, str]]:
        """(id, hash) of the held rows as they are now, or of those that were named."""
        held = {row["id"]: row["hash"] for row in open_plan(run)}
        if not held:
            moved = f" They are in the plan of run {run.held_in_id}." if run.held_in_id else ""
            raise self.wrong(f"Run {run.pk} holds no removals.{moved}")
        if ids is None:
            return list(held.items())
        for row_id in ids:
            if row_id not in held:
                raise self.wrong(f"Run {run.pk} holds no row {row_id}: see `plans show {run.pk}`.")
        return [(row_id, held[row_id]) for row_id in ids]

    # Looking ------------------------------------------------------------------------------------

    def _list(self, *, as_json: bool) -> Exit:
        found = waiting_plans()
        if as_json:
            self.stdout.write(orjson.dumps({"plans": [asdict(plan) for plan in found]}).decode())
            return Exit.DONE
        for plan in found:
            what = _WHAT[plan.kind]
            line = f"{plan.id:>6}  {plan.name}: {plan.rows} {what}, {moment(plan.at)}. {plan.why}"
            self.stdout.write(printable(line.rstrip()))
        if not found:
            self.say("No plan waits.")
        return Exit.DONE

    def _show(self, run: SyncRun, *, as_json: bool) -> Exit:
        rows = self._rows(run)
        if as_json:
            report = {**run_as_json(run), "plan": rows}
            self.stdout.write(orjson.dumps({"runs": [report]}).decode())
            return Exit.DONE
        for row in rows:
            for number, line in enumerate(plan_lines(row)):
                self.stdout.write(f"{row['id']:>8}  {line}" if number == 0 else f"{'':>10}{line}")
            if row["decided_by"]:
                self.stdout.write(f"{'':>14}approved by {printable(row['decided_by'])}")
        self.stdout.write(printable(f"{run}: {len(rows)} rows. {run.held_because}".rstrip()))
        if run.held_in_id and not rows:
            self.say(f"What it held is in the plan of run {run.held_in_id}.")
        return Exit.DONE

    def _rows(self, run: SyncRun) -> list[dict[str, Any]]:
        """The held rows of a run, or all of a preview. One query."""
        rows = PlannedChange.objects.filter(run=run.pk).order_by("pk")
        if run.kind != SyncRun.Kind.PREVIEW:
            rows = rows.filter(state=PlannedChange.State.HELD)
        keys = ("id", "action", "object", "key", "reason", "changes", "state")
        return list(rows.values(*keys, "decided_by", "seconded_by"))

    # Deciding -----------------------------------------------------------------------------------

    def _approve(
        self, run: SyncRun, shown: list[tuple[int, str]], by: str, *, as_json: bool
    ) -> Exit:
        """Approve and apply here and now; a worker may be quicker, the run is the same."""
        check_may_begin(SyncRun.Kind.REMOVALS)
        if run.integration is None:
            raise self.wrong("The integration was deleted, so nothing can be looked up or applied.")
        finish_lost_run(run.integration)
        decision = approve(shown, by=by, alone=True)
        queued = decision.runs or list(_queued_removals(run.integration))
        ended = [do_here(one, f"Removals of {one.name}", by=by) for one in queued]
        return self._tell(run, decision, ended, as_json=as_json, approved=[pk for pk, _ in shown])

    def _tell(
        self,
        run: SyncRun,
        decision: Decision,
        ended: list[SyncRun],
        *,
        as_json: bool,
        approved: Sequence[int] = (),
    ) -> Exit:
        left = PlannedChange.objects.filter(
            pk__among=list(approved), state=PlannedChange.State.HELD
        ).exclude(decided_by="")
        still = [
            {"key": key, "reason": reason}
            for key, reason in left.order_by("pk").values_list("key", "reason")
        ]
        if as_json:
            write_runs(self.write_piece, ended, extra=_as_json(decision, still))
        else:
            self._print(run, decision, ended, still)
        stays = Exit.HELD if decision.refused or still else Exit.DONE
        return worst([*(exit_of(one) for one in ended), stays])

    def _print(
        self,
        run: SyncRun,
        decision: Decision,
        ended: list[SyncRun],
        still: list[dict[str, str]],
    ) -> None:
        verb = "approved" if ended or still else "decided on"
        self.stdout.write(f"{run}: {decision.decided} removals {verb}.")
        for one in ended:
            state = one.get_state_display().lower()
            self.stdout.write(f"{one}: removals, {state}. {in_words(one.counts)}")
            if one.error_message:
                self.stderr.write(printable(one.error_message))
        for key, why in decision.refused:
            self.stderr.write(printable(f"Not decided on: {key}: {why}"))
        for row in still:
            self.stderr.write(printable(f"Still held: {row['key']}: {row['reason']}"))
        if still and not ended:
            self.say("Another run of the integration is under way; after it they are applied.")

    def _decide_preview(self, run: SyncRun, options: Mapping[str, Any]) -> Exit:
        """Sync: what a preview showed is computed anew, for the vendor may say otherwise now."""
        if options["verb"] == "reject" or options["rows"] is not None:
            raise self.wrong(
                f"Run {run.pk} is a preview: it changes nothing, so nothing of it is rejected, and "
                "its rows are not approved one by one. `plans approve` runs the integration."
            )
        by = acting(options["user"], [_RUN])
        if run.integration is None or not unapplied_previews().filter(pk=run.pk).exists():
            raise self.wrong(f"Preview {run.pk} is not the newest, or was applied. Preview again.")
        finish_lost_run(run.integration)
        self.say("The plan is computed anew, for the vendor may say otherwise by now.")
        queued = services.queue_run(run.integration, by=by)
        ended = do_here(queued, run.name, by=by)
        if options["json"]:
            write_runs(self.write_piece, [ended])
        else:
            state = ended.get_state_display().lower()
            self.stdout.write(f"{ended}: {state}. {in_words(ended.counts)}")
            if ended.error_message:
                self.stderr.write(printable(ended.error_message))
        return exit_of(ended)


def _queued_removals(integration: Integration) -> QuerySet[SyncRun]:
    """The run that the tick queued for the same approvals, where it was quicker."""
    return SyncRun.objects.filter(
        integration=integration, kind=SyncRun.Kind.REMOVALS, state__in=SyncRun.ACTIVE_STATES
    )


def _as_json(decision: Decision, still: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "decided": decision.decided,
        "refused": [{"key": key, "reason": why} for key, why in decision.refused],
        "still_held": still,
    }
