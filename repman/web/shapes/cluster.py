"""A cluster, the plan that moves its roles, and the changes of its writer."""

from __future__ import annotations

from repman.web.shapes.common import (
    BOOLEAN,
    CONFIG,
    INTEGER,
    LOG,
    NUMBER,
    OBJECT,
    REASON,
    STRING,
    array,
    each,
    mapping,
    nullable,
    one_of,
    record,
)
from repman.web.shapes.server import GTIDS

STEP = record({**each("kind server source", STRING), "essential": BOOLEAN, "seconds": nullable(NUMBER)}, "Step")
PLAN = record(
    {
        **each("id kind reason state detail oldWriter newWriter lostToUndo", STRING),
        "current": INTEGER,
        **each("startedAt seconds", NUMBER),
        "steps": array(STEP),
    },
    "Plan",
)
USER = record({"user": STRING, "grants": mapping(BOOLEAN)}, "User")
CRASH = record(
    {
        **each(
            "URL FailoverMasterLogFile FailoverMasterLogPos NewMasterLogFile NewMasterLogPos ElectedMasterURL "
            "oldPosition newPosition unacknowledged plan",
            STRING,
        ),
        **each("FailoverSemiSyncSlaveStatus Switchover", BOOLEAN),
        "FailoverIOGtid": GTIDS,
        "UnixTimestamp": INTEGER,
    },
    "Crash",
)
CRASHES = array(CRASH)

WORKLOAD = record(
    {
        **each("dbTableSize dbIndexSize connections qps", INTEGER),
        **each("cpuThreadPool cpuUserStats", NUMBER),
        "BusyTime": STRING,
    },
    "WorkLoad",
)
VARIABLE_DIFFERENCE = record(
    {"variableName": STRING, "diffValues": array(record(each("serverName variableValue", STRING)))},
    "VariableDifference",
)

CLUSTER = record(
    {
        **each("name tenant workingDir topology LastDelayStatPrint writer lease clusterType clusterGroup", STRING),
        **each("dbServers proxyServers", array(STRING)),
        "dbServersCrashes": nullable(CRASHES),
        "failoverHistory": CRASHES,
        **each(
            "failoverCounter failoverLastTime waitingRejoin waitingSwitchover waitingFailover SlavesConnected", INTEGER
        ),
        "activePassiveStatus": one_of("A", "S"),
        **each(
            "isSplitBrain isFailedArbitrator isLostMajority isDown isClusterDown isAllDbUp isFailable isPostgres "
            "isProvision isNeedProxyRestart isNeedProxiesRestart isNeedDatabasesRestart "
            "isNeedDatabasesRollingRestart isNeedDatabasesRollingReprov isNeedDatabasesReprov isValidBackup "
            "isNotMonitoring isCapturing isGitPull isAlertDisable cleanReplication haveDBTLSCert haveDBTLSOldCert "
            "canInitNodes canConnectVault isGitPush isExportPush isGettingSlowLog isNeedProxiesConfigChange "
            "isNeedDatabasesConfigChange inPhysicalBackup inLogicalBackup inBinlogBackup inResticBackup "
            "inRollingRestart UseWhitelist UseBlacklist protected writerAlive degraded paused",
            BOOLEAN,
        ),
        "config": CONFIG,
        **each("uptime uptimeFailable uptimeSemisync monitorSpin unprotectedSeconds observedAt", NUMBER),
        "workLoad": WORKLOAD,
        **each("log logTask sqlGeneralLog sqlErrorLog", LOG),
        **each("jobResults backupList VersionsMap", OBJECT),
        "backupStat": record(each("total_size total_file_count total_blob_count", INTEGER)),
        **each("Whitelist Blacklist", array(STRING)),
        "monitorType": mapping(one_of("proxy", "database")),
        **each("topologyType diskType sstAvailablePorts", mapping(STRING)),
        **each("fsType vmType", mapping(BOOLEAN)),
        **each("agents slaHistory", nullable(array(OBJECT))),
        "stateMachine": record(each("discovered inFailover inSchemaMonitor", BOOLEAN)),
        "apiUsers": mapping(USER),
        "configurator": record(
            {
                **each("configTags configPrxTags", array(OBJECT)),
                **each("dbServersTags proxyServersTags", array(STRING)),
            }
        ),
        "diffVariables": array(VARIABLE_DIFFERENCE),
        "SlavesOldestMasterFile": record({**each("Prefix OldestTimestamp", STRING), "Suffix": INTEGER}),
        **each("blockedBy blocked_by refusals", array(REASON)),
        "plan": nullable(PLAN),
    },
    "Cluster",
)
CLUSTERS = array(CLUSTER)
