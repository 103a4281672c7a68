"""What every room that talks to MongoDB needs: BSON as bytes, ranges of `_id`, errors that pass."""
