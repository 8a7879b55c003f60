"""The mutations, one module a kind, and their checks of tables, columns and expressions."""
