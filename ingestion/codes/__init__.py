"""Codes for texts: diagnoses in words to ICD-10, histologies to ICD-O-3, local laboratory names and units to one item and unit.

diagnosis, morphology, laboratory  one text in, its codes with confidence, method and span out; pure functions
batch      the same over Arrow arrays, each distinct text once
decisions  what people have decided about texts (feed decision_text_code); it stands before what the word lists say
stage      the table lake.text_code: every distinct text of an organisation with its codes
worklist   texts without a code, for the QC clerk

The word lists in `lexicon/` are for clinicians to read and extend.
"""

from ingestion.codes.diagnosis import diagnosis
from ingestion.codes.laboratory import LabCode, laboratory
from ingestion.codes.model import Code, Coded
from ingestion.codes.morphology import morphology

__all__ = ["Code", "Coded", "LabCode", "diagnosis", "laboratory", "morphology"]
