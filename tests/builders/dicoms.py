"""DICOM files as scanners and archives write them, to be changed before they are saved."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid


def classic(image: sitk.Image, number: int) -> Dataset:
    """One slice of an int16 volume."""
    file = _file(image, CTImageStorage)
    file.ImagePositionPatient, file.ImageOrientationPatient = _place(image, number), _axes(image)
    file.PixelSpacing = list(image.GetSpacing()[1::-1])
    file.InstanceNumber = number + 1
    file.PixelData = sitk.GetArrayFromImage(image)[number].tobytes()
    return file


def enhanced(
    image: sitk.Image, order: Sequence[int] | None = None, kind: str = EnhancedCTImageStorage
) -> Dataset:
    """An int16 volume in one file, its frames in any order; what they have in common in the shared groups."""
    file = _file(image, kind)
    order = range(image.GetDepth()) if order is None else order
    file.NumberOfFrames = len(order)
    shared = Dataset()
    shared.PlaneOrientationSequence = [_item(ImageOrientationPatient=_axes(image))]
    shared.PixelMeasuresSequence = [_item(PixelSpacing=list(image.GetSpacing()[1::-1]))]
    shared.PixelValueTransformationSequence = [_item(RescaleSlope=1, RescaleIntercept=0)]
    file.SharedFunctionalGroupsSequence = [shared]
    file.PerFrameFunctionalGroupsSequence = [
        _item(
            FrameContentSequence=[_item(StackID="1", InStackPositionNumber=number + 1)],
            PlanePositionSequence=[_item(ImagePositionPatient=_place(image, number))],
        )
        for number in order
    ]
    file.PixelData = sitk.GetArrayFromImage(image)[list(order)].tobytes()
    return file


def save(file: Dataset, path: Path) -> Path:
    """Write a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save_as(path, enforce_file_format=True)
    return path


def save_series(image: sitk.Image, folder: Path) -> list[Dataset]:
    """Write a volume as one file a slice, 000.dcm and so on; what is in them."""
    slices = [classic(image, number) for number in range(image.GetDepth())]
    for number, file in enumerate(slices):
        save(file, folder / f"{number:03}.dcm")
    return slices


def _file(image: sitk.Image, kind: str) -> Dataset:
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID, file.SOPInstanceUID = kind, generate_uid()
    file.SeriesInstanceUID = "1.2.3"
    file.Columns, file.Rows = image.GetWidth(), image.GetHeight()
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 16, 15, 1
    return file


def _item(**attributes: object) -> Dataset:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def _place(image: sitk.Image, number: int) -> list[str]:
    return [f"{mm:.9g}" for mm in image.TransformIndexToPhysicalPoint((0, 0, number))]


def _axes(image: sitk.Image) -> list[str]:
    """Unit vectors along a row and down a column."""
    return [f"{part:.9g}" for part in np.reshape(image.GetDirection(), (3, 3))[:, :2].T.ravel()]
