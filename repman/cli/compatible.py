"""``replication-manager-cli``: the commands and options of that program which scripts use, on repman's API.

Names, output and exit codes are that program's; its full-screen console is not here (``repman ctl watch``).
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from repman import __version__
from repman.cli.compatible_client import CallFailed, Client, Place, cluster_path
from repman.cli.compatible_table import topology_lines
from repman.cli.exits import NotAuthorised
from repman.errors import RepmanError

Command = Callable[..., int | None]
"""Takes the client and the cluster's name, then its own options by name."""

_BAD_CREDENTIALS = 14
_NO_CLUSTER = 10
_SETS = {
    "maintenance=on": "actions/set-maintenance",
    "maintenance=off": "actions/del-maintenance",
    "maintenance=switch": "actions/maintenance",
    "prefered=switch": "actions/set-prefered",
    "ignored=switch": "actions/set-ignored",
}
_GETS = {
    "processlist": "processlist",
    "errors": "errorlog",
    "variables": "variables",
    "tables": "tables",
    "digest-statements-pfs": "digest-statements-pfs",
    "meta-data-locks": "meta-data-locks",
    "status-delta": "status-delta",
    "slow-query": "slow-queries",
    "innodb-status": "status-innodb",
    "query-response-time": "query-response-time",
}
_ACTIONS = ("stop", "start", "provision", "unprovision")
_SHOWN = ("settings", "clusters", "servers", "master", "slaves", "crashes", "alerts")


class Ended(RepmanError):
    """The command is over; the text goes to the terminal and `code` to the caller."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        answer = cli.main(list(sys.argv[1:] if arguments is None else arguments), standalone_mode=False)
        return answer if isinstance(answer, int) else 0
    except Ended as ended:
        click.echo(str(ended), err=True)
        return ended.code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Abort:
        return 130
    except RepmanError as error:
        click.echo(str(error), err=True)
        return 1


def connected(
    needs_cluster: bool = True,
) -> Callable[[Command], Callable[..., int | None]]:
    """Give a command the options of all, and a client that has logged in, with the cluster's name."""

    def decorate(command: Command) -> Callable[..., int | None]:
        @click.option("--user", default="admin", show_default=True, help="API user.")
        @click.option("--password", default="repman", help="Its password.", envvar="REPMAN_PASSWORD")
        @click.option("--host", default="127.0.0.1", show_default=True, help="Host of the API.")
        @click.option("--port", default=10005, show_default=True, help="Its port, TLS or not.")
        @click.option("--cert", default="", help="Certificate file to expect.")
        @click.option(
            "--insecure", is_flag=False, flag_value=True, default=True, type=bool, help="Take any certificate."
        )
        @click.option("--cluster", default="", help="Which cluster.")
        @functools.wraps(command)
        def run(**given: Any) -> int | None:
            where = Place(*(given.pop(name) for name in ("host", "port", "user", "password", "cert", "insecure")))
            wanted = given.pop("cluster")
            client = _logged_in(where)
            return command(client, _chosen(client, wanted, needs_cluster), **given)

        return run

    return decorate


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def cli() -> None:
    """Ask and steer a replication manager, in the words of replication-manager-cli."""


@cli.command()
@connected()
def topology(client: Client, cluster: str) -> None:
    """Print the servers of a cluster."""
    _print_topology(client, cluster)


@cli.command()
@click.option("--db-servers-prefered-master", "wished", default="", help="host:port of the new master.")
@connected()
def switchover(client: Client, cluster: str, wished: str) -> int:
    """Make another server the master."""
    return _move(client, cluster, "actions/switchover", {"prefmaster": wished} if wished else {})


@cli.command()
@connected()
def failover(client: Client, cluster: str) -> int:
    """Replace a dead master."""
    return _move(client, cluster, "actions/failover", {})


@cli.command()
@click.option("--topology", "wanted", default="master-slave", show_default=True)
@click.option("--clean-all", is_flag=True, help="Remove replication first.")
@click.option("--with-provisioning", is_flag=True, help="Make the servers, too.")
@connected()
def bootstrap(client: Client, cluster: str, wanted: str, clean_all: bool, with_provisioning: bool) -> None:
    """Set up replication."""
    if with_provisioning:
        _call(client, cluster_path(cluster, "actions/services/provision"), 1)
        click.echo("Provisioning done")
    else:
        if clean_all:
            _call(client, cluster_path(cluster, "actions/replication/cleanup?force=true"), 1)
            click.echo("Replication cleanup done")
        cleaned = "?clean=true" if clean_all else ""
        _call(client, cluster_path(cluster, f"actions/replication/bootstrap/{wanted}{cleaned}"), 2)
        click.echo("Replication bootstrap done")
    _print_topology(client, cluster)


@cli.command()
@click.option("--id", "server", required=True, help="Id, name or host:port of the server.")
@click.option("--set", "wish", default="", help=", ".join(_SETS))
@click.option("--get", "wanted", default="", help=", ".join(_GETS))
@click.option("--action", "action", default="", help=", ".join(_ACTIONS))
@connected()
def server(client: Client, cluster: str, server: str, wish: str, wanted: str, action: str) -> None:
    """Read from one server, or act on it."""
    given = [word for word in (wish, wanted, action) if word]
    if len(given) != 1:
        raise click.UsageError("give one of --set, --get and --action")
    if wish:
        rest = _of(_SETS, wish, "--set")
    elif wanted:
        rest = _of(_GETS, wanted, "--get")
    else:
        rest = f"actions/{_of({word: word for word in _ACTIONS}, action, '--action')}"
    click.echo(_call(client, cluster_path(cluster, f"servers/{server}/{rest}"), 1), nl=False)


