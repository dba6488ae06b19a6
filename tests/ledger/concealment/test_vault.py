"""What the vault seals, opens and erases, in both stores."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from ledger.concealment import custody, key_store
from ledger.concealment import vault as vaults
from ledger.concealment.binding import Place
from ledger.concealment.key_file import FileKey
from ledger.concealment.key_ring import KeyRing
from ledger.concealment.vault import Concealed, Erased, Erasure, Opening, Vault
from ledger.errors import IntegrityFailure, RejectedInput, Unavailable
from ledger.signing.sealing import make_disclosure
from ledger.vocabulary import Purpose

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.concealment.key_store import KeyStore
    from ledger.signing.strict_json import JsonValue

TRIAL = "XHNKKY-DFSC"
SUBJECT = "SY01-0007"
EVENT = "018d6f2c-8a00-7c3e-9b1a-5d2f4e6a7b8c"
OTHER_EVENT = "018d6f2c-8a00-7c3e-9b1a-5d2f4e6a7b8d"
ACT = "018d7000-0000-7000-8000-000000000001"
SECOND_ACT = "018d7000-0000-7000-8000-000000000002"


def disclosure(value: JsonValue = "Li Hua", name: str = "participant_name") -> str:
    """The text of a disclosure."""
    return make_disclosure(name, value, salt="AAECAwQFBgcICQoLDA0ODw").text


def sealed(
    vault: Vault,
    purpose: Purpose = Purpose.IDENTITY,
    *,
    stream: str = f"subject/{SUBJECT}",
    text: str | None = None,
) -> Concealed:
    """An opening sealed for one event."""
    place = Place(stream, EVENT, purpose)
    return Concealed(stream, EVENT, vault.seal(Opening(place, text or disclosure())))


def erasure(act: str, *purposes: Purpose) -> Erasure:
    """An order to erase some purposes of the subject."""
    return Erasure(act, SUBJECT, frozenset(purposes))


def test_what_was_sealed_is_opened_again(vault: Vault) -> None:
    """To the letter, for every purpose."""
    for purpose in Purpose:
        assert vault.open(sealed(vault, purpose)) == disclosure()


def test_sealing_twice_gives_other_bytes(vault: Vault) -> None:
    """Nonces are fresh, so equal content cannot be recognised."""
    assert sealed(vault).data != sealed(vault).data


def test_both_streams_of_a_subject_share_a_key_and_another_subject_does_not(vault: Vault) -> None:
    """One life, one erasure; nobody else's."""
    streams = (f"subject/{SUBJECT}", f"treatment/{SUBJECT}", "subject/SY01-0008", "trial")
    for stream in streams:
        sealed(vault, stream=stream)
    assert vault.status().in_use == {"identity": 3}


def test_the_names_of_arms_do_not_show_in_lengths(vault: Vault) -> None:
    """A stored opening is as long for one arm as for another."""
    arms = ("single", "double-infusion-of-stem-cells", "x")
    sizes = {len(sealed(vault, text=disclosure(arm, "arm")).data) for arm in arms}
    assert len(sizes) == 1


def test_a_stored_opening_shows_only_the_digest_that_was_signed(vault: Vault) -> None:
    """An auditor without keys can tell which digest it belongs to."""
    data = sealed(vault).data
    digest = hashlib.sha256(disclosure().encode()).digest()
    assert data[17:49] == digest
    assert disclosure().encode() not in data
    assert b"Li Hua" not in data


def test_every_changed_byte_is_found(vault: Vault) -> None:
    """Header, nonce, ciphertext and tag."""
    stored = sealed(vault)
    for place in range(len(stored.data)):
        changed = bytearray(stored.data)
        changed[place] ^= 1
        with pytest.raises(IntegrityFailure) as failure:
            vault.open(Concealed(stored.stream, stored.event_id, bytes(changed)))
        assert failure.value.code in (
            "concealment.malformed", "concealment.altered", "concealment.unknown-key"
        )  # fmt: skip


