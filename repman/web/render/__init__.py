"""Snapshot and settings to JSON documents: pure functions, with golden files."""
