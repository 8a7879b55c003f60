"""DELETE, UPDATE and MERGE of a few rows of large tables."""
