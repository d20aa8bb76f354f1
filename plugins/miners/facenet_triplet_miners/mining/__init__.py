"""What the miners do: torch is imported here, and not by the plugins themselves."""
