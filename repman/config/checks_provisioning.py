"""Checks of the options of the processes of servers."""

from __future__ import annotations

from repman.config.build import Values
from repman.config.findings import Findings
from repman.model.orchestrator import why_unavailable

_SSH = "onpremise-ssh"


def check_provisioning(cluster: str, values: Values, findings: Findings) -> None:
    """Orchestrators have what they need, and nothing is set that has no effect."""
    if not values.valid("prov-orchestrator", "sandbox-directory"):
        return
    chosen, sandbox = values.text("prov-orchestrator"), values.text("sandbox-directory")
    if chosen == "local" and not sandbox:
        findings.mistake(
            f'cluster {cluster}: prov-orchestrator = "local" needs sandbox-directory',
            values.origin("prov-orchestrator"),
        )
    if chosen != "local" and sandbox:
        findings.warn(
            f'cluster {cluster}: sandbox-directory is not used without prov-orchestrator = "local"',
            values.origin("sandbox-directory"),
        )
    if reason := why_unavailable(chosen):
        findings.warn(
            f"cluster {cluster}: {reason}; repman starts and stops no server of this cluster",
            values.origin("prov-orchestrator"),
        )
    if values.valid(_SSH) and values.flag(_SSH) and chosen != "onpremise":
        findings.warn(
            f'cluster {cluster}: onpremise-ssh is not used without prov-orchestrator = "onpremise"',
            values.origin(_SSH),
        )
