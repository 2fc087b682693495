"""What networks give, as one vector an item."""

from __future__ import annotations

import numpy as np


def one_vector(output: np.ndarray, mask: np.ndarray | None = None, *, first_token: bool = False) -> np.ndarray:
    """One row an item, float32[n, D].

    Args:
        output: float32[n, D]; or float32[n, T, D], a row a token or patch; or float32[n, D, H, W], a map of each
            feature.
        mask: int64[n, T], of texts: which tokens are the text's.
        first_token: of texts, whether the first token stands for the whole; else they are averaged. Of pictures it
            always does: transformers for them begin with one that is for the whole.
    """
    if output.ndim == 4:
        return output.mean(axis=(2, 3))
    if output.ndim != 3:
        return output.reshape(len(output), -1)
    if mask is None or first_token:
        return output[:, 0]
    weights = mask[..., None].astype(np.float32)
    return (output * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-9)
