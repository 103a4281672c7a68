"""What jobs do: backup, restore, reseed, optimize, collect logs."""
