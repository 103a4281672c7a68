"""Drivers of balancers: they route as told."""
