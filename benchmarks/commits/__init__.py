"""Commits per second of several writers on one table."""
