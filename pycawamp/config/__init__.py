"""Settings, and options that set them."""
