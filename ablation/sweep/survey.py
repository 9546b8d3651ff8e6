"""A cohort looked at before anything is spent; its volumes are kept in storage, for the run that comes."""

import logging
from functools import partial

from ablation.space.configuration import resolve_settings
from ablation.space.points import expand
from ablation.space.space import read_space
from ablation.store.storage import Storage
from ablation.store.volumes import prepare_each
from ablation.sweep.variants import check_overrides, check_settings
from ablation.sweep.workspace import (
    NO_SPACE,
    PHANTOM,
    Request,
    check_folds,
    check_output,
    examine_cohort,
    find_cohort,
)
from t1t2core.cohort.subject import Cohort
from t1t2core.errors import InputError
from t1t2core.preparation.survey import Survey, survey_cohort
from t1t2core.settings import CohortSettings

log = logging.getLogger(__name__)


def survey(request: Request) -> Survey:
    """Look at the cohort of a request, with the settings and the folds that it asks for.

    Raises:
        InputError: there is no such cohort, or what is asked for cannot be used.
    """
    space = read_space(request.space) if request.space else NO_SPACE
    preset = request.preset or ("demo" if request.cohort == PHANTOM else "paper")
    settings = resolve_settings(preset, space.settings, str(space.source), request.overrides)
    check_settings(settings)
    check_overrides(space, request.overrides)
    check_output(request.output)
    storage = Storage(request.storage or str(request.output / "store"))

    def read(own: CohortSettings) -> Cohort:
        return find_cohort(request.cohort, request.output, own)

    prepare = partial(prepare_each, settings=settings.preparation, storage=storage, progress=_tell_prepared)
    found = survey_cohort(
        read, settings, check=partial(examine_cohort, output=request.output), prepare=prepare
    )
    if found.splits:
        try:
            points = expand(space, settings, pretrained=request.encoder is not None)
            check_folds(found.cohort, settings.cohort, found.splits, points)
        except InputError as error:
            found.problems.append(str(error))
    return found


def _tell_prepared(done: int, total: int) -> None:
    log.info(f"preparing: {done} of {total} subjects")
