"""Adding products: files travel by hash, and each is accounted for in the report."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image
from streamlit.testing.v1 import AppTest

from backend.catalogue.naming import MANIFEST_SUFFIXES, PICTURE_SUFFIXES
from backend.encoding.decoding import FORMATS
from backend.jobs.schemas import JobOut
from tests.ui.conftest import Visit, html
from tests.ui.shop import Shop
from tests.ui.shop_jobs import add_job
from ui.import_progress import stages
from ui.sending import Sent


def picture(colour: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(data, "PNG")
    return data.getvalue()


def adding(page: AppTest) -> AppTest:
    return page.button_group(key="catalogue_view").select("Add products").run()


def test_nothing_can_be_added_before_files_are_chosen(visit: Visit) -> None:
    assert adding(visit("catalogue")).button(key="upload_start").disabled


def test_the_choices_are_asked_in_the_same_words(visit: Visit) -> None:
    page = adding(visit("catalogue"))
    asked = page.text_input(key="upload_category"), page.selectbox(key="upload_split")
    assert [choice.label for choice in (*asked, page.selectbox(key="upload_conflict"))] == [
        "Category if the folder doesn't say",
        "Split if the folder doesn't say",
        "If a SKU exists already",
    ]


def test_what_the_server_reads_may_be_dropped(visit: Visit) -> None:
    formats = Image.registered_extensions()
    readable = {ending for ending in PICTURE_SUFFIXES if formats.get(ending) in FORMATS}
    uploader = adding(visit("catalogue")).file_uploader[0]
    assert set(uploader.proto.type) == readable | MANIFEST_SUFFIXES | {".zip"}
    assert set(visit("search").file_uploader[0].proto.type) == readable


def test_files_become_products_and_refusals_a_report(visit: Visit, shop: Shop) -> None:
    page = adding(visit("catalogue"))
    page.file_uploader[0].set_value(
        [
            ("red.png", picture("red"), "image/png"),
            ("blue.png", picture("blue"), "image/png"),
            ("list.csv", b"a,b\n1,2\n", "text/csv"),
        ]
    ).run()
    page.text_input(key="upload_category").set_value("scarf")
    page.selectbox(key="upload_split").set_value("val")
    page.button(key="upload_start").click().run()
    assert not page.exception
    assert sorted(p.sku for p in shop.matching(["category=scarf", "split=val"])) == ["blue", "red"]
    assert {metric.label: metric.value for metric in page.metric} == {
        "Created": "2",
        "Updated": "0",
        "Unchanged": "0",
        "Skipped": "0",
        "Refused": "1",
    }
    table = page.dataframe[0].value
    assert list(table["reason"]) == ["list.csv has no column sku: add one."]
    assert page.success[0].value == "Every picture can be found by search."
    page.button(key="upload_again").click().run()
    assert page.button(key="upload_start").disabled


def test_while_pictures_are_made_searchable_that_is_shown(visit: Visit, shop: Shop) -> None:
    add_job(shop, "embed", "running", stage="encoding", done=5, total=20, seconds_left=3)
    page = adding(visit("catalogue"))
    page.file_uploader[0].upload("red.png", picture("red"), "image/png").run()
    page.button(key="upload_start").click().run()
    bars = [bar.proto.text for bar in page.get("progress")]
    assert bars[0].startswith("**Sent** · 1 file · ")
    assert bars[3].startswith("**Making the pictures searchable** · 5 of 20")
    assert not page.success


def test_the_same_bytes_under_two_names_are_sent_once(visit: Visit, shop: Shop) -> None:
    page = adding(visit("catalogue"))
    page.file_uploader[0].set_value(
        [("a.png", picture("red"), "image/png"), ("b.png", picture("red"), "image/png")]
    ).run()
    page.button(key="upload_start").click().run()
    assert not page.exception
    assert len(shop.products) == 49


LIST = (
    "Artikelnummer;Titel;Foto;Preis;Farbe\n"
    "S1;Schal;red.png;19,90 EUR;rot\n"
    "S2;Hut;blue.png;billig;blau\n"
    "S3;Mütze;gone.png;5 EUR;\n"
)


def with_list(visit: Visit, text: str | bytes, *pictures: tuple[str, bytes, str]) -> AppTest:
    data = text.encode() if isinstance(text, str) else text
    page = adding(visit("catalogue"))
    page.file_uploader[0].set_value([("list.csv", data, "text/csv"), *pictures]).run()
    assert not page.exception
    return page


def boxes(page: AppTest) -> dict[str, str | None]:
    return {box.label: box.value for box in page.selectbox if str(box.key).startswith("column_")}


def counts(page: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in page.metric}


def test_a_list_is_shown_before_anything_is_written(visit: Visit, shop: Shop) -> None:
    page = with_list(
        visit,
        LIST,
        ("red.png", picture("red"), "image/png"),
        ("blue.png", picture("blue"), "image/png"),
    )
    assert boxes(page) == {
        "SKU": "Artikelnummer",
        "Title": "Titel",
        "Category": None,
        "Split": None,
        "Price": "Preis",
        "Currency": None,
    }
    assert page.multiselect(key="column_image").value == ["Foto"]
    assert counts(page) == {
        "New products": "1",
        "In the catalogue already": "0",
        "Rows refused": "2",
    }
    text = html(page)
    assert "Schal" in text
    assert "data:image/webp;base64," in text
    assert 'title="rot, blau"' in text
    problems = page.dataframe[0].value
    assert list(problems["why"]) == [
        "column Preis: 'billig' is not a number such as 19.90.",
        "the picture gone.png did not come along.",
    ]
    assert "Pictures of 1 row were not dropped" in page.warning[0].value
    assert not shop.jobs


def test_columns_can_be_chosen_otherwise_and_go_with_the_import(visit: Visit, shop: Shop) -> None:
    page = with_list(visit, "code A,code B,picture,price\n1,2,a.png,5\n")
    assert "has no column 'sku'" in page.warning[0].value.replace("\\", "")
    page.selectbox(key="column_sku").set_value("code B").run()
    assert boxes(page)["SKU"] == "code B"
    assert "give both, or neither" in page.dataframe[0].value["why"][0]
    page.text_input(key="column_default_currency").set_value("chf").run()
    assert "did not come along" in page.dataframe[0].value["why"][0]
    page.multiselect(key="columns_ignored").set_value(["code A"]).run()
    page.button(key="upload_start").click().run()
    (job,) = shop.jobs.values()
    assert job.parameters["columns"] == {"sku": ["code B"]}
    assert (job.parameters["ignored_columns"], job.parameters["currency"]) == (["code A"], "CHF")


def test_a_column_that_is_taken_leaves_its_former_field(visit: Visit) -> None:
    page = with_list(visit, "sku,name,image\nA,Dress,a.png\n")
    page.selectbox(key="column_category").set_value("name").run()
    assert (boxes(page)["Category"], boxes(page)["Title"]) == ("name", None)
    page.selectbox(key="column_title").set_value("name").run()
    assert (boxes(page)["Category"], boxes(page)["Title"]) == (None, "name")


def test_a_list_is_asked_for_again_only_when_something_changed(visit: Visit, shop: Shop) -> None:
    page = with_list(visit, LIST)
    page.text_input(key="upload_category").set_value("hat").run()
    assert shop.previews == 1
    page.selectbox(key="column_title").set_value(None).run()
    assert shop.previews == 2


def test_a_list_in_windows_1252_is_read_when_one_says_so(visit: Visit, shop: Shop) -> None:
    page = with_list(visit, "sku;image;title\nA;a.png;Größe\n".encode("cp1252"))
    assert "is not UTF-8 text" in page.error[0].value.replace("\\", "")
    page.button(key="manifest_1252").click().run()
    assert not page.error
    assert "Windows" in page.caption[0].value
    page.button(key="upload_start").click().run()
    assert next(iter(shop.jobs.values())).parameters["encoding"] == "windows-1252"


def test_what_is_no_list_is_told(visit: Visit) -> None:
    page = with_list(visit, b"sku,image\0")
    assert "holds zero bytes" in page.error[0].value.replace("\\", "")


def test_a_choice_that_cannot_be_is_undone(visit: Visit) -> None:
    page = with_list(visit, LIST)
    page.session_state["manifest_choice"].columns = {"sku": ["gone"]}
    page.run()
    assert "has no column 'gone'" in page.error[0].value.replace("\\", "")
    page.button(key="manifest_undo").click().run()
    assert boxes(page)["SKU"] == "Artikelnummer"


def test_of_several_lists_each_can_be_looked_at(visit: Visit) -> None:
    page = adding(visit("catalogue"))
    lists = [(f"{n}.csv", f"sku,image\n{n},a.png\n".encode(), "text/csv") for n in "ab"]
    page.file_uploader[0].set_value(lists).run()
    assert "**a\\.csv**" in [text.value for text in page.markdown]
    page.selectbox(key="manifest").select_index(1).run()
    assert "**b\\.csv**" in [text.value for text in page.markdown]


def test_a_zip_may_hold_the_pictures_of_a_list(visit: Visit) -> None:
    page = with_list(visit, LIST, ("pictures.zip", b"PK", "application/zip"))
    assert counts(page)["Rows refused"] == "1"
    assert "Looked into when it has arrived: pictures.zip" in [c.value for c in page.caption]


def test_pictures_alone_show_what_their_names_say(visit: Visit) -> None:
    page = adding(visit("catalogue"))
    page.file_uploader[0].set_value(
        [(f"val/dress/red_{n}.png", picture("red"), "image/png") for n in range(10)]
    ).run()
    text = html(page)
    assert "Red 0" in text
    assert "red_7" in text
    assert "dress · val" in text
    assert "red_8" not in text
    assert "And 2 more pictures." in [caption.value for caption in page.caption]


def test_what_is_there_already_is_shown_as_the_import_will_take_it(
    visit: Visit, shop: Shop
) -> None:
    sku = next(iter(shop.products.values())).sku
    page = with_list(visit, f"sku,image\n{sku},a.png\nNEW,b.png\n", ("z.zip", b"PK", ""))
    assert counts(page) == {
        "New products": "1",
        "In the catalogue already": "1",
        "Rows refused": "0",
    }
    page.selectbox(key="upload_conflict").set_value("skip").run()
    assert (counts(page)["Left as they are"], counts(page)["In the catalogue already"]) == (
        "1",
        "0",
    )
    page.selectbox(key="upload_conflict").set_value("error").run()
    assert counts(page)["Rows refused"] == "1"
    assert "There is a product with the SKU" in page.dataframe[0].value["why"][0]


def test_a_hostile_list_runs_nothing(visit: Visit) -> None:
    attack = "<script>hit()</script>"
    page = with_list(visit, f"sku,image,title,{attack}\n{attack},a.png,{attack},{attack}\n")
    assert attack not in html(page)
    assert "&lt;script&gt;" in html(page)


def test_the_products_an_import_brought_are_shown_and_looked_through(
    visit: Visit, shop: Shop
) -> None:
    page = adding(visit("catalogue"))
    colours = [f"rgb({n}, 0, 0)" for n in range(14)]
    page.file_uploader[0].set_value(
        [(f"new{n}.png", picture(colour), "image/png") for n, colour in enumerate(colours)]
    ).run()
    page.button(key="upload_start").click().run()
    assert html(page).count("akin-card") == 12
    page.button(key="import_all").click().run()
    assert html(page).count("akin-card") == 14
    assert "14 lines of the import" in page.markdown[-1].value
    page.button(key="browse_everything").click().run()
    assert html(page).count("akin-card") == 48


# Stages


SENT = Sent("j1", files=12, size=3_400_000, seconds=2.0)


def job(state: str, **facts: Any) -> JobOut:
    return add_job(Shop(), "ingest", state, **facts)


def shown(*given: Any) -> list[tuple[str, float | None, str]]:
    return [(stage.name, stage.share, stage.words) for stage in stages(SENT, *given)]


def test_what_is_sent_waits_and_is_checked() -> None:
    sent = ("Sent", 1.0, "12 files · 3.4 MB · in 2 s")
    later = ("Import", None, ""), ("Make the pictures searchable", None, "")
    waiting = ("Reading and checking", 0.0, "waiting for its turn")
    assert shown(job("queued"), None, None) == [sent, waiting, *later]
    checking = job("running", stage="checking", done=1, total=4)
    found = ("Reading and checking", 0.25, "1 of 4 lists and archives")
    assert shown(checking, None, None) == [sent, found, *later]


def test_an_import_tells_its_rate_and_the_time_left() -> None:
    importing = job(
        "running", stage="importing", done=30, total=120, rate=9.0, seconds_left=10.0, failed=2
    )
    embedding = add_job(Shop(), "embed", "running", done=5, total=50, rate=2.5, seconds_left=18)
    assert shown(importing, embedding, None)[1:] == [
        ("Read and checked", 1.0, ""),
        ("Importing", 0.25, "30 of 120 · 9.0 a second · about 10 s left · 2 refused"),
        ("Making the pictures searchable", 0.1, "5 of 50 · 2.5 a second · about 18 s left"),
    ]


def test_in_the_end_each_stage_says_how_long_it_took() -> None:
    seconds = {"plan": 1.2, "pictures": 60.0, "sql": 3.0, "total": 66.2}
    done = job("done", done=120, total=120, result={"seconds": seconds})
    assert shown(done, None, 31.0)[1:] == [
        ("Read and checked", 1.0, "in 1.2 s"),
        ("Imported", 1.0, "in 1 min 5 s"),
        ("Searchable", 1.0, "in 31 s"),
    ]


def test_nothing_to_send_is_said() -> None:
    found = stages(Sent("j1", 0, 0, 0.1), job("queued"), None, None)[0]
    assert found.words == "the server had everything already"
