"""Values, text and errors as commands show them: in a terminal, and as JSON."""
