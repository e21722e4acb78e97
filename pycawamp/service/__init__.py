"""What `twistd pycaserver` runs."""
