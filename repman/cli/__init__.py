"""The commands; they decide nothing.

`main` is the edge of the program: here errors become one line on stderr and an exit code, which
`repman.cli.exits` lists.  Each command lives in a module of its own, loaded when it is called: a library that
is missing breaks the one command that needs it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (`sys.argv` unless given) and return its exit code."""
    from repman.cli.exits import ExitCode, exit_code
    from repman.cli.root import run
    from repman.errors import RepmanError

    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return run(words)
    except RepmanError as error:
        if _debug(words):
            raise
        for line in str(error).splitlines() or [type(error).__name__]:
            print(f"repman: {line}", file=sys.stderr)
        return exit_code(error)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    except Exception as error:
        if _debug(words):
            raise
        text = f"{type(error).__name__}: {error}"
        print(f"repman: unexpected error: {text} (run it again with --debug to see where)", file=sys.stderr)
        return ExitCode.FAILED


def _debug(words: Sequence[str]) -> bool:
    return "--debug" in words[:1] or bool(os.environ.get("REPMAN_DEBUG"))
