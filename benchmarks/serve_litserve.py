"""What `benchmarks/serve.py` compares with: the same network behind LitServe, in batches."""

from __future__ import annotations

import argparse
import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import litserve
import numpy as np
from inference import BATCH

from facenet.config import load_config
from facenet.recognition import Recognizer

WAIT_SECONDS = 0.005
"""For a batch to fill: the best of 0, 0.005 and 0.02 with either network."""


class Verify(litserve.LitAPI):
    """Pairs of photos; each pair is two images of a batch."""

    def __init__(self, config: Path) -> None:
        super().__init__(max_batch_size=BATCH // 2, batch_timeout=WAIT_SECONDS, api_path="/verify")
        self._config = config

    def setup(self, device: str) -> None:
        self._recognizer = Recognizer.from_config(load_config(self._config))

    def decode_request(self, request: dict[str, str], **_: Any) -> Any:
        contents = (base64.b64decode(request[name]) for name in ("image_a", "image_b"))
        crops = [self._recognizer.pipeline.best_crop(content) for content in contents]
        return np.stack([crop.pixels for crop in crops])

    def batch(self, inputs: Sequence[Any]) -> Any:
        return np.concatenate(inputs)

    def predict(self, pixels: Any, **_: Any) -> Any:
        vectors = self._recognizer.model.embed(pixels)
        return (vectors[::2] * vectors[1::2]).sum(axis=1)

    def unbatch(self, output: Any) -> Any:
        return list(output)

    def encode_response(self, similarity: float, **_: Any) -> dict[str, Any]:
        return {"similarity": float(similarity), "match": bool(similarity >= 0.5)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path)
    parser.add_argument("--port", type=int)
    given = parser.parse_args()
    server = litserve.LitServer(Verify(given.config), accelerator="cpu", timeout=60)
    server.run(host="127.0.0.1", port=given.port, generate_client_file=False, log_level="warning")
