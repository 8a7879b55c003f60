"""Parsing of profiles: from settings, from variables of the environment, from TOML."""
