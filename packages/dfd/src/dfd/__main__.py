"""The command as a module: `python -m dfd`."""

from dfd.cli import run

if __name__ == "__main__":
    run()
