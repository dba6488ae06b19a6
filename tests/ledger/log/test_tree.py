"""The Merkle tree against the Certificate Transparency vectors and the RFC's own recursion."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import IntegrityFailure, RejectedInput
from ledger.log.tree import (
    EMPTY_ROOT,
    Frontier,
    consistency_path,
    frontier_at,
    inclusion_path,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

CT_ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_LEAVES = [leaf_hash(entry) for entry in CT_ENTRIES]
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
CT_INCLUSION = [
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
CT_CONSISTENCY = [
    (1, 1, []),
    (1, 8, CT_INCLUSION[1][2]),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]

LEAVES = [sha256(b"leaf %d" % number).digest() for number in range(130)]
sizes = st.integers(1, len(LEAVES))


class Nodes:
    """Nodes of a list of leaf hashes by the RFC's definition of the Merkle tree hash."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        """Keep the leaf hashes."""
        self.leaves = leaves

    def __call__(self, level: int, index: int) -> bytes:
        """Hash the whole subtree; refuse one that is not complete."""
        start, end = index << level, (index + 1) << level
        assert end <= len(self.leaves)
        return naive_root(self.leaves[start:end])


def split(count: int) -> int:
    """Largest power of two below ``count``."""
    power = 1
    while power * 2 < count:
        power *= 2
    return power


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """MTH(D[n]) of RFC 9162 §2.1.1."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_inclusion(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n]) of RFC 9162 §2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*naive_inclusion(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_inclusion(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_consistency(m: int, leaves: Sequence[bytes], *, known: bool = True) -> list[bytes]:
    """SUBPROOF(m, D[n], b) of RFC 9162 §2.1.4.1."""
    if m == len(leaves):
        return [] if known else [naive_root(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*naive_consistency(m, leaves[:k], known=known), naive_root(leaves[k:])]
    return [*naive_consistency(m - k, leaves[k:], known=False), naive_root(leaves[:k])]


def flip(path: Sequence[bytes], bit: int) -> list[bytes]:
    """Flip one bit of a path."""
    data = bytearray(b"".join(path))
    data[bit // 8] ^= 1 << bit % 8
    return [bytes(data[i : i + 32]) for i in range(0, len(data), 32)]


@pytest.mark.parametrize("size", range(9))
def test_the_root_is_that_of_the_reference_tree(size: int) -> None:
    """Roots of the CT reference leaves, sizes 0 to 8."""
    assert root_of(CT_LEAVES[:size]).hex() == CT_ROOTS[size]


@pytest.mark.parametrize(("index", "size", "path"), CT_INCLUSION)
def test_inclusion_paths_are_those_of_the_reference_tree(
    index: int, size: int, path: list[str]
) -> None:
    """CT reference inclusion proofs are built and verified byte for byte."""
    built = inclusion_path(index, size, Nodes(CT_LEAVES))
    assert [step.hex() for step in built] == path
    root = bytes.fromhex(CT_ROOTS[size])
    verify_inclusion(index=index, size=size, leaf=CT_LEAVES[index], path=built, root=root)


@pytest.mark.parametrize(("old", "new", "path"), CT_CONSISTENCY)
def test_consistency_paths_are_those_of_the_reference_tree(
    old: int, new: int, path: list[str]
) -> None:
    """CT reference consistency proofs are built and verified byte for byte."""
    built = consistency_path(old, new, Nodes(CT_LEAVES))
    assert [step.hex() for step in built] == path
    verify_consistency(
        old_size=old,
        new_size=new,
        path=built,
        old_root=bytes.fromhex(CT_ROOTS[old]),
        new_root=bytes.fromhex(CT_ROOTS[new]),
    )


@given(st.integers(0, len(LEAVES)), st.data())
def test_the_frontier_has_the_root_of_the_recursion(size: int, data: st.DataObject) -> None:
    """However the leaves arrive, and when resumed from stored nodes, the root is MTH."""
    cut = data.draw(st.integers(0, size))
    begun = Frontier().extend(LEAVES[:cut])
    assert begun == frontier_at(cut, Nodes(LEAVES))
    grown = begun.extend(LEAVES[cut:size])
    assert grown.root() == naive_root(LEAVES[:size])
    assert begun.size == cut


@given(sizes, st.data())
def test_inclusion_paths_follow_the_recursion_and_verify(size: int, data: st.DataObject) -> None:
    """Each path equals PATH(m, D[n]) and passes verification."""
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_path(index, size, Nodes(LEAVES[:size]))
    assert path == naive_inclusion(index, LEAVES[:size])
    root = naive_root(LEAVES[:size])
    verify_inclusion(index=index, size=size, leaf=LEAVES[index], path=path, root=root)


@given(sizes, st.data())
def test_consistency_paths_follow_the_recursion_and_verify(size: int, data: st.DataObject) -> None:
    """Each path equals PROOF(m, D[n]) and passes verification."""
    old = data.draw(st.integers(1, size))
    path = consistency_path(old, size, Nodes(LEAVES[:size]))
    assert path == naive_consistency(old, LEAVES[:size])
    old_root, new_root = naive_root(LEAVES[:old]), naive_root(LEAVES[:size])
    verify_consistency(old_size=old, new_size=size, path=path, old_root=old_root, new_root=new_root)


@given(st.integers(2, len(LEAVES)), st.data())
def test_an_inclusion_path_with_any_bit_flipped_fails(size: int, data: st.DataObject) -> None:
    """No single bit of a path is without effect."""
    index = data.draw(st.integers(0, size - 1))
    path = naive_inclusion(index, LEAVES[:size])
    bent = flip(path, data.draw(st.integers(0, 256 * len(path) - 1)))
    with pytest.raises(IntegrityFailure, match="root"):
        verify_inclusion(
            index=index, size=size, leaf=LEAVES[index], path=bent, root=naive_root(LEAVES[:size])
        )


@given(sizes, st.data())
def test_an_inclusion_path_fails_for_any_other_index(size: int, data: st.DataObject) -> None:
    """A path proves one position and no other."""
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, 2 * size).filter(lambda i: i != index))
    with pytest.raises(IntegrityFailure):
        verify_inclusion(
            index=other,
            size=size,
            leaf=LEAVES[index],
            path=naive_inclusion(index, LEAVES[:size]),
            root=naive_root(LEAVES[:size]),
        )


@given(sizes, st.data())
def test_an_inclusion_path_of_another_length_fails(size: int, data: st.DataObject) -> None:
    """A step too many or too few is refused, whatever it holds."""
    index = data.draw(st.integers(0, size - 1))
    path = naive_inclusion(index, LEAVES[:size])
    longer = [*path, data.draw(st.binary(min_size=32, max_size=32))]
    for wrong in (longer, path[:-1]) if path else (longer,):
        with pytest.raises(IntegrityFailure):
            verify_inclusion(
                index=index,
                size=size,
                leaf=LEAVES[index],
                path=wrong,
                root=naive_root(LEAVES[:size]),
            )


def test_a_path_stretched_over_another_tree_size_proves_nothing_about_its_root() -> None:
    """The stated size must fit the path length: half, double and zero are all refused."""
    path, root = naive_inclusion(3, LEAVES[:64]), naive_root(LEAVES[:64])
    for size in (0, 3, 4, 32, 65, 128):
        with pytest.raises(IntegrityFailure):
            verify_inclusion(index=3, size=size, leaf=LEAVES[3], path=path, root=root)


@given(st.integers(2, len(LEAVES)), st.data())
def test_a_consistency_path_with_any_bit_flipped_fails(size: int, data: st.DataObject) -> None:
    """No single bit of a path or of either root is without effect."""
    old = data.draw(st.integers(1, size - 1))
    path = naive_consistency(old, LEAVES[:size])
    proof = [*path, naive_root(LEAVES[:old]), naive_root(LEAVES[:size])]
    *bent, old_root, new_root = flip(proof, data.draw(st.integers(0, 256 * len(proof) - 1)))
    with pytest.raises(IntegrityFailure):
        verify_consistency(
            old_size=old, new_size=size, path=bent, old_root=old_root, new_root=new_root
        )


@given(st.integers(2, len(LEAVES)), st.data())
def test_a_consistency_path_of_another_length_fails(size: int, data: st.DataObject) -> None:
    """A step too many or too few is refused."""
    old = data.draw(st.integers(1, size - 1))
    path = naive_consistency(old, LEAVES[:size])
    old_root, new_root = naive_root(LEAVES[:old]), naive_root(LEAVES[:size])
    for wrong in ([*path, LEAVES[0]], path[:-1], []):
        with pytest.raises(IntegrityFailure):
            verify_consistency(
                old_size=old, new_size=size, path=wrong, old_root=old_root, new_root=new_root
            )


@given(sizes, st.data())
def test_a_rewritten_history_has_no_consistency_path(size: int, data: st.DataObject) -> None:
    """Honest paths of a log with one changed old entry do not join it to the old root."""
    old = data.draw(st.integers(1, size))
    changed = data.draw(st.integers(0, old - 1))
    forged = [*LEAVES[:changed], leaf_hash(b"forged"), *LEAVES[changed + 1 : size]]
    with pytest.raises(IntegrityFailure):
        verify_consistency(
            old_size=old,
            new_size=size,
            path=naive_consistency(old, forged),
            old_root=naive_root(LEAVES[:old]),
            new_root=naive_root(forged),
        )


def test_the_empty_tree_is_consistent_with_all_and_only_with_an_empty_path() -> None:
    """Size 0 needs the empty root and no path."""
    root = naive_root(LEAVES[:7])
    assert consistency_path(0, 7, Nodes(LEAVES)) == []
    verify_consistency(old_size=0, new_size=7, path=[], old_root=EMPTY_ROOT, new_root=root)
    for path, old_root in (([root], EMPTY_ROOT), ([], root)):
        with pytest.raises(IntegrityFailure):
            verify_consistency(old_size=0, new_size=7, path=path, old_root=old_root, new_root=root)


def test_a_shrinking_log_is_refused() -> None:
    """A new tree smaller than the old one never passes."""
    with pytest.raises(IntegrityFailure) as caught:
        verify_consistency(
            old_size=8, new_size=7, path=[], old_root=EMPTY_ROOT, new_root=EMPTY_ROOT
        )
    assert caught.value.code == "consistency.sizes"


@pytest.mark.parametrize(("index", "size"), [(-1, 4), (4, 4), (0, 0), (0, 2**63)])
def test_paths_for_entries_outside_the_tree_are_not_built(index: int, size: int) -> None:
    """Asking for a proof that cannot exist is the asker's mistake."""
    with pytest.raises(RejectedInput) as caught:
        inclusion_path(index, size, Nodes(LEAVES))
    assert caught.value.code == "tree.out-of-range"


