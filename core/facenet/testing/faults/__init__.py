"""The fault harness, a command of its own: `python -m facenet.testing.faults`."""
