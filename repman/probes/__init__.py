"""Health-check answers from the published snapshot, served fast."""
