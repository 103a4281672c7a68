"""What live reads of one server answer."""

from __future__ import annotations

from repman.web.shapes.common import BOOLEAN, INTEGER, NUMBER, STRING, array, each, mapping, nullable, record
from repman.web.shapes.server import SQL_INTEGER, SQL_NUMBER, SQL_TEXT

NAMED_VALUES = array(record(each("variableName value", STRING), "NamedValue"))
PROCESS = record(
    {
        **each("id rowsSent rowsExamined", INTEGER),
        **each("user host command url", STRING),
        **each("db state info", SQL_TEXT),
        **each("time timeMs progress", SQL_NUMBER),
    },
    "Process",
)
QUERY = record(
    {
        **each(
            "digest query digestText shemaName schemaName lastSeen planFullScan execTimeTotal value",
            STRING,
        ),
        **each(
            "planTmpDisk planTmpMem execCount errCount warnCount rowsSent rowsSentAvg rowsScanned",
            INTEGER,
        ),
        **each("execTimeMax execTimeAvgMs", SQL_NUMBER),
    },
    "Query",
)
TABLE = record(
    {
        **each("table_schema table_name engine table_clusters table_sync", STRING),
        **each("table_rows data_length index_length table_crc", INTEGER),
    },
    "Table",
    optional=(
        *("engine", "table_rows", "data_length", "index_length"),
        *("table_crc", "table_clusters", "table_sync"),
    ),
)
NAMED_TABLES = mapping(TABLE)
METADATA_LOCK = record(
    {
        "threadId": INTEGER,
        **each("lockMode lockDuration lockType lockCatalog lockSchema lockName", SQL_TEXT),
        "lockTimeMs": SQL_INTEGER,
    },
    "MetadataLock",
)
PLAN_ROW = record(
    {
        "id": INTEGER,
        **each("selectType table type possibleKeys key keyLen ref rows extra rRows filtered rFiltered", SQL_TEXT),
    },
    "PlanRow",
    optional=("rRows", "filtered", "rFiltered"),
)
PLAN = nullable(array(PLAN_ROW))
RESPONSE_TIME = record({**each("time total", STRING), "count": INTEGER}, "ResponseTime")
BINARY_LOG = record({**each("file binlogDoDB binlogIgnoreDB", STRING), "position": INTEGER}, "BinaryLog")
DIFFERENCES = array(
    record(
        {
            "variableName": STRING,
            "diffValues": array(record(each("serverName variableValue", STRING), "ValueOfServer")),
        },
        "Difference",
    )
)
_GRAPH = record({"name": STRING, "data": array(record({"name": STRING, "value": INTEGER}, "Figure"))}, "Graph")
TOP = array(
    record(
        {
            **each("id url", STRING),
            "seconds": NUMBER,
            "header": record({"graphs": array(_GRAPH)}, "TopHeader"),
            "processlist": array(PROCESS),
        },
        "Top",
    )
)
DEADLINE = record({"error": STRING, "deadline": NUMBER}, "Deadline")
TROUBLE = record(each("error code", STRING), "Trouble")
STATE = record(
    {
        "server": STRING,
        **each("on changed slow_query_log reset", BOOLEAN),
        **each("long_query_time", NUMBER),
        **each("file user killed", STRING),
        **each("id history_list_length", INTEGER),
    },
    "ServerState",
    optional=(
        *("on", "changed", "slow_query_log", "reset", "long_query_time", "file", "user", "killed", "id"),
        "history_list_length",
    ),
)
