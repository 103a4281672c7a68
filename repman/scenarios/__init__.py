"""Scenarios that are played on a real cluster, and the traffic that goes with them."""