@pytest.mark.parametrize(
    ("stream", "event_id"),
    [
        (f"subject/{SUBJECT}", OTHER_EVENT),
        (f"treatment/{SUBJECT}", EVENT),
        ("subject/SY01-0008", EVENT),
        ("trial", EVENT),
    ],
)
def test_an_opening_fits_no_other_place(vault: Vault, stream: str, event_id: str) -> None:
    """Nobody can move one subject's words to another, or to another event."""
    with pytest.raises(IntegrityFailure) as failure:
        vault.open(Concealed(stream, event_id, sealed(vault).data))
    assert failure.value.code == "concealment.altered"


def test_another_trial_opens_nothing(
    vault: Vault, opened: Callable[[], KeyStore], ring: KeyRing
) -> None:
    """Two trials may share a store and a key-encryption key."""
    stored = sealed(vault)
    with pytest.raises(IntegrityFailure):
        Vault("OTHER-TRIAL", opened(), ring).open(stored)


@pytest.mark.parametrize("length", [0, 1, 48, 49, 200, 332, 334])
def test_bytes_of_another_form_are_refused(vault: Vault, length: int) -> None:
    """Whatever stands in the row."""
    with pytest.raises(IntegrityFailure) as failure:
        vault.open(Concealed("trial", EVENT, b"\1" * length))
    assert failure.value.code == "concealment.malformed"


def test_one_bad_row_does_not_hide_the_others(vault: Vault) -> None:
    """Each has its own outcome."""
    good = sealed(vault)
    bad = Concealed(good.stream, OTHER_EVENT, good.data)
    first, second, third = vault.open_all([good, bad, good])
    assert first == third == disclosure()
    assert isinstance(second, IntegrityFailure)


# --- erasure --------------------------------------------------------------------------------------


def test_erasure_takes_the_purposes_named_and_nothing_else(vault: Vault) -> None:
    """Identity goes; text, allocation and everybody else stay."""
    gone = sealed(vault)
    kept = [sealed(vault, Purpose.TEXT), sealed(vault, Purpose.ALLOCATION)]
    kept.append(sealed(vault, stream="subject/SY01-0008"))
    evidence = vault.erase(erasure(ACT, Purpose.IDENTITY))
    assert vault.open(gone) == Erased(ACT, hashlib.sha256(disclosure().encode()).digest())
    assert [vault.open(stored) for stored in kept] == [disclosure()] * 3
    assert [purpose for _, purpose in evidence.destroyed] == [Purpose.IDENTITY]


def test_allocations_are_never_erased(vault: Vault) -> None:
    """Without them nobody could check the trial."""
    stored = sealed(vault, Purpose.ALLOCATION)
    for purposes in ([Purpose.ALLOCATION], [Purpose.TEXT, Purpose.ALLOCATION], []):
        with pytest.raises(RejectedInput) as refused:
            vault.erase(erasure(ACT, *purposes))
        assert refused.value.code == "concealment.allocation-kept"
    assert vault.open(stored) == disclosure()


def test_another_process_forgets_what_was_erased(
    vault: Vault, opened: Callable[[], KeyStore], ring: KeyRing
) -> None:
    """Its cache held the key; the next look drops it."""
    other = Vault(TRIAL, opened(), ring)
    stored = sealed(vault)
    assert other.open(stored) == disclosure()
    vault.erase(erasure(ACT, Purpose.IDENTITY))
    assert isinstance(other.open(stored), Erased)


def test_erasing_again_is_the_same_once(vault: Vault) -> None:
    """The same act reports the same evidence and takes nothing that came later."""
    gone = sealed(vault)
    first = vault.erase(erasure(ACT, Purpose.IDENTITY))
    later = sealed(vault)
    assert vault.erase(erasure(ACT, Purpose.IDENTITY)) == first
    assert isinstance(vault.open(gone), Erased)
    assert vault.open(later) == disclosure()


def test_what_is_recorded_after_an_erasure_can_be_erased_by_another(vault: Vault) -> None:
    """Each act destroys its own keys."""
    gone = sealed(vault)
    vault.erase(erasure(ACT, Purpose.IDENTITY))
    later = sealed(vault)
    vault.erase(erasure(SECOND_ACT, Purpose.IDENTITY, Purpose.TEXT))
    acts = [outcome.act for outcome in vault.open_all([gone, later]) if isinstance(outcome, Erased)]
    assert acts == [ACT, SECOND_ACT]


