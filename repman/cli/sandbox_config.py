"""A sandbox as sections of repman's configuration."""

from __future__ import annotations

from collections.abc import Iterator

import tomli_w

from repman.orchestrators.description import ServerEntry
from repman.orchestrators.haproxy_files import READ_BACKEND, WRITE_BACKEND
from repman.orchestrators.mongodb_files import KIND
from repman.orchestrators.sandbox import Sandbox


def sections(sandbox: Sandbox) -> str:
    """TOML: one section for each cluster; a sharded one has a section for the config server and for each shard."""
    found = sandbox.description
    document = {
        "Default": {"probes-port": found.probes_port},
        **{name: _cluster(sandbox, name, servers) for name, servers in _clusters(sandbox)},
    }
    return tomli_w.dumps(document)


def _clusters(sandbox: Sandbox) -> Iterator[tuple[str, tuple[ServerEntry, ...]]]:
    sets = dict.fromkeys(server.set_name for server in sandbox.servers)
    for name in sets:
        yield name or sandbox.description.cluster, tuple(one for one in sandbox.servers if one.set_name == name)


def _cluster(sandbox: Sandbox, name: str, servers: tuple[ServerEntry, ...]) -> dict[str, object]:
    found, haproxy = sandbox.description, sandbox.haproxy
    options: dict[str, object] = {
        "db-servers-hosts": [server.address for server in servers],
        "db-servers-names": [server.name for server in servers],
        "db-servers-credential": f"{found.monitor.user}:{found.monitor.password}",
        "prov-orchestrator": "local",
        "sandbox-directory": str(sandbox.directory),
    }
    if found.kind == KIND:
        options["cluster-type"] = KIND
        options["mongodb-replica-set"] = name
        if name != found.cluster:
            options["cluster-group"] = found.cluster
    else:
        options["replication-credential"] = f"{found.replication.user}:{found.replication.password}"
    if haproxy is not None:
        options |= {
            "haproxy": True,
            "haproxy-servers": [haproxy.host],
            "haproxy-write-port": haproxy.write_port,
            "haproxy-read-port": haproxy.read_port,
            "haproxy-runtime-socket": [haproxy.stats_socket],
            "haproxy-api-write-backend": WRITE_BACKEND,
            "haproxy-api-read-backend": READ_BACKEND,
        }
    return options
