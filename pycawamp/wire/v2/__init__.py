"""pycaserver's own protocol, Versions 1 and 2."""
