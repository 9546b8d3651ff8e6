"""Weights come back bit for bit, and what does not fit is refused and named."""

import json
from pathlib import Path

import pytest
import torch

from t1t2core.errors import InputError
from t1t2core.network.segmenter import Segmenter
from t1t2core.network.weights import check_weights, load_weights, pack_weights, save_weights, unpack_weights
from t1t2core.settings import NetworkSettings
from tests.builders.heads import TINY, clone, different, pretrained_state

FIRST = "encoder.stages.0.block.convolutions.0.weight"
LAST = "decoder.stages.3.layer.bias"


@pytest.fixture(scope="module")
def learnt() -> dict[str, torch.Tensor]:
    return pretrained_state()


@pytest.fixture
def state(learnt: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return clone(learnt)


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as refused:
        load_weights(path)
    return str(refused.value)


def test_a_round_trip_changes_no_bit(tmp_path: Path, state: dict[str, torch.Tensor]):
    network = NetworkSettings(width=4, attention_order="concurrent_max", unpooling="nearest")
    path = tmp_path / "encoders" / "t1.safetensors"
    save_weights(path, state, network)
    loaded, described = load_weights(path)
    assert different(loaded, state) == set()
    assert {name: t.dtype for name, t in loaded.items()} == {name: t.dtype for name, t in state.items()}
    assert described == network


def test_a_network_that_takes_them_over_computes_the_same(tmp_path: Path, state: dict[str, torch.Tensor]):
    image = torch.randn((1, 1, 16, 16, 16), generator=torch.Generator().manual_seed(0))
    one, other = Segmenter(TINY, seed=1).eval(), Segmenter(TINY, seed=2).eval()
    one.load_pretrained(state)
    save_weights(tmp_path / "t1.safetensors", one.state_dict(), TINY)
    assert not torch.equal(one(image), other(image))
    other.load_pretrained(load_weights(tmp_path / "t1.safetensors")[0])
    assert torch.equal(one(image), other(image))


def test_equal_tensors_give_equal_bytes_in_whatever_order(state: dict[str, torch.Tensor]):
    packed = pack_weights(state)
    assert pack_weights(dict(reversed(state.items()))) == packed
    state[LAST][0] += 1
    assert pack_weights(state) != packed


def test_a_missing_tensor_is_named(tmp_path: Path, state: dict[str, torch.Tensor]):
    del state[FIRST]
    save_weights(tmp_path / "t1.safetensors", state, TINY)
    assert f"{FIRST}: missing, expected (4, 1, 3, 3, 3)" in refusal(tmp_path / "t1.safetensors")


def test_a_tensor_too_much_is_named(tmp_path: Path, state: dict[str, torch.Tensor]):
    state["decoder.stages.4.layer.weight"] = torch.zeros(1)
    save_weights(tmp_path / "t1.safetensors", state, TINY)
    assert "decoder.stages.4.layer.weight: unknown to this network" in refusal(tmp_path / "t1.safetensors")


def test_a_wrong_shape_is_named_with_the_right_one(tmp_path: Path, state: dict[str, torch.Tensor]):
    state[LAST] = torch.zeros(4)
    save_weights(tmp_path / "t1.safetensors", state, TINY)
    assert f"{LAST}: has shape (4,), this network needs (3,)" in refusal(tmp_path / "t1.safetensors")


def test_all_findings_come_at_once_and_many_are_counted(state: dict[str, torch.Tensor]):
    with pytest.raises(InputError) as refused:
        check_weights(state, NetworkSettings(width=6), source="wide.safetensors")
    message = str(refused.value)
    assert message.startswith("wide.safetensors does not fit the network {")
    assert "'width': 6" in message.splitlines()[0]
    assert message.count("this network needs") == 5
    assert message.splitlines()[-1].startswith("  - and ")


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_truncated_file_is_refused_and_named(tmp_path: Path, state: dict[str, torch.Tensor], kept: int):
    path = tmp_path / "t1.safetensors"
    save_weights(path, state, TINY)
    path.write_bytes(path.read_bytes()[:kept])
    assert f"{path} is not a whole safetensors file" in refusal(path)


def test_something_else_is_refused_and_named():
    with pytest.raises(InputError, match=r"encoder abc is not a whole safetensors file"):
        unpack_weights(b"PK\x03\x04 a zip archive, say" * 20, source="encoder abc")


@pytest.mark.parametrize("missing", ["t1.safetensors", "t1.json"])
def test_both_files_are_needed(tmp_path: Path, state: dict[str, torch.Tensor], missing: str):
    save_weights(tmp_path / "t1.safetensors", state, TINY)
    (tmp_path / missing).unlink()
    assert f"{tmp_path / missing}: no such file" in refusal(tmp_path / "t1.safetensors")


@pytest.mark.parametrize(
    "description", ["", "[]", "{}", '{"network": {"width": 4, "depth": 3}}', '{"network": {"width": "wide"}}']
)
def test_a_damaged_description_is_refused_and_named(
    tmp_path: Path, state: dict[str, torch.Tensor], description: str
):
    save_weights(tmp_path / "t1.safetensors", state, TINY)
    (tmp_path / "t1.json").write_text(description)
    assert str(tmp_path / "t1.json") in refusal(tmp_path / "t1.safetensors")


def test_the_description_can_be_read_without_this_package(tmp_path: Path, state: dict[str, torch.Tensor]):
    save_weights(tmp_path / "t1.safetensors", state, TINY)
    described = json.loads((tmp_path / "t1.json").read_text(encoding="utf-8"))
    assert described["network"]["width"] == 4
    assert described["network"]["unpooling"] == "indices"
