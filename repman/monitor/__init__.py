"""The one process that acts: look, decide, execute, publish."""
