from hypothesis import given
from hypothesis import strategies as st

from tiffin.sharding.read_many import SHARDS_MAX, batches_of_shards
from tiffin.sharding.slots import SHARDS


@given(st.lists(st.integers(0, 10 * SHARDS), unique=True))
def test_every_key_is_read_once_and_with_its_shard(keys: list[int]):
    batches = batches_of_shards(keys, lambda key: key % SHARDS)
    assert sorted(key for _, some in batches for key in some) == sorted(keys)
    for shards, some in batches:
        assert len(shards) == SHARDS_MAX
        assert set(shards) == {key % SHARDS for key in some}


def test_keys_take_no_more_statements_than_their_shards_need():
    assert batches_of_shards([], int) == []
    assert batches_of_shards([3, 3, 5], int) == [([3, 5, 3, 3, 3, 3, 3, 3], [3, 3, 5])]
    assert len(batches_of_shards(range(120), int)) == 120 // SHARDS_MAX
