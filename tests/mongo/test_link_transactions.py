"""Transactions of the source: all of one or nothing of it, whenever it began and ended."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator

import pytest
from link_cases import Case, Outcome, alike, each_of, run_of
from link_stand import Data, LinkStand, Phase, database_differences, differences, linked
from mongo_stand import ReplicaSet, wait_until
from pymongo.client_session import ClientSession
from pymongo.errors import OperationFailure

from repman.link import transactions
from repman.link.options import LinkOptions

Writes = Callable[[Data, ClientSession], object]
OPEN: dict[str, list[ClientSession]] = {}
"""Transactions that go on beyond the step in which they began, by database."""


def some(database: Data) -> None:
    for name in ("a", "b"):
        database[name].insert_many([{"_id": number, "n": 0} for number in range(10)])


def begin(database: Data, writes: Writes) -> ClientSession:
    session = database.client.start_session()
    OPEN.setdefault(database.name, []).append(session)

    def begun() -> bool:
        session.start_transaction()
        try:
            writes(database, session)
        except OperationFailure as error:
            if not error.has_error_label("TransientTransactionError"):
                raise
            session.abort_transaction()
            return False
        return True

    wait_until(begun, what="a moment without changes of collections")
    return session


def end(database: Data, commit: bool) -> None:
    for session in OPEN.pop(database.name, []):
        if commit:
            session.commit_transaction()
        else:
            session.abort_transaction()
        session.end_session()


def writes(database: Data, session: ClientSession, first: int = 100) -> None:
    database.a.insert_many([{"_id": number} for number in range(first, first + 5)], session=session)
    database.b.update_many({"n": 0}, {"$inc": {"n": first}}, session=session)
    database.a.delete_one({"_id": first % 7}, session=session)
    database.b.replace_one({"_id": 5}, {"replaced": first}, session=session)


def committed(database: Data) -> None:
    begin(database, writes)
    end(database, True)


def aborted(database: Data) -> None:
    begin(database, writes)
    end(database, False)


def among_other_writes(commit: bool) -> Callable[[Data], None]:
    def change(database: Data) -> None:
        database.a.insert_one({"_id": "before"})
        session = begin(database, writes)
        database.a.insert_one({"_id": "meanwhile"})
        database.c.insert_one({"_id": "elsewhere"})
        database.a.insert_one({"_id": "late"}, session=session)
        end(database, commit)
        database.a.insert_one({"_id": "after"})

    return change


def begun(database: Data) -> None:
    some(database)
    begin(database, writes)


def ended(commit: bool) -> Callable[[Data], None]:
    def change(database: Data) -> None:
        database.c.insert_one({"_id": 1})
        end(database, commit)

    return change


def left_open(database: Data) -> None:
    begin(database, writes)
    database.c.insert_one({"_id": 1})


def nothing_of_it(commit: bool) -> Callable[[Data, Data], None]:
    def check(here: Data, there: Data) -> None:
        alike(here, there)
        assert there.a.count_documents({"_id": {"$gte": 100}}) == 0
        end(here, commit)

    return check


def concurrently(*commits: bool) -> Callable[[Data], None]:
    def change(database: Data) -> None:
        sessions = [begin(database, part(number)) for number in range(len(commits))]
        for number, session in enumerate(sessions):
            database.a.insert_one({"_id": f"{number}-second"}, session=session)
        for commit, session in zip(commits, sessions, strict=True):
            OPEN[database.name] = [session]
            end(database, commit)

    return change


def part(number: int) -> Writes:
    def first(database: Data, session: ClientSession) -> None:
        database.a.insert_one({"_id": f"{number}-first"}, session=session)
        database.b.update_one({"_id": number}, {"$set": {"by": number}}, session=session)

    return first


def together(database: Data, writes: Writes) -> None:
    begin(database, writes)
    end(database, True)


def followed_by_other_things(database: Data) -> None:
    for number in range(10):
        committed(database) if number % 2 else aborted(database)
        database.b.update_many({}, {"$set": {"n": 0}})
        database.a.delete_many({"_id": {"$gte": 100}})
    database.a.rename("z")
    committed(database)


def with_collections_and_indexes(database: Data) -> None:
    def writes(database: Data, session: ClientSession) -> None:
        database.create_collection("made", session=session)
        database.made.create_index("x", session=session)
        database.made.insert_one({"_id": 1, "x": 1}, session=session)
        database.implied.insert_one({"_id": 1}, session=session)
        database.a.insert_one({"_id": 1000}, session=session)

    together(database, writes)


def of_megabytes(count: int) -> Callable[[Data], None]:
    def writes(database: Data, session: ClientSession) -> None:
        for first in range(0, count * 100, 100):
            made = [{"_id": 1000 + number, "x": "x" * 10_000} for number in range(first, first + 100)]
            database.a.insert_many(made, session=session)
        database.a.update_many({"_id": {"$gte": 1000}}, {"$set": {"y": 1}}, session=session)

    return lambda database: together(database, writes)


def of_the_same_document(database: Data) -> None:
    def writes(database: Data, session: ClientSession) -> None:
        for number in range(20):
            database.a.update_one({"_id": 1}, {"$set": {f"f{number}": number}}, session=session)
            database.a.delete_one({"_id": 2}, session=session)
            database.a.insert_one({"_id": 2, "round": number}, session=session)

    together(database, writes)


CASES = (
    Case(committed, some),
    Case(aborted, some),
    Case(among_other_writes(True), some, label="among_other_writes"),
    Case(among_other_writes(False), some, label="among_other_writes_aborted"),
    Case(ended(True), begun, label="begun_before_the_start", phases=(Phase.OVERLAP, Phase.APPLY)),
    Case(ended(False), begun, label="begun_before_the_start_aborted", phases=(Phase.OVERLAP, Phase.APPLY)),
    Case(left_open, some, nothing_of_it(True), label="unfinished"),
    Case(left_open, some, nothing_of_it(False), label="unfinished_aborted"),
    Case(concurrently(True, True, True), some, label="concurrent"),
    Case(concurrently(True, False, True), some, label="concurrent_one_aborted"),
    Case(concurrently(False, False, False), some, label="concurrent_all_aborted"),
    Case(followed_by_other_things, some),
    Case(with_collections_and_indexes, some),
    Case(of_megabytes(20), some, label="of_many_megabytes"),
    Case(of_the_same_document, some),
)
outcome = run_of()


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    yield
    for sessions in OPEN.values():
        for session in sessions:
            session.end_session()
    OPEN.clear()


@each_of(CASES)
def test_the_target_becomes_like_the_source(outcome: Outcome, case: Case, phase: Phase) -> None:
    outcome.require(case, phase)


class Reader:
    """Looks at two collections of the target at one moment again and again."""

    def __init__(self, target: ReplicaSet) -> None:
        self._data = target.client["db"]
        self.rounds: set[tuple[int, ...]] = set()
        """All that were seen at the same moment."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.is_set():
            with self._data.client.start_session(snapshot=True) as session:
                seen = {each["n"] for name in ("a", "b") for each in self._data[name].find(session=session)}
            self.rounds.add(tuple(sorted(seen)))


