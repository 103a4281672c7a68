"""What must hold for any decision on any cluster, judged by plain sets of transactions.

Each check yields sentences that begin with the invariant's id.  Nothing here looks at rankings, positions or
refusal codes: a second, deliberately dumb opinion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from repman.model.decision import Decision
from repman.model.memory import Memory
from repman.model.observation import Reach, Receiver
from repman.model.plan import Plan, Step, StepKind
from simulation.alphabet import ADDRESSES, NOW, WALL, A, Cluster, State, Transactions

Decide = Callable[..., Decision]
_REPLACING = ("failover", "reopen", "switchover")


def judge(decide: Decide, cluster: Cluster) -> Iterator[str]:
    """Decide on that cluster and yield every invariant that the decision breaks."""
    decision = decide(cluster.policy, cluster.seen, cluster.memory, None, NOW, WALL)
    yield from _explained(cluster, decision)
    yield from _allowed(cluster, decision)
    yield from _routes(cluster, decision)
    if decision.plan is not None:
        yield from _one_writer(cluster, decision.plan)
        yield from _order(cluster, decision.plan)
        yield from _covers(cluster, decision.plan)
        yield from _no_loss(cluster, decision.plan)
        yield from _followers(cluster, decision.plan)
        yield from _witnesses(cluster, decision.plan)
    else:
        yield from _obvious(cluster, decision)
    if decision.protected:
        yield from _protection_is_true(decide, cluster, decision.memory)


def same(decide: Decide, cluster: Cluster) -> Iterator[str]:
    """The same input gives the same output."""
    arguments = (cluster.policy, cluster.seen, cluster.memory, None, NOW, WALL)
    if decide(*arguments) != decide(*arguments):
        yield "I10: two decisions on one observation differ"


def _steps(plan: Plan, *kinds: StepKind) -> list[tuple[int, Step]]:
    return [(at, step) for at, step in enumerate(plan.steps) if step.kind in kinds]


def _explained(cluster: Cluster, decision: Decision) -> Iterator[str]:
    if not cluster.state(A).seen.open and not any(one.seen.open for one in cluster.states):
        wanting = not cluster.policy.paused and cluster.leased
        if decision.plan is None and not decision.refusals and cluster.state(A).seen.reach is not Reach.DENIED:
            yield f"I12: nobody accepts writes and nothing is done nor explained{'' if wanting else ' (held)'}"


def _allowed(cluster: Cluster, decision: Decision) -> Iterator[str]:
    if decision.plan is not None and cluster.policy.paused:
        yield "I13: a plan though paused"
    if decision.plan is not None and not cluster.leased:
        yield "I8: a plan without the lease"


def _routes(cluster: Cluster, decision: Decision) -> Iterator[str]:
    for address in decision.routes.readers:
        if address != decision.routes.writer and not cluster.state(address).seen.answered:
            yield f"I11: reads are routed to {address}, which does not answer"
        if cluster.state(address).seen.open and address != decision.writer:
            yield f"I11: reads are routed to {address}, which is writable beside the writer"
    writer = decision.routes.writer
    if writer and cluster.state(writer).seen.answered and not cluster.state(writer).seen.open:
        yield f"I11: writes are routed to {writer}, which is read-only"


def _one_writer(cluster: Cluster, plan: Plan) -> Iterator[str]:
    opened = [step.server for _, step in _steps(plan, StepKind.OPEN)]
    promoted = [step.server for _, step in _steps(plan, StepKind.PROMOTE)]
    if len(opened) > 1 or len(promoted) > 1:
        yield f"I1: more than one server is promoted or opened: {promoted} {opened}"
    for at, step in _steps(plan, StepKind.OPEN):
        for address in ADDRESSES:
            shut = [
                before
                for before, other in _steps(plan, StepKind.FENCE, StepKind.CLOSE, StepKind.KILL)
                if other.server == address and before < at
            ]
            if address != step.server and cluster.state(address).seen.open and not shut:
                yield f"I1: {step.server} is opened while {address} is open"


def _order(cluster: Cluster, plan: Plan) -> Iterator[str]:
    if plan.kind not in _REPLACING:
        return
    at = {kind: next((number for number, _ in _steps(plan, kind)), None) for kind in StepKind}
    promote, opens = at[StepKind.PROMOTE], at[StepKind.OPEN]
    if promote is None or opens is None or promote > opens:
        yield "I1: a writer is replaced without promoting before opening"
        return
    if plan.old_writer != plan.new_writer:
        fences = [number for number, step in _steps(plan, StepKind.FENCE) if step.server == plan.old_writer]
        if not fences or fences[0] > promote:
            yield "I1: the old writer is not fenced before another is promoted"
    for number, step in _steps(plan, StepKind.FOLLOW):
        if step.source == plan.new_writer and number < promote:
            yield f"I4: {step} stands before the promotion"
    routed = at[StepKind.ROUTE]
    if routed is not None and routed < opens:
        yield "I11: traffic is routed before the writer is open"


def _gathered(cluster: Cluster, plan: Plan) -> Transactions:
    """What the promoted server has applied when it is promoted, by the steps before that."""
    winner = plan.new_writer
    state = cluster.state(winner)
    have = state.executed
    stop = next(number for number, step in _steps(plan, StepKind.PROMOTE))
    drained = {step.server for number, step in _steps(plan, StepKind.DRAIN) if number < stop}
    if winner in drained and not state.stuck:
        have |= state.received
    for number, step in _steps(plan, StepKind.CATCH_UP):
        if number < stop and step.server == winner:
            source = cluster.state(step.source)
            have |= source.received if step.source in drained and not source.stuck else source.executed
    return have


def _own(address: str) -> int:
    return ADDRESSES.index(address) + 1


def _errant(cluster: Cluster, address: str) -> Transactions:
    """What a replica wrote by itself and nobody else has."""
    if address == A:
        return frozenset()
    elsewhere = frozenset[tuple[int, int]]().union(
        *(cluster.state(other).received for other in ADDRESSES if other != address)
    )
    mine = cluster.state(address).executed
    return frozenset(one for one in mine - elsewhere if one[0] == _own(address))


def _covers(cluster: Cluster, plan: Plan) -> Iterator[str]:
    if not _steps(plan, StepKind.PROMOTE):
        return
    winner, have = plan.new_writer, _gathered(cluster, plan)
    if not cluster.policy.server(winner).electable:
        yield f"I7: {winner} is excluded from election and promoted"
    if _errant(cluster, winner):
        yield f"I6: {winner} has transactions of its own and is promoted"
    if not have >= cluster.state(winner).received:
        yield f"I7: {winner} is promoted with a gap between received and applied"
    for address in ADDRESSES:
        state = cluster.state(address)
        if address == winner or not state.seen.answered:
            continue
        missing = state.received - have - _errant(cluster, address)
        if missing:
            yield f"I7: {winner} is promoted and lacks {sorted(missing)} of {address}"


def _no_loss(cluster: Cluster, plan: Plan) -> Iterator[str]:
    """Under semi-sync an acknowledged write is on some replica that was attached; all of those must be seen."""
    if not cluster.policy.semi_sync or not _steps(plan, StepKind.PROMOTE) or cluster.state(A).seen.answered:
        return
    for address in ADDRESSES[1:]:
        if not cluster.state(address).seen.answered and cluster.memory.server(address).acker:
            yield f"I2: {address} may hold acknowledged writes, does not answer, and {plan.new_writer} is promoted"


def _followers(cluster: Cluster, plan: Plan) -> Iterator[str]:
    for _, step in _steps(plan, StepKind.FOLLOW):
        source = cluster.state(step.source)
        have = _gathered(cluster, plan) if _steps(plan, StepKind.PROMOTE) else source.executed | source.received
        extra = cluster.state(step.server).received - have
        link = cluster.state(step.server).seen.follows(step.source)
        if extra and not (link and link.receiver is Receiver.RUNNING):
            yield f"I6: {step} though it has {sorted(extra)}"


def _witnesses(cluster: Cluster, plan: Plan) -> Iterator[str]:
    writer = cluster.state(A)
    if plan.kind != "failover":
        return
    if writer.seen.reach.alive:
        yield f"I9: failover though the writer lives ({writer.seen.reach})"
    hearing = [address for address in ADDRESSES[1:] if cluster.state(address).hears]
    if hearing:
        yield f"I9: failover though {hearing} hear the writer"
    if not any(cluster.state(address).hears is False for address in ADDRESSES[1:]):
        yield "I9: failover on one witness alone"


def _plain(state: State) -> bool:
    return state.seen.answered and not state.seen.open and state.executed == state.received and not state.stuck


def _obvious(cluster: Cluster, decision: Decision) -> Iterator[str]:
    """The cases in which no careful person would refuse: a failover must come."""
    policy = cluster.policy
    rest = [cluster.state(address) for address in ADDRESSES[1:]]
    electable = all(server.electable for server in policy.servers)
    if policy.paused or not cluster.leased or not electable:
        return
    if cluster.state(A).seen.reach is not Reach.REFUSED:
        return
    if all(_plain(one) and one.hears is False and one.name.startswith(("level", "behind")) for one in rest):
        yield f"I12: an obvious failover is not made: {[refusal.code for refusal in decision.refusals]}"


def _protection_is_true(decide: Decide, cluster: Cluster, memory: Memory) -> Iterator[str]:
    """Where a failover is said to be possible, let the writer die and see."""
    if not cluster.state(A).seen.open or memory.writer != A:
        return
    states = tuple(_bereaved(state) for state in cluster.states)
    after = replace(cluster, states=states)
    decision = decide(after.policy, after.seen, memory, None, NOW + 0.1, WALL + 0.1)
    if decision.plan is None and any(one.hears is False for one in states[1:]):
        codes = [refusal.code for refusal in decision.refusals]
        yield f"I12: said to be protected, and the writer's death is answered with {codes}"


def _bereaved(state: State) -> State:
    if state.seen.address == A:
        return replace(state, seen=replace(state.seen, reach=Reach.REFUSED))
    links = tuple(
        replace(link, receiver=Receiver.CONNECTING) if link.source == A and link.receiver is Receiver.RUNNING else link
        for link in state.seen.links
    )
    lost = any(link.source == A and link.receiver is Receiver.CONNECTING for link in links)
    return replace(state, seen=replace(state.seen, links=links), hears=False if lost else state.hears)