def test_nothing_is_lost_while_the_order_is_not_recorded(vault: Vault) -> None:
    """Keys set aside still open; a commit that failed has destroyed nothing."""
    stored = sealed(vault)
    vault.retire(erasure(ACT, Purpose.IDENTITY))
    assert vault.open(stored) == disclosure()
    assert vault.status().unfinished == (ACT,)
    assert vault.status().retired == 1


def test_a_group_decided_again_retires_what_was_sealed_meanwhile(vault: Vault) -> None:
    """Everything before the act in the log is erased, nothing after it."""
    order = erasure(ACT, Purpose.IDENTITY)
    before = sealed(vault)
    vault.retire(order)
    meanwhile = sealed(vault)
    vault.retire(order)
    after = sealed(vault)
    vault.destroy(ACT)
    outcomes = vault.open_all([before, meanwhile, after])
    assert [isinstance(outcome, Erased) for outcome in outcomes] == [True, True, False]


def test_a_crash_between_commit_and_destruction_is_made_good_at_the_next_start(
    vault: Vault, opened: Callable[[], KeyStore], ring: KeyRing
) -> None:
    """The keys the act set aside go, those that came after it stay."""
    order = erasure(ACT, Purpose.IDENTITY)
    before = sealed(vault)
    vault.retire(order)
    after = sealed(vault)
    started = Vault(TRIAL, opened(), ring)
    assert [evidence.act for evidence in started.enforce([order])] == [ACT]
    assert isinstance(started.open(before), Erased)
    assert started.open(after) == disclosure()
    assert started.enforce([order]) == []


def test_a_key_store_from_before_the_act_is_erased_again(vault: Vault) -> None:
    """A restored backup knows nothing of the act; the log does."""
    stored = sealed(vault)
    vault.enforce([erasure(ACT, Purpose.IDENTITY)])
    assert isinstance(vault.open(stored), Erased)


def test_an_act_that_was_never_begun_destroys_nothing(vault: Vault) -> None:
    """A mistyped id is an error, not an empty success."""
    with pytest.raises(RejectedInput) as refused:
        vault.destroy(ACT)
    assert refused.value.code == "concealment.unknown-act"


# --- keys -----------------------------------------------------------------------------------------


def test_rotation_touches_no_opening_and_frees_the_old_key(
    vault: Vault, opened: Callable[[], KeyStore], ring: KeyRing
) -> None:
    """After it the old key opens nothing, the new one everything."""
    stored = [sealed(vault, purpose) for purpose in Purpose]
    new = FileKey(bytes(32))
    assert vault.rotate(KeyRing.of(new, ring.current)) == 3
    assert vault.rotate() == 0
    assert dict(vault.status().wrapped_under) == {new.id: 3}
    fresh = Vault(TRIAL, opened(), KeyRing.of(new))
    assert [fresh.open(row) for row in stored] == [disclosure()] * 3
    with pytest.raises(Unavailable) as missing:
        Vault(TRIAL, opened(), ring).open(stored[0])
    assert missing.value.code == "concealment.key-missing"


def test_a_running_process_follows_a_rotation(
    vault: Vault, opened: Callable[[], KeyStore], ring: KeyRing
) -> None:
    """It reads its key file again when it meets a key it does not know."""
    new, at_hand = FileKey(bytes(32)), [ring.current]
    running = Vault(TRIAL, opened(), KeyRing(lambda: tuple(at_hand)))
    stored = sealed(running)
    at_hand.insert(0, new)
    vault.rotate(KeyRing.of(new, ring.current))
    assert running.open(stored) == disclosure()


