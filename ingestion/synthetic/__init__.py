"""A synthetic province: one life per person, written as the records that the source systems of the programme would deliver.

Nothing here is about a real person: ID numbers carry the area 1499xx, which does not exist, phone numbers a prefix that is not in
use, names and addresses are put together from parts. Every file tree carries a marker file `SYNTHETIC`.
"""
