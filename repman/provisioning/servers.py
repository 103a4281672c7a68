"""One server is made, with the cluster's data, or unmade."""

from __future__ import annotations

from repman.errors import JobFailed, RepmanError
from repman.maintenance.reseed import HOLD_REASON, ReseedMethod
from repman.model.problem import Refusal
from repman.model.snapshot import Snapshot
from repman.model.work import Reply, Request
from repman.provisioning.guards import against_provisioning, against_unprovisioning, held_by_others
from repman.provisioning.site import DEED_SECONDS, Site, refused

WITHOUT_DATA = "none"
"""In the place of a method to reseed by: the server stays held, and empty."""


def provision(site: Site, server: str, method: str) -> Reply:
    """Make a server that has no data and start it; in a cluster with a writer it is held until it is reseeded.

    An empty server is never left to itself: following from an empty position would leave out what the writer holds
    and its binary logs do not, and nobody would see it.
    """
    name, snapshot = site.name(server), site.snapshot()
    with_data = site.with_data(server)
    if refusals := [*_not_ours(site, snapshot, server), *against_provisioning(snapshot, server, with_data)]:
        return refused(refusals)
    if method not in (*ReseedMethod, WITHOUT_DATA):
        known = ", ".join((*ReseedMethod, WITHOUT_DATA))
        return Reply("refused", f"There is no method {method!r} to reseed by; use one of: {known}.", "unknown-method")
    if _there(site, server):
        sentence = f"{name} is provisioned already, and its data are never written over: unprovision it first"
        return refused([Refusal("provisioned", sentence, server)])
    joins = bool(snapshot.writer) and snapshot.writer != server and bool(with_data)
    if joins:
        site.hold(server)
    try:
        site.hands.provision(server, DEED_SECONDS)
    except RepmanError:
        if joins:
            site.give_back(server)
        raise
    site.hands.start(server)
    if not joins:
        return Reply("done", f"{name} is provisioned and started, empty; bootstrap the replication when all are")
    site.await_answers((server,))
    if method == WITHOUT_DATA:
        return Reply("done", f"{name} is provisioned, started and held: it is empty, and joins by a reseed only")
    return _fill(site, server, method)


def _fill(site: Site, server: str, method: str) -> Reply:
    arguments = {"method": method}
    told = site.reseed(Request("reseed", site.around.name, server, arguments, site.user))
    name = site.name(server)
    if told.status != "started":
        return Reply(
            "failed",
            f"{name} is provisioned and started; it is empty and stays held, for its reseed was refused: {told.sentence}",
            "reseed-refused",
        )
    return Reply(
        "started", f"{name} is provisioned and held until its reseed ({method}) has ended", "reseeding", job=told.job
    )


def unprovision(site: Site, server: str, force: bool) -> Reply:
    """Stop a server and remove its data; with `force` a writer, too, after its role was moved if that is possible."""
    name, snapshot = site.name(server), site.snapshot()
    if refusals := [*_not_ours(site, snapshot, server), *against_unprovisioning(snapshot, server, force)]:
        return refused(refusals)
    if site.hands.provisioned(server) is False:
        return refused([Refusal("unprovisioned", f"{name} has no data already", server)])
    note = ""
    is_writer = server == snapshot.writer
    if is_writer and snapshot.writer_alive:
        try:
            site.move_writer_away()
            is_writer = False
        except JobFailed as reason:
            note = f"; it was the writer, and {reason}"
    if is_writer:
        site.hands.unprovision(server, DEED_SECONDS)
    else:
        site.hold(server)
        try:
            site.hands.unprovision(server, DEED_SECONDS)
        except RepmanError as error:
            if not _runs(site, server):
                told = (
                    f"{name} is stopped and stays held, for some of its data may be gone: {error}. Unprovision it again"
                )
                return Reply("failed", told, "incomplete")
            site.give_back(server)
            raise
        site.give_back(server)
    return Reply("done", f"{name} is stopped and its data are removed{note}")


def _runs(site: Site, server: str) -> bool:
    """Whether it surely runs: then nothing of its data was removed, for that comes after its end."""
    try:
        return site.hands.running(server)
    except RepmanError:
        return False


def _not_ours(site: Site, snapshot: Snapshot, server: str) -> list[Refusal]:
    if site.hands.controls(server):
        return held_by_others(snapshot, server, HOLD_REASON)
    return [Refusal("not-controlled", f"{site.name(server)} is no server of the cluster's orchestrator", server)]


def _there(site: Site, server: str) -> bool:
    """Whether there are data; where only the host could tell, whether a server runs."""
    known = site.hands.provisioned(server)
    return site.hands.running(server) if known is None else known
