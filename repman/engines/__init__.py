"""Drivers of database engines: they observe and perform, and decide nothing."""
