"""The words people use for each value: synonyms shared by every role's templates.

An adjective stands before the noun ("striped tee") or alone ("make it striped"); a noun phrase
follows "with" ("with stripes"). "{c}" is where an accent colour goes; it may stay empty.
"""

from __future__ import annotations

Words = tuple[str, ...]

COLOUR: dict[str, Words] = {
    "black": ("black", "black", "jet black", "pitch black", "ebony"),
    "white": ("white", "white", "off-white", "snow white", "bright white"),
    "grey": ("grey", "gray", "grey", "mid grey", "slate grey", "heather gray"),
    "red": ("red", "red", "scarlet", "crimson", "bright red", "cherry red", "ruby red"),
    "burgundy": ("burgundy", "maroon", "wine red", "dark red", "bordeaux", "deep red"),
    "orange": ("orange", "orange", "bright orange", "tangerine", "pumpkin"),
    "yellow": ("yellow", "yellow", "bright yellow", "lemon yellow", "golden yellow", "mustard"),
    "green": ("green", "green", "emerald", "grass green", "bright green", "emerald green"),
    "olive": ("olive", "olive green", "khaki green", "army green", "khaki", "moss green"),
    "turquoise": ("turquoise", "teal", "aqua", "cyan", "blue-green", "aquamarine"),
    "light blue": ("light blue", "sky blue", "pale blue", "baby blue", "powder blue"),
    "blue": ("blue", "blue", "royal blue", "cobalt", "bright blue", "cobalt blue"),
    "navy": ("navy", "dark blue", "navy blue", "midnight blue", "deep blue"),
    "purple": ("purple", "purple", "violet", "plum", "aubergine"),
    "pink": ("pink", "pink", "rose", "light pink", "rosy pink", "candy pink"),
    "brown": ("brown", "brown", "chocolate brown", "chestnut", "dark brown", "coffee brown"),
    "beige": ("beige", "sand", "tan", "cream coloured", "sand-coloured", "light tan"),
}

NOUN: dict[str, Words] = {
    "dress": ("dress", "dress", "frock", "gown"),
    "hat": ("hat", "hat", "headwear"),
    "longsleeve": ("longsleeve", "long-sleeve top", "long sleeve tee", "longsleeve top", "jersey"),
    "outwear": ("jacket", "jacket", "coat", "outwear", "outerwear jacket"),
    "pants": ("pants", "trousers", "pants", "slacks"),
    "shirt": ("shirt", "shirt", "button-up shirt", "button-down", "buttoned shirt"),
    "shoes": ("shoes", "shoes", "sneakers", "trainers"),
    "shorts": ("shorts", "shorts", "short pants"),
    "skirt": ("skirt", "skirt"),
    "t-shirt": ("t-shirt", "tee", "T-shirt", "tshirt", "t shirt", "tee shirt"),
}

# A look that has a name of its own: the word tells category and value at once.
NAMED: dict[tuple[str, str, str], Words] = {
    ("shoes", "length", "knee-high"): ("boots", "tall boots"),
    ("hat", "length", "brimless"): ("beanie", "knitted hat", "bobble hat"),
    ("hat", "length", "wide brim"): ("sun hat",),
    ("outwear", "sleeves", "sleeveless"): ("gilet", "vest", "body warmer"),
    ("longsleeve", "neckline", "hood"): ("hoodie", "hooded top"),
    ("outwear", "neckline", "hood"): ("hooded jacket", "parka"),
    ("t-shirt", "sleeves", "sleeveless"): ("tank top", "sleeveless top"),
    ("dress", "length", "maxi"): ("maxi dress",),
    ("dress", "length", "mini"): ("minidress",),
    ("skirt", "length", "mini"): ("miniskirt",),
    ("skirt", "length", "maxi"): ("maxi skirt",),
}

ANY_NOUN: Words = ("piece", "item", "garment", "one", "product", "design", "article", "style")

PLURAL = frozenset({*NOUN["pants"], *NOUN["shoes"], *NOUN["shorts"], "boots", "tall boots"})

