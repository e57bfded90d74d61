"""The whole of a round: blobs first, since an image whose bytes are back may need its point."""

from __future__ import annotations

from backend.registry.service import galleries
from backend.runtime import Runtime
from workers.reconciliation.blob_rows import count_blobs
from workers.reconciliation.blobs import reconcile_blobs
from workers.reconciliation.galleries import reconcile_gallery
from workers.reconciliation.gallery_rows import count_images
from workers.reconciliation.ledger import Ledger
from workers.reconciliation.rounds import Progress, Round, Work


def reconcile(
    runtime: Runtime, work: Work, *, mend: bool, deep: bool = False, alone: bool = False
) -> Ledger:
    """Compare SQL, blobs and every gallery; with `mend` bring them into line. May be repeated.

    deep: read every vector, payload and byte as well. alone: no other process works here, so that
    files without a row are not on their way to one.

    Raises:
        Unavailable: if a store does not answer, or the blob store holds nothing at all.
    """
    ledger = Ledger(mending=mend)
    with work.read() as session:
        to_compare = galleries(session)
        images, total = count_images(session), count_blobs(session)
    ledger.compared.update(images=images, points=0, blobs=0)
    total += images * len(to_compare)
    this = Round(
        runtime, work, ledger, mend=mend, deep=deep, alone=alone, progress=Progress(work, total)
    )
    reconcile_blobs(this)
    for gallery in to_compare:
        reconcile_gallery(this, gallery)
    return ledger
