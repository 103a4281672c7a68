"""The Checkpoints resource of Cloud Manager, and what a restore needs beside it."""
