"""The way of an operation into a table's log: attempts, strict commits, and what they stand on."""
