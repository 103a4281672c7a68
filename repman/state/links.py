"""What links tell of themselves, as files: each written by its own process, read by everybody else without a lock."""

from __future__ import annotations

from pathlib import Path

from repman.errors import StateError
from repman.model.link import FORMAT, LinkView
from repman.state.codec import encode
from repman.state.publication import file_name, replace_file
from repman.state.snapshots import DocumentReader

LINKS = "links"
STALE = 5.0
"""Seconds after which a process that has published nothing is taken for dead; it publishes twice a second."""


class LinkPublisher:
    """Publishes what one process knows of its link; for one thread at a time."""

    def __init__(self, rundir: Path, name: str) -> None:
        """Make the directory; raises StateError."""
        self._directory = rundir / LINKS
        self._name = file_name(name)
        try:
            self._directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        except OSError as error:
            raise self._failed(error) from error

    def publish(self, view: LinkView) -> None:
        """Replace what was published before; raises StateError."""
        # There is one process a link, so that what a dead one left half-written is written over by the next.
        draft = f"{self._directory}/.{self._name}.draft"
        try:
            replace_file(f"{self._directory}/{self._name}", draft, encode(view))
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> StateError:
        return StateError(
            f"Nothing can be published in {self._directory}: check that it may be written and has space left ({error})"
        )


class LinkReader(DocumentReader[LinkView]):
    """The links as they were published last; usable from several threads."""

    _directory = LINKS
    _kind = LinkView
    _format = FORMAT


def is_fresh(view: LinkView, age: float) -> bool:
    """Whether the link's process lives, as far as what it published `age` seconds ago tells."""
    return view.pid > 0 and age <= STALE
