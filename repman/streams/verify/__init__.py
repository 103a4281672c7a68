"""Whether source and target hold the same, and repair of what differs."""
