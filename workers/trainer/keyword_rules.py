"""Which words of an English caption are nouns, adjectives and determiners: a small tagger by rules.

Captions are short and plain, so closed classes, a list of everyday verbs and a look at the
neighbours go far; how far is measured (`docs/keywords.md`). Whatever no rule takes for something
else is a noun or an adjective, which is what an unknown word mostly is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

Kind = Literal["det", "open", "number", "verb", "adverb", "preposition", "pronoun", "conjunction"]

WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
"""A word with what is joined to it: "t-shirt" and "men's" are one each."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DETERMINERS = _words(
    "a an the this these those some any no every each all both either neither another such"
)
_PREPOSITIONS = _words(
    "in on at of for from with without by to into onto over under above below behind beside "
    "besides between among amid through throughout during against about around across along "
    "alongside near off out up down inside outside like as than per toward towards upon within "
    "despite until till since before after via atop underneath beneath except beyond past aboard"
)
_CONJUNCTIONS = _words(
    "and or but nor so yet if because while although though when where whereas whether unless once"
)
_PRONOUNS = _words(
    "i me my mine you your yours he him his she her hers it its we us our ours they them their "
    "theirs who whom whose what which himself herself itself themselves myself yourself someone "
    "something everyone everything anyone anything nothing nobody somebody there it's that's i'm"
)
_ADVERBS = _words(
    "very too also just only quite rather never always now then here away together again almost "
    "still even instead maybe perhaps somewhat ever often sometimes already soon later ahead not "
    "how why apart forward afterwards twice well nearby overhead please etc much yes else further"
)
_NUMBERS = _words(
    "zero two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety "
    "hundred thousand million"
)
_AUXILIARIES = _words(
    "is are was were be been being am isn't aren't wasn't weren't has have had having hasn't "
    "haven't do does did doesn't don't didn't can could will would shall should may might must "
    "can't couldn't won't wouldn't shouldn't cannot"
)
_MODALS = _words("to do does did can could will would shall should may might must not cannot") | {
    "don't", "doesn't", "didn't", "can't", "won't", "i", "you", "we", "they",
}  # fmt: skip

# Verbs that are hardly ever nouns, and those that are as often.
_PURE_VERBS = _words(
    "wear hold sit make give take get go come see eat add remove replace keep want need bring "
    "become begin let seem appear contain include prefer say tell think know find lose sell buy "
    "choose create build grow carry pose perform speak read write arrive attend celebrate enjoy "
    "prepare provide allow belong compete enter explore follow gather hang happen hug lie lean "
    "pour receive relax say sing sleep swap throw try wait grab greet chase chew climb crawl dig "
    "dive embrace feed fly fry hide ignore inspect install kneel laugh learn listen meet obtain "
    "observe operate pretend produce pull push recline remain resemble send serve shine slice "
    "spread squat stare stir surround sweep swim teach toss wander wrap describe put"
)
_EITHER = _words(
    "stand walk run ride play look show work watch dance drink cut cover fill feature fall change "
    "turn smile talk jump drive cook rest face hit kick catch start stop end use help touch kiss "
    "race travel visit answer call park paint draw race shop study score shoot step travel view "
    "wash cross fish fight film share roll rise reach raise point pass mix mark march lift land "
    "hike glow float flow brush break blow bloom bite balance address act cast"
)
_IRREGULAR = _words(
    "worn made seen taken given held kept sold bought built grown hung lay ran rode sang spoke "
    "stood sat threw thrown told thought went gone came wore written wrote lit met brought ate "
    "eaten got gotten began begun became chose chosen drew drawn drove driven flew flown shown"
)
_NOUNS_IN_ING = _words(
    "clothing building ceiling painting king ring string spring thing wing sling earring legging "
    "leggings stocking stockings lining piping wedding evening morning stitching lettering "
    "meeting parking swing railing edging trimming styling padding writing drawing lightning "
    "lighting awning bedding boxing cycling skiing opening ruching ruffling shirring smocking "
    "detailing beading binding coloring wording sibling darling pudding dressing icing frosting "
    "crossing landing"
)
_ADJECTIVES_IN_ED = _words(
    "striped colored coloured fitted dotted checked checkered patterned sleeved collared hooded "
    "necked lined ruffled pleated faded distressed ripped tailored detailed beaded embroidered "
    "cropped flared relaxed layered belted buttoned printed gathered quilted padded ribbed studded "
    "sequined tiered pointed rounded fringed laced zipped capped oversized unlined loose-fitted "
    "old-fashioned muted textured shaped brimmed heeled tired excited interested crowded red bed "
    "shed seed weed speed reed sled breed hundred embellished fitted sized tied "
    "structured washed draped washed-out washed cuffed asymmetrical tapered waisted legged bearded"
)
_ADJECTIVES_IN_LY = _words(
    "lovely friendly lonely ugly silly curly frilly elderly daily family fly jelly belly lily holy "
    "butterfly assembly italy july wooly woolly bubbly girly manly womanly lively cuddly ply rally "
    "ally bully reply supply monopoly costly early wrinkly"
)
_MASS = _words("fabric detail color colour skin coverage room volume fullness contrast material")
_MORE = _words("more most less least")


