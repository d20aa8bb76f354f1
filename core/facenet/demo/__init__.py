"""`facenet demo`: the whole loop on small data, from images to a searched gallery."""
