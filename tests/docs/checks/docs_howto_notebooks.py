"""What a notebook shows of the query."""

shown = query._repr_html_()
assert "998001" in shown, shown
assert "square" in shown, shown
