"""One client's conversation, and what all clients share."""
