-- The verdict of rule colorectum.highrisk.nhc.2024 for every assessed person, with each condition and score component.
{{ rule_outcome('colorectum.highrisk.nhc.2024') }}
