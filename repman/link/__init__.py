"""MongoDB cluster-to-cluster replication: one engine behind the APIs of Percona ClusterSync and of mongosync.

The way of the data::

    source -> clone (segments) ------------------------------------> target
           -> stream (raw events) -> changes (values) -> appliers -> target

`link.Link` holds the states and is all that a dialect talks to.  Where a link is, is kept on the target cluster.
"""
