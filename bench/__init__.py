"""Benchmarks of the gateway and a naive implementation, with a real IOC."""
