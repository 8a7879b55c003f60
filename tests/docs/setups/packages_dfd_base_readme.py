"""A runtime that has no such table."""

import dfd

runtime = dfd.connect()
