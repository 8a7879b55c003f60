"""SQL that changes and keeps Delta tables: what a statement says, and who does it."""
