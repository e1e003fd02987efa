"""Expected deliveries: which were due by the business date, which came in time, late or not at all (`expect` in the mapping files)."""

from ingestion.deliveries.arrivals import DueDelivery, check, due_deliveries
from ingestion.deliveries.expected import Due

__all__ = ["Due", "DueDelivery", "check", "due_deliveries"]
