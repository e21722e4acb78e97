"""From one update to many clients: rendered once, written once per client and flush cycle."""
