"""What a check says of captions: how many, and whether their pictures are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from backend.findings import Findings, Step
from workers.datasets.caption_records import Captioned
from workers.datasets.captions import ENDINGS, CaptionCorpus, open_captions
from workers.datasets.opening import KINDS
from workers.datasets.unreadable import Named, unreadable

_LOOKED_AT = 1_000  # samples, spread evenly
_LISTS = tuple(one for one in ENDINGS if one != ".txt")


def holds_captions(path: Path) -> bool:
    """Whether it is a file of captions, or a folder that holds such files and no other dataset.

    A list beside pictures tells of them; a text beside pictures may be anything.
    """
    if path.is_file():
        return path.suffix.lower() in ENDINGS
    kinds = [kind.name for kind in KINDS.values() if path.is_dir() and kind.splits_in(path)]
    wanted = _LISTS if kinds == ["images"] else () if kinds else ENDINGS
    return path.is_dir() and any(one.suffix.lower() in wanted for one in path.iterdir())


def check_captions(path: Path, images: bool, step: Step) -> Findings:
    """Read every caption, and look for the pictures of some, or open those of all.

    Raises InvalidInput where a file is damaged, saying where.
    """

    def report(done: int, total: int) -> None:
        step("Reading captions", done, total)

    corpus = open_captions(path, progress=report)
    findings = Findings(folder=path, kind="captions", label="captions", captions=len(corpus))
    if corpus.uncaptioned:
        findings.notes.append(f"{corpus.uncaptioned:,} samples have no caption, and are left out.")
    samples = corpus[:: max(1, len(corpus) // _LOOKED_AT)]
    empty = sum(not one.caption for one in samples)
    if empty:
        findings.notes.append(f"{empty:,} of {len(samples):,} captions looked at are empty.")
    findings.problems += _not_there(samples)
    if images:
        findings.opened, told = _opened(corpus, step)
        findings.problems += told
    return findings


def _not_there(samples: Sequence[Captioned]) -> list[str]:
    named = [one.picture for one in samples if isinstance(one.picture, Path)]
    missing = [path for path in named if not path.is_file()]
    told = (
        f"{len(missing):,} of {len(named):,} pictures looked for are not there, the first is "
        f"{missing[0] if missing else ''}: bring them, or correct the list."
    )
    return [told] if missing else []


def _opened(corpus: CaptionCorpus, step: Step) -> tuple[int, list[str]]:
    opened = 0

    def pictures() -> Iterator[Named]:
        nonlocal opened
        for row, sample in enumerate(corpus):
            if sample.picture is not None:
                opened += 1
                is_file = isinstance(sample.picture, Path)
                yield str(sample.picture) if is_file else f"sample {row:,}", sample.picture

    told = unreadable(pictures(), len(corpus), step)
    return opened, told
