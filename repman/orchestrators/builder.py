"""Lays out the files of a sandbox, and takes them away again."""

from __future__ import annotations

import os
import pwd
import re
import secrets
import shutil
import string
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from repman.errors import SandboxError
from repman.orchestrators import description, haproxy_files, mongodb_files, template
from repman.orchestrators.description import (
    FILE,
    Account,
    BalancerEntry,
    Description,
    ServerEntry,
    haproxy_mark,
    member_mark,
    server_mark,
)
from repman.orchestrators.network import LOOPBACK, free_ports
from repman.orchestrators.process import Mark

_PARTS = ("haproxy", "run", "template")
"""Names in a sandbox's directory, besides those of its servers."""
_CLUSTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SOCKET_PATH_LIMIT = 97
"""107 bytes, less ten for the suffix that HAProxy adds while it starts."""


def plan(
    directory: Path,
    servers: int,
    haproxy: bool,
    cluster: str,
    probes_port: int | None,
    layout: mongodb_files.Layout | None = None,
) -> Description:
    """Decide names, ports, paths and passwords of a new sandbox; with a `layout` one of MongoDB.  Raises SandboxError."""
    if (directory / FILE).exists():
        raise SandboxError(f"{directory} is a sandbox already; see: repman sandbox status {directory}")
    if not 1 <= servers <= 20:
        raise SandboxError(f"a sandbox has 1 to 20 servers, not {servers}")
    if not _CLUSTER.fullmatch(cluster):
        raise SandboxError(f"{cluster!r} is no name for a cluster; use letters, digits, '_', '-' and '.'")
    if unfit := set(str(directory)) & set('"\n\r\t'):
        raise SandboxError(f"{str(directory)!r} has {sorted(unfit)} in its name; choose another place")
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SandboxError(f"{directory} cannot be made a directory: {error.strerror}; choose another place") from error
    places = tuple(layout.places(cluster)) if layout else ()
    names = tuple(name for name, _, _ in places) or tuple(f"db{number}" for number in range(1, servers + 1))
    ports = iter(free_ports(len(names) + 3))
    _require_untouched(directory, (*names, *_PARTS))
    sockets = _choose_socket_directory(directory)
    return Description(
        format=description.FORMAT,
        complete=False,
        cluster=cluster,
        version=mongodb_files.version() if layout else template.server_version(),
        run_as=template.system_account(directory),
        socket_dir=str(sockets),
        probes_port=probes_port or next(ports),
        servers=tuple(mongodb_files.entry(directory, place, next(ports)) for place in places)
        or tuple(_server(directory, sockets, name, next(ports)) for name in names),
        haproxy=_haproxy(directory, sockets, next(ports), next(ports)) if haproxy else None,
        monitor=Account("repman", new_password()),
        replication=Account("admin" if layout else "repman_repl", new_password()),
        application=Account("app", new_password()),
        kind=mongodb_files.KIND if layout else "mariadb",
        key=mongodb_files.new_key() if layout else "",
    )


def build(directory: Path, planned: Description) -> None:
    """Make the files.  What fails half-way can be destroyed and is never taken for finished."""
    description.write(directory, planned)
    prepare_socket_directory(planned)
    if planned.kind == mongodb_files.KIND:
        for entry in planned.servers:
            mongodb_files.lay_out(entry, planned.key)
    else:
        _build_servers(directory / "template", planned)
    if planned.haproxy is not None:
        _build_haproxy(planned, planned.haproxy)
    description.write(directory, replace(planned, complete=True))


def _build_servers(base: Path, planned: Description) -> None:
    """Data directories that are copies of one."""
    sockets = Path(planned.socket_dir)
    _make_directory(base, planned.run_as, 0o700)
    template.make(base / "data", sockets, planned.run_as, planned.monitor, planned.replication, planned.application)
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(lambda entry: _build_server(planned, entry, base / "data"), planned.servers))
    shutil.rmtree(base)


def remove(directory: Path, planned: Description) -> None:
    """Take all files of a sandbox away; its processes must be gone.  Other files there are left alone."""
    shutil.rmtree(planned.socket_dir, ignore_errors=True)
    _remove_parts(directory, tuple(server.name for server in planned.servers))


