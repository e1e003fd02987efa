"""Rows that repeat an earlier row of their batch, cell by cell; two 64-bit numbers stand for the cells."""

from __future__ import annotations

import numpy as np

OF_BATCH = np.uint64(0x9E3779B97F4A7C15)


class Repeats:
    """Remembers the rows of a load, 16 bytes each, in few sorted runs."""

    def __init__(self) -> None:
        self._runs: list[tuple[np.ndarray, np.ndarray]] = []

    def find(self, hashes: tuple[np.ndarray, np.ndarray], batch: np.ndarray) -> np.ndarray:
        """Whether each row of the next chunk repeats an earlier one. `batch` is the number of each row's batch."""
        a, b = hashes[0] + (batch.astype(np.uint64) + np.uint64(1)) * OF_BATCH, hashes[1]
        order = np.lexsort((b, a))
        a, b = a[order], b[order]
        again = np.zeros(len(a), bool)
        again[1:] = (a[1:] == a[:-1]) & (b[1:] == b[:-1])
        for known_a, known_b in self._runs:
            place = np.minimum(np.searchsorted(known_a, a), len(known_a) - 1)
            again |= (known_a[place] == a) & (known_b[place] == b)
        self._remember(a[~again], b[~again])
        repeated = np.zeros(len(a), bool)
        repeated[order] = again
        return repeated

    def _remember(self, a: np.ndarray, b: np.ndarray) -> None:
        while self._runs and len(self._runs[-1][0]) <= 2 * len(a):
            other_a, other_b = self._runs.pop()
            a, b = np.concatenate([other_a, a]), np.concatenate([other_b, b])
            order = np.argsort(a, kind="stable")
            a, b = a[order], b[order]
        if len(a):
            self._runs.append((a, b))
