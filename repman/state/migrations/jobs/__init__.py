"""Steps of the store `jobs`: jobs of the worker."""