ADJECTIVE: dict[tuple[str, str], Words] = {
    ("pattern", "plain"): ("plain", "solid", "unpatterned", "patternless", "plain-coloured"),
    ("pattern", "striped"): ("striped", "stripy", "stripey", "horizontally striped", "banded"),
    ("pattern", "vertical stripes"): ("vertically striped", "pinstriped", "pinstripe"),
    ("pattern", "checked"): ("checked", "checkered", "plaid", "tartan", "chequered"),
    ("pattern", "polka dots"): ("polka dot", "dotted", "spotted", "polka-dotted", "dotty"),
    ("pattern", "floral"): ("floral", "flowery", "flowered", "flower-print", "floral print"),
    ("pattern", "zigzag"): ("zigzag", "zig-zag", "chevron", "zigzag patterned"),
    ("pattern", "camouflage"): ("camouflage", "camo", "army print", "camouflaged"),
    ("pattern", "colour-block"): ("colour-block", "color block", "two-tone", "two-coloured"),
    ("pattern", "leopard"): ("leopard", "leopard print", "animal print", "cheetah print"),
    ("sleeves", "sleeveless"): ("sleeveless", "sleeveless", "armless"),
    ("sleeves", "short"): ("short-sleeved", "short sleeve", "short-sleeve", "short sleeved"),
    ("sleeves", "long"): ("long-sleeved", "long sleeve", "long-sleeve", "long sleeved"),
    ("neckline", "crew"): ("crew-neck", "round-neck", "crew neck", "round neck"),
    ("neckline", "v-neck"): ("v-neck", "v neck", "V-neck", "v-necked"),
    ("neckline", "scoop"): ("scoop-neck", "scoop neck", "scooped", "wide-necked"),
    ("neckline", "square"): ("square-neck", "square neck", "square-necked"),
    ("neckline", "turtleneck"): ("turtleneck", "high-neck", "turtle neck", "roll-neck"),
    ("neckline", "hood"): ("hooded", "hooded"),
    ("neckline", "collar"): ("collared", "with-collar"),
    ("neckline", "stand-up"): ("collarless", "band collar", "stand-up collar", "mandarin collar"),
    ("length", "cropped"): ("cropped", "short-cut", "shorter", "crop"),
    ("length", "regular"): ("regular-length", "hip-length", "normal length"),
    ("length", "long"): ("long", "longer", "longline", "long-cut"),
    ("length", "mini"): ("mini", "short", "shorter", "very short", "above-the-knee"),
    ("length", "knee-length"): ("knee-length", "knee length", "mid-length", "midi"),
    ("length", "maxi"): ("maxi", "long", "longer", "ankle-length", "floor-length"),
    ("length", "full-length"): ("full-length", "long", "longer", "full length"),
    ("length", "low-top"): ("low-top", "low", "low-cut", "low top"),
    ("length", "high-top"): ("high-top", "ankle-high", "high top", "mid-high"),
    ("length", "knee-high"): ("knee-high", "tall", "knee high", "very high"),
    ("length", "brimless"): ("brimless", "knitted", "beanie-style"),
    ("length", "narrow brim"): ("narrow-brimmed", "short-brimmed", "small-brimmed"),
    ("length", "wide brim"): ("wide-brimmed", "broad-brimmed", "wide brim", "large-brimmed"),
    ("logo", "none"): ("logo-free", "logoless", "unbranded"),
}

