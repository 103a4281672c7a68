"""The log as mongosync writes it: one JSON object a line, in a file that SIGUSR1 sets aside."""

from __future__ import annotations

import contextlib
import json
import logging
import logging.handlers
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from repman.errors import ConfigError

FILE = "mongosync.log"
LEVELS = {
    "TRACE": logging.DEBUG,
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
    "FATAL": logging.CRITICAL,
    "PANIC": logging.CRITICAL,
}
"""Its words for levels."""
_WORDS = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warn",
    logging.ERROR: "error",
    logging.CRITICAL: "fatal",
}


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object."""

    def __init__(self, identity: str) -> None:
        super().__init__()
        self.identity = identity

    def format(self, record: logging.LogRecord) -> str:
        """Time in UTC with milliseconds; what raised an exception stands in ``error``."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": _WORDS.get(record.levelno, record.levelname.lower()),
            "mongosyncID": self.identity,
            "componentName": getattr(record, "s", record.name.rpartition(".")[2]),
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


def start_logging(identity: str, verbosity: str, directory: Path | None) -> None:
    """Send every record of this process to ``mongosync.log`` in `directory`, or to the terminal's standard output.

    Raises ConfigError when the file cannot be written.
    """
    handler: logging.Handler = logging.StreamHandler(sys.stdout) if directory is None else _to_file(directory)
    handler.setFormatter(JsonFormatter(identity))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(LEVELS[verbosity])
    # They tell of every command and connection, which would be most of the log.
    for name in ("pymongo", "waitress", "werkzeug"):
        logging.getLogger(name).setLevel(max(LEVELS[verbosity], logging.WARNING))


def _to_file(directory: Path) -> logging.Handler:
    path = directory / FILE
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.WatchedFileHandler(path, encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"the log {path} cannot be written ({error.strerror}): change --logPath"]) from error

    def set_aside(number: int, frame: FrameType | None) -> None:
        # The handler sees that its file is gone and makes a new one.
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")
        with contextlib.suppress(OSError):
            path.rename(path.with_name(f"{path.stem}-{moment}{path.suffix}"))

    signal.signal(signal.SIGUSR1, set_aside)
    return handler
