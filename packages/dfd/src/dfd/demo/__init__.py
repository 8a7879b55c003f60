"""`dfd demo`: the whole of dfd on the flights that left New York in 2013."""

from dfd.demo.story import run_demo

__all__ = ["run_demo"]
