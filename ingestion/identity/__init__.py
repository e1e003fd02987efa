"""Identity before the warehouse: ID numbers, the vault, and the link from identities to persons."""

from ingestion.identity.linking import link

__all__ = ["link"]
