"""The dossier over HTTP: whoever is masked gets the masked one, of his own site alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.context import KEY
from ledger.signing.strict_json import parse_object
from ledger.verification.dossier import is_of_masked, verify_dossier
from ledger.verification.report import Status
from ledger.vocabulary import Role
from tests.api.access.build_readers import BASE, FOREIGN
from tests.build_ledger import INVESTIGATOR, SITE, SPONSOR
from tests.ledger.concealment.orders import DECISION
from tests.ledger.verification.pack import members_of

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.signing.strict_json import JsonObject
    from tests.api.access.build_readers import Readers

OWN = f"{BASE}/bundle?subject={SITE}-0001"


def fetched(readers: Readers, headers: dict[str, str]) -> tuple[bytes, str]:
    """The dossier of the own subject, and the file name it comes under."""
    answer = readers.client.get(OWN, headers=headers)
    assert answer.status_code == 200
    data = answer.get_data()
    answer.close()
    return data, answer.headers["Content-Disposition"]


def test_a_masked_reader_gets_the_masked_dossier(readers: Readers, tmp_path: Path) -> None:
    """Sound, without a place; asked for again it is the same and records nothing."""
    headers = readers.bearer(readers.enrol(Role.OUTCOME_ASSESSOR, f"site/{SITE}"))
    first, name = fetched(readers, headers)
    (tmp_path / "d.zip").write_bytes(first)
    report = verify_dossier(tmp_path / "d.zip")
    assert (report.status, is_of_masked(report)) == (Status.SOUND, True)
    assert report.withheld == 1
    assert members_of(tmp_path / "d.zip")["openings.jsonl"] == b""
    size = readers.app.extensions[KEY].head
    assert fetched(readers, headers)[0] == first
    assert readers.app.extensions[KEY].head == size
    assert str(size) not in name


def test_nobody_gets_the_dossier_of_another_site(readers: Readers) -> None:
    """Nor a masked reader the bundle of the log."""
    headers = readers.bearer(readers.enrol(Role.OUTCOME_ASSESSOR, f"site/{SITE}"))
    address = f"{BASE}/bundle?subject={FOREIGN}-0001"
    refused = readers.client.get(address, headers=headers)
    assert (refused.status_code, refused.get_json()["code"]) == (403, "access.foreign-site")
    assert readers.client.get(f"{BASE}/bundle", headers=headers).status_code == 403
    twice = readers.client.get(f"{OWN}&subject={FOREIGN}-0001", headers=headers)
    assert twice.status_code == 422


def test_an_unmasked_reader_gets_the_full_dossier(readers: Readers, tmp_path: Path) -> None:
    """An inspector with what is withheld from him stated, a coordinator of the site whole."""
    for role, scope in ((Role.INSPECTOR, "trial"), (Role.STUDY_COORDINATOR, f"site/{SITE}")):
        headers = readers.bearer(readers.enrol(role, scope))
        (tmp_path / "d.zip").write_bytes(fetched(readers, headers)[0])
        report = verify_dossier(tmp_path / "d.zip")
        assert (report.status, is_of_masked(report)) == (Status.SOUND, False)
        members = members_of(tmp_path / "d.zip")
        redaction = parse_object(members["manifest.json"])["redaction"]
        assert (redaction == "none") == (role is Role.STUDY_COORDINATOR)


def test_a_restriction_in_treatment_does_not_show_to_whoever_is_masked(readers: Readers) -> None:
    """The masked dossier holds nothing of that stream; the full one is refused."""
    built, stream = readers.built, f"treatment/{SITE}-0001"
    given: JsonObject = {
        "infusion_number": 1, "lot": "L-2024-01", "bag_ids": ["B-1"],
        "started_at": "2024-02-01T09:00:00+08:00", "route": "peripheral-intravenous",
        "record": {"mode": "late", "reason": {"code": "late-entry", "text": "Her son wrote it."}},
    }  # fmt: skip
    told = built.state(
        "infusion.administered.v1", stream, given, by=INVESTIGATOR, meaning="authorship"
    )
    order: JsonObject = {**DECISION, "target": told.id, "pointers": ["/data/record/reason/text"]}
    approval = built.parties[SPONSOR].signer("approval", built.now)
    built.record(
        built.sign("personal-data.restricted.v1", stream, order, by=INVESTIGATOR, also=[approval])
    )
    masked = readers.bearer(readers.enrol(Role.OUTCOME_ASSESSOR, f"site/{SITE}"))
    fetched(readers, masked)
    full = readers.bearer(readers.enrol(Role.INSPECTOR, "trial"))
    refused = readers.client.get(OWN, headers=full)
    assert (refused.status_code, refused.get_json()["code"]) == (451, "bundle.restricted")


def test_each_reading_of_a_dossier_is_written_down(readers: Readers) -> None:
    """With the subject it was about."""
    headers = readers.bearer(readers.enrol(Role.OUTCOME_ASSESSOR, f"site/{SITE}"))
    fetched(readers, headers)
    rows = [row for row in readers.written() if "dossier.export" in str(row)]
    assert len(rows) == 1
    assert f"{SITE}-0001" in str(rows[0])