def remains(directory: Path) -> tuple[Mark, ...]:
    """What the processes are known by of a sandbox whose description cannot be read any more."""
    servers = tuple(server_mark(str(path)) for path in directory.glob("db*/server.cnf"))
    members = tuple(member_mark(str(path)) for path in directory.glob(f"*/{mongodb_files.CONFIG}"))
    return (*servers, *members, haproxy_mark(str(directory / "haproxy" / "haproxy.cfg")))


def remove_remains(directory: Path) -> None:
    """Take the files away of a sandbox whose description cannot be read any more."""
    configs = (*directory.glob("db*/server.cnf"), *directory.glob(f"*/{mongodb_files.CONFIG}"))
    _remove_parts(directory, tuple(path.parent.name for path in configs))


def _remove_parts(directory: Path, servers: tuple[str, ...]) -> None:
    for name in (*servers, *_PARTS):
        shutil.rmtree(directory / name, ignore_errors=True)
    (directory / FILE).unlink(missing_ok=True)
    if not any(directory.iterdir()):
        directory.rmdir()


def prepare_socket_directory(planned: Description) -> None:
    """Make the private directory for sockets if it is missing.  Raises SandboxError when it is not ours."""
    path = Path(planned.socket_dir)
    _make_directory(path, planned.run_as, 0o700)
    found = path.lstat()
    if path.is_symlink() or found.st_mode & 0o077 or found.st_uid not in _trusted_owners(planned.run_as):
        raise SandboxError(f"{path} is not private to us; remove it and start again")


def _server(directory: Path, sockets: Path, name: str, port: int) -> ServerEntry:
    home = directory / name
    config = str(home / "server.cnf")
    return ServerEntry(
        name=name,
        host=LOOPBACK,
        port=port,
        socket=str(sockets / f"{name}.sock"),
        pid_file=str(home / "mariadbd.pid"),
        datadir=str(home / "data"),
        config=config,
        log=str(home / "error.log"),
        start=(template.program("mariadbd"), f"--defaults-file={config}"),
    )


def _haproxy(directory: Path, sockets: Path, write_port: int, read_port: int) -> BalancerEntry:
    home = directory / "haproxy"
    config = str(home / "haproxy.cfg")
    return BalancerEntry(
        host=LOOPBACK,
        write_port=write_port,
        read_port=read_port,
        stats_socket=str(sockets / "haproxy.sock"),
        pid_file=str(home / "haproxy.pid"),
        config=config,
        start=(template.program("haproxy"), "-D", "-f", config),
    )


def _build_server(planned: Description, entry: ServerEntry, data: Path) -> None:
    _lay_out_server(planned, entry)
    template.copy(data, Path(entry.datadir))


def _lay_out_server(planned: Description, entry: ServerEntry) -> None:
    """Everything that a server has beside its data."""
    home = Path(entry.config).parent
    _make_directory(home, planned.run_as, 0o755)
    _make_directory(home / "tmp", planned.run_as, 0o700)
    Path(entry.config).write_text(server_configuration(planned, entry))
    log = Path(entry.log)
    log.touch(mode=0o640)
    _give(log, planned.run_as)


def server_configuration(planned: Description, entry: ServerEntry) -> str:
    """The text of a server's option file; what tells it from the others follows from its place among them."""
    if planned.kind == mongodb_files.KIND:
        return mongodb_files.configuration(entry)
    own = haproxy_files.template("server.cnf").substitute(
        run_as=planned.run_as,
        datadir=_option_value(entry.datadir),
        socket=_option_value(entry.socket),
        pid_file=_option_value(entry.pid_file),
        log=_option_value(entry.log),
        host=entry.host,
        port=entry.port,
        server_id=planned.servers.index(entry) + 1,
        log_file_size=template.LOG_FILE_SIZE,
    )
    return f"{own}\n{_replication_rules()}"


def replication_configuration(port: int, server_id: int) -> str:
    """An option file for a server whose paths and sizes are somebody else's to choose."""
    own = f"# Made by repman.\n[mariadbd]\nport = {port}\nserver_id = {server_id}\n"
    return f"{own}\n{_replication_rules()}"


def _replication_rules() -> str:
    """What every server of a cluster needs, so that an acknowledged write is a kept one."""
    return haproxy_files.template("replication.cnf").substitute()


def balancer_configuration(planned: Description, entry: BalancerEntry) -> str:
    """The text of HAProxy's configuration."""
    return haproxy_files.configuration(entry, planned.servers, planned.cluster, (LOOPBACK, planned.probes_port))


