"""What is kept and published: journal, history, snapshots, and the socket for commands."""
