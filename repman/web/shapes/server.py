"""A server, with what it replicates."""

from __future__ import annotations

from repman.model.decision import ServerState
from repman.web.shapes.common import (
    BOOLEAN,
    INTEGER,
    LOG,
    NUMBER,
    OBJECT,
    STRING,
    array,
    each,
    nullable,
    one_of,
    record,
)

SQL_TEXT = record({"String": STRING, "Valid": BOOLEAN}, "SqlText")
"""A text that a server may not know: ``Valid`` is false for SQL's NULL."""
SQL_INTEGER = record({"Int64": INTEGER, "Valid": BOOLEAN}, "SqlInteger")
SQL_NUMBER = record({"Float64": NUMBER, "Valid": BOOLEAN}, "SqlNumber")

GTID = record(each("domainId serverId seqNo", INTEGER), "Gtid")
GTIDS = array(GTID)

REPLICATION = record(
    {
        **each(
            "connectionName channelName masterHost masterUser masterPort masterLogFile readMasterLogPos "
            "relayMasterLogFile slaveIoRunning slaveSqlRunning execMasterLogPos lastIoErrno lastIoError lastSqlErrno "
            "lastSqlError usingGtid gtidIoPos gtidSlavePos executedGtidSet retrievedGtidSet slaveSQLRunningState "
            "postgresExternalId eeplicateDoDomainIds replicateIgnoreDomainIds replicateIgnoreServerIds replicateDoDb "
            "replicateIgnoreDb replicateDoTable replicateIgnoreTable replicateWildDoTable replicateWildIgnoreTable",
            SQL_TEXT,
        ),
        "secondsBehindMaster": SQL_INTEGER,
        "masterServerId": INTEGER,
        "slaveHeartbeatPeriod": NUMBER,
    },
    "Replication",
)

_VERSION = record(
    {**each("flavor suffix path", STRING), **each("major minor release", INTEGER), "dist": nullable(OBJECT)}, "Version"
)
_DELAYS = record({"delay": NUMBER, **each("delayCount slaveErrCount counter", INTEGER)}, "Delays")

MEMBER = record(
    {
        **each("state setName role optime majorityOptime syncSource", STRING),
        **each("term configVersion configTerm votersNeeded", INTEGER),
        **each("memberId votes", nullable(INTEGER)),
        "priority": nullable(NUMBER),
        **each("hidden arbiter writesBlocked", BOOLEAN),
        **each("delaySeconds heartbeatIntervalSeconds electionTimeoutSeconds", NUMBER),
        "tags": OBJECT,
        "members": array(
            record({**each("address state", STRING), "healthy": BOOLEAN, "silentSeconds": nullable(NUMBER)})
        ),
        "oplog": nullable(
            record({**each("first last windowSeconds", NUMBER), **each("sizeBytes limitBytes", INTEGER)})
        ),
        "election": nullable(
            record(
                {
                    "reason": STRING,
                    "votesNeeded": INTEGER,
                    "at": NUMBER,
                    "writableAt": nullable(NUMBER),
                    "catchUpOperations": nullable(INTEGER),
                }
            )
        ),
        "rollback": nullable(
            record({"at": NUMBER, "operations": INTEGER, **each("commonPoint last directory", STRING)})
        ),
    },
    "Member",
)
"""A member of a replica set; only in clusters of MongoDB."""

SERVER = record(
    {
        **each(
            "id name host port url domain serviceName sourceClusterName ip tunnelPort agent sstPort datadir "
            "slaposDatadir postgressDB tlsConfigUsed user gtidExecuted replicationHealth replicationSourceName "
            "replicationTags binaryLogFile binaryLogFilePrevious binaryLogPos binaryLogFileOldest "
            "failoverMasterLogFile failoverMasterLogPos longQueryTime longQueryTimeSaved logOutput slowQueryLog "
            "maxscaleServerName maxscaleServerStatus proxysqlHostgroup isReseeding BinaryLogDir DBDataDir",
            STRING,
        ),
        **each("readOnly strict", one_of("ON", "OFF", "")),
        **each("state prevState", one_of(*(state.value for state in ServerState))),
        **each(
            "serverId hashUUID domainId failCount failSuspectHeartbeat binaryLogFilesCount binaryLogOldestTimestamp "
            "binaryLogPurgeBefore maxSlowQueryTimestamp binlogDumpThreads qps relayLogSize maxscaleVersion",
            INTEGER,
        ),
        **each("gtidBinlogPos currentGtid slaveGtid ioGtid failoverIoGtid", GTIDS),
        **each(
            "failoverSemiSyncSlaveStatus semiSyncMasterStatus semiSyncSlaveStatus haveSemiSync HaveSshError "
            "HaveHealthyReplica HaveBinlogSlaveUpdates eventScheduler haveInnodbTrxCommit haveInnodbChecksum "
            "haveLogGeneral haveBinlog haveBinLogSync haveBinlogRow haveBinlogMixed haveBinlogStatement "
            "haveBinlogAnnotate haveBinlogSlowqueries haveBinlogCompress haveGtidStrictMode haveMysqlGtid "
            "haveMariadbGtid haveSlowQueryLog havePFSSlowQueryLog haveMetaDataLocksLog haveQueryResponseTimeLog "
            "haveDiskMonitor haveSQLErrorLog havePFS haveWsrep haveReadOnly haveNoMasterOnStart haveSlaveIdempotent "
            "haveSlaveOptimistic haveSlaveSerialized haveSlaveAggressive haveSlaveMinimal haveSlaveConservative "
            "isWsrepSync isWsrepDonor isWsrepPrimary isMaxscale isRelay isSlave isGroupReplicationSlave "
            "isGroupReplicationMaster isVirtualMaster isMaintenance isCompute isDelayed isFull isConfigGen ignored "
            "ignoredRO prefered preferedBackup inCaptureMode slowQueryCapture maxscaleHaveGtid IsInSlowQueryCapture "
            "IsInPFSQueryCapture InPurgingBinaryLog IsBackingUpBinaryLog IsRefreshingBinlog IsRefreshingBinlogMeta "
            "IsLoadingJobList NeedRefreshJobs isWriter",
            BOOLEAN,
        ),
        **each("replications lastSeenReplications", array(REPLICATION)),
        "masterStatus": record({**each("file binlogDoDB binlogIgnoreDB", STRING), "position": INTEGER}),
        **each("binaryLogFiles engineInnodb workLoad jobResults", OBJECT),
        "dbVersion": _VERSION,
        "eventStatus": nullable(array(OBJECT)),
        "errorLog": LOG,
        "process": nullable(record({"Pid": INTEGER})),
        "delayStat": record(
            {**each("total rotated current", _DELAYS), "currentDT": STRING, "delayHistory": array(OBJECT)}
        ),
        "slaveVariables": record(
            {
                **each("slaveParallelMaxQueued slaveParallelThreads slaveParallelWorkers", INTEGER),
                **each("slaveParallelMode slaveTypeConversions", STRING),
            }
        ),
        "lastBackupMeta": record(each("logical physical", nullable(OBJECT))),
        "PointInTimeMeta": record({**each("IsInPITR UseBinlog", BOOLEAN), **each("Backup RestoreTime", INTEGER)}),
        **each("reach error unacknowledged", STRING),
        "replicaSet": nullable(MEMBER),
    },
    "Server",
)
SERVERS = array(SERVER)
