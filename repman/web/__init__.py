"""The HTTP API and the page: thin, from snapshots and the store; commands go to the monitor."""
