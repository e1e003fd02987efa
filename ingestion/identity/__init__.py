"""Identity before the warehouse: ID numbers, the vault, and the link from identities to persons."""
