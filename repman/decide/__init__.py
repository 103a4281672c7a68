"""The verbs: pure functions from observations to decisions.  Imports `repman.model` only."""