PHRASE: dict[tuple[str, str], Words] = {
    ("pattern", "plain"): ("no pattern", "a plain fabric", "no print", "a solid colour"),
    ("pattern", "striped"): ("{c} stripes", "{c} horizontal stripes", "{c} bands"),
    ("pattern", "vertical stripes"): (
        "{c} vertical stripes",
        "{c} pinstripes",
        "{c} upright stripes",
    ),
    ("pattern", "checked"): (
        "{c} checks",
        "a {c} check pattern",
        "a {c} plaid pattern",
        "a {c} tartan pattern",
        "{c} squares",
    ),
    ("pattern", "polka dots"): (
        "{c} dots",
        "{c} polka dots",
        "{c} spots",
        "a {c} dotted print",
        "{c} round dots",
    ),
    ("pattern", "floral"): (
        "{c} flowers",
        "a {c} floral print",
        "a {c} flower pattern",
        "{c} blossoms",
        "{c} florals",
    ),
    ("pattern", "zigzag"): ("{c} zigzags", "a {c} zigzag pattern", "{c} chevrons", "{c} zig-zags"),
    ("pattern", "camouflage"): (
        "a {c} camouflage print",
        "{c} camouflage",
        "a {c} camo pattern",
        "{c} camo patches",
    ),
    ("pattern", "colour-block"): (
        "{c} colour blocking",
        "{c} color blocks",
        "a {c} contrast panel",
        "a {c} panel",
    ),
    ("pattern", "leopard"): (
        "a {c} leopard print",
        "{c} leopard spots",
        "a {c} animal print",
        "a {c} leopard pattern",
    ),
    ("sleeves", "sleeveless"): ("no sleeves", "no sleeves", "bare arms", "sleeves removed"),
    ("sleeves", "short"): ("short sleeves", "shorter sleeves", "half sleeves", "short arms"),
    ("sleeves", "long"): ("long sleeves", "longer sleeves", "full sleeves", "full-length sleeves"),
    ("neckline", "crew"): ("a round neck", "a crew neck", "a round neckline", "a crew neckline"),
    ("neckline", "v-neck"): ("a v-neck", "a v neckline", "a v neck", "a V-shaped neckline"),
    ("neckline", "scoop"): ("a scoop neck", "a low round neck", "a wide neckline"),
    ("neckline", "square"): ("a square neckline", "a square neck", "a squared neck"),
    ("neckline", "turtleneck"): ("a turtleneck", "a high neck", "a roll neck", "a polo neck"),
    ("neckline", "hood"): ("a hood", "a hood", "a hood at the neck"),
    ("neckline", "collar"): ("a collar", "a pointed collar", "a turn-down collar"),
    ("neckline", "stand-up"): ("a stand-up collar", "a band collar", "a mandarin collar"),
    ("length", "cropped"): ("a cropped length", "a shorter cut", "a short length"),
    ("length", "regular"): ("a regular length", "a normal length", "a hip length"),
    ("length", "long"): ("a longer cut", "a long length", "a long hem"),
    ("length", "mini"): ("a short hem", "a mini length", "a shorter hem"),
    ("length", "knee-length"): ("a knee length", "a hem at the knee", "a midi length"),
    ("length", "maxi"): ("a long hem", "a maxi length", "a hem to the floor"),
    ("length", "full-length"): ("long legs", "full-length legs", "longer legs"),
    ("length", "low-top"): ("a low top", "a low cut", "a low shaft"),
    ("length", "high-top"): ("a high top", "an ankle-high top", "a high ankle"),
    ("length", "knee-high"): ("a knee-high shaft", "a tall shaft", "a high shaft"),
    ("length", "brimless"): ("no brim", "no brim at all", "a folded cuff"),
    ("length", "narrow brim"): ("a narrow brim", "a small brim", "a short brim"),
    ("length", "wide brim"): ("a wide brim", "a broad brim", "a large brim"),
    ("logo", "none"): ("no logo", "no logo", "no emblem", "no graphic", "no print on the front"),
    ("logo", "star"): ("a {c} star", "a {c} star logo", "a {c} star print"),
    ("logo", "heart"): ("a {c} heart", "a {c} heart logo", "a {c} heart print", "a {c} love heart"),
    ("logo", "lightning"): (
        "a {c} lightning bolt",
        "a {c} flash",
        "a {c} lightning logo",
        "a {c} thunderbolt",
    ),
    ("logo", "circle"): ("a {c} circle", "a {c} circle logo", "a {c} ring", "a {c} round logo"),
    ("logo", "diamond"): ("a {c} diamond", "a {c} diamond logo", "a {c} rhombus"),
    ("logo", "moon"): ("a {c} moon", "a {c} crescent", "a {c} moon logo", "a {c} crescent moon"),
}

# Cropped legs and shorts are spoken of otherwise than a cropped top.
BY_CATEGORY: dict[tuple[str, str, str], Words] = {
    ("pants", "length", "cropped"): (
        "cropped legs",
        "shorter legs",
        "a calf length",
        "three-quarter legs",
    ),
    ("shorts", "length", "mini"): ("short legs", "shorter legs", "a mini length"),
    ("shorts", "length", "knee-length"): ("longer legs", "a knee length", "legs to the knee"),
}

# In a shop's title: what goes without saying is left out, and the noun is the shop's own.
TITLE = {"regular": "", "full-length": "", "brimless": "knitted"}
TITLE_NOUN: dict[str, Words] = {
    "dress": ("dress",),
    "hat": ("hat",),
    "longsleeve": ("long-sleeve top", "longsleeve"),
    "outwear": ("jacket", "coat"),
    "pants": ("trousers", "pants"),
    "shirt": ("shirt",),
    "shoes": ("shoes",),
    "shorts": ("shorts",),
    "skirt": ("skirt",),
    "t-shirt": ("T-shirt", "tee"),
}

COMPARATIVES = ("longer", "shorter")
