"""`akin score`: figures of files made by hand, and a sentence for each way they can be wrong."""

from __future__ import annotations

import json

import pytest

from backend.errors import InvalidInput
from workers.metrics.scoring import score

NAMES = [f"dev-{n}-0-img0" for n in range(60)]


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def first(*names, count=50, without=()):
    """A list that begins with these names, filled up with others."""
    rest = [name for name in NAMES if name not in {*names, *without}]
    return [*names, *rest][:count]


def pair(number, members):
    reference, target = members[:2]
    return {
        "pairid": number,
        "reference": NAMES[reference],
        "target_hard": NAMES[target],
        "target_soft": {},
        "caption": "more",
        "img_set": {"id": 1, "members": [NAMES[n] for n in members]},
    }


@pytest.fixture
def cirr(tmp_path):
    """Two pairs, 12 and 7, their targets 1 and 8; the list of images beside them."""
    rows = [pair(12, [0, 1, 2, 3, 4, 5]), pair(7, [9, 8, 10, 11, 12, 13])]
    images = {name: f"./dev/{name}.png" for name in NAMES}
    write(tmp_path / "image_splits/split.rc2.val.json", images)
    return write(tmp_path / "captions/cap.rc2.val.json", rows)


def cirr_file(folder, lists, metric="recall", version="rc2"):
    content = {"version": version, "metric": metric, **lists}
    return write(folder / f"{metric}.json", content)


def recall_lists():
    """The target of 12 is first, that of 7 sixth."""
    sixth = first(*NAMES[20:25], NAMES[8], without=[NAMES[9]])
    return {"12": first(NAMES[1], without=[NAMES[0]]), "7": sixth}


SUBSET = {"12": [NAMES[2], NAMES[3], NAMES[1]], "7": [NAMES[8], NAMES[10], NAMES[11]]}


def test_cirr_by_hand(cirr, tmp_path):
    files = [
        cirr_file(tmp_path, recall_lists()),
        cirr_file(tmp_path, SUBSET, "recall_subset"),
    ]
    found = score("cirr", [cirr], files)
    (row,) = found.rows
    assert {name: figure.value for name, figure in row.figures.items()} == {
        "R@1": 50,
        "R@5": 50,
        "R@10": 100,
        "R@50": 100,
        "Rs@1": 50,
        "Rs@2": 50,
        "Rs@3": 100,
        "mean(R@5,Rs@1)": 50,
    }
    assert (row.asking, row.terms.reference, row.terms.images_listed) == (
        "submitted",
        "removed",
        60,
    )
    assert found.remarks == ()


def test_one_file_of_cirr_is_enough(cirr, tmp_path):
    (row,) = score("cirr", [cirr], [cirr_file(tmp_path, SUBSET, "recall_subset")]).rows
    assert list(row.figures) == ["Rs@1", "Rs@2", "Rs@3"]


