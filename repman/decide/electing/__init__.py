"""Rules for clusters whose servers elect their primary themselves (MongoDB replica sets); pure."""
