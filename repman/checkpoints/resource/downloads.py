"""Files of a restore by an address that needs no API key: signed, for some time, and for some times."""

from __future__ import annotations

import hmac
import re
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

from bson import ObjectId
from flask import Response, send_from_directory
from werkzeug.exceptions import HTTPException

from repman.checkpoints.catalogue import Catalogue, place_of_download
from repman.checkpoints.model import Download, RestoreStatus
from repman.checkpoints.resource import render

PREFIX = "/backup/restores"
RULES = (f"{PREFIX}/<job>/<signature>", f"{PREFIX}/<job>/<signature>/<file>")
_ID = re.compile(r"[0-9a-f]{24}")


def path(secret: bytes, download: Download) -> str:
    """The address below the service's own; whoever has it may fetch."""
    return f"{PREFIX}/{download.job}/{_signature(secret, download)}"


def answer(
    catalogue: Catalogue, datadir: Path, secret: bytes, now: datetime, job: str, signature: str, file: str, base: str
) -> Response | None:
    """The file; without a name the only one, or a list of them.  None: there is nothing (more) to be fetched.

    A wrong signature, an id that is none and a time that is over are not told apart.  Each fetch of a file counts, also
    of a part of it.  Raises StateError.
    """
    download = catalogue.download(ObjectId(job)) if _ID.fullmatch(job) else None
    if download is None or not hmac.compare_digest(_signature(secret, download).encode(), signature.encode()):
        return None
    if download.expires <= now:
        return None
    restored = catalogue.restores.find(download.job)
    # What is being written has no sum yet, and may end up different.
    names = [name for name, _ in restored.hashes] if restored and restored.status is RestoreStatus.FINISHED else []
    if not file and len(names) != 1:
        return _listed(names, f"{base}{path(secret, download)}") if names else None
    wanted = file or names[0]
    if wanted not in names or not catalogue.fetch(download.job, wanted, now):
        return None
    try:
        place = place_of_download(datadir, download.job).resolve()
        return send_from_directory(place, wanted, as_attachment=True, max_age=0)
    except HTTPException:
        return None


def _listed(names: list[str], url: str) -> Response:
    document = {"results": [{"fileName": name, "url": f"{url}/{name}"} for name in names]}
    made = Response(render.text(document, pretty=True), status=HTTPStatus.OK)
    made.headers["Content-Type"] = "application/json"
    return made


def _signature(secret: bytes, download: Download) -> str:
    told = f"download {download.job} {download.expires.timestamp():.3f} {download.most}"
    return hmac.digest(secret, told.encode(), "sha256").hex()
