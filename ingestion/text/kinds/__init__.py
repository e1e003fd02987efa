"""One module per kind of report: `read(doc) -> list[Field]`; the module's name is the kind's."""
