"""The benchmark: the gateway and a naive build of it, side by side, against a real IOC."""
