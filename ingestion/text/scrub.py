"""Keep identifying strings out of what leaves ingestion: free text is scrubbed, other cells are masked when they look like a person."""

from __future__ import annotations

MASK = "***"
MASKED_CELL = "［已隐去］"
WIDE_DIGITS, DIGITS = "０１２３４５６７８９Ｘｘ", "0123456789Xx"
# A citizen ID number of 18 or 15 places, blanks or dashes between its parts allowed; a mobile and a landline number.
ID_18 = "[1-9]\\d{5}[ -]?(?:18|19|20)\\d{2}[ -]?(?:0[1-9]|1[0-2])[ -]?(?:0[1-9]|[12]\\d|3[01])[ -]?\\d{3}[0-9Xx]"
ID_15 = "[1-9]\\d{7}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\\d|3[01])\\d{3}"
MOBILE = "1[3-9]\\d[ -]?\\d{4}[ -]?\\d{4}"
LANDLINE = "0\\d{2,3}[- ]\\d{7,8}"
PATTERNS = (ID_18, ID_15, MOBILE, LANDLINE)
LABELLED = "((?:姓名|名字|联系人|家属姓名)\\s*[:：]?\\s*)[\\x{4e00}-\\x{9fff}](?:[ 　·]?[\\x{4e00}-\\x{9fff}]){1,3}"
NUMBER_LABELS = "病案号|住院号|门诊号|就诊卡号|登记号|身份证号?|证件号码?|联系电话|电话|手机|住址|地址"
LABELLED_NUMBER = f"((?:{NUMBER_LABELS})\\s*[:：]?\\s*)[0-9A-Za-z０-９\\x{{4e00}}-\\x{{9fff}}-]{{4,60}}"
# Where nobody has said yet what the person is called: what follows 患者 and begins with a common surname.
SURNAMES = (
    "王李张刘陈杨黄赵周吴徐孙马朱胡郭何林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石"
    "贾韦夏付方邹熊白孟秦邱侯江尹薛闫段雷龙史陶贺毛郝顾龚邵万钱武戴孔汤温牛樊葛邢安齐庞申"
)
UNNAMED = f"(患者|病人|家属|为)[{SURNAMES}][\\x{{4e00}}-\\x{{9fff}}]{{1,2}}"
ADDRESS = "[\\x{4e00}-\\x{9fff}]{2,}(?:省|市|区|县|镇|乡)[\\x{4e00}-\\x{9fff}0-9０-９]{0,20}(?:路|街|巷|村|号|小区|组|室)"


def _plain_digits(text: str) -> str:
    return f"translate({text}, '{WIDE_DIGITS}', '{DIGITS}')"


def scrubbed(text: str, *, known_name: str | None = None, own_number: str | None = None) -> str:
    """SQL expression of a free text without names, person numbers, phones and addresses, as far as they can be recognised.

    known_name  expression of the person's name, null where nobody has said it yet; own_number  of the organisation's number for the person
    """
    result = _plain_digits(text)
    for pattern in PATTERNS:
        result = f"regexp_replace({result}, '{pattern}', '{MASK}', 'g')"
    for labelled in (LABELLED, LABELLED_NUMBER):
        result = f"regexp_replace({result}, '{labelled}', '\\1{MASK}', 'g')"
    if known_name:
        unnamed = f"regexp_replace({result}, '{UNNAMED}', '\\1{MASK}', 'g')"
        named = f"replace({result}, {known_name}, '{MASK}')"
        result = f"case when {known_name} is null then {unnamed} when length({known_name}) >= 2 then {named} else {result} end"
    if own_number:
        result = f"case when length({own_number}) >= 5 then replace({result}, {own_number}, '{MASK}') else {result} end"
    return result


def looks_like_a_person(text: str, *, known_name: str | None = None) -> str:
    """SQL condition: the cell holds a person's number, phone, landline, address or known name, blanks, dashes and wide digits aside."""
    packed = f"regexp_replace({_plain_digits(text)}, '[\\s　-]', '', 'g')"
    number = f"(length({text}) >= 11 and regexp_matches({packed}, '{ID_18}|{ID_15}|1[3-9][0-9]{{9}}'))"
    other = f"regexp_matches({text}, '^{LANDLINE}$|{ADDRESS}')"
    return f"(coalesce({number} or {other}, false) or {names(text, known_name)})"


def names(text: str, known_name: str | None) -> str:
    """SQL condition: the text holds the known name."""
    return f"coalesce(length({known_name}) >= 2 and contains({text}, {known_name}), false)" if known_name else "false"


def is_id_number(text: str, *, known_name: str | None = None) -> str:
    """SQL condition: the cell is a citizen ID number or the known name; an organisation's serial number may look like a phone, hardly like these."""
    number = f"regexp_full_match(regexp_replace({_plain_digits(text)}, '[\\s　-]', '', 'g'), '{ID_18}')"
    return f"(coalesce(length({text}) >= 18 and {number}, false) or {names(text, known_name)})"
