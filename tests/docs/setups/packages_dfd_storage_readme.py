"""A plain session, and the secret that the TOML names."""

import os

from datafusion import SessionContext

session_context = SessionContext()
os.environ["LAKE_SECRET"] = "a-secret"
