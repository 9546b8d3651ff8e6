"""What a tissue looks like in each scan: relaxation times, CT numbers and the signal equations."""

from dataclasses import dataclass, replace

import numpy as np

# T1-weighted: the study's own MPRAGE (ms, degrees); number and distance of the pulses are ours.
MPRAGE_TR, MPRAGE_TE, MPRAGE_TI, MPRAGE_FLIP = 1900.0, 2.3, 970.0, 8.0
MPRAGE_PULSES, MPRAGE_SPACING = 176, 7.1
# T2-weighted: a usual turbo spin echo (ms); the study states none.
TSE_TR, TSE_TE = 4500.0, 90.0
# FLAIR: a turbo spin echo whose inversion time leaves CSF without signal (ms; ours).
FLAIR_TR, FLAIR_TE, FLAIR_TI = 9000.0, 120.0, 2500.0


@dataclass(frozen=True, kw_only=True)
class Tissue:
    """Mean properties at 3 T.

    Args:
        t1: longitudinal relaxation time, ms.
        t2: transverse relaxation time, ms; stands for T2* as well, since the MPRAGE echo comes at 2.3 ms.
        density: proton density, water is 1.
        hu: CT number, Hounsfield units.
    """

    t1: float
    t2: float
    density: float
    hu: float


# White and grey matter: Wansapura et al., J Magn Reson Imaging 1999; 9:531.
# CSF: T1 Rooney et al., Magn Reson Med 2007; 57:308; T2 Qin and van Zijl, Proc ISMRM 2010; 3420.
# Muscle, fat, marrow, cartilage: Gold et al., AJR 2004; 183:343; in the diploe trabeculae displace marrow.
# Vitreous: of the order of Patz et al., J Magn Reson Imaging 2007; 26:510 (measured at 1.5 T).
# Cortical bone: Du and Bydder, NMR Biomed 2013; 26:489, with a share of marrow in its canals (below).
# Skin and mucosa: between muscle and fluid (ours). CT numbers: usual head values at 120 kV (ours).
TISSUES = {
    "air": Tissue(t1=1000, t2=1, density=0.0, hu=-1000),
    "skin": Tissue(t1=900, t2=38, density=0.75, hu=40),
    "fat": Tissue(t1=371, t2=133, density=0.9, hu=-95),
    "muscle": Tissue(t1=1420, t2=32, density=0.8, hu=58),
    "mucosa": Tissue(t1=1500, t2=95, density=0.85, hu=42),
    "cartilage": Tissue(t1=1240, t2=37, density=0.7, hu=90),
    "cortical_bone": Tissue(t1=240, t2=0.4, density=0.2, hu=1500),
    "diploe": Tissue(t1=365, t2=133, density=0.38, hu=480),
    "petrous_bone": Tissue(t1=240, t2=0.4, density=0.2, hu=1750),
    "tooth": Tissue(t1=240, t2=0.4, density=0.1, hu=2100),
    "csf": Tissue(t1=4300, t2=1654, density=1.0, hu=8),
    "grey_matter": Tissue(t1=1331, t2=110, density=0.82, hu=38),
    "white_matter": Tissue(t1=832, t2=80, density=0.70, hu=28),
    "vitreous": Tissue(t1=4300, t2=450, density=0.98, hu=10),
}
CLASSES = ("air", "soft_tissue", "bone", "csf", "grey_matter", "white_matter")
"""What label maps tell apart, by their values."""
CLASS_OF = {
    **dict.fromkeys(("cortical_bone", "diploe", "petrous_bone", "tooth"), "bone"),
    **{name: name for name in ("air", "csf", "grey_matter", "white_matter")},
}
"""Class of each tissue; that of all others is soft tissue."""
MARROW_IN_CORTICAL_BONE = 0.07
SPREAD_BETWEEN_SUBJECTS = {"t1": 0.04, "t2": 0.05, "density": 0.02}
BONE_HU_SPREAD = 0.08


