"""Reports and their look, whatever they are about: pages, charts, and what they have in common."""
