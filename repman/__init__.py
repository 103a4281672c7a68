"""repman: the replication manager for MariaDB, MySQL and MongoDB clusters."""

__version__ = "0.1.0"
