"""Sessions: the subscriptions and requests of one client, and what all clients share."""
