"""Streams between MySQL/MariaDB and PostgreSQL: tables in bulk, and their changes as they happen."""