@pytest.mark.parametrize(
    ("size", "peaks"), [(1, ()), (3, (b"x" * 32,)), (1, (b"x" * 31,)), (-1, ())]
)
def test_a_frontier_of_impossible_shape_is_refused(size: int, peaks: tuple[bytes, ...]) -> None:
    """Size and peaks must fit one another."""
    with pytest.raises(IntegrityFailure) as caught:
        Frontier(size, peaks)
    assert caught.value.code == "tree.frontier-shape"


def test_hashes_of_a_wrong_length_are_refused_everywhere() -> None:
    """A 31-byte or 64-byte value never enters a hash."""
    root = naive_root(LEAVES[:2])
    with pytest.raises(IntegrityFailure, match="32 bytes"):
        Frontier().append(b"x" * 31)
    with pytest.raises(IntegrityFailure, match="32 bytes"):
        verify_inclusion(index=0, size=2, leaf=LEAVES[0], path=[LEAVES[1] * 2], root=root)
    with pytest.raises(IntegrityFailure, match="32 bytes"):
        verify_consistency(old_size=1, new_size=2, path=[b""], old_root=LEAVES[0], new_root=root)


def test_a_path_longer_than_the_tree_is_refused_even_if_it_meets_the_root() -> None:
    """A root made to fit a longer path does not turn size 2 into size 4."""
    path = [LEAVES[1], LEAVES[2]]
    root = node_hash(LEAVES[2], node_hash(LEAVES[0], LEAVES[1]))
    with pytest.raises(IntegrityFailure) as caught:
        verify_inclusion(index=0, size=2, leaf=LEAVES[0], path=path, root=root)
    assert caught.value.code == "inclusion.path-too-long"


def test_a_consistency_path_to_a_smaller_tree_is_refused_even_if_it_meets_the_root() -> None:
    """The root of two leaves cannot be passed off as that of four, nor with steps beyond it."""
    root = node_hash(LEAVES[0], LEAVES[1])
    for size, path, code in ((4, [LEAVES[1]], "short"), (2, [LEAVES[1], LEAVES[2]], "long")):
        with pytest.raises(IntegrityFailure) as caught:
            verify_consistency(
                old_size=1, new_size=size, path=path, old_root=LEAVES[0], new_root=root
            )
        assert caught.value.code == f"consistency.path-too-{code}"
