"""The files of a sandbox's HAProxy: its configuration and the state it starts from."""

from __future__ import annotations

import os
import pwd
import re
import string
from importlib import resources
from pathlib import Path

from repman.orchestrators.description import BalancerEntry, ServerEntry

WRITE_BACKEND = "service_write"
READ_BACKEND = "service_read"
_STATE_HEADER = (
    "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight "
    "srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state "
    "srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port "
    "srv_check_addr srv_agent_addr srv_agent_port"
)


def configuration(entry: BalancerEntry, servers: tuple[ServerEntry, ...], cluster: str, probes: tuple[str, int]) -> str:
    """The text of ``haproxy.cfg``; `probes` is where repman's agent answers."""
    return template("haproxy.cfg").substitute(
        pid_file=_word(entry.pid_file),
        stats_socket=_word(entry.stats_socket),
        state_file=_word(str(state_file(entry))),
        host=entry.host,
        write_port=entry.write_port,
        read_port=entry.read_port,
        identity=_identity(),
        write_servers=_servers("write", servers, cluster, probes),
        read_servers=_servers("read", servers, cluster, probes),
    )


def template(name: str) -> string.Template:
    """A text file of this package with ``$names`` to fill in."""
    return string.Template(resources.files(__package__).joinpath("templates", name).read_text())


def state_file(entry: BalancerEntry) -> Path:
    """Where HAProxy finds the server states it starts from."""
    return Path(entry.config).with_name("servers.state")


def all_down(servers: tuple[ServerEntry, ...], probes: tuple[str, int]) -> str:
    """A state file in which no server takes sessions until its checks and repman's agent have spoken.

    Format 1 of HAProxy's ``show servers state``; servers without a line would start as if they were up.
    """
    host, port = probes
    lines = ["1", _STATE_HEADER]
    for backend in (WRITE_BACKEND, READ_BACKEND):
        for number, server in enumerate(servers, start=1):
            lines.append(
                f"0 {backend} {number} {server.name} {server.host} 0 0 1 1 0 6 2 0 6 22 0 0 - {server.port} "
                f"- 0 0 - {host} {port}"
            )
    return "\n".join(lines) + "\n"


def _servers(role: str, servers: tuple[ServerEntry, ...], cluster: str, probes: tuple[str, int]) -> str:
    host, port = probes
    return "\n".join(
        f"    server {server.name} {server.address} check "
        f"agent-check agent-addr {host} agent-port {port} "
        f'agent-send "{role} {cluster} {server.address}\\n"'
        for server in servers
    )


def _word(path: str) -> str:
    """A path as one word of HAProxy's configuration."""
    return re.sub(r"""([\\ #'"])""", r"\\\1", path)


def _identity() -> str:
    """As root, give up root after the start."""
    if os.geteuid() != 0:
        return ""
    try:
        pwd.getpwnam("haproxy")
    except KeyError:
        return ""
    return "    user haproxy\n    group haproxy\n"
