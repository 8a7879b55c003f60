"""Elements of an HTML page, built as a tree: the standard library escapes all text in it."""

from __future__ import annotations

from xml.etree import ElementTree as ET


def add(parent: ET.Element, tag: str, text: str = "", **attributes: str) -> ET.Element:
    """Add an element; `class_` stands for the attribute `class`."""
    named = {name.rstrip("_"): clean(value) for name, value in attributes.items()}
    made = ET.SubElement(parent, tag, named)
    made.text = clean(text)
    return made


def clean(text: str) -> str:
    """A text without the characters that have no place in HTML, and without halves of pairs."""
    shown = "".join(c for c in text if (c >= " " and c != "\x7f") or c in "\n\t")
    return shown.encode("utf-8", errors="replace").decode("utf-8")
