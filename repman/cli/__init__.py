"""The commands; they decide nothing."""
