"""What tables look like in a source, and how they are made in a target."""
