"""The dialect of Percona ClusterSync for MongoDB (``pcsm``) and of Percona Link (``plm``), as it was called before.

One HTTP API with two generations of keys; refusals are answers with status 200 and ``"ok": false``.
"""
