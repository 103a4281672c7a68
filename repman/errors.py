"""Every error repman raises, in one tree.

    RepmanError
    ├── ConfigError           the configuration cannot be used; fix it and start again
    │   ├── UnknownSetting    no option of that name can be changed there
    │   └── SettingFixed      the environment, a flag or the file alone gives the value, so it is changed there
    ├── UnknownCluster        no such cluster is configured
    ├── UnknownServer         the cluster has no such server
    ├── UnknownStream         there is no stream, configuration or connection of that id
    ├── Refused               a guard said no; nothing was changed; carries every reason
    ├── StepFailed            a step of a plan did not reach its aim; says what was seen instead
    │   └── DeadlineExceeded  ... because its time was over
    ├── LeaseLost             another repman may be acting on this cluster; stop at once
    ├── JournalError          the journal cannot be written; without it nothing may be changed
    ├── StateError            history, snapshots or the command socket cannot be used; nothing else is hurt
    ├── MonitorDown           the monitor does not answer on its socket; reads still work
    ├── WorkerDown            the worker does not answer on its socket; jobs and live reads wait for it
    ├── LinkDown              the process of a link does not answer on its socket; other links go on
    ├── HostError             a host of databases refused, or what was run there failed
    │   └── HostUnreachable   ... because nobody could log in there in time
    ├── LookFailed            a look into a server, or a small act on it, did not succeed; says why and what to do
    ├── JobFailed             a job did not reach its aim; says what it left and what to do
    │   └── JobCancelled      ... because somebody asked it to end
    ├── LinkRefused           a link of MongoDB clusters cannot do that in its state; nothing was changed
    ├── LinkFailed            a link stopped: what it was told or found does not let it go on; says what to do
    │   ├── HistoryLost       ... because the source's oplog no longer holds what it has not read
    │   └── LinkTaken         ... because another process works on the same link
    ├── StreamRefused         a stream, connection or configuration cannot do that now; nothing was changed
    ├── StreamFailed          a stream stopped: what it was told or found does not let it go on; says what to do
    │   ├── StreamUnreachable ... because a database does not answer; it may go on later
    │   └── PositionLost      ... because the source no longer holds the log that was not read yet
    ├── CheckpointRefused     a checkpoint, snapshot or restore cannot be made now; nothing was changed
    ├── CheckpointFailed      a checkpoint, snapshot or restore was begun and did not reach its aim
    ├── RepositoryError       where snapshots and oplogs are kept cannot be used, or a file there is damaged
    └── SandboxError          a local database process could not be made, started or stopped

Classes are named after what the caller can do.  The text of an error tells its reader what to do next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from repman.model.problem import Refusal


class RepmanError(Exception):
    """The root: catch this at the edges (command line, HTTP), nowhere else."""


class ConfigError(RepmanError):
    """The configuration has mistakes; `mistakes` lists every one of them."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes))


class UnknownSetting(ConfigError):
    """No option of that name can be changed there; nothing was changed."""


class SettingFixed(ConfigError):
    """The environment or a flag gives the value, or only a file may; nothing was changed."""


class UnknownCluster(RepmanError):
    """No cluster of that name is configured."""


class UnknownServer(RepmanError):
    """The cluster has no server of that name, id or address."""


class UnknownStream(RepmanError):
    """No stream, stream configuration or connection has that id."""


class Refused(RepmanError):
    """A guard said no and nothing was changed."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        self.refusals = tuple(refusals)
        super().__init__("; ".join(refusal.sentence for refusal in self.refusals))


class StepFailed(RepmanError):
    """A step of a plan did not reach its aim."""


class DeadlineExceeded(StepFailed):
    """A step, or a whole plan, was not done in its time."""


class LeaseLost(RepmanError):
    """This repman no longer holds the cluster's lease."""


class JournalError(RepmanError):
    """The journal cannot be written, so nothing may be changed."""


class StateError(RepmanError):
    """History, published snapshots or the command socket cannot be read or written."""


class MonitorDown(RepmanError):
    """The monitor process does not answer on its socket."""


class WorkerDown(RepmanError):
    """The worker process does not answer on its socket."""


class LinkDown(RepmanError):
    """The process of a link does not answer on its socket."""


class LookFailed(RepmanError):
    """A look into a server, or a small act on it, did not succeed."""

    def __init__(self, sentence: str, code: str = "failed", status: str = "failed") -> None:
        self.code = code
        """A word for programs."""
        self.status = status
        """One of `repman.model.work.Reply.status`."""
        super().__init__(sentence)


class JobFailed(RepmanError):
    """A job did not reach its aim."""


class JobCancelled(JobFailed):
    """A job ended because somebody asked for that."""


class LinkRefused(RepmanError):
    """A link cannot do what was asked in the state it is in; nothing was changed."""

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        """One of the codes of `repman.link.link.Link`, from which a dialect makes its own words."""
        super().__init__(sentence)


class LinkFailed(RepmanError):
    """A link cannot go on."""


class HistoryLost(LinkFailed):
    """The source's oplog no longer holds what the link has not read."""


class LinkTaken(LinkFailed):
    """Another process works on the same link."""


class StreamRefused(RepmanError):
    """What was asked of a stream, a connection or a configuration does not fit its state; nothing was changed."""

    def __init__(self, sentence: str, code: str = "conflict", blocking: Sequence[str] = ()) -> None:
        self.code = code
        """A word for programs."""
        self.blocking = tuple(blocking)
        """The streams that stand against it."""
        super().__init__(sentence)


class StreamFailed(RepmanError):
    """A stream of tables or changes cannot go on."""


class StreamUnreachable(StreamFailed):
    """A database of a stream does not answer or does not let us in."""


class PositionLost(StreamFailed):
    """The source has purged the log, or lost the slot, from which the stream would go on."""


class CheckpointRefused(RepmanError):
    """What was asked of a cluster's checkpoints does not fit what is there; nothing was changed."""

    def __init__(self, sentence: str, code: str = "conflict") -> None:
        self.code = code
        """A word for programs: ``busy`` where the same may succeed later, else ``conflict``."""
        super().__init__(sentence)


class CheckpointFailed(RepmanError):
    """A checkpoint, a snapshot or a restore of a MongoDB cluster did not reach its aim; the text says what it left."""


class RepositoryError(RepmanError):
    """The directory or bucket of snapshots and oplogs cannot be used, or a file there is missing or damaged."""


class SandboxError(RepmanError):
    """A local database process could not be created, started, stopped or destroyed."""


class HostError(RepmanError):
    """A host of databases would not do what it was asked over SSH."""


class HostUnreachable(HostError):
    """Nobody could log in there: no route, no answer in time, a wrong host key, or a refused account."""
