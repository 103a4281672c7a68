"""How a command ended, as JSON."""

from __future__ import annotations

from typing import Any

from repman.model.command import Receipt


def render_receipt(receipt: Receipt) -> dict[str, Any]:
    """Status, sentence, every reason, the plan's identifier and the writer after it."""
    return {
        "status": receipt.status,
        "sentence": receipt.sentence,
        "reasons": [{"code": code, "sentence": sentence, "server": ""} for code, sentence in receipt.refusals],
        "plan": receipt.plan,
        "writer": receipt.new_writer,
    }
