"""Direct identifiers in words: e-mail addresses, telephone numbers, national ids, stated names.

Recognition is deliberately narrow. A name in running words is not recognised unless it is said to
be one ("name: ..."), and a number only when it has the form or the check digit of what it is taken
for: a record turned away by mistake costs a site its day. What gets through is dealt with by
``personal-data.restricted.v1``.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable


class Identifier(StrEnum):
    """A kind of direct identifier, in the words of the refusal."""

    EMAIL = "an e-mail address"
    PHONE = "a telephone number"
    NATIONAL_ID = "a national or hospital identity number"
    NAME = "a person's name"


# --- what hides an identifier from a machine ------------------------------------------------------

_CHINESE_DIGITS: Final = str.maketrans("〇零一二三四五六七八九", "00123456789")
_CHINESE_NUMBER: Final = re.compile("[〇零一二三四五六七八九](?: ?[〇零一二三四五六七八九]){6,}")
_BLANKS: Final = dict.fromkeys(map(ord, "\t\n\r"), " ")
_DASHES: Final = dict.fromkeys((*range(0x2010, 0x2016), 0x2212), "-")


def plain(text: str) -> str:
    """The text as a reader sees it: compatibility forms folded, invisible characters left out.

    Full-width and other digits become ASCII digits (Unicode NFKC and decimal values), dashes
    hyphens, every blank a space; Chinese numerals do so where seven or more stand in a row.
    """
    if text.isascii():
        return text.translate(_BLANKS)
    folded = unicodedata.normalize("NFKC", text).translate(_DASHES)
    seen = "".join(map(_seen, folded))
    return _CHINESE_NUMBER.sub(lambda found: found[0].translate(_CHINESE_DIGITS), seen)


def _seen(character: str) -> str:
    if character.isascii():
        return character.translate(_BLANKS)
    category = unicodedata.category(character)
    if category in ("Cf", "Mn", "Cc"):
        return ""
    if category == "Zs":
        return " "
    return str(unicodedata.decimal(character, character))


# --- e-mail ---------------------------------------------------------------------------------------

_AT: Final = r"(?:@|\s?[\[({<](?:at|@)[\])}>]\s?)"
_DOT: Final = r"(?:\.|\s?[\[({<](?:dot|\.)[\])}>]\s?)"
_EMAIL: Final = re.compile(
    rf"[\w.%+-]{{1,64}}{_AT}(?:[\w-]{{2,63}}{_DOT}){{1,8}}[^\W\d_]{{2,24}}(?!\w)", re.IGNORECASE
)
_SPOKEN_EMAIL: Final = re.compile(
    r"(?<!\w)[\w.+-]{1,64} at (?:[\w-]{2,63} dot ){1,4}[a-z]{2,24}(?!\w)", re.IGNORECASE
)


def has_email(text: str) -> bool:
    """Whether a text holds an e-mail address (RFC 5322 addr-spec as people write it)."""
    return bool(_EMAIL.search(text) or _SPOKEN_EMAIL.search(text))


# --- telephone ------------------------------------------------------------------------------------

_GAP: Final = r"[ .\-·/]{1,2}"
_MOBILE: Final = re.compile(
    r"(?<![0-9A-Za-z])(?<![0-9][-./:])(?:\(?(?:\+|00)?86\)?[ -]?)?"
    rf"(1[3-9][0-9]{{9}}|1[3-9][0-9](?:{_GAP}[0-9]{{4}}){{2}}"
    rf"|1[3-9][0-9]{_GAP}[0-9]{{3}}{_GAP}[0-9]{{5}}|1[3-9][0-9]{{2}}{_GAP}[0-9]{{3}}{_GAP}[0-9]{{4}}"
    rf"|1[3-9][0-9]{_GAP}[0-9]{{8}}|1[3-9][0-9]{{5}}{_GAP}[0-9]{{4}}"
    rf"|1{_GAP}[3-9](?:{_GAP}[0-9]){{9}})(?![0-9A-Za-z])(?!-[0-9A-Za-z])"
)
_LANDLINE: Final = re.compile(r"(?<![0-9A-Za-z.-])(?:\(0[0-9]{2,3}\) ?|0[0-9]{2,3}[ -])[2-9][0-9]")
_LABEL: Final = (
    "电话|手机|手機|電話|联系方式|联系号码|微信|微信号|"
    r"(?<![A-Za-z])(?:tel(?:ephone)?|phone|mobile|cell|fax|whatsapp|wechat|qq|contact no)"
    r"(?![A-Za-z])"
)
_LABELLED_NUMBER: Final = re.compile(
    rf"(?:{_LABEL})(?: ?(?:number|no|号码|号))?[\s.:=是为(]{{0,4}}"
    r"\+?[0-9](?:[ .()/-]{0,2}[0-9]){6,14}",
    re.IGNORECASE,
)
_ENOUGH_DIGITS: Final = re.compile(r"(?:[0-9][^0-9]{0,3}){7}")


def has_phone(text: str) -> bool:
    """Whether a text holds a telephone number.

    Chinese mobile numbers in any usual grouping, Chinese numbers with their area code,
    international numbers after a plus sign (by the numbering plans of libphonenumber), and seven
    digits or more that are said to be a telephone's.
    """
    if _ENOUGH_DIGITS.search(text) is None:
        return False
    if _LABELLED_NUMBER.search(text) or any(map(_is_mobile, _MOBILE.finditer(text))):
        return True
    return ("+" in text and _planned(text, None)) or (
        _LANDLINE.search(text) is not None and _planned(text, "CN")
    )


def _is_mobile(found: re.Match[str]) -> bool:
    import phonenumbers  # noqa: PLC0415 - its tables are large and seldom needed

    digits = "".join(filter(str.isdigit, found[1]))
    return phonenumbers.is_valid_number(phonenumbers.parse(digits, "CN"))


def _planned(text: str, region: str | None) -> bool:
    import phonenumbers  # noqa: PLC0415 - its tables are large and seldom needed

    matches = phonenumbers.PhoneNumberMatcher(text, region, phonenumbers.Leniency.VALID)
    signs = ("+",) if region is None else ("0", "(0")
    return any(found.raw_string.startswith(signs) for found in matches)


# --- national ids ---------------------------------------------------------------------------------

_RESIDENT_ID: Final = re.compile(
    r"(?<![0-9A-Za-z])[1-9](?:[ .-]?[0-9]){16}[ .-]?[0-9Xx](?![0-9A-Za-z])"
)
_HONG_KONG_ID: Final = re.compile(r"(?<![0-9A-Za-z])([A-Z]{1,2})([0-9]{6})\(([0-9A])\)")
_US_NUMBER: Final = re.compile(
    r"(?<![0-9A-Za-z-])(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![0-9A-Za-z-])"
)
_LABELLED_ID: Final = re.compile(
    "(?:身份证|身份證|证件|護照|护照|住院号|病历号|病案号|门诊号|医保|社保|"
    r"(?<![A-Za-z])(?:passport|national id(?:entity)?|id card|identity card|mrn|medical record|"
    r"hospital record|social security|ssn|nhs))"
    r"(?: ?(?:number|no|card|号码|號碼|号|卡号))*[\s.:=#是为]{0,4}"
    r"(?=[A-Z0-9-]*[0-9]{4})[A-Z0-9][A-Z0-9-]{5,23}",
    re.IGNORECASE,
)
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS: Final = "10X98765432"
_REGIONS: Final = frozenset(
    {
        *(*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47)),
        *(*range(50, 55), *range(61, 66), 71, 81, 82, 83),
    }
)


def has_national_id(text: str) -> bool:
    """Whether a text holds a national id or what is said to be an identity or record number.

    Chinese resident ids (GB 11643: region, birth date, check digit ISO 7064 MOD 11-2), Hong Kong
    identity cards with their check digit, United States social security numbers in their form.
    """
    if any(_is_resident_id(found[0]) for found in _RESIDENT_ID.finditer(text)):
        return True
    if any(_is_hong_kong_id(found) for found in _HONG_KONG_ID.finditer(text)):
        return True
    return bool(_US_NUMBER.search(text) or _LABELLED_ID.search(text))


def _is_resident_id(written: str) -> bool:
    number = re.sub("[ .-]", "", written).upper()
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(
        weight * int(digit) for weight, digit in zip(_WEIGHTS, number[:17], strict=True)
    )  # fmt: skip
    known = int(number[:2]) in _REGIONS and 1850 <= born.year <= 2150
    return known and number[17] == _CHECKS[total % 11]


def _is_hong_kong_id(found: re.Match[str]) -> bool:
    letters, digits, check = found.groups()
    values = [ord(letter) - 55 for letter in letters.rjust(2, "[")]  # a blank first letter is 36
    values += [int(digit) for digit in digits]
    total = sum(weight * value for weight, value in zip(range(9, 1, -1), values, strict=True))
    return "0123456789A"[-total % 11] == check


# --- names ----------------------------------------------------------------------------------------

_NOT_SAID: Final = "(?!(?:withheld|redacted|sealed|unknown|not|none|see|on|in|as)(?![A-Za-z]))"
_STATED_NAME: Final = re.compile(
    "(?:姓名|患者名|病人名) ?[:=是为] ?[\u4e00-\u9fff·]{2,8}"
    "|(?:^|[.;,(] ?|(?:patient|subject|participant)(?:'s)? |(?:full|first|last|family|given) |sur)"
    rf"name ?[:=] ?{_NOT_SAID}[^\W\d_]{{2,}}",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_CJK: Final = re.compile("[\u3400-\u9fff\uac00-\ud7af]")


def has_stated_name(text: str) -> bool:
    """Whether a text says that something is a person's name and gives it."""
    return _STATED_NAME.search(text) is not None


def looks_like_name(text: str) -> bool:
    """Whether what should be a code reads like a person's name: words alone, no digit.

    Two words or more (``ZHANG^SAN``, ``Li.Hua``), or any Chinese or Korean character.
    """
    if _CJK.search(text):
        return True
    return not any(map(str.isdigit, text)) and len(_WORD.findall(text)) > 1


# --- all together ---------------------------------------------------------------------------------

CHECKS: Final[dict[Identifier, Callable[[str], bool]]] = {
    Identifier.EMAIL: has_email,
    Identifier.PHONE: has_phone,
    Identifier.NATIONAL_ID: has_national_id,
    Identifier.NAME: has_stated_name,
}
