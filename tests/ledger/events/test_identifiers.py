"""Direct identifiers in clear: hostile spellings are found, the trial's own words are not."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import RejectedInput
from ledger.events.catalogue import example
from ledger.events.clear_text import SEARCHED, identifiers_in, kind_of
from ledger.events.identifiers import CHECKS, Identifier, looks_like_name, plain
from ledger.events.registry import EVENT_TYPES

if TYPE_CHECKING:
    from ledger.signing.strict_json import JsonObject

MOBILE = "13812345678"
RESIDENT = "11010519491231002X"
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
FULL_WIDTH = str.maketrans("0123456789X@.", "０１２３４５６７８９Ｘ＠．")  # noqa: RUF001 - what people type
HIDDEN = ["\u200b", "\u2060", "\ufeff", "\u00ad", "\u200d", "\u202c"]


def found_in(text: str) -> set[Identifier]:
    """What a text seems to hold."""
    seen = plain(text)
    return {identifier for identifier, holds in CHECKS.items() if holds(seen)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MOBILE, Identifier.PHONE),
        (f"患者电话{MOBILE}", Identifier.PHONE),
        (f"请打{MOBILE}联系老王", Identifier.PHONE),
        ("手机号: 138 1234 5678", Identifier.PHONE),
        ("138-1234-5678", Identifier.PHONE),
        ("138.1234.5678", Identifier.PHONE),
        ("1 3 8 1 2 3 4 5 6 7 8", Identifier.PHONE),
        ("一三八一二三四五六七八", Identifier.PHONE),
        ("+86 13812345678", Identifier.PHONE),
        ("0086-13812345678", Identifier.PHONE),
        ("(024) 2885 1111", Identifier.PHONE),
        ("024-28851111", Identifier.PHONE),
        ("call +1 212-555-0123 at night", Identifier.PHONE),
        ("+49 30 901820", Identifier.PHONE),
        ("tel 2885 1111", Identifier.PHONE),
        ("QQ:12345678", Identifier.PHONE),
        ("微信号 13812345678", Identifier.PHONE),
        (f"身份证{RESIDENT}", Identifier.NATIONAL_ID),
        (f"id {RESIDENT.lower()}.", Identifier.NATIONAL_ID),
        ("110105 19491231 002X", Identifier.NATIONAL_ID),
        ("110105-19491231-002X", Identifier.NATIONAL_ID),
        ("A123456(3)", Identifier.NATIONAL_ID),
        ("123-45-6789", Identifier.NATIONAL_ID),
        ("住院号: 20240317", Identifier.NATIONAL_ID),
        ("MRN 0012345", Identifier.NATIONAL_ID),
        ("passport no. E12345678", Identifier.NATIONAL_ID),
        ("write to a.b@example.org please", Identifier.EMAIL),
        ("lihua163@163.com", Identifier.EMAIL),
        ("li [at] example [dot] org", Identifier.EMAIL),
        ("li at example dot org", Identifier.EMAIL),
        ("张三@例子.公司", Identifier.EMAIL),
        ("姓名: 王小明", Identifier.NAME),
        ("Patient name: Li Hua", Identifier.NAME),
        ("Surname = Wang", Identifier.NAME),
    ],
)
def test_an_identifier_is_found_in_the_ways_people_write_it(
    text: str, expected: Identifier
) -> None:
    """Latin and Chinese, grouped, labelled, spelt out."""
    assert expected in found_in(text)


@given(
    text=st.sampled_from([MOBILE, RESIDENT, "a.b@example.org", "住院号:20240317"]),
    hidden=st.lists(st.tuples(st.integers(0, 20), st.sampled_from(HIDDEN)), max_size=5),
    wide=st.booleans(),
    around=st.sampled_from(["{}", "x {}", "（{}）", "电{}电", "{}。", " {}\n"]),  # noqa: RUF001
)
def test_no_disguise_helps(
    *, text: str, hidden: list[tuple[int, str]], wide: bool, around: str
) -> None:
    """Full-width forms, characters nobody sees, Chinese text without blanks on both sides."""
    disguised = text.translate(FULL_WIDTH) if wide else text
    for place, character in hidden:
        disguised = disguised[:place] + character + disguised[place:]
    assert found_in(around.format(disguised))


@given(
    region=st.sampled_from(["11", "21", "44", "65"]),
    middle=st.integers(0, 9999),
    born=st.dates(min_value=date(1900, 1, 1), max_value=date(2099, 12, 31)),
    order=st.integers(0, 999),
    slip=st.integers(1, 10),
)
def test_a_resident_id_is_known_by_its_check_digit(
    *, region: str, middle: int, born: date, order: int, slip: int
) -> None:
    """A number with another check digit is none: GB 11643, ISO 7064 MOD 11-2."""
    digits = f"{region}{middle:04d}{born:%Y%m%d}{order:03d}"
    total = sum(int(d) * w for d, w in zip(digits, WEIGHTS, strict=True))
    check = "10X98765432"
    right, wrong = digits + check[total % 11], digits + check[(total + slip) % 11]
    assert Identifier.NATIONAL_ID in found_in(right)
    assert Identifier.NATIONAL_ID not in found_in(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "Laboratory print-out 17",
        "2024-03-01T09:30:00+08:00",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "018d6f2c-8a00-7c3e-9b1a-5d2f4e6a7b8c",
        "Lot L-2024-03, bag B-0001",
        "NCT06242405, ISRCTN12345678, EudraCT 2023-507891-24-00",
        "bilirubin 34.2 umol/L (3.4 - 20.5)",
        "Dexamethasone 5 mg i.v.",
        "visit on 2024-03-15 at 13:45, repeated 2024-03-18",
        "https://example.org/forms/icf-1.0",
        "/sites/SY01/persons/pi-01",
        "13 14 15 16 17 18 19 20",
        "HR 72, BP 138/85, 138/90",
        "INR 1.38 1.42 1.55",
        "Accession 20240315-0017, barcode 6901234567892",
        "total 15 000 000 cells, 1500 mg 3 times",
        "The subject's name was not stated; the name: see sealed member",
        "Phone contact failed on 2024-05-01, called by phone three times",
        "电话随访, 手机未接通, 身份证已核对",
        "Identity card checked against the form",
        "as noted at clinic dot",
        "10 mg @ 08:00",
        "二〇二四年三月一日",
        "ISBN 978-3-16-148410-0, doi 10.1056/NEJMoa2404812",
        "1381 2345 6789 0123",
        "Fax machine out of service since 2024-05-01",
        "输注后24小时无不良反应, 体温36.5",
    ],
)
def test_what_a_trial_writes_is_let_through(text: str) -> None:
    """Codes, numbers, dates, lots, hashes, addresses, and talk about identifiers."""
    assert found_in(text) == set()


@given(text=st.text(max_size=300))
def test_no_text_makes_it_fail(text: str) -> None:
    """Whatever comes in, there is an answer."""
    found_in(text)
    looks_like_name(plain(text))


@pytest.mark.parametrize("length", [10, 100, 1000, 2000])
@pytest.mark.parametrize(
    "piece", ["1", "1 ", "13", "1-", "a.", "a@", "(", "0", "一", "name ", "+8"]
)
def test_no_text_makes_it_slow(piece: str, length: int) -> None:
    """The longest text of the vocabulary is searched at once."""
    found_in((piece * length)[:2000])


def test_a_code_that_is_a_name_is_told_from_one_that_is_none() -> None:
    """Words alone read like a name; a digit makes it a code."""
    assert all(map(looks_like_name, ["ZHANG^SAN", "Li.Hua", "zhang san", "张三", "Wang-Wei"]))
    assert not any(map(looks_like_name, ["D-012", "SY01-0007", "B-0001", "donor", "X-Y", "L17"]))


# --- in payloads ----------------------------------------------------------------------------------


def refused_at(name: str, data: JsonObject) -> str:
    """Where a payload is refused; empty when it is not."""
    row = EVENT_TYPES[name]
    row.check(data)
    return next((where for where, _ in identifiers_in(row.schema, data)), "")


def with_members(name: str, **members: object) -> JsonObject:
    """The smallest payload of a type, changed."""
    changed: JsonObject = {**example(EVENT_TYPES[name].schema), **members}  # type: ignore[dict-item]
    return changed


@pytest.mark.parametrize("row", EVENT_TYPES.values(), ids=lambda row: row.name)
def test_every_example_passes(row: object) -> None:
    """The page shows nothing that would be refused."""
    name = row.name  # type: ignore[attr-defined]
    schema = EVENT_TYPES[name].schema
    assert list(identifiers_in(schema, example(schema))) == []


def test_the_member_is_named_and_the_value_is_not() -> None:
    """The refusal goes into logs and to senders; it repeats no personal data."""
    reason = {"code": "other", "text": f"Call {MOBILE}"}
    row = EVENT_TYPES["visit.missed.v1"]
    with pytest.raises(RejectedInput) as refused:
        row.refuse_identifiers({"visit": "W24", "reason": {**reason}})
    assert refused.value.code == "identifier.in-clear"
    assert refused.value.where == "/data/reason/text"
    assert MOBILE not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "members", "where"),
    [
        ("visit.missed.v1", {"record": {"source_ref": "a.b@example.org"}},
         "/data/record/source_ref"),
        ("adverse-event.recorded.v1", {"term": f"Fever, tel {MOBILE}"}, "/data/term"),
        ("infusion.administered.v1", {"scan_subject": "ZHANG^SAN"}, "/data/scan_subject"),
        ("infusion.administered.v1", {"scan_subject": RESIDENT}, "/data/scan_subject"),
        (
            "infusion.administered.v1",
            {"premedication": ["Dexamethasone 5 mg", "see a.b@example.org"]},
            "/data/premedication/1",
        ),
        ("lot.received.v1", {"donor_code": "Li.Hua"}, "/data/donor_code"),
        (
            "data.corrected.v1",
            {"changes": [{"pointer": "/data/term", "old": "x y", "new": f"call {MOBILE}"}]},
            "/data/changes/0/new",
        ),
    ],
)  # fmt: skip
def test_unsealed_words_are_searched_at_any_depth(
    name: str, members: JsonObject, where: str
) -> None:
    """Record block, lists, scans, pseudonyms and the values of a correction."""
    assert refused_at(name, with_members(name, **members)) == where


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("lab-result.recorded.v1", {"value": {"value": MOBILE, "unit": "umol/L"}}),
        ("lab-result.recorded.v1", {"test_code": MOBILE}),
        ("lot.received.v1", {"donor_code": MOBILE}),
        ("infusion.administered.v1", {"scan_bag": MOBILE}),
        ("data.corrected.v1", {"changes": [
            {"pointer": "/data/value/value", "old": "34.2", "new": MOBILE}]}),
        ("key.registered.v1", {"owner": {
            "kind": "person", "id": "/sites/SY01/persons/li-hua", "name": "Dr Li Hua"}}),
    ],
)  # fmt: skip
def test_codes_numbers_and_printed_names_are_left_alone(name: str, members: JsonObject) -> None:
    """A number in a code is a code; who signs has a name (21 CFR 11.50)."""
    assert refused_at(name, with_members(name, **members)) == ""


def test_sealed_members_are_not_searched() -> None:
    """That is where personal data belong."""
    row = EVENT_TYPES["consent.obtained.v1"]
    data = with_members("consent.obtained.v1", witness_name=f"Li Hua, {MOBILE}")
    assert list(identifiers_in(row.schema, data)) == []


def test_every_kind_of_the_table_is_met_in_the_vocabulary() -> None:
    """No row of it is for nothing."""
    kinds = {kind_of(field) for row in EVENT_TYPES.values() for field in row.schema.fields.values()}
    assert kinds | {"any value"} >= set(SEARCHED)
