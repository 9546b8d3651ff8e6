"""Types of settings, and what tells one group of settings from another."""

import re
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

Sequence = Literal["T1", "T2"]
"""A sequence as files, columns and metrics name it, whatever its scans are."""
SOURCE: Final = "T1"
"""That networks are pretrained on."""
TARGET: Final = "T2"
"""That they are brought to."""
Precision = Literal["float32", "bfloat16"]
BoxPlace = Literal["most_head", "crown"]
Fusion = Literal["concatenation", "multiplication", "average", "maximum"]
"""How a hybrid joins its two encoders (Table 5)."""


def _no_switch(given: object) -> object:
    """Refuse true and false, which pydantic takes for 1 and 0."""
    if isinstance(given, bool):
        raise ValueError("Input should be a number")
    return given


Whole = Annotated[int, BeforeValidator(_no_switch)]
Finite = Annotated[float, BeforeValidator(_no_switch), Field(allow_inf_nan=False)]
Positive = Annotated[Whole, Field(gt=0)]
PositiveFloat = Annotated[Finite, Field(gt=0)]
NotNegative = Annotated[Finite, Field(ge=0)]
Shape = tuple[Positive, Positive, Positive]

Selection = Mapping[str, Mapping[str, str | None]]

STRICT = ConfigDict(extra="forbid")


def _as_names(given: object) -> object:
    """Make a list of one name, and an empty one of nothing."""
    if isinstance(given, str):
        return (given,)
    return () if given is None else given


Names = Annotated[tuple[str, ...], BeforeValidator(_as_names)]

AugmentationName = Literal["flips", "affine", "intensity", "noise", "contrast"]


def _as_augmentations(given: object) -> object:
    """Make a list of one augmentation, and an empty one of `none`."""
    return () if given == "none" else _as_names(given)


def _in_one_order(given: tuple[AugmentationName, ...]) -> tuple[AugmentationName, ...]:
    """Return each once, in the order of their names above: another order is the same augmentation."""
    return tuple(name for name in get_args(AugmentationName) if name in given)


Augmentations = Annotated[
    tuple[AugmentationName, ...], BeforeValidator(_as_augmentations), AfterValidator(_in_one_order)
]


ArchitectureName = Literal["excitation", "unet", "dynunet", "segresnet", "swin_unetr"]


def _as_architecture(given: str) -> str:
    """Refuse what is neither the name of a network nor that of a class."""
    names = get_args(ArchitectureName)
    if given in names or re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", given):
        return given
    raise ValueError(f"Input should be one of {', '.join(names)}, or PACKAGE.MODULE:CLASS")


Architecture = Annotated[str, AfterValidator(_as_architecture)]
"""A network by its name, or a class of the user's own."""


def added(default: Any, description: str) -> Any:
    """Declare a setting that results were recorded without; its default means what was done then.

    At its default it has no part in `identity`, so those results keep their keys.
    """
    return Field(default=default, description=description, json_schema_extra={"added": True})


def identity(group: Any) -> dict[str, Any]:
    """Return what tells one group of settings from another: value by name, as `dataclasses.asdict` has it.

    Settings that were added later are left out where they are at their default.
    """
    declared: dict[str, Any] = {setting.name: setting.default for setting in fields(group)}
    return {
        name: value
        for name, value in asdict(group).items()
        if not declared[name].json_schema_extra or value != declared[name].default
    }
