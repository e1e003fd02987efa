"""Texts that plainly stand as they are: codes of the list, numbers within their limits, ISO dates, words that can name nobody.

Most texts are such, and what is to be said of them is known without asking the statement of their field (`field_qc.field_sql`), the planning of
which costs more than a few hundred texts. Nothing is decided here that the statement would decide otherwise: a text in any doubt is left to it.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.contracts import Contract, Field, code_list
from ingestion.lake import arrow_type
from ingestion.mappings import ColumnMapping, FeedMapping

ISO_DATE = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
MOBILE = "^1[3-9][0-9]{9}$"
# No person's number has fewer places, no landline fewer with its code, and no address lacks both digits and these words.
SHORT = 10
SHORT_ASCII = "^[!-~ ]{1,10}$"
NO_ADDRESS = "^[^0-9０-９路街巷村号区组室]*$"
SHORTER_THAN_AN_ID = 18
FEW_DIGITS = 12

Reading = tuple[np.ndarray, pa.Array, pa.Array | None]
"""Which texts are plain, their values (any where they are not), and their reasons where there are any."""
Reader = Callable[[pa.Array], Reading]


def reader(
    checked: Contract, field: Field, mapping: ColumnMapping, feed: FeedMapping, not_done: tuple[str, ...], iso_formats: tuple[str, ...]
) -> Reader | None:
    """Reads the plain texts of a field; None for a field whose texts all need the closer look.

    not_done     words that say a test was not done        iso_formats  date formats that read no ISO date otherwise
    """
    if field.format not in {None, "cn_mobile"} or field.pattern or field.multiple or field.repair or field.subject == "id_card_no":
        return None
    if field.is_numeric:
        return _numbers(field) if (mapping.factor, mapping.offset) == (1.0, 0.0) else None
    if field.type == "date":
        return _dates if {*mapping.date_format, *feed.date_format} <= set(iso_formats) else None
    if field.type != "string":
        return None
    if field.code_list:
        return _codes(field, mapping, is_form=checked.is_form, not_done=not_done)
    return None if mapping.codes else _words(checked, field, not_done)


def plainly(read: Reader, field: Field, texts: pa.Array, outputs: dict[str, pa.DataType]) -> tuple[np.ndarray, pa.Table]:
    """Which texts are plain, and what is said of them in the columns of the field's statement (of the others anything)."""
    plain, values, reasons = read(texts)
    missing = texts.is_null().to_numpy(zero_copy_only=False)
    if missing.any():
        values = pc.if_else(pa.array(missing), pa.scalar(None, values.type), values)
        if field.required:
            so_far = pa.nulls(len(texts), pa.string()) if reasons is None else reasons
            reasons = pc.if_else(pa.array(missing), "missing_required", so_far)
    nothing = pa.nulls(len(texts), pa.string())
    columns = {"v": values, "r": nothing if reasons is None else reasons, "comparator": nothing, "number": values, "lake": values, "kept": texts}
    return plain | missing, pa.table([columns[c].cast(kind) for c, kind in outputs.items()], names=list(outputs))


def outputs_of(field: Field, columns: list[str]) -> dict[str, pa.DataType]:
    """The Arrow types of the columns of a field's statement."""
    own = arrow_type(field.type)
    kinds = {"v": own, "number": own, "b": pa.date32()}
    return {c: kinds.get(c, pa.string()) for c in columns}


def _true(mask: pa.Array) -> np.ndarray:
    return pc.fill_null(mask, False).to_numpy(zero_copy_only=False)


def _matches(texts: pa.Array, pattern: str) -> np.ndarray:
    return _true(pc.match_substring_regex(texts, pattern))


def _where(texts: pa.Array, plain: np.ndarray) -> pa.Array:
    """Texts that are plain, null in place of the others."""
    return texts if plain.all() else pc.if_else(pa.array(plain), texts, pa.scalar(None, pa.string()))


def _numbers(field: Field) -> Reader:
    own = arrow_type(field.type)
    whole, places = (FEW_DIGITS, 0) if field.type == "int" else (min(FEW_DIGITS, own.precision - own.scale), own.scale)
    pattern = f"^-?[0-9]{{1,{whole}}}" + (f"(\\.[0-9]{{1,{places}}})?$" if places else "$") if whole > 0 else None

    def read(texts: pa.Array) -> Reading:
        plain = _matches(texts, pattern) if pattern else np.zeros(len(texts), bool)
        if field.keep_text or field.comparator:
            plain &= _true(pc.less_equal(pc.utf8_length(texts), SHORT))
        values = _where(texts, plain).cast(own)
        for limit, compare in ((field.minimum, pc.greater_equal), (field.maximum, pc.less_equal)):
            if limit is not None:
                bound = pa.scalar(int(limit)) if own == pa.int64() and float(limit).is_integer() else pa.scalar(Decimal(str(limit)))
                plain &= _true(compare(values if own == pa.int64() and pa.types.is_integer(bound.type) else values.cast(pa.decimal128(38, 6)), bound))
        return plain, values, None

    return read


def _dates(texts: pa.Array) -> Reading:
    plain = _matches(texts, ISO_DATE)
    try:
        values = _where(texts, plain).cast(pa.date32())
    except pa.ArrowInvalid:  # one of them is no date
        return np.zeros(len(texts), bool), pa.nulls(len(texts), pa.date32()), None
    year = pc.year(values)
    return plain & _true(pc.and_(pc.greater_equal(year, 1900), pc.less_equal(year, 2100))), values, None


def _codes(field: Field, mapping: ColumnMapping, *, is_form: bool, not_done: tuple[str, ...]) -> Reader:
    listed = code_list(field.code_list)
    said = {text: text for text in listed if text not in mapping.codes} | {t: c for t, c in mapping.codes.items() if c in listed}
    if field.max_length:
        said = {t: c for t, c in said.items() if t == c or len(c) <= field.max_length}
    said = {t: c for t, c in said.items() if t not in not_done or t in mapping.codes or t == c}
    known, meant = pa.array(list(said), pa.string()), pa.array(list(said.values()), pa.string())
    translated = pa.array(["translated" if is_form and t != c else None for t, c in said.items()], pa.string())
    any_translated = translated.null_count < len(translated)

    def read(texts: pa.Array) -> Reading:
        place = pc.index_in(texts, value_set=known)
        return place.is_valid().to_numpy(zero_copy_only=False), meant.take(place), translated.take(place) if any_translated else None

    return read


def _words(checked: Contract, field: Field, not_done: tuple[str, ...]) -> Reader:
    is_shown = field.keep_text or (field.in_lake and not field.primary_key and field.classification != "free_text")
    words = pa.array(not_done, pa.string())

    def read(texts: pa.Array) -> Reading:
        plain = texts.is_valid().to_numpy(zero_copy_only=False)
        if field.classification != "identifying":
            plain &= ~_true(pc.is_in(texts, words))
        if field.max_length:
            plain &= _true(pc.less_equal(pc.utf8_length(texts), field.max_length))
        if field.format == "cn_mobile":
            plain &= _matches(texts, MOBILE)
        if field.primary_key and field.in_lake:
            plain &= _true(pc.less(pc.utf8_length(texts), SHORTER_THAN_AN_ID))
        if is_shown:
            plain &= _matches(texts, f"{SHORT_ASCII}|{NO_ADDRESS}")
        return plain, texts, None

    return read
