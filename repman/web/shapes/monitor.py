"""The daemon."""

from __future__ import annotations

from repman.web.shapes.common import (
    BOOLEAN,
    CONFIG,
    INTEGER,
    LOG,
    OBJECT,
    STRING,
    array,
    each,
    mapping,
    nullable,
    one_of,
    record,
)

ORCHESTRATOR = record(
    {
        "id": INTEGER,
        "name": one_of("opensvc", "kube", "slapos", "local", "onpremise"),
        "available": BOOLEAN,
        "label": STRING,
    },
    "Orchestrator",
)
GRANT = record({"grant": STRING, "enable": BOOLEAN}, "Grant")
_REPOSITORY = record(
    {**each("name image", STRING), "tags": record({"results": array(record({"name": STRING}))})}, "Repository"
)
_TARBALL = record(
    {**each("name OS url flavor short_version version", STRING), "minimal": BOOLEAN, "size": INTEGER}, "Tarball"
)

MONITOR = record(
    {
        **each("version fullVersion os arch memprofile cpuprofile uuid hostname", STRING),
        **each("agents servicePlans", nullable(array(OBJECT))),
        "status": one_of("A", "S"),
        "osUser": record(each("Uid Gid Username Name HomeDir", STRING)),
        **each("spitBrain isSavingConfig hasSavingConfigQueue isGitPull canConnectVault", BOOLEAN),
        **each("clusters tests", array(STRING)),
        "config": CONFIG,
        "Confs": mapping(CONFIG),
        "logs": LOG,
        "serviceOrchestrators": array(ORCHESTRATOR),
        "serviceAcl": array(GRANT),
        "serviceRepos": array(_REPOSITORY),
        "serviceTarballs": array(_TARBALL),
        **each(
            "serviceFS serviceVM servicePool backupLogicalList backupPhysicalList "
            "backupBinlogList binlogParseList graphiteTemplateList",
            mapping(BOOLEAN),
        ),
        "serviceDisk": mapping(STRING),
    },
    "Monitor",
)
