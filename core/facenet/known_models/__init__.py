"""Public weights by name: what is known of each, and the files that are here.

Nothing here uses the network; `facenet.known_models.fetching` does.
"""

from facenet.known_models.cache import cache_folder, cached, path_of
from facenet.known_models.table import KnownModel, known_model, known_models

__all__ = ["KnownModel", "cache_folder", "cached", "known_model", "known_models", "path_of"]
