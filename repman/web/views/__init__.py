"""The views: read a snapshot and render it, or send a command and render its receipt."""
