"""Steps of the store `checkpoints`: checkpoints, snapshots, restores and their schedule."""
