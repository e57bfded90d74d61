"""What the Models page knows of the registry at one run: what answers, what waits, what it costs
to promote a version."""

from __future__ import annotations

from dataclasses import dataclass

from backend.jobs.schemas import JobOut
from backend.registry.gallery_schemas import GalleryOut
from backend.registry.schemas import DeploymentOut, PromotionOut, VersionOut
from ui.connection import client
from ui.text import amount

_JOBS = 200


@dataclass(frozen=True)
class Known:
    """deployed: the newest deployment. way_back: what a rollback would bring back. jobs: the
    newest training job of each version, by its id."""

    deployed: DeploymentOut
    way_back: DeploymentOut | None
    active: VersionOut
    promotion: PromotionOut | None
    galleries: dict[str, GalleryOut]
    jobs: dict[str, JobOut]

    @property
    def waits(self) -> bool:
        """Whether a version waits for its gallery; then no other can be promoted."""
        return self.promotion is not None and self.promotion.state == "waiting"

    @property
    def refused(self) -> PromotionOut | None:
        """The last promotion that waited, if it was refused and nothing was deployed since."""
        last = self.promotion
        if last is None or last.state != "refused" or last.created_at < self.deployed.created_at:
            return None
        return last

    def to_embed(self, version: VersionOut) -> int:
        """How many pictures its image tower has to see before it can answer."""
        if version.gallery is not None and version.gallery == self.deployed.gallery:
            return 0
        gallery = self.galleries.get(version.gallery or "")
        if gallery is not None:
            return gallery.missing + gallery.stale
        return max((one.images for one in self.galleries.values()), default=0)

    def cost(self, version: VersionOut) -> str:
        """The same in words."""
        if version.gallery is not None and version.gallery == self.deployed.gallery:
            return "shares the gallery of today: instant"
        count = self.to_embed(version)
        if version.gallery in self.galleries:
            lacks = f"its gallery lacks {amount(count, 'picture')}"
            return lacks if count else "its gallery is kept: instant"
        return f"its gallery is to be built: {amount(count, 'picture')}"


def look() -> Known:
    """Ask the server."""
    api = client()
    deployed = api.deployments(limit=1).items[0]
    jobs: dict[str, JobOut] = {}
    for job in api.jobs(kind="train", limit=_JOBS).items:
        jobs.setdefault(job.subject or "", job)
    return Known(
        deployed,
        api.way_back(),
        api.version(deployed.version_id or ""),
        api.promotion(),
        {one.id: one for one in api.galleries().galleries},
        jobs,
    )
