"""First cut of text structuring: what colorectal endoscopy and pathology reports say, as SQL expressions over a text column.

Good enough to follow one cancer the whole way; the structuring engine replaces it feed by feed. Only affirmed statements count:
clauses that open with a negation are removed first.
"""

from __future__ import annotations

NEGATED_CLAUSE = "(未见|未及|未发现|未触及|无|否认|排除)[^，。；;,.\\n]*"

SITES = (
    ("C18", "盲肠|回盲|升结肠|结肠肝曲|肝曲|横结肠|脾曲|降结肠|乙状结肠|乙结肠|结肠"),
    ("C19", "直乙交界|直肠乙状结肠交界|乙状结肠直肠交界"),
    ("C20", "直肠"),
)
# Order matters: the more specific histology first. ICD-O-3 morphology/behaviour.
HISTOLOGIES = (
    ("8480/3", "黏液(性)?腺癌|粘液(性)?腺癌"),
    ("8490/3", "印戒细胞癌"),
    ("8140/3", "腺癌|浸润性癌|癌浸润"),
    ("8140/2", "高级别上皮内瘤变|原位癌|黏膜内癌|粘膜内癌"),
    ("8263/0", "管状绒毛状腺瘤|绒毛管状腺瘤"),
    ("8261/0", "绒毛状腺瘤"),
    ("8211/0", "管状腺瘤|腺瘤"),
)


def _affirmed(text: str) -> str:
    return f"regexp_replace({text}, '{NEGATED_CLAUSE}', '', 'g')"


def _first_match(text: str, table: tuple[tuple[str, str], ...]) -> str:
    branches = " ".join(f"when regexp_matches({_affirmed(text)}, '{pattern}') then '{code}'" for code, pattern in table)
    return f"case {branches} end"


def _tnm(text: str, group: int) -> str:
    pattern = "(?i)(yp|yc|rp|p|c|r)?\\s*T\\s*(is|x|[0-4][a-d]?)\\s*,?\\s*N\\s*(x|[0-3][a-c]?)\\s*,?\\s*(?:c?p?M\\s*(x|[0-1][a-c]?))?"
    return f"nullif(regexp_extract({text}, '{pattern}', {group}), '')"


NODES = "(\\d{1,3})\\s*[/／]\\s*(\\d{1,3})"
SIZE = "(\\d{1,3}(?:\\.\\d+)?)\\s*(?:[x×X*✕]\\s*\\d{1,3}(?:\\.\\d+)?\\s*)?(mm|MM|毫米|cm|CM|厘米|㎝)"
# How far in, not how large.
DISTANCE = "(距肛|距门齿|进镜)[门缘]?约?\\s*\\d+(?:\\.\\d+)?\\s*(cm|CM|厘米|㎝)?"
CAECUM = "(进镜|插镜|循腔)[^。；;]*(回盲|回肠末端|盲肠)|(达|至)(回盲|回肠末端|盲肠)"
LESION = "息肉|肿物|肿块|占位|新生物|隆起"


def _nodes(text: str, group: int) -> str:
    """Positive (group 1) or examined (group 2) nodes, from the sentence that speaks of lymph nodes."""
    return f"try_cast(regexp_extract(regexp_extract({text}, '淋巴结[^。；;]*'), '{NODES}', {group}) as bigint)"


def pathology(field: str, text: str) -> str:
    """Expression of a structured field of a pathology report: site, histology, TNM parts, lymph nodes."""
    match field:
        case "site_icd10_code":
            return f"case when regexp_matches({text}, '{SITES[1][1]}') then 'C19' else {_first_match(text, (SITES[2], SITES[0]))} end"
        case "histology_code":
            return _first_match(text, HISTOLOGIES)
        case "tnm_prefix":
            return f"lower({_tnm(text, 1)})"
        case "t_category":
            return f"'T' || lower({_tnm(text, 2)})"
        case "n_category":
            return f"'N' || lower({_tnm(text, 3)})"
        case "m_category":
            return f"'M' || lower({_tnm(text, 4)})"
        case "nodes_positive":
            return _nodes(text, 1)
        case "nodes_examined":
            return _nodes(text, 2)
    raise ValueError(f"pathology text has no structured field {field}")


def endoscopy(field: str, text: str) -> str:
    """Expression of a structured field of a colonoscopy report: depth, lesion, largest size in mm."""
    affirmed = _affirmed(text)
    match field:
        case "reached_caecum":
            return f"case when {text} is null then null else regexp_matches({text}, '{CAECUM}') end"
        case "has_polyp_or_mass":
            return f"case when {text} is null then null else regexp_matches({affirmed}, '{LESION}') end"
        case "largest_lesion_mm":
            measured = f"regexp_replace({affirmed}, '{DISTANCE}', '', 'g')"
            sizes = f"regexp_extract_all({measured}, '{SIZE}', 1)"
            units = f"regexp_extract_all({measured}, '{SIZE}', 2)"
            return (
                f"case when regexp_matches({affirmed}, '{LESION}') then try_cast(list_max(list_transform(list_zip({sizes}, {units}), "
                "s -> try_cast(s[1] as double) * case when s[2] in ('cm', 'CM', '厘米', '㎝') then 10 else 1 end)) as decimal(6, 1)) end"
            )
    raise ValueError(f"endoscopy text has no structured field {field}")
