"""`/metrics`: everything that is known, gathered from files, the journal and the certificate, for Prometheus."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from cryptography import x509
from flask import Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from repman.config.settings import ServiceSettings
from repman.errors import StateError
from repman.state.publication import age
from repman.state.tally import Counted
from repman.web.call import Call, House
from repman.web.certificate import PUBLIC
from repman.web.render.exposition import Known, render_exposition
from repman.web.views.links import known_links
from repman.web.work import backups, tally

LOG = logging.getLogger(__name__)


def exposition(call: Call) -> Response:
    """All clusters and links; what cannot be read now is left out, so that the rest is told."""
    house = call.house
    settings = house.live.known
    known = Known(
        snapshots=[(snapshot, age(snapshot)) for snapshot in call.snapshots()],
        links=list(known_links(house)),
        counted=_counted(house),
        backups=_backups(house, [cluster.policy.name for cluster in settings.clusters]),
        certificate_until=_expiry(settings.service),
        configured_at=settings.read_at / 1e9 if settings.read_at else None,
    )
    return Response(render_exposition(known), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _counted(house: House) -> Counted | None:
    try:
        return tally(house).counted()
    except StateError as error:
        LOG.debug("no metrics of plans: %s", error)
        return None


def _backups(house: House, clusters: list[str]) -> Mapping[tuple[str, str], float]:
    latest: dict[tuple[str, str], float] = {}
    for cluster in clusters:
        try:
            for backup in backups(house).backups(cluster):
                key = (cluster, backup.method.value)
                latest[key] = max(backup.ended_at, latest.get(key, 0.0))
        except StateError as error:
            LOG.warning("no metrics of backups: %s", error)
    return latest


def _expiry(service: ServiceSettings) -> float | None:
    """When the certificate expires that the HTTPS port shows; None: there is none, or it cannot be read."""
    if not service.api_server:
        return None
    try:
        certificate = (service.ssl_cert or service.datadir / PUBLIC).read_bytes()
        return x509.load_pem_x509_certificate(certificate).not_valid_after_utc.timestamp()
    except (OSError, ValueError) as error:
        LOG.debug("no metric of the certificate: %s", error)
        return None
