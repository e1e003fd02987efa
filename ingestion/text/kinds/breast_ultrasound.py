"""Reports of breast ultrasound: see ingestion/text/breast.py, lexicons/breast.yaml."""

from __future__ import annotations

from ingestion.text.breast import read

__all__ = ["read"]
