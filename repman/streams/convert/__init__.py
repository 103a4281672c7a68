"""Tables in bulk: copied in ranges, loaded in parallel."""
