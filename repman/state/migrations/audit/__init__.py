"""Steps of the store `audit`: who asked for what."""