@cli.command()
@click.option("--get", "wanted", default=",".join(_SHOWN), show_default=True)
@connected(needs_cluster=False)
def show(client: Client, cluster: str, wanted: str) -> None:
    """Print clusters as one JSON document."""
    words = [word.strip() for word in wanted.split(",") if word.strip()]
    unknown = [word for word in words if word not in _SHOWN]
    if unknown:
        raise click.UsageError(f"--get does not know {', '.join(unknown)}; it knows {', '.join(_SHOWN)}")
    names = [cluster] if cluster else _cluster_names(client)
    documents = [{"Name": name, **{word: _shown(client, name, word) for word in words}} for name in names]
    click.echo(json.dumps({"clusters": documents}, indent=2))


@cli.command()
@click.option("--with-errors", is_flag=True, help="Print the open problems, too.")
@connected(needs_cluster=False)
def status(client: Client, cluster: str, with_errors: bool) -> None:
    """Print whether the daemon, or one cluster, is well."""
    path = cluster_path(cluster, "status") if cluster else "/api/status"
    try:
        found = json.loads(_call(client, path, 1))
        click.echo(str(found["alive"]))
    except (ValueError, KeyError, TypeError) as error:
        raise Ended(f"{path} did not answer as expected", 2) from error
    if with_errors and cluster:
        click.echo(_call(client, cluster_path(cluster, "topology/alerts"), 3))


@cli.command()
@click.option("--url", default="https://127.0.0.1:10005/api/clusters", show_default=True, help="What to get.")
@connected(needs_cluster=False)
def api(client: Client, cluster: str, url: str) -> None:
    """Get any path of the API."""
    try:
        click.echo(client.text(url))
    except RepmanError as error:
        raise Ended(f"Error in API call: {error}", 1) from error


@cli.command()
@click.option("--show-tests", is_flag=True, help="List the tests.")
@click.option("--run-tests", "names", default="", help="Names with commas, or ALL.")
@click.option("--force", is_flag=True, help="Also on a cluster without the option test.")
@connected()
def test(client: Client, cluster: str, show_tests: bool, names: str, force: bool) -> int:
    """List the tests, or play them on the cluster."""
    if show_tests or not names:
        click.echo("\n".join(client.document("/api/monitor").get("tests") or ()))
        return 0
    wanted = client.document(cluster_path(cluster, "tests")) if names.lower() in ("all", "suite") else names.split(",")
    failed = 0
    for name in wanted:
        path = cluster_path(cluster, f"tests/actions/run/{name.strip()}" + ("?force=true" if force else ""))
        text = _call(client, path, 1)
        click.echo(text)
        failed += json.loads(text).get("result") != "PASS"
    return 1 if failed else 0


@cli.command()
def version() -> None:
    """Print the version."""
    click.echo(f"repman {__version__}")


def _logged_in(place: Place) -> Client:
    client = Client(place)
    try:
        client.login()
    except NotAuthorised as error:
        if not sys.stdin.isatty():
            raise Ended(str(error), _BAD_CREDENTIALS) from error
        password = click.prompt("Enter Password", hide_input=True)
        client = Client(Place(place.host, place.port, place.user, password, place.certificate, place.insecure))
        try:
            client.login()
        except NotAuthorised as again:
            raise Ended(str(again), _BAD_CREDENTIALS) from again
    return client


def _chosen(client: Client, wanted: str, needed: bool) -> str:
    """The cluster meant; empty when none is needed and none was given."""
    if not wanted and not needed:
        return ""
    names = _cluster_names(client)
    if not names or (wanted and wanted not in names):
        raise Ended("Cluster not found", _NO_CLUSTER)
    if not wanted and len(names) > 1:
        raise Ended(f"No cluster specify use --cluster in values {names}", 1)
    return wanted or names[0]


def _cluster_names(client: Client) -> list[str]:
    return [str(name) for name in client.document("/api/monitor").get("clusters") or ()]


def _shown(client: Client, cluster: str, word: str) -> Any:
    if word in ("settings", "clusters"):
        found = client.document(cluster_path(cluster))
        return found.get("config") if word == "settings" else found
    return client.document(cluster_path(cluster, f"topology/{word}"))


def _move(client: Client, cluster: str, path: str, form: dict[str, str]) -> int:
    _print_topology(client, cluster)
    answer = client.post(cluster_path(cluster, path), form)
    for line in reversed(client.document(cluster_path(cluster, "topology/logs"))[:20]):
        click.echo(line)
    _print_topology(client, cluster)
    if answer.status_code != 200:
        raise Ended(answer.text.strip(), 1)
    return 0


def _print_topology(client: Client, cluster: str) -> None:
    document = client.document(cluster_path(cluster))
    servers = client.document(cluster_path(cluster, "topology/servers"))
    click.echo("\n".join(topology_lines(cluster, document, servers)))


def _call(client: Client, path: str, code: int) -> str:
    try:
        return client.text(path)
    except CallFailed as error:
        raise Ended(str(error), code) from error


def _of(table: dict[str, str], word: str, option: str) -> str:
    found = table.get(word.strip().lower())
    if found is None:
        raise click.UsageError(f"{option} does not know {word!r}; it knows {', '.join(table)}")
    return found
