"""Rendering of profiles: each library's own form of one, whole or refused."""
