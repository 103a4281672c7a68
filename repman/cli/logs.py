"""One line per event: ``time level process cluster message``."""

from __future__ import annotations

import logging
import logging.handlers
import re
import time
from pathlib import Path

from repman.errors import ConfigError

_NAMED = re.compile(r"(?:^|(?<= ))cluster=(\S+?)(?: |(?=:)|$)")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class LineFormatter(logging.Formatter):
    """Writes a record as one line, whatever is in it.

    The cluster comes from the record (``extra={"cluster": name}``) or is taken out of the message
    (``cluster=name``); ``-`` when the record is about none.
    """

    def __init__(self, process: str) -> None:
        super().__init__()
        self.process = process

    def format(self, record: logging.LogRecord) -> str:
        """Time in UTC with milliseconds; line ends inside the message become `` | ``."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        message = record.getMessage()
        if record.exc_info:
            message = f"{message}\n{self.formatException(record.exc_info)}"
        message = " | ".join(line.rstrip() for line in message.splitlines() if line.strip())
        cluster, message = _cluster(record, message)
        stamp = f"{moment}.{int(record.msecs):03d}Z"
        return f"{stamp} {record.levelname} {self.process} {cluster} {message}"


def _cluster(record: logging.LogRecord, message: str) -> tuple[str, str]:
    """The cluster that a record is about, and the message without it."""
    if named := getattr(record, "cluster", ""):
        return str(named), message
    if found := _NAMED.search(message):
        return found[1], (message[: found.start()] + message[found.end() :]).strip()
    return "-", message


def start_logging(process: str, level: str, log_file: Path | None) -> None:
    """Send every log record of this process to `log_file`, or to stderr.

    The file is opened anew when somebody moved it away, so it can be rotated without telling us.  Raises
    ConfigError when it cannot be written.
    """
    handler: logging.Handler
    if log_file is None:
        handler = logging.StreamHandler()
    else:
        try:
            log_file.parent.mkdir(parents=True, exist_ok=True)
            handler = logging.handlers.WatchedFileHandler(log_file, encoding="utf-8")
        except OSError as error:
            raise ConfigError(
                [f"the log file {log_file} cannot be written ({error.strerror}): change log-file"]
            ) from error
    handler.setFormatter(LineFormatter(process))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    wanted = level.upper()
    root.setLevel(wanted if wanted in _LEVELS else "INFO")
    # It tells of every job it runs, which would be most of the log.
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
