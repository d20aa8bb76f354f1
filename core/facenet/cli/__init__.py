"""The launcher `facenet`. Importing it imports no torch and no plugin."""

from facenet.cli.main import main

__all__ = ["main"]
