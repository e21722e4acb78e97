"""Tests of pv."""