def test_a_process_with_the_old_key_wraps_nothing_new_under_it(
    vault: Vault, opened: Callable[[], KeyStore], ring: KeyRing
) -> None:
    """Else a rotation would end with the destruction of a key that is in use again."""
    new, at_hand = FileKey(bytes(32)), [ring.current]
    running = Vault(TRIAL, opened(), KeyRing(lambda: tuple(at_hand)))
    without = Vault(TRIAL, opened(), ring)
    sealed(running)
    vault.rotate(KeyRing.of(new, ring.current))
    at_hand[:] = [new]
    stored = sealed(running, stream="subject/SY01-0008")
    assert dict(vault.status().wrapped_under) == {new.id: 2}
    assert Vault(TRIAL, opened(), KeyRing.of(new)).open(stored) == disclosure()
    with pytest.raises(Unavailable) as missing:
        sealed(without, stream="subject/SY01-0009")
    assert missing.value.code == "concealment.key-missing"


def test_a_key_put_first_in_the_settings_waits_for_the_rotation(
    vault: Vault, opened: Callable[[], KeyStore], ring: KeyRing
) -> None:
    """Nodes may get the new key one after another; none writes what others cannot read."""
    sealed(vault)
    early = Vault(TRIAL, opened(), KeyRing.of(FileKey(bytes(32)), ring.current))
    assert vault.open(sealed(early, stream="subject/SY01-0008")) == disclosure()


def test_an_interrupted_rotation_goes_on_where_it_stopped(
    vault: Vault, ring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys under both key-encryption keys are read meanwhile."""
    monkeypatch.setattr(key_store, "PAGE", 2)
    rows = [sealed(vault, stream=f"subject/SY01-{number:04d}") for number in range(5)]
    new = FileKey(bytes(32))
    mixed = KeyRing.of(new, ring.current)
    calls = iter(range(3))

    def faltering(size: int) -> bytes:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return bytes(size)

    vault._entropy = faltering
    with pytest.raises(KeyboardInterrupt):
        vault.rotate(mixed)
    assert dict(vault.status().wrapped_under) == {ring.current.id: 3, new.id: 2}
    assert vault.open_all(rows) == [disclosure()] * 5
    vault._entropy = lambda size: b"\1" * size
    vault.rotate(mixed)
    assert dict(vault.status().wrapped_under) == {new.id: 5}


def test_a_key_row_moved_to_another_subject_is_found(vault: Vault, ring: KeyRing) -> None:
    """Wrapped keys are bound to trial, owner, purpose and id."""
    sealed(vault)
    stored = sealed(vault, stream="subject/SY01-0008")
    with vault.store.transaction() as cursor:
        cursor.execute("DELETE FROM concealed_keys WHERE owner = ?", (f"subject/{SUBJECT}",))
        cursor.execute("UPDATE concealed_keys SET owner = ?", (f"subject/{SUBJECT}",))
    moved = Concealed(f"subject/{SUBJECT}", EVENT, stored.data)
    fresh = Vault(TRIAL, vault.store, ring)
    with pytest.raises(IntegrityFailure) as failure:
        fresh.open(moved)
    assert failure.value.code == "concealment.key-altered"
    assert len(list(custody.damaged(vault.store, ring))) == 1


def test_a_lost_key_is_no_erasure(vault: Vault) -> None:
    """A row taken out of the store is damage, and is called so."""
    stored = sealed(vault)
    with vault.store.transaction() as cursor:
        cursor.execute("UPDATE concealed_keys SET wrapped = NULL")
        cursor.execute("UPDATE key_generation SET generation = generation + 1")
    with pytest.raises(IntegrityFailure) as failure:
        vault.open(stored)
    assert failure.value.code == "concealment.unknown-key"
    assert len(list(custody.damaged(vault.store, vault.ring))) == 1


def test_the_cache_is_bounded(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many subjects are read."""
    monkeypatch.setattr(vaults, "CACHED_KEYS", 3)
    rows = [sealed(vault, stream=f"subject/SY01-{number:04d}") for number in range(8)]
    assert vault.open_all(rows) == [disclosure()] * 8
    assert len(vault._cache) == 3


def test_two_processes_that_begin_a_subject_together_share_its_key(
    vault: Vault, opened: Callable[[], KeyStore], ring: KeyRing
) -> None:
    """Who comes second takes the key of who was first."""
    other = Vault(TRIAL, opened(), ring)
    rows = [sealed(vault), sealed(other)]
    assert rows[0].data[1:17] == rows[1].data[1:17]
    assert vault.open_all(rows) == other.open_all(rows) == [disclosure()] * 2
