"""Autobahn's conformance suite against this gateway's WebSockets. Not part of `trial tests`."""
