from __future__ import annotations

from benchopt import BaseDataset  # type: ignore[import-not-found]


class Dataset(BaseDataset):  # type: ignore[misc]
    name = "point"

    def get_data(self) -> dict[str, float]:
        return {"mean": 0.5}
