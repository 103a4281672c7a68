"""Steps of the store `accounts`: accounts, their grants, revoked tokens."""
