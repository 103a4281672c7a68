"""Whether a server was restarted, as far as two observers can know."""

import pytest

from repman.model.observation import Reach, ServerSeen


@pytest.mark.parametrize(
    ("known", "now", "same"),
    [
        ("1700.5", "1700.5", True),
        ("1700.5", "1700.9", False),
        ("1700.5", "~1700", True),
        ("1700.5", "~1702", True),
        ("~1700", "~1701", True),
        ("~1700", "~1703", False),
        ("~1700", "1704.8", False),
        ("1", "2", False),
        ("", "~1700", False),
        ("~1700", "", False),
    ],
)
def test_a_run_is_recognised_by_another_observer(known: str, now: str, same: bool) -> None:
    assert ServerSeen("a:1", Reach.ANSWERED, 0.0, boot=now).ran_as(known) is same
