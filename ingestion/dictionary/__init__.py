"""The Chinese data dictionary 数据字典: every form, field, code list, rule and reason, from the contracts and mapping files, for staff to browse.

content    what there is to tell, gathered once
page       one self-contained HTML page with search, and nothing fetched from elsewhere
workbook   the same as XLSX
"""

from ingestion.dictionary.write import PAGE, WORKBOOK, write

__all__ = ["PAGE", "WORKBOOK", "write"]
