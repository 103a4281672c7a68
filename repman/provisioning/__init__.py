"""Servers and balancers are made and unmade: what the worker does for the orchestrators."""
