"""Online triplet miners."""
