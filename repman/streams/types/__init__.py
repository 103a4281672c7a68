"""From the types and values of one engine to those of the other."""