def half_seen(stand: LinkStand, options: LinkOptions, rounds: int) -> set[tuple[int, ...]]:
    """What a reader of the target saw of transactions of which each changes every document of two collections."""
    here = stand.source.client["db"]
    for name in ("a", "b"):
        here[name].insert_many([{"_id": number, "n": 0} for number in range(400)])
    stand.start(options)
    stand.in_sync()
    with Reader(stand.target) as reader:
        for number in range(1, rounds + 1):
            with here.client.start_session() as session, session.start_transaction():
                here.a.update_many({}, {"$set": {"n": number}}, session=session)
                here.b.update_many({}, {"$set": {"n": number}}, session=session)
        wait_until(lambda: (rounds,) in reader.rounds, what="the last transaction")
    stand.caught_up()
    assert differences(stand.source, stand.target) == []
    return {seen for seen in reader.rounds if len(seen) > 1}


@pytest.fixture
def stand(source: ReplicaSet, target: ReplicaSet) -> Iterator[LinkStand]:
    with linked(source, target) as made:
        yield made


def test_nobody_sees_half_a_transaction_where_that_was_asked_for(stand: LinkStand) -> None:
    assert half_seen(stand, LinkOptions(atomic_transactions=True), 25) == set()


def test_half_a_transaction_would_be_seen(stand: LinkStand) -> None:
    assert half_seen(stand, LinkOptions(), 25)


def test_a_transaction_of_several_commands_is_one_transaction(
    stand: LinkStand, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "_MOST_STATEMENTS", 30)
    assert half_seen(stand, LinkOptions(atomic_transactions=True), 5) == set()
    assert "is applied in parts" not in caplog.text


def test_a_transaction_that_the_target_does_not_take(
    stand: LinkStand, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server takes 100,000 statements in one command: in parts it goes on nevertheless."""
    monkeypatch.setattr(transactions, "_MOST_STATEMENTS", 10**9)
    here = stand.source.client["db"]
    here.a.insert_many([{"_id": number} for number in range(100_001)])
    stand.start(LinkOptions(atomic_transactions=True))
    stand.in_sync()
    together(here, lambda database, session: database.a.delete_many({}, session=session))
    stand.caught_up()
    assert differences(stand.source, stand.target) == []
    assert "is applied in parts" in caplog.text


@pytest.mark.long
def test_a_transaction_that_outlives_what_the_oplog_holds(
    tmp_path_factory: pytest.TempPathFactory, target: ReplicaSet
) -> None:
    """The source has forgotten by its end when it began; all its writes come with its end."""
    source = ReplicaSet(tmp_path_factory.mktemp("short"), "rs4", options=("--syncdelay", "1"), oplog_mb=16)
    try:
        with linked(source, target) as stand:
            here, numbers = source.client["db"], itertools.count()
            some(here)
            stand.start(excludeNamespaces=["noise.*"])
            stand.in_sync()
            begun_at = stand.caught_up()
            begin(here, writes)

            def forgotten() -> bool:
                noise = {"_id": 1, "number": next(numbers), "noise": "n" * (4 << 20)}
                source.client.noise.one.replace_one({"_id": 1}, noise, upsert=True)
                stand.caught_up()  # the link is not to lose its place
                oldest = source.client.local["oplog.rs"].find_one({}, sort=[("$natural", 1)])
                return oldest is not None and bool(oldest["ts"] > begun_at)

            wait_until(forgotten, 60, "the oplog to forget")
            assert database_differences(here, stand.target.client["db"]) == []
            end(here, True)
            here.b.insert_one({"_id": "after"})
            stand.caught_up()
            stand.finalized()
            assert here.a.count_documents({"_id": {"$gte": 100}}) == 5
            assert database_differences(here, stand.target.client["db"]) == []
    finally:
        source.stop()