def keyword_runs(text: str) -> list[tuple[int, int]]:
    """Where each maximal run of keywords begins and ends in the text, in order."""
    found = list(WORD.finditer(text))
    flags = keywords([match.group().lower() for match in found])
    runs: list[tuple[int, int]] = []
    for match, flag in zip(found, flags, strict=True):
        if not flag:
            continue
        if runs and text[runs[-1][1] : match.start()].isspace():
            runs[-1] = (runs[-1][0], match.end())
        else:
            runs.append((match.start(), match.end()))
    return runs


def keywords(words: Sequence[str]) -> list[bool]:
    """Whether each word of a caption, in lower case, is a noun, an adjective or a determiner."""
    return [kind in ("det", "open") for kind in kinds(words)]


def kinds(words: Sequence[str]) -> list[Kind]:
    """The kind of each word of a caption, in lower case; "open" are nouns and adjectives."""
    first = [_alone(word) for word in words]
    found: list[Kind] = []
    for at, word in enumerate(words):
        before = found[-1] if found else None
        after = first[at + 1] if at + 1 < len(words) else None
        previous = words[at - 1] if at else ""
        following = words[at + 1] if at + 1 < len(words) else ""
        found.append(_among(word, first[at], (previous, before), (following, after)))
    return found


def _alone(word: str) -> Kind:
    """The kind of a word by itself."""
    if word in _DETERMINERS:
        return "det"
    if word in _PREPOSITIONS:
        return "preposition"
    if word in _CONJUNCTIONS:
        return "conjunction"
    if word in _PRONOUNS or word == "that":
        return "pronoun"
    if word in _AUXILIARIES or word in _IRREGULAR or _lemma_in(word, _PURE_VERBS):
        return "verb"
    if word in _NUMBERS or word.replace("-", "").isdigit() or word == "one":
        return "number"
    if word in _ADVERBS or word in _MORE:
        return "adverb"
    if word.endswith("ly") and len(word) > 4 and word not in _ADJECTIVES_IN_LY:
        return "adverb"
    return "open"


Neighbour = tuple[str, Kind | None]


def _among(word: str, kind: Kind, before: Neighbour, after: Neighbour) -> Kind:
    """The kind of a word between its neighbours."""
    if word == "next" and after[0] == "to":
        return "adverb"
    if word == "that":
        return "det" if before[1] != "open" and after[1] == "open" else "pronoun"
    if word in _MORE:
        return "open" if _is_counted(after[0]) else "adverb"
    if word == "one":
        return "open" if before[1] in ("det", "open") else "number"
    if word == "much" and before[0] in ("so", "too", "as"):
        return "adverb"
    if word.endswith("ing") and len(word) > 4:
        return _in_ing(word, before, after)
    if word.endswith("ed") and len(word) > 3 and kind in ("open", "verb"):
        return _in_ed(word, before, after)
    if kind == "open" and _lemma_in(word, _EITHER):
        return "verb" if _acts(word, before, after) else "open"
    return kind


def _in_ing(word: str, before: Neighbour, after: Neighbour) -> Kind:
    """A participle is an adjective in front of its noun: "a smiling woman", not "a man riding"."""
    if word in _NOUNS_IN_ING or word.split("-")[-1] in _NOUNS_IN_ING:
        return "open"
    if "-" in word:
        return "open"
    heads = before[1] in ("det", "preposition", "adverb", None)
    if heads and after[1] == "open":
        return "open"
    return "open" if before[1] == "det" else "verb"


def _in_ed(word: str, before: Neighbour, after: Neighbour) -> Kind:
    if "-" in word or word in _ADJECTIVES_IN_ED:
        return "open"
    attributive = after[1] == "open" and before[1] != "open"
    return "open" if attributive and before[1] != "pronoun" else "verb"


def _acts(word: str, before: Neighbour, after: Neighbour) -> bool:
    """Whether a word that may be noun or verb is a verb here."""
    if before[0] in _MODALS:
        return True
    continues = after[1] in ("det", "preposition", "pronoun", "adverb", "number")
    if before[1] is None:  # "change the sleeves"
        return after[1] in ("det", "pronoun") and not word.endswith("s")
    plural = before[0].endswith("s") and not before[0].endswith("ss")
    agrees = word.endswith("s") != plural
    subject = before[1] in ("open", "pronoun") or before[0].endswith("ly")
    return continues and agrees and subject


def _is_counted(word: str) -> bool:
    """Whether "more" in front of this word counts it: "more buttons", not "more colourful"."""
    return word in _MASS or (word.endswith("s") and not word.endswith(("ss", "ous", "less")))


def _lemma_in(word: str, verbs: frozenset[str]) -> bool:
    """Whether it is a form of one of the verbs: base, third person or participle."""
    return any(stem in verbs for stem in _stems(word))


def _stems(word: str) -> tuple[str, ...]:
    if word.endswith("ies"):
        return (word, f"{word[:-3]}y")
    if word.endswith("es"):
        return (word, word[:-1], word[:-2])
    if word.endswith("s"):
        return (word, word[:-1])
    return (word,)
