"""Configuration: one option table, layers with the origin of each value, frozen settings."""
