"""MLflow's model registry: names for the networks of recorded trials."""

from collections.abc import Mapping

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

from ablation.record.runs import Runs


class RegisteredModels(Runs):
    """Writes and reads registered models; MLflow's errors are raised as they are."""

    def model_names(self) -> list[str]:
        """Names of all registered models."""
        return [str(model.name) for model in self.client.search_registered_models()]

    def model_versions(self, name: str) -> list[ModelVersion]:
        """The versions of a registered model, the newest first."""
        quoted = name.replace("'", "''")
        return list(self.client.search_model_versions(f"name = '{quoted}'"))

    def add_model(self, name: str) -> None:
        """Make sure that there is a registered model of this name."""
        try:
            self.client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise

    def add_version(
        self, name: str, run_id: str, file: str, tags: Mapping[str, str], text: str
    ) -> ModelVersion:
        """A new version of a registered model: a file of a run, with a description in Markdown."""
        address = f"runs:/{run_id}/{file}"
        return self.client.create_model_version(
            name, address, run_id=run_id, tags=dict(tags), description=text
        )

    def renew_version(self, version: ModelVersion, tags: Mapping[str, str], text: str) -> None:
        """Give a version these tags and this description."""
        self.client.update_model_version(version.name, version.version, text)
        for key, value in tags.items():
            self.client.set_model_version_tag(version.name, version.version, key, value)
