"""A plain session, and a runtime."""

import dfd
from datafusion import SessionContext

session_context = SessionContext()
runtime = dfd.connect()
