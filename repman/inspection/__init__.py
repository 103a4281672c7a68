"""Looks into one server on demand: process list, variables, tables, logs; and small acts on it."""
