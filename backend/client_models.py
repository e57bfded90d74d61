"""The client's calls about models: versions, trainings, promotions, galleries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from backend.client_transport import Transport, read_in_chunks
from backend.errors import NotFound
from backend.jobs.schemas import JobOut
from backend.paging import Page
from backend.registry.gallery_schemas import GalleriesOut
from backend.registry.schemas import (
    DeploymentOut,
    ModelInfo,
    PromoteRequest,
    PromotionOut,
    RollbackRequest,
    VersionChange,
    VersionOut,
)
from backend.search.compare_schemas import ComparedSearch, CompareSearchRequest
from backend.training.measuring_schemas import CompareRequest
from backend.training.schemas import CurvesOut, LogOut, RecipeOut, TrainRequest


class ModelCalls(Transport):
    """What an admin does with models; raises as `AkinClient` says."""

    def models(
        self, *, state: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[VersionOut]:
        """One page of model versions, newest first."""
        return self._page(VersionOut, "/v1/models", state=state, cursor=cursor, limit=limit)

    def version(self, version_id: str) -> VersionOut:
        """One model version."""
        return self._get(VersionOut, f"/v1/models/{version_id}")

    def galleries(self) -> GalleriesOut:
        """Every gallery and how far it holds the catalogue."""
        return self._get(GalleriesOut, "/v1/galleries")

    def recipes(self) -> list[RecipeOut]:
        """The training methods, with the schema of their options."""
        return [RecipeOut.model_validate(one) for one in self._send("GET", "/v1/recipes")]

    def train(self, request: TrainRequest) -> JobOut:
        """Start a training job."""
        return self._post(JobOut, "/v1/train", request)

    def curves(self, job_id: str, *, after: int = 0, limit: int = 500) -> CurvesOut:
        """Loss and figures of a training job behind a step."""
        query = {"after": str(after), "limit": str(limit)}
        return self._get(CurvesOut, f"/v1/jobs/{job_id}/curves", **query)

    def training_log(self, job_id: str, *, after: int = 0, limit: int = 200) -> LogOut:
        """The newest lines of a training job's log behind a line."""
        query = {"after": str(after), "limit": str(limit)}
        return self._get(LogOut, f"/v1/jobs/{job_id}/log", **query)

    def measure(self, version_id: str) -> JobOut:
        """Measure a version on the held-out triplets: the job that does it."""
        return JobOut.model_validate(self._send("POST", f"/v1/models/{version_id}/measure"))

    def compare(self, request: CompareRequest) -> JobOut:
        """Compare two versions over all held-out triplets: the job, whose result is a
        `Comparison`."""
        return self._post(JobOut, "/v1/models/compare", request)

    def compare_search(
        self, request: CompareSearchRequest, *, image: bytes | None = None, name: str = "picture"
    ) -> ComparedSearch:
        """Ask two versions the same; `image` is a picture of one's own as reference."""
        return self._post_with_picture(
            ComparedSearch, "/v1/models/compare/search", request, image, name
        )

    def model(self) -> ModelInfo:
        """What answers today."""
        return self._get(ModelInfo, "/v1/model")

    def find_version(self, wanted: str) -> VersionOut:
        """The model version of this name or id; raises NotFound."""
        cursor: str | None = None
        while True:
            page = self.models(cursor=cursor, limit=200)
            for version in page.items:
                if wanted in (version.name, version.id):
                    return version
            if (cursor := page.next_cursor) is None:
                raise NotFound(
                    f"No model version is called {wanted}: list them with `akin models list`."
                )

    def import_model(self, packed: Path, name: str | None = None) -> VersionOut:
        """Make a version of a packed artefact."""
        query = {} if name is None else {"name": name}
        body = read_in_chunks(packed, lambda _: None)
        answer = self._send("PUT", "/v1/models/import", params=query, content=body)
        return VersionOut.model_validate(answer)

    def export_model(self, version_id: str) -> Iterator[bytes]:
        """The packed artefact of a version, piece by piece."""
        return self._chunks(f"/v1/models/{version_id}/artefact")

    def change_version(self, version_id: str, change: VersionChange) -> VersionOut:
        """Rename a version, or put it away."""
        body = change.model_dump(mode="json", exclude_unset=True)
        answer = self._send("PATCH", f"/v1/models/{version_id}", json=body)
        return VersionOut.model_validate(answer)

    def delete_version(self, version_id: str) -> None:
        """Delete a version that nothing needs."""
        self._send("DELETE", f"/v1/models/{version_id}")

    def promote(self, version_id: str, request: PromoteRequest) -> PromotionOut:
        """Let a version answer: deployed at once, or waiting for its gallery."""
        return self._post(PromotionOut, f"/v1/models/{version_id}/promote", request)

    def rollback(self, request: RollbackRequest) -> PromotionOut:
        """Let the version before answer again."""
        return self._post(PromotionOut, "/v1/models/rollback", request)

    def deployments(self, *, cursor: str | None = None, limit: int = 50) -> Page[DeploymentOut]:
        """One page of what answered when, newest first."""
        return self._page(DeploymentOut, "/v1/deployments", cursor=cursor, limit=limit)

    def way_back(self) -> DeploymentOut | None:
        """What a rollback would bring back; None where there is nothing."""
        return self._if_there(DeploymentOut, "/v1/deployments/way-back")

    def promotion(self) -> PromotionOut | None:
        """The promotion that waits for its gallery, else the last that did; None without any."""
        return self._if_there(PromotionOut, "/v1/promotion")

    def withdraw_promotion(self) -> PromotionOut:
        """Let the promotion that waits be."""
        return PromotionOut.model_validate(self._send("DELETE", "/v1/promotion"))