def test_a_listed_reference_and_an_unchecked_gallery_are_remarked_on(cirr, tmp_path):
    (tmp_path / "image_splits/split.rc2.val.json").unlink()
    lists = {**recall_lists(), "12": first(NAMES[0], NAMES[1])}
    found = score("cirr", [cirr], [cirr_file(tmp_path, lists)])
    assert found.rows[0].figures["R@1"].value == 0
    assert found.rows[0].terms.reference == "kept"
    assert "not checked against the images" in found.remarks[0]
    assert "1 of 2 lists name their own reference" in found.remarks[1]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"7": None}, r"1 of 2 queries have no list \(7\)"),
        ({"99": first(NAMES[1])}, r"ranks queries that the annotations do not have \(99\)"),
        ({"7": first(count=49)}, r"query 7: its list is too short \(49\): rank the best 50"),
        ({"7": [NAMES[1], *first(NAMES[1])]}, 'query 7: "dev-1-0-img0" comes twice'),
        ({"7": first("./dev/x.png")}, r'query 7: "./dev/x.png" is none of the 60 images'),
        ({"7": "dev-1"}, "query 7: it must be a list of names"),
        ({"7": [1] * 50}, "query 7: it must be a list of names"),
        ({"version": "rc1"}, """must say "version": "rc2" and .* says 'rc1' and 'recall'"""),
        ({"metric": "mAP"}, "and says 'rc2' and 'mAP'"),
    ],
)
def test_a_recall_file_that_breaks_a_rule_is_told(cirr, tmp_path, change, sentence):
    lists = {"version": "rc2", "metric": "recall", **recall_lists(), **change}
    content = {query: names for query, names in lists.items() if names is not None}
    with pytest.raises(InvalidInput, match=sentence):
        score("cirr", [cirr], [write(tmp_path / "p.json", content)])


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ([NAMES[0], NAMES[1], NAMES[2]], "dev-0-0-img0 is not one of the five members"),
        ([NAMES[1], NAMES[2], NAMES[40]], "dev-40-0-img0 is not one of the five members"),
        ([NAMES[1]], r"its list is too short \(1\): rank the best 3"),
    ],
)
def test_a_subset_file_that_breaks_a_rule_is_told(cirr, tmp_path, names, sentence):
    file = cirr_file(tmp_path, {**SUBSET, "12": names}, "recall_subset")
    with pytest.raises(InvalidInput, match=sentence):
        score("cirr", [cirr], [file])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"version": "rc2", "metric": "recall", "12": [', "cut short, or no JSON"),
        ('{"7": [], "7": []}', "query 7 comes twice"),
        ("[1, 2]", "must hold a JSON object of lists by query"),
    ],
)
def test_a_damaged_file_is_told(cirr, tmp_path, text, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        score("cirr", [cirr], [write(tmp_path / "p.json", text)])


def test_two_recall_files_and_none_are_refused(cirr, tmp_path):
    file = cirr_file(tmp_path, recall_lists())
    for files in ([file, file], []):
        with pytest.raises(InvalidInput, match="one recall and one recall_subset file"):
            score("cirr", [cirr], files)


def test_the_answers_of_a_test_split_are_a_servers(tmp_path):
    row = pair(12, [0, 1, 2, 3, 4, 5])
    del row["target_hard"]
    path = write(tmp_path / "captions/cap.rc2.test1.json", [row])
    with pytest.raises(InvalidInput, match="query 12 has no target, the server keeps it"):
        score("cirr", [path], [])


def query(number, truths, aspects):
    return {
        "id": number,
        "reference_img_id": 500 + number,
        "target_img_id": truths[0],
        "gt_img_ids": truths,
        "relative_caption": "x",
        "shared_concept": "y",
        "semantic_aspects": aspects,
    }


@pytest.fixture
def circo(tmp_path):
    rows = [query(0, [3, 7], ["negation", "addition"]), query(1, [9], ["addition"])]
    return write(tmp_path / "annotations/val.json", rows)


def ids(*begin):
    return [*begin, *(n for n in range(100, 150) if n not in begin)][:50]


def test_circo_by_hand(circo, tmp_path):
    # Query 0: hits at 2 and 4, query 1: at 1. Numbers may be texts, as LinCIR writes them.
    lists = {"0": ids(50, 7, 51, 3), "1": [str(n) for n in ids(9)]}
    found = score("circo", [circo], [write(tmp_path / "p.json", lists)])
    rows = {row.group: row for row in found.rows}
    assert list(rows) == ["all", "addition", "negation"]
    first_ap = (1 / 2 + 2 / 4) / 2
    assert rows["all"].figures["mAP@5"].value == pytest.approx(100 * (first_ap + 1) / 2)
    assert rows["all"].figures["R@5"].value == 100
    assert rows["negation"].figures["mAP@10"].value == pytest.approx(100 * first_ap)
    assert "not checked" in found.remarks[0]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ([1, 2], r"query 1: its list is too short \(2\)"),
        (ids(9, 9), 'query 1: "9" comes twice'),
        (ids(9.5), "query 1: it must be a list of image ids"),
        (ids("nine"), "query 1: it must be a list of image ids"),
        (ids(99), 'query 1: "99" is none of the 60 images'),
    ],
)
def test_a_file_of_circo_that_breaks_a_rule_is_told(circo, tmp_path, names, sentence):
    info = {"images": [{"id": n} for n in [*range(10), *range(100, 150)]]}
    write(tmp_path / "COCO2017_unlabeled/annotations/image_info_unlabeled2017.json", info)
    path = write(tmp_path / "p.json", {"0": ids(3), "1": names})
    with pytest.raises(InvalidInput, match=sentence):
        score("circo", [circo], [path])


