"""Checkpoints of MongoDB clusters: consistent points of a whole cluster, and restoring to them."""
