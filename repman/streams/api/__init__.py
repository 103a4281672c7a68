"""The HTTP API of streams: DBConvert's, and what repman adds to it."""
