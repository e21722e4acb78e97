"""Channels, their values and their subscribers. Independent of clients and their protocols."""
