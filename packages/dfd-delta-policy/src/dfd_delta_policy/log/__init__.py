"""The transaction log as it stands in storage, and an audit of the writers it had."""
