"""What a reader is told of the study's classes: of others it would not be true."""

from t1t2core.settings import PreparationSettings

ABOUT_AIR = "Internal air is air inside the head; most other air lies outside it and flatters the score. "
ENCLOSED_AIR = "Air inside the head is a class of its own beside air, most of which lies outside."
IN_AIR = "In air, go by the columns per cm. "
"""Of tables of attenuation: CT has hardly any there, so that percentages mean little."""
OTHER_PROCESSORS = "On another kind of processor the same trials score otherwise, by up to 0.03 of bone Dice."
"""Rounding differs, and training magnifies it: docs/caveats.md has the figures."""
OTHER_MACHINES = ", by 0.03 of bone Dice and more"
COLOURS = "Black: air; blue: soft tissue; yellow: bone. "
ALONG_THE_SKULL = "it should run along the dark skull"
CONTRAST = "Contrast: how often bone is darker than soft tissue near it. "


def labels_from_ct(settings: PreparationSettings) -> str:
    """Return how CT tells the classes."""
    return (
        f"From CT: bone above {settings.bone_above_hu:g} HU, air below {settings.air_below_hu:g} HU, soft "
        f"tissue between; resampling {settings.label_resampling}. Of patients with label maps these in place "
        "of CT."
    )


FIGURES = {"dsc_by_depth": 5, "slices": 6, "compute_time": 7, "slices_augmentation": 8}
"""Numbers of the study's figures that show the same, by the name of ours."""
