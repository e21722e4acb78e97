"""From one update to many clients: rendered once, handed over in one piece per turn."""
