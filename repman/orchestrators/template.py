"""The data directory that every server of a sandbox starts from: accounts inside, binary log empty."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from repman.errors import SandboxError
from repman.orchestrators.description import Account
from repman.orchestrators.process import clean_environment

LOG_FILE_SIZE = "64M"
_LIMIT = 120.0
_MONITOR_RIGHTS = (
    "SELECT",
    "PROCESS",
    "RELOAD",
    "CREATE USER",
    "BINLOG MONITOR",
    "BINLOG ADMIN",
    "SLAVE MONITOR",
    "REPLICATION SLAVE",
    "REPLICATION SLAVE ADMIN",
    "REPLICATION MASTER ADMIN",
    "READ_ONLY ADMIN",
    "CONNECTION ADMIN",
)
_SCHEMA_RIGHTS = (
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "DROP",
    "INDEX",
    "ALTER",
    "REFERENCES",
    "CREATE TEMPORARY TABLES",
    "LOCK TABLES",
    "EXECUTE",
    "CREATE VIEW",
    "SHOW VIEW",
    "CREATE ROUTINE",
    "ALTER ROUTINE",
    "EVENT",
    "TRIGGER",
    "SHOW DATABASES",
)
"""Whatever can be done with data and with what holds it, but for reading."""
_JOB_RIGHTS = (*_SCHEMA_RIGHTS, "SET USER")
"""What backup, restore and upkeep need beside the monitor's rights: they read, drop and make whatever there is."""
_SWITCH_RIGHTS = ("SUPER",)
"""What switches of logs need: global variables that no smaller right opens."""
_APPLICATION_RIGHTS = ("SELECT", *_SCHEMA_RIGHTS, "SLAVE MONITOR")


def program(name: str) -> str:
    """The path of a program, also when the caller's PATH has no sbin.  Raises SandboxError."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{clean_environment()['PATH']}")
    if path is None:
        package = "haproxy" if name == "haproxy" else "mariadb-server"
        raise SandboxError(f"{name} is not installed; install the package {package}")
    return path


def server_version() -> str:
    """What the installed server calls itself, such as ``10.11.6-MariaDB``.  Raises SandboxError."""
    told = _run([program("mariadbd"), "--no-defaults", "--version"], user=None)
    words = told.split()
    return words[words.index("Ver") + 1] if "Ver" in words else told.strip()


def system_account(directory: Path) -> str:
    """Who runs the servers: ourselves, or ``mysql`` when we are root and it can reach that directory."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    try:
        pwd.getpwnam("mysql")
    except KeyError:
        return "root"
    reach = subprocess.run(["test", "-x", directory], user="mysql", group="mysql", extra_groups=(), check=False)
    return "mysql" if reach.returncode == 0 else "root"


def make(
    datadir: Path,
    scratch: Path,
    run_as: str,
    monitor: Account,
    replication: Account,
    application: Account,
    timeout: float = _LIMIT,
) -> None:
    """Create a data directory with these accounts, none of it in a binary log.  Raises SandboxError.

    `scratch` takes temporary files; servers that share such a directory take each other's away.
    """
    accounts = datadir.parent / "accounts.sql"
    with open(os.open(accounts, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(_account_statements(monitor, replication, application))
    if os.geteuid() == 0:
        shutil.chown(accounts, run_as)
    command = [
        program("mariadb-install-db"),
        "--no-defaults",
        f"--datadir={datadir}",
        "--skip-test-db",
        "--skip-name-resolve",
        "--force",  # a machine whose own name has no address is good enough
        "--auth-root-authentication-method=socket",
        "--auth-root-socket-user=root",
        f"--extra-file={accounts}",
        f"--tmpdir={scratch}",
        f"--innodb-log-file-size={LOG_FILE_SIZE}",
    ]
    try:
        _run(command, user=run_as if os.geteuid() == 0 else None, timeout=timeout)
    finally:
        accounts.unlink()


def copy(datadir: Path, target: Path) -> None:
    """Copy a data directory, owners and modes included.  Raises SandboxError."""
    _run(["cp", "--archive", "--reflink=auto", str(datadir), str(target)], user=None)


def _account_statements(monitor: Account, replication: Account, application: Account) -> str:
    granted = (
        (monitor, (*_MONITOR_RIGHTS, *_JOB_RIGHTS, *_SWITCH_RIGHTS), " WITH GRANT OPTION"),
        (replication, ("REPLICATION SLAVE", "SLAVE MONITOR"), ""),
        (application, _APPLICATION_RIGHTS, ""),
    )
    lines = ["FLUSH PRIVILEGES;"]
    for account, rights, option in granted:
        lines.append(f"CREATE USER '{account.user}'@'%' IDENTIFIED BY '{account.password}';")
        lines.append(f"GRANT {', '.join(rights)} ON *.* TO '{account.user}'@'%'{option};")
    # Test traffic has a schema of its own and an account that may write there only; the monitor makes both.
    lines.append(f"GRANT ALL PRIVILEGES ON `repman\\_traffic`.* TO '{monitor.user}'@'%' WITH GRANT OPTION;")
    return "\n".join(lines) + "\n"


def _run(command: Sequence[str], user: str | None, timeout: float = _LIMIT) -> str:
    try:
        ran = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            cwd="/",
            env=clean_environment(),
            timeout=timeout,
            check=False,
            user=user,
            group=pwd.getpwnam(user).pw_gid if user else None,
            extra_groups=() if user else None,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SandboxError(f"{command[0]} failed: {error}") from error
    if ran.returncode != 0:
        raise SandboxError(f"{command[0]} ended with {ran.returncode}: {_complaint(ran.stderr + ran.stdout)}")
    return ran.stdout


def _complaint(output: str) -> str:
    """The lines that say what was wrong; the last ones when none says so."""
    lines = output.strip().splitlines()
    return " | ".join([line for line in lines if "ERROR" in line or "FATAL" in line] or lines[-8:])
