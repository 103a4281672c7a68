"""All servers and balancers of a cluster are made, or unmade."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial

from repman.errors import RepmanError
from repman.maintenance.reseed import ReseedMethod
from repman.model.problem import Refusal
from repman.model.service import Service, ServiceState
from repman.model.work import Reply
from repman.provisioning import servers
from repman.provisioning.guards import moving
from repman.provisioning.site import DEED_SECONDS, Site, refused

_BALANCER_SECONDS = 20.0


@dataclass(slots=True)
class Course:
    """What came of it, by the names of services."""

    provisioned: list[str] = field(default_factory=list)
    unprovisioned: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    """Identifiers of reseeds that go on."""
    troubles: list[str] = field(default_factory=list)

    def reply(self, sentence: str) -> Reply:
        """The answer: failed when anything is in trouble, started while reseeds go on."""
        if self.troubles:
            return Reply("failed", "; ".join(self.troubles), "incomplete", document=asdict(self))
        status = "started" if self.jobs else "done"
        return Reply(status, sentence, document=asdict(self), job=self.jobs[0] if self.jobs else "")


def provision(site: Site, method: str = ReseedMethod.LOGICAL_MASTER, replicate: bool = True) -> Reply:
    """Make what is missing, start what stands still; then, with `replicate`, have replication built.

    In a cluster that has data, each server that is made is held until its reseed has ended.
    """
    snapshot = site.snapshot()
    if refusals := moving(snapshot):
        return refused(refusals)
    course, found = Course(), site.services()
    databases = [service for service in found if service.kind == "database"]
    if fresh := bool(databases) and all(service.state is ServiceState.UNPROVISIONED for service in databases):
        _make_all(site, databases, course)
    else:
        _make_missing(site, databases, method, course)
    _start_balancers(site, found, course)
    if course.troubles or not replicate or course.jobs:
        return course.reply("all services are provisioned and started")
    try:
        site.await_answers(service.address for service in databases)
        told = site.bootstrap(snapshot.writer if fresh else "", clean=fresh)
    except RepmanError as error:
        course.troubles.append(str(error))
        told = ""
    return course.reply(f"all services are provisioned and started; {told}")


def unprovision(site: Site, force: bool) -> Reply:
    """Stop everything and remove all data: balancers first, so that nobody writes, and the writer last."""
    snapshot = site.snapshot()
    if refusals := moving(snapshot):
        return refused(refusals)
    if not force:
        sentence = (
            f"this removes every copy of the data of {snapshot.cluster}; add force=true when that is meant (a cluster with "
            "the option test needs none)"
        )
        return refused([Refusal("only-copy", sentence)])
    course, found = Course(), site.services()
    for service in (one for one in found if one.kind == "proxy" and one.state is not ServiceState.UNPROVISIONED):
        _try(
            course,
            service.name,
            course.unprovisioned,
            partial(site.hands.unprovision_balancer, service.address, _BALANCER_SECONDS),
        )
    writer_last = sorted(
        (one for one in found if one.kind == "database" and one.state is not ServiceState.UNPROVISIONED),
        key=lambda service: service.address == snapshot.writer,
    )
    replicas = [service.address for service in writer_last if service.address != snapshot.writer]
    held = [address for address in replicas if _try_hold(site, address)]
    try:
        for service in writer_last:
            _try(
                course,
                service.name,
                course.unprovisioned,
                partial(site.hands.unprovision, service.address, DEED_SECONDS),
            )
    finally:
        for address in held:
            site.give_back(address)
    return course.reply("all services are stopped and all data are removed")


def _make_all(site: Site, databases: list[Service], course: Course) -> None:
    """Nobody has data: there is nothing that an empty server could lack."""
    for service in databases:
        _try(course, service.name, course.provisioned, partial(site.hands.provision, service.address, DEED_SECONDS))
    if course.troubles:
        return
    for service in databases:
        _try(course, service.name, course.started, partial(site.hands.start, service.address))


def _make_missing(site: Site, databases: list[Service], method: str, course: Course) -> None:
    for service in databases:
        if service.state is ServiceState.STOPPED and not _is_held(site, service.address):
            _try(course, service.name, course.started, partial(site.hands.start, service.address))
    for service in databases:
        if service.state is ServiceState.UNPROVISIONED:
            told = servers.provision(site, service.address, method)
            if told.status in ("refused", "failed"):
                course.troubles.append(told.sentence)
                continue
            course.provisioned.append(service.name)
            course.jobs += [told.job] if told.job else []


def _start_balancers(site: Site, found: tuple[Service, ...], course: Course) -> None:
    for service in (one for one in found if one.kind == "proxy"):
        address = service.address
        if service.state is ServiceState.UNPROVISIONED:
            _try(
                course,
                service.name,
                course.provisioned,
                partial(site.hands.provision_balancer, address, _BALANCER_SECONDS),
            )
        if service.state in (ServiceState.UNPROVISIONED, ServiceState.STOPPED):
            _try(course, service.name, course.started, partial(site.hands.start_balancer, address, _BALANCER_SECONDS))


def _try(course: Course, name: str, done: list[str], deed: Callable[[], object]) -> None:
    """One that fails does not keep the others from being done."""
    try:
        deed()
    except RepmanError as error:
        course.troubles.append(f"{name}: {error}")
    else:
        done.append(name)


def _try_hold(site: Site, address: str) -> bool:
    try:
        site.hold(address)
    except RepmanError:
        return False  # somebody else holds it: their hold stays
    return True


def _is_held(site: Site, address: str) -> bool:
    view = site.snapshot().server(address)
    return view is not None and bool(view.held)
