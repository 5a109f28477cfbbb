"""Laws of the prefix trie, on random paths: nothing is lost, nothing is twice, and the mask is ancestry."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from twosome.lm.trie import ancestor_mask, batches, build, common_prefix, cut, pack

path = st.lists(st.integers(0, 3), min_size=1, max_size=7).map(tuple)
paths = st.lists(path, min_size=1, max_size=12)
groups = st.lists(st.lists(path, min_size=1, max_size=5), min_size=1, max_size=12)


def prefixes(some):
    return {p[: k + 1] for p in some for k in range(len(p))}


@given(paths)
def test_every_path_is_recovered_from_its_nodes(some):
    trie = build(some)
    for p, nodes in zip(some, trie.paths, strict=True):
        assert tuple(trie.ids[nodes]) == p
        assert trie.depth[nodes].tolist() == list(range(len(p)))
        assert trie.parent[nodes].tolist() == [-1, *nodes[:-1]]


@given(paths)
def test_every_prefix_is_one_node(some):
    trie = build(some)
    assert len(trie) == len(prefixes(some))
    spelt = set()
    for node in range(len(trie)):
        ids, k = [], node
        while k >= 0:
            ids.append(int(trie.ids[k]))
            k = int(trie.parent[k])
        spelt.add(tuple(reversed(ids)))
    assert spelt == prefixes(some)


@given(paths)
def test_the_mask_is_ancestry(some):
    trie = build(some)
    slow = np.zeros((len(trie), len(trie)), bool)
    for i in range(len(trie)):
        k = i
        while k >= 0:
            slow[i, k] = True
            k = int(trie.parent[k])
    assert (ancestor_mask(trie) == slow).all()
    assert (ancestor_mask(trie).sum(1) == trie.depth + 1).all()


@given(paths, st.randoms(use_true_random=False))
def test_order_and_duplicates_change_nothing(some, rng):
    shuffled = [*some, some[0]]
    rng.shuffle(shuffled)
    a, b = build(some), build(shuffled)
    for field in ("ids", "depth", "parent", "end"):
        assert getattr(a, field).tolist() == getattr(b, field).tolist()


@given(path, path)
def test_common_prefix(a, b):
    n = common_prefix(a, b)
    assert a[:n] == b[:n]
    assert n == min(len(a), len(b)) or a[n] != b[n]


@settings(max_examples=200)
@given(groups, st.integers(1, 60), st.integers(1, 4))
def test_pack_keeps_every_group_once_and_the_budget(some, budget, per_row):
    packed = pack(some, budget, per_row)
    assert sorted(g for rows in packed for row in rows for g in row) == list(range(len(some)))
    for rows in packed:
        sizes = [len(build([p for g in row for p in some[g]])) for row in rows]
        assert all(len(row) <= per_row for row in rows)
        fed = len(rows) * max(sizes)
        assert fed <= budget or sum(map(len, rows)) == 1, "only a single menu may exceed the budget"


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 9)), min_size=1, max_size=12), st.integers(1, 60))
def test_batches_keep_every_block_once_and_the_budget(blocks, budget):
    cut = batches(blocks, budget)
    assert sorted(b for one in cut for b in one) == list(range(len(blocks)))
    for one in cut:
        assert sum(blocks[b][0] for b in one) * max(blocks[b][1] for b in one) <= budget or len(one) == 1


@given(paths, st.integers(1, 30))
def test_cut_keeps_every_path_once_and_the_budget(some, budget):
    pieces = cut(some, budget)
    assert sorted(i for piece in pieces for i in piece.paths) == list(range(len(some)))
    for piece in pieces:
        assert piece.tokens == len(build([some[i] for i in piece.paths]))
        assert piece.tokens <= budget or len({some[i] for i in piece.paths}) == 1, "only one long path may exceed it"
    assert len(pieces) > 1 or len(build(some)) <= max(budget, max(map(len, some)))


def test_a_larger_budget_never_takes_more_micro_batches():
    some = [[(1, 2, k), (1, 2, k, 4)] for k in range(20)]
    counts = [len(pack(some, budget, 4)) for budget in (5, 10, 20, 40, 80, 160)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1] == 1


def test_similar_groups_share_a_row():
    some = [[(1, 1, 1, 5)], [(9, 9, 9, 5)], [(1, 1, 1, 6)], [(9, 9, 9, 6)]]
    rows = {frozenset(row) for one in pack(some, 100, 2) for row in one}
    assert rows == {frozenset({0, 2}), frozenset({1, 3})}
