"""What an operator is told about a command."""

from __future__ import annotations

from repman.model.command import Command, CommandKind, Receipt
from repman.model.decision import Decision
from repman.model.plan import PlanKind
from repman.model.policy import ClusterPolicy
from repman.monitor.progress import Progress


def receipt_of_plan(progress: Progress) -> Receipt:
    """The plan that a command asked for has ended."""
    done = progress.state == "done"
    sentence = f"{progress.plan.kind} {progress.state} in {progress.seconds:.3f} s"
    if progress.detail:
        sentence += f": {progress.detail}"
    if progress.plan.kind is PlanKind.REPLICATION and done:
        sentence = "; ".join((sentence, *progress.plan.assumptions))
    writer = progress.plan.new_writer if progress.opened else ""
    return Receipt("done" if done else "failed", sentence, progress.refusals, progress.id, None, writer)


def receipt_of_decision(policy: ClusterPolicy, decision: Decision, command: Command | None) -> Receipt:
    """A command that ran no plan: refused, already so, noted, or only a preview."""
    if command is not None and command.kind is CommandKind.PREVIEW:
        return Receipt("preview", "nothing was changed", preview=preview(policy, decision))
    refusals = tuple((refusal.code, refusal.sentence) for refusal in decision.refusals)
    if refusals:
        return Receipt("refused", "; ".join(sentence for _, sentence in refusals), refusals)
    if decision.done:
        begun = command is not None and command.kind is CommandKind.ROLLING_RESTART and command.on
        return Receipt("started" if begun else "done", decision.done)
    return Receipt("unchanged", decision.unchanged or "nothing to do")


def preview(policy: ClusterPolicy, decision: Decision) -> dict[str, object]:
    """The plan that would run now, in plain values."""
    plan = decision.plan
    names = {server.address: server.name for server in policy.servers}
    return {
        "possible": plan is not None,
        "reason": plan.reason if plan else "",
        "oldWriter": plan.old_writer if plan else decision.writer,
        "newWriter": plan.new_writer if plan else "",
        "newWriterName": names.get(plan.new_writer, "") if plan else "",
        "steps": [
            {"kind": str(step.kind), "server": step.server, "source": step.source, "essential": step.essential}
            for step in (plan.steps if plan else ())
        ],
        "undo": [str(step) for step in (plan.undo if plan else ())],
        "assumptions": list(plan.assumptions) if plan else [],
        "ranking": list(decision.ranking),
        "unchanged": decision.unchanged,
        "refusals": [
            {"code": refusal.code, "sentence": refusal.sentence, "server": refusal.server}
            for refusal in decision.refusals
        ],
    }
