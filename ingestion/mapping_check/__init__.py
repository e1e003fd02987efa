"""Tools for who writes a mapping file: check it against a sample of what is delivered, and draft one from headers and values.

Neither stores anything, and neither shows a value that may belong to a person.
"""
