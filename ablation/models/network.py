"""A trial's network, whole again: what it trained from the record, what stayed frozen from storage."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from pydantic import TypeAdapter
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ablation.names import ENCODER_DIGEST, WEIGHTS_FILE
from ablation.record.database import ARTIFACTS
from ablation.record.ledger import Ledger
from ablation.record.settings import SETTINGS_FILE, read_settings
from ablation.store.pretrained import EncoderStore
from t1t2core.errors import InputError
from t1t2core.network.base import Network
from t1t2core.network.weights import unpack_weights
from t1t2core.settings import PreparationSettings, Settings, TrainingSettings
from t1t2core.strategies import STRATEGIES, Factors


@dataclass(frozen=True)
class RecordedNetwork:
    """A network with the best weights of its trial, and the settings that a scan must meet it with.

    Args:
        training: how it was trained, of `settings` what its strategy goes by.
        settings: all those of its trial.
    """

    network: Network
    preparation: PreparationSettings
    training: TrainingSettings
    settings: Settings


def load_network(ledger: Ledger, encoders: EncoderStore, run: Run) -> RecordedNetwork:
    """The network of a finished trial.

    Raises:
        InputError: its weights or its pretrained network are missing, damaged or of another trial.
    """
    digest = run.data.tags.get(ENCODER_DIGEST, "")
    name = f"run {run.info.run_id} ({run.info.run_name})"
    params = run.data.params
    content = ledger.read_file(run.info.run_id, SETTINGS_FILE)
    settings, factors = read_settings(content, params, source=name), _factors(params)
    classes = len(settings.classes)
    pretrained = encoders.fetch(digest, settings.network, classes).weights if digest else None
    strategy = STRATEGIES[factors.strategy]
    network = strategy.rebuild(factors, settings.network, pretrained=pretrained, classes=classes)
    _complete(network, _trained(ledger, run, name, digest), name)
    return RecordedNetwork(network, settings.preparation, strategy.training(factors, settings), settings)


def _factors(params: Mapping[str, str]) -> Factors:
    """Read the factors, which the record has as text."""
    names = {factor.name for factor in fields(Factors)}
    return TypeAdapter(Factors).validate_python({n: text for n, text in params.items() if n in names})


def _trained(ledger: Ledger, run: Run, name: str, digest: str) -> dict[str, Tensor]:
    """The tensors that the trial trained."""
    try:
        path = ledger.fetch_file(run, WEIGHTS_FILE)
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
        content = path.read_bytes()
    except (MlflowException, OSError) as error:
        raise InputError(
            f"the weights of {name} are not at {run.info.artifact_uri}/{WEIGHTS_FILE}; "
            f"was the record moved without its folder {ARTIFACTS}, or are they deleted?"
        ) from error
    except SafetensorError as error:
        raise InputError(f"the weights of {name} are no whole safetensors file: {error}") from error
    if about.get(ENCODER_DIGEST, "") != digest:
        raise InputError(
            f"the weights of {name} were trained on pretrained network "
            f"{about.get('encoder_digest') or 'none'}, the record says {digest or 'none'}"
        )
    return unpack_weights(content, source=f"{WEIGHTS_FILE} of {name}")


def _complete(network: Network, trained: dict[str, Tensor], name: str) -> None:
    """Put the trained tensors in; they must be those that this network trains, no more and no fewer."""
    expected = {key: tuple(tensor.shape) for key, tensor in network.trained_state().items()}
    found = {key: tuple(tensor.shape) for key, tensor in trained.items()}
    if found != expected:
        wrong = sorted(key for key in expected | found if expected.get(key) != found.get(key))
        raise InputError(
            f"the weights of {name} do not fit its settings: {len(wrong)} of {len(expected | found)} tensors "
            f"differ, such as {wrong[0]}"
        )
    network.load_state_dict(trained, strict=False)
