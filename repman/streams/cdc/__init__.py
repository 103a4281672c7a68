"""Change data capture: read from binary logs and logical replication, applied exactly once."""