def mprage(tissue: Tissue) -> float:
    """Magnitude at the centre of the echo train in the steady state, per unit of receiver gain.

    Inversion, recovery and the train of small flips are each an affine map of the longitudinal
    magnetisation M (Mugler and Brookeman, Magn Reson Med 1990; 15:152): M -> a M + b. Its fixed point
    over one repetition is the steady state.
    """
    flip = np.deg2rad(MPRAGE_FLIP)
    before = MPRAGE_TI - MPRAGE_PULSES / 2 * MPRAGE_SPACING
    after = MPRAGE_TR - MPRAGE_TI - MPRAGE_PULSES / 2 * MPRAGE_SPACING
    to_centre = _then((-1.0, 0.0), _recovery(before, tissue.t1), _half_train(flip, tissue.t1))
    whole = _then(to_centre, _half_train(flip, tissue.t1), _recovery(after, tissue.t1))
    start = whole[1] / (1 - whole[0])
    at_centre = to_centre[0] * start + to_centre[1]
    return float(tissue.density * abs(at_centre) * np.sin(flip) * np.exp(-MPRAGE_TE / tissue.t2))


def turbo_spin_echo(tissue: Tissue) -> float:
    """Density (1 - exp(-TR/T1)) exp(-TE/T2), per unit of receiver gain."""
    return float(tissue.density * (1 - np.exp(-TSE_TR / tissue.t1)) * np.exp(-TSE_TE / tissue.t2))


def fluid_attenuated(tissue: Tissue) -> float:
    """Density |1 - 2 exp(-TI/T1) + exp(-TR/T1)| exp(-TE/T2), per unit of receiver gain."""
    recovered = 1 - 2 * np.exp(-FLAIR_TI / tissue.t1) + np.exp(-FLAIR_TR / tissue.t1)
    return float(tissue.density * abs(recovered) * np.exp(-FLAIR_TE / tissue.t2))


def tissue_values(rng: np.random.Generator) -> dict[str, tuple[float, ...]]:
    """One subject's (T1w, T2w, HU, FLAIR) for each tissue; MR in units of its white matter's signal."""
    tissues = {name: _of_one_subject(tissue, rng) for name, tissue in TISSUES.items()}
    signals = {
        name: np.array([mprage(t), turbo_spin_echo(t), fluid_attenuated(t)]) for name, t in tissues.items()
    }
    for bone in ("cortical_bone", "petrous_bone"):
        share = MARROW_IN_CORTICAL_BONE
        signals[bone] = (1 - share) * signals[bone] + share * signals["diploe"]
    unit = signals["white_matter"]
    relative = {name: (signals[name] / unit).tolist() for name in tissues}
    return {name: (t1w, t2w, tissues[name].hu, flair) for name, (t1w, t2w, flair) in relative.items()}


def _of_one_subject(tissue: Tissue, rng: np.random.Generator) -> Tissue:
    factors = {
        name: getattr(tissue, name) * (1 + spread * rng.uniform(-1, 1))
        for name, spread in SPREAD_BETWEEN_SUBJECTS.items()
    }
    bone_factor = 1 + BONE_HU_SPREAD * rng.uniform(-1, 1)
    return replace(tissue, **factors, hu=tissue.hu * (bone_factor if tissue.hu > 300 else 1))


Step = tuple[float, float]


def _recovery(duration: float, t1: float) -> Step:
    decay = float(np.exp(-duration / t1))
    return decay, 1 - decay


def _half_train(flip: float, t1: float) -> Step:
    decay, growth = _recovery(MPRAGE_SPACING, t1)
    factor = float(np.cos(flip)) * decay
    power = factor ** (MPRAGE_PULSES // 2)
    return power, growth * (1 - power) / (1 - factor)


def _then(*steps: Step) -> Step:
    slope, offset = 1.0, 0.0
    for a, b in steps:
        slope, offset = a * slope, a * offset + b
    return slope, offset