def provisioned(entry: ServerEntry | BalancerEntry) -> bool:
    """Whether there is what it needs to be started: a data directory, or HAProxy's configuration."""
    return Path(entry.datadir if isinstance(entry, ServerEntry) else entry.config).exists()


def provision(planned: Description, entry: ServerEntry | BalancerEntry, timeout: float) -> None:
    """Make what it needs to be started; a data directory appears whole or not at all.

    Raises SandboxError, also when there is one already: nobody's data is ever written over.
    """
    if provisioned(entry):
        raise SandboxError(f"{entry.name} is provisioned already; to make it anew, unprovision it first")
    if isinstance(entry, BalancerEntry):
        _build_haproxy(planned, entry)
        return
    prepare_socket_directory(planned)
    if planned.kind == mongodb_files.KIND:
        mongodb_files.lay_out(entry, planned.key)  # empty: it copies the data of its set
        return
    _lay_out_server(planned, entry)
    draft = Path(entry.config).with_name("making")
    for left in (draft, Path(entry.config).with_name("removed")):
        _remove_tree(left)  # by somebody who died half-way
    _make_directory(draft, planned.run_as, 0o700)
    scratch = Path(entry.config).with_name("tmp")
    accounts = (planned.monitor, planned.replication, planned.application)
    template.make(draft / "data", scratch, planned.run_as, *accounts, timeout)
    (draft / "data").rename(entry.datadir)
    _remove_tree(draft)


def unprovision(entry: ServerEntry | BalancerEntry) -> None:
    """Take that away again, at once as a whole; its process must be gone.  A log that tells why stays.

    Raises SandboxError.
    """
    if isinstance(entry, BalancerEntry):
        haproxy_files.state_file(entry).unlink(missing_ok=True)
        Path(entry.config).unlink(missing_ok=True)
        return
    data = Path(entry.datadir)
    removed = Path(entry.config).with_name("removed")
    _remove_tree(removed)
    if data.exists():
        data.rename(removed)
    # Beside it, under its name: what a rebuild has put aside, or had begun.
    for left in (removed, *data.parent.glob(f"{data.name}.*")):
        _remove_tree(left)


def _remove_tree(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise SandboxError(f"{path} cannot be removed: {error.strerror}; remove it yourself") from error


def _build_haproxy(planned: Description, entry: BalancerEntry) -> None:
    home = Path(entry.config).parent
    home.mkdir(exist_ok=True)
    probes = (LOOPBACK, planned.probes_port)
    Path(entry.config).write_text(balancer_configuration(planned, entry))
    haproxy_files.state_file(entry).write_text(haproxy_files.all_down(planned.servers, probes))


def _option_value(path: str) -> str:
    """A path as it is written in an option file, where ``#`` and spaces mean something."""
    return '"' + path.replace("\\", "\\\\") + '"'


def _choose_socket_directory(directory: Path) -> Path:
    """Below the sandbox when that path is fit for a socket, else a private short one."""
    near = directory / "run"
    if _fit_for_sockets(str(near)):
        return near
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    usable = os.geteuid() != 0 and _fit_for_sockets(f"{runtime}/repman-12345678") and os.access(runtime, os.W_OK)
    return Path(tempfile.mkdtemp(prefix="repman-", dir=runtime if usable else "/tmp"))


def _fit_for_sockets(directory: str) -> bool:
    """Short enough for the kernel, and without characters that mean something in an address of HAProxy."""
    longest = f"{directory}/haproxy.sock"
    return len(longest) <= _SOCKET_PATH_LIMIT and re.fullmatch(r"/[A-Za-z0-9/._+=-]*", longest) is not None


def _require_untouched(directory: Path, names: tuple[str, ...]) -> None:
    taken = [name for name in names if (directory / name).exists()]
    if taken:
        raise SandboxError(f"{directory} has other files of these names: {', '.join(taken)}; choose another place")


def _make_directory(path: Path, owner: str, mode: int) -> None:
    path.mkdir(mode=mode, exist_ok=True)
    path.chmod(mode)
    _give(path, owner)


def _give(path: Path, owner: str) -> None:
    if os.geteuid() == 0:
        shutil.chown(path, owner, pwd.getpwnam(owner).pw_gid)


def _trusted_owners(owner: str) -> frozenset[int]:
    return frozenset({os.geteuid(), pwd.getpwnam(owner).pw_uid})


def new_password() -> str:
    """A random password of letters and digits: it needs no quoting anywhere."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(24))
