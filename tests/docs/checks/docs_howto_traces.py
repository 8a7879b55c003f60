"""What the collector was sent."""

assert {"job", "SELECT numbers", "stage", "commit", "plan", "execute"} <= set(received), received
assert any(name.startswith("append file://") for name in received), received
