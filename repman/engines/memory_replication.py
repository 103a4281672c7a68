"""What travels between simulated servers: connections, events, acknowledgements, heartbeats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repman.engines.memory_log import Event
from repman.engines.memory_server import Channel, MemoryServer, Process
from repman.model.observation import Receiver

if TYPE_CHECKING:
    from repman.engines.memory_world import MemoryWorld

_OUT_OF_ORDER = 1950
_NO_CONNECTION = 2003
_DENIED = 1045
_NO_POSITION = 1236


def change_source(world: MemoryWorld, replica: MemoryServer, source: str, heartbeat_period: float) -> None:
    """CHANGE MASTER on stopped threads, with ``gtid_slave_pos`` set to all it has: the relay log goes."""
    replica.applied = replica.log.latest()
    replica.channel = Channel(source, heartbeat_period=heartbeat_period, stored=replica.log.latest())
    replica.stalled_applier = False


def attached(world: MemoryWorld, source: MemoryServer) -> tuple[MemoryServer, ...]:
    """Replicas whose connection the source believes in."""
    return tuple(
        server
        for server in world.servers.values()
        if server.channel is not None
        and server.channel.source == source.address
        and server.channel.connected is not None
        and server.channel.connected[0] == source.boot
        and server.process is not Process.DEAD
    )


def ackers(world: MemoryWorld, source: MemoryServer) -> int:
    """``Rpl_semi_sync_master_clients``: frozen and cut-off replicas still count."""
    return sum(1 for server in attached(world, source) if server.channel and server.channel.acknowledging)


def living_ackers(world: MemoryWorld, source: MemoryServer) -> tuple[MemoryServer, ...]:
    """Replicas that would acknowledge something now."""
    return tuple(
        server
        for server in attached(world, source)
        if server.up
        and server.channel is not None
        and server.channel.acknowledging
        and world.connected(server.address, source.address)
    )


def judge_semi_sync(world: MemoryWorld, source: MemoryServer) -> None:
    """Let a finite timeout, or the lack of replicas, switch the wait off; a replica that caught up, on."""
    semi_sync, now = source.semi_sync, world.now()
    if not semi_sync.source_enabled:
        return
    count = ackers(world, source)
    if semi_sync.waits:
        late = any(write.event is not None and now - write.event.at > semi_sync.timeout for write in source.in_doubt)
        if late or (not semi_sync.waits_without_replica and count == 0):
            semi_sync.fallen_back = True
            source.stop_waiting(now)
    elif any(
        server.channel is not None and server.channel.cursor >= len(source.log.events)
        for server in living_ackers(world, source)
    ):
        semi_sync.fallen_back = False


def receive(world: MemoryWorld, replica: MemoryServer) -> None:
    """One quantum of a receiver."""
    channel = replica.channel
    if channel is None or channel.receiver is Receiver.STOPPED:
        return
    source = world.servers.get(channel.source)
    now = world.now()
    if channel.connected is None:
        if now >= channel.retry_at:
            channel.retry_at = now + world.retry
            _connect(world, replica, channel, source)
        return
    if source is None or not world.connected(replica.address, channel.source):
        _hear_nothing(world, channel)
        return
    if source.process in (Process.DEAD, Process.STARTING) or source.boot != channel.connected[0]:
        _lose(world, channel, _NO_CONNECTION, f"cannot connect to {channel.source}: connection refused")
    elif source.process is Process.FROZEN:
        _hear_nothing(world, channel)
    elif source.log.generation != channel.connected[1]:
        _refuse(channel, "could not find the next log event: the binary log of the source was reset")
    else:
        _transfer(world, replica, channel, source)


def _hear_nothing(world: MemoryWorld, channel: Channel) -> None:
    if world.now() - channel.last_heard > world.net_timeout:
        _lose(world, channel, _NO_CONNECTION, f"no word from {channel.source} for {world.net_timeout:g} s")


def _lose(world: MemoryWorld, channel: Channel, errno: int, error: str) -> None:
    channel.disconnect()
    channel.receiver, channel.receiver_errno, channel.receiver_error = Receiver.CONNECTING, errno, error
    channel.retry_at = world.now() + world.retry


def _refuse(channel: Channel, error: str) -> None:
    channel.disconnect()
    channel.receiver, channel.receiver_errno, channel.receiver_error = Receiver.STOPPED, _NO_POSITION, error


def _connect(world: MemoryWorld, replica: MemoryServer, channel: Channel, source: MemoryServer | None) -> None:
    if source is None or source is replica or source.process in (Process.DEAD, Process.STARTING):
        _lose(world, channel, _NO_CONNECTION, f"cannot connect to {channel.source}: connection refused")
        return
    if not world.connected(replica.address, channel.source) or source.process is Process.FROZEN:
        _lose(world, channel, _NO_CONNECTION, f"cannot connect to {channel.source}: no answer")
        return
    if not source.accounts:
        _lose(world, channel, _DENIED, f"access denied on {channel.source}")
        return
    error = _position_error(replica, channel, source)
    if error:
        _refuse(channel, error)
        return
    now = world.now()
    channel.receiver, channel.receiver_errno, channel.receiver_error = Receiver.RUNNING, 0, ""
    channel.connected = (source.boot, source.log.generation)
    channel.acknowledging = replica.semi_sync.replica_enabled
    channel.source_server_id = source.server_id
    channel.last_sent = channel.last_heard = now


def _position_error(replica: MemoryServer, channel: Channel, source: MemoryServer) -> str:
    """Find where to send from; the words of error 1236 when there is no such place."""
    skip: dict[int, int] = {}
    for domain, gtid in channel.stored.items():
        at = source.log.index(gtid)
        if at is None:
            higher = source.log.highest(domain) >= gtid[2]
            if replica.config.strict or not higher:
                text = "-".join(str(part) for part in gtid)
                return f"the replica starts from GTID {text}, which is not in the binary log of the source"
            at = _last_below(source.log.events, domain, gtid[2])
        skip[domain] = at
    start = min(skip.values()) + 1 if skip else 0
    domains = {event.domain for event in source.log.events}
    if domains - set(skip):
        start = 0
    if start < source.log.purged:
        return "could not find the GTID state that the replica asks for in any binary log file"
    channel.cursor, channel.skip = start, skip
    return ""


def _last_below(events: list[Event], domain: int, sequence: int) -> int:
    return max(
        (at for at, event in enumerate(events) if event.domain == domain and event.sequence <= sequence),
        default=-1,
    )


def _transfer(world: MemoryWorld, replica: MemoryServer, channel: Channel, source: MemoryServer) -> None:
    now, events = world.now(), source.log.events
    channel.last_heard = now
    if channel.cursor < len(events):
        if world.stall and world.random.random() < world.stall:
            return
        for at in range(channel.cursor, len(events)):
            event = events[at]
            if at > channel.skip.get(event.domain, -1):
                channel.stored[event.domain] = event.gtid
                if event.server_id != replica.server_id or _accepts_own(replica, event):
                    channel.relay.append((event, now))
                if channel.acknowledging and source.semi_sync.source_enabled:
                    source.acknowledged.append(event)
        channel.cursor = len(events)
        channel.last_sent = now
    elif channel.heartbeat_period and now - channel.last_sent >= channel.heartbeat_period - 1e-9:
        channel.heartbeats += 1
        channel.last_sent = now


def _accepts_own(replica: MemoryServer, event: Event) -> bool:
    """A semi-sync replica takes back transactions of its own that its truncated log has lost."""
    lost = replica.log.index(event.gtid) is None
    return lost and replica.semi_sync.replica_enabled and replica.config.strict


def apply(world: MemoryWorld, replica: MemoryServer, seconds: float) -> None:
    """One quantum of an applier."""
    channel, config = replica.channel, replica.config
    if channel is None or not channel.applier_running or not channel.relay:
        replica.budget = 0.0
        return
    if replica.stalled_applier or (replica.semi_sync.waits and not living_ackers(world, replica)):
        return
    replica.budget = min(replica.budget + config.apply_rate * seconds, config.apply_rate)
    while channel.relay and replica.budget >= 1.0:
        event = channel.relay[0][0]
        if config.apply_delay and world.now() < event.at + config.apply_delay:
            return
        if config.strict and event.sequence <= replica.log.highest(event.domain):
            channel.applier_running, channel.applier_errno = False, _OUT_OF_ORDER
            channel.applier_error = (
                f"an attempt was made to binlog GTID {event} which would create an out-of-order sequence number"
            )
            return
        channel.relay.popleft()
        replica.budget -= 1.0
        replica.unflushed.clear()
        replica.log.append(event)
        replica.applied[event.domain] = event.gtid
        replica.commit_in_engine(event, world.now())
