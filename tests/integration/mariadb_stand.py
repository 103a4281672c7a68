"""Three real MariaDB servers of a sandbox, with what tests of the driver do to them."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import pymysql

from repman.engines.mariadb import MariadbCluster
from repman.model.plan import Step, StepKind

USER = "root"
X_ACCOUNTS = "SELECT CONCAT(QUOTE(User), '@', QUOTE(Host)) FROM mysql.global_priv WHERE User LIKE 'x\\_%'"


def wait_until(condition, seconds=10.0, what="a condition"):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.005)


class Server:
    def __init__(self, sandbox, entry):
        self.sandbox = sandbox
        self.entry = entry
        self.address = entry.address
        found = sandbox.description
        self.monitor = (found.monitor.user, found.monitor.password)
        self.application = (found.application.user, found.application.password)

    def connect(self, account=None, **options):
        user, password = account or self.monitor
        return pymysql.connect(
            host=self.entry.host,
            port=self.entry.port,
            user=user,
            password=password,
            autocommit=True,
            ssl_disabled=True,
            **options,
        )

    def run(self, *statements, account=None):
        with contextlib.closing(self.connect(account)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall()

    def write(self, *statements):
        return self.run(*statements, account=self.application)

    def as_root(self, *statements):
        """Past every right and read_only, over the server's own socket."""
        connection = pymysql.connect(unix_socket=self.entry.socket, user=USER, autocommit=True)
        with contextlib.closing(connection), connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall()

    def value(self, expression):
        return self.run(f"SELECT {expression}")[0][0]

    def replica(self):
        with contextlib.closing(self.connect()) as connection:
            cursor = connection.cursor(pymysql.cursors.DictCursor)
            cursor.execute("SHOW ALL SLAVES STATUS")
            return cursor.fetchone()

    def sessions(self, user):
        return self.run(f"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = '{user}'")[0][0]

    def freeze(self):
        pid = self.sandbox.pid(self.entry.name)
        os.kill(pid, signal.SIGSTOP)
        tasks = Path(f"/proc/{pid}/task")
        # the signal reaches the threads one after the other, and one may still be answering
        wait_until(
            lambda: all((task / "stat").read_text().rpartition(")")[2].split()[0] == "T" for task in tasks.iterdir())
        )

    def thaw(self):
        os.kill(self.sandbox.pid(self.entry.name), signal.SIGCONT)

    def kill(self):
        self.sandbox.kill(self.entry.name)

    def start(self):
        self.sandbox.start(self.entry.name)
        self.sandbox.wait_ready(self.entry.name)


class Stand:
    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.servers = [Server(sandbox, entry) for entry in sandbox.servers]
        self.addresses = [server.address for server in self.servers]
        self.driver = None
        self._drivers = []
        self._threads = []

    def new_driver(self, addresses=None, **changes):
        found = self.sandbox.description
        arguments = {
            "cluster": "test",
            "addresses": addresses or self.addresses,
            "database": (found.monitor.user, found.monitor.password),
            "replication": (found.replication.user, found.replication.password),
            "heartbeat_period": 0.2,
            "connect_timeout": 1.0,
        }
        driver = MariadbCluster(**{**arguments, **changes})
        self._drivers.append(driver)
        return driver

    def perform(self, kind, server, source=None, timeout=5.0, driver=None, waiting=lambda: None):
        step = Step(StepKind(kind), server.address, source.address if source else "")
        return (driver or self.driver).perform(step, timeout, waiting)

    def reach(self, kind, server, source=None, **options):
        outcome = self.perform(kind, server, source, **options)
        assert outcome.ok, outcome.detail
        return outcome

    def bootstrap(self, replicas=2):
        writer, *others = self.servers
        # commits would wait for ever without a replica
        promoter = self.driver if replicas else self.new_driver(semi_sync=False)
        self.reach("promote", writer, driver=promoter)
        for server in others[:replicas]:
            self.reach("follow", server, writer)
        self.reach("open", writer)
        writer.write("CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, a INT)")
        self.settle(writer, others[:replicas])
        return writer, *others

    def settle(self, writer, replicas):
        aim = writer.value("@@gtid_binlog_pos")
        for replica in replicas:
            assert replica.value(f"MASTER_GTID_WAIT('{aim}', 10)") == 0

    def look(self, driver=None, timeout=1.0):
        return (driver or self.driver).observe(timeout)

    def background(self, work, *arguments):
        """Run it in a thread; its result or error comes in the returned list."""
        came = []

        def run():
            try:
                came.append(work(*arguments))
            except pymysql.Error as error:
                came.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        self._threads.append(thread)
        return came

    def reset(self):
        """Back to three empty read-only servers, by plain SQL."""
        for server in self.servers:
            with contextlib.suppress(TypeError):
                server.thaw()
            server.start()
        for server in self.servers:
            server.run(
                "STOP ALL SLAVES",
                "SET GLOBAL rpl_semi_sync_master_enabled=0",
                "SET GLOBAL read_only=1",
                "SET GLOBAL max_connections=500",
                "RESET SLAVE ALL",
            )
            server.as_root(
                "SET sql_log_bin=0",
                "DROP DATABASE IF EXISTS d",
                *(f"DROP USER {name}" for (name,) in server.as_root(X_ACCOUNTS)),
                "RESET MASTER",
                "SET GLOBAL gtid_slave_pos=''",
            )

    def end_test(self):
        for driver in self._drivers:
            driver.close()
        self._drivers.clear()
        for server in self.servers:
            with contextlib.suppress(TypeError):
                server.thaw()
        for server in self.servers:
            with contextlib.suppress(pymysql.Error):
                server.run("SET GLOBAL rpl_semi_sync_master_enabled=0")
        for thread in self._threads:
            thread.join(15)
            assert not thread.is_alive()
        self._threads.clear()
