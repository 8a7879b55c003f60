"""The site of the documents: `./dev test -s docs` builds it into `site/`, with Sphinx and MyST."""

project = "dfd"
author = "The dfd authors"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "dfd"
exclude_patterns = ["_build"]
# Links to headings, `limits.md#values`, as GitHub names them.
myst_heading_anchors = 3
# Pygments has no words for files of data.
suppress_warnings = ["misc.highlighting_failure"]
# Nothing is asked of other machines while a page is read.
html_copy_source = False
html_show_sourcelink = False
pygments_style = "default"
