# %% [markdown]
# From a cohort to a labelled scan, on one machine and without a search space or a record.
# Heads, network and training are so small that it ends within a minute: nothing is learnt in it. For a
# cohort of your own give `read_cohort` its folder (docs/data.md), and take `PRESETS["paper"]` as settings.

# %% A cohort: digital heads with T1w, T2w and CT
from dataclasses import replace
from pathlib import Path

import t1t2core
from t1t2core.cohort.phantom import write_phantom

folder = write_phantom(Path("runs/example/heads"), subjects=6, with_t2w=4, voxel_mm=4.0)
demo = t1t2core.PRESETS["demo"]
training = replace(demo.training, patch=(16, 24, 16), stride=(16, 24, 16), max_steps=8, steps_per_epoch=4)
settings = replace(
    demo,
    preparation=replace(demo.preparation, grid=(16, 24, 16), voxel_mm=(11.0, 10.0, 11.0)),
    network=replace(demo.network, width=4),
    pretraining=training,
    training=training,
)
cohort = t1t2core.read_cohort(folder, settings.cohort)

# %% Volumes as the network takes them, and who trains, validates and tests
subjects = t1t2core.prepare_cohort(cohort, settings.preparation)
split = t1t2core.draw_splits(cohort, settings.cohort)[0]

# %% The pretrained network, and its transfer: the last nine layers are trained on one T2w scan
pretrained = t1t2core.pretrain(split, subjects, settings)
factors = t1t2core.Factors(strategy="conservative", tuned_layers=9, t2_train_size=1, learning_rate=1e-2)
outcome = t1t2core.run_trial(factors, split, subjects, settings, pretrained=pretrained)
tested = [one.counts for one in outcome.scores if (one.weights, one.split) == ("best", "test")]
print({name: round(counts.dsc, 3) for name, counts in t1t2core.pool(tested).items()})

# %% A scan, labelled on its own grid: 0 air, 1 soft tissue, 2 bone
network = t1t2core.trained_network(factors, outcome, settings, pretrained=pretrained)
scan = cohort.with_t2w[0].t2w
labels = t1t2core.label_scan(t1t2core.read_scan(scan), [network], settings.preparation, settings.training)
t1t2core.write_labels(labels, Path("runs/example/labels.nii.gz"), like=scan)
