"""Steps of the store `streams`: connections, configurations and streams of the Streams API."""
