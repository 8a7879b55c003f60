"""The shell of the command: statements that are typed, their results, and commands that begin with a dot."""
