"""Defect returns 缺陷反馈: what each organisation is asked to put right, by when, and whether it has.

observed   what newly loaded batches say: defects found, records and files accepted
answers    which of the open defects are answered by them
store      both entered into the operations store, in one transaction
files      the workbook and CSV of each organisation
"""

from ingestion.returns.files import write_files
from ingestion.returns.store import Entered, business_day, enter

__all__ = ["Entered", "business_day", "enter", "write_files"]
