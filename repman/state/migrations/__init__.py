"""The steps from one form of a store's tables to the next: a directory for each store, a module for each step.

Whoever changes a store's tables adds a module there (`revision` one higher, `down_revision` the one before, an
`upgrade` that says what changes, on SQLite through `op.batch_alter_table`) and raises the number in the store's
`Schema`.  A step says everything itself and imports nothing from the stores, which go on changing.  Steps are not
edited once they are in a release.  `tests/unit/state/test_migrations.py` compares what the steps make with the store.
"""
