"""What opening a table costs, and the first queries of it, by the length of its log."""