@pytest.fixture
def dress(tmp_path):
    rows = [
        {"candidate": NAMES[n], "target": NAMES[n + 1], "captions": ["a", "b"]} for n in (0, 30)
    ]
    write(tmp_path / "image_splits/split.dress.val.json", NAMES)
    return write(tmp_path / "captions/cap.dress.val.json", rows)


@pytest.mark.parametrize(
    "layout",
    [
        lambda lists, rows: lists,
        lambda lists, rows: {str(n): names for n, names in enumerate(lists)},
        lambda lists, rows: [row | {"ranking": n} for row, n in zip(rows, lists, strict=True)],
    ],
    ids=["lists", "by number", "challenge"],
)
def test_fashioniq_by_hand_in_each_layout(dress, tmp_path, layout):
    rows = json.loads(dress.read_text())
    lists = [first(NAMES[40], NAMES[1]), first(*NAMES[40:55], NAMES[31])]
    path = write(tmp_path / "p.json", layout(lists, rows))
    (row,) = score("fashioniq", [dress], [path]).rows
    assert row.group == "dress"
    assert [row.figures[name].value for name in ("R@10", "R@50", "mean")] == [50, 100, 75]


def test_categories_of_fashioniq_are_averaged(dress, tmp_path):
    shirt = write(tmp_path / "captions/cap.shirt.val.json", json.loads(dress.read_text())[:1])
    write(tmp_path / "image_splits/split.shirt.val.json", NAMES)
    files = [
        write(tmp_path / "d.json", [first(NAMES[1]), first(*NAMES[40:52], NAMES[31])]),
        write(tmp_path / "s.json", [first(NAMES[1])]),
    ]
    found = score("fashioniq", [dress, shirt], files)
    values = {row.group: row.figures["R@10"].value for row in found.rows}
    assert values == {"mean": 75, "dress": 50, "shirt": 100}


def test_the_order_of_the_challenge_rows_is_that_of_the_captions(dress, tmp_path):
    rows = [row | {"ranking": first()} for row in json.loads(dress.read_text())[::-1]]
    with pytest.raises(InvalidInput, match="row 0: its candidate is dev-30-0-img0"):
        score("fashioniq", [dress], [write(tmp_path / "p.json", rows)])
    del rows[0]["ranking"]
    with pytest.raises(InvalidInput, match='row 1: it has no "ranking"'):
        score("fashioniq", [dress], [write(tmp_path / "p.json", [first(), rows[0]])])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([first()], r"1 of 2 queries have no list \(1\)"),
        ([first(), first(), first()], r"ranks queries that the annotations do not have \(2\)"),
        (7, "must hold a JSON list or object"),
    ],
)
def test_rankings_of_fashioniq_that_do_not_fit_are_told(dress, tmp_path, content, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        score("fashioniq", [dress], [write(tmp_path / "p.json", content)])


def test_files_must_pair_up_and_benchmarks_be_known(dress):
    with pytest.raises(InvalidInput, match="1 annotation and 0 ranking files do not pair up"):
        score("fashioniq", [dress], [])
    with pytest.raises(InvalidInput, match="choose one of cirr, circo, fashioniq"):
        score("genecis", [dress], [])
    with pytest.raises(InvalidInput, match="Give one annotation file, not 0"):
        score("circo", [], [])
