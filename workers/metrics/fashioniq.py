"""FashionIQ: recall at 10 and 50 in each category, and their mean over the categories.

Wu et al. 2021, "Fashion IQ: A New Dataset Towards Retrieving Images by Natural Language Feedback".
The field ranks the whole image list of the category with the reference among it; the code of
SPN4CIR's CLIP models takes the reference out, so its figures are no others' equals. The `val`
protocols rank the references and targets of the validation triplets alone.
"""

from __future__ import annotations

from dataclasses import replace

from workers.metrics.captions import BY_COMPOSER
from workers.metrics.protocols import Asked, Benchmark, Outcome, Protocol, named, recall_outcome
from workers.metrics.scores import Scorer

_KS = (10, 50)
_DEFAULT = Protocol(reference="kept", captions=BY_COMPOSER, ks=_KS)
_SPN4CIR = Protocol("published:spn4cir", captions="spn4cir", ks=_KS)
_PUBLISHED = (
    Protocol("published:clip4cir", reference="kept", captions="clip4cir", ks=_KS),
    Protocol(
        "published:lincir",
        reference="kept",
        captions="lincir",
        prompt="a photo of $ that {}",
        ks=_KS,
    ),
    Protocol(
        "published:pic2word",
        reference="kept",
        captions="pic2word",
        prompt="a photo of $ , {}",
        sentence="a photo of * , {}",
        ks=(1, 5, 10, 50, 100),
    ),
    _SPN4CIR,
    replace(_SPN4CIR, name="published:spn4cir-val", gallery="val"),
)


def measure(scorer: Scorer, asked: Asked, protocol: Protocol) -> Outcome:
    """R@k, and `mean`, that of R@10 and R@50, which versions are chosen by."""
    found = recall_outcome(scorer, asked, protocol)
    mean = (found.values["R@10"] + found.values["R@50"]) / 2
    return Outcome({**found.values, "mean": mean}, found.ranks)


BENCHMARK = Benchmark(
    name="fashioniq",
    title="FashionIQ",
    split="val",
    measure=measure,
    parts=True,
    protocols=named(
        _DEFAULT,
        replace(_DEFAULT, name="val", gallery="val"),
        replace(_DEFAULT, name="reference-removed", reference="removed"),
        *_PUBLISHED,
    ),
)
