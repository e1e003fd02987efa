"""The gates: Great Expectations checkpoints over lake, features and marts, from suites that are rows of YAML, and the QC report."""
