"""The service that `twistd pycaserver` runs."""
