"""Settings: what they are, and how the command line gives them."""
