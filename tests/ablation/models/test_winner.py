"""The best arm of a sweep is registered with its scores and where it comes from."""

from ablation.models.find import find_model
from ablation.models.winner import register_winner
from ablation.record.ledger import Ledger
from ablation.record.plan_record import read_plan
from ablation.record.runs import Measured
from tests.builders.records import record_trial


def test_the_winner_is_registered_with_all_its_folds_and_its_card(ledger: Ledger) -> None:
    record_trial(ledger, tuned_layers=3, dice=0.3)
    winners = [record_trial(ledger, tuned_layers=9, fold=fold, dice=0.6) for fold in (1, 2)]
    for run, dice in zip(winners, (0.5, 0.7), strict=True):
        ledger.log(run, [Measured({"test/bone/dsc": dice}, 1, 0.0)])
    parent = ledger.plans("conservative")[0].info.run_id
    for tag, value in {"cohort": "20 digital heads", "simulated": "True"}.items():
        ledger.client.set_tag(parent, tag, value)
    plan = read_plan(ledger, "conservative")
    address = register_winner(ledger, plan, "bone")
    assert address == "models:/conservative-bone/1"
    assert [run.info.run_id for run in find_model(ledger, address, "T2").runs] == sorted(winners)
    version = ledger.client.get_model_version("conservative-bone", "1")
    assert version.tags["arm"] == "conservative 9"
    assert version.tags["test.bone.dsc"] == "0.6000"
    assert version.tags["networks"] == "2"
    assert version.tags["sequence"] == "T2w"
    assert version.tags["network.architecture"] == "excitation"
    assert version.tags["voxel_mm"] == "6.0 x 6.0 x 6.0"
    assert version.tags["tuned values"] == "as chosen on validation by mean Dice"
    assert "20 digital heads (simulated)" in version.description
    assert register_winner(ledger, plan, "bone") == address
