"""The page of a plan, as a person uses it: it is read, searched, sorted, filtered, printed; and it asks nobody for anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from sample_plans import write_plan

from leanplum_sync.render.html.plan import plan_html

Opened = Callable[..., Page]
ROWS = "#groups > tbody > .group:visible"
USERS = ".members:visible tbody tr"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    for name, changes, hostile in (
        ("none", 0, False),
        ("one", 1, False),
        ("some", 40, False),
        ("many", 4000, False),
        ("hostile", 400, True),
    ):
        with write_plan(folder / f"{name}.lpplan", changes, hostile=hostile) as plan:
            (folder / f"{name}.html").write_text(plan_html(plan))
    return folder


@pytest.fixture
def page(folder: Path, opened: Opened) -> Page:
    return opened(folder / "many.html")


def names(page: Page) -> list[str]:
    return page.locator(f"{ROWS} .opener").all_inner_texts()


@pytest.mark.parametrize("width", [380, 800, 1440])
def test_headline_risks_and_cost_are_on_the_first_screen_and_nothing_is_wider_than_it(
    folder: Path, opened: Opened, width: int
) -> None:
    page = opened(folder / "many.html", width=width, height=800)
    for text in (
        "would change",
        "Over budget.",
        "sends",
        "created users",
        "attribute removals",
        "billable lookups",
    ):
        expect(page.get_by_text(text).first).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", ["none", "one"])
def test_a_small_plan_fits_one_screen(folder: Path, opened: Opened, name: str) -> None:
    page = opened(folder / f"{name}.html", height=900)
    assert page.evaluate("document.documentElement.scrollHeight") <= 900


def test_searching_for_a_user_opens_what_changes_for_that_user_and_nothing_else(page: Page) -> None:
    page.get_by_label("Search").fill("USER-0000060")
    assert sorted(names(page)) == ["email", "interests", "legacy_vip", "loyalty_points", "points", "tier"]
    assert set(page.locator(f"{USERS} td:first-child").all_inner_texts()) == {"user-0000060"}
    expect(page.get_by_role("status")).to_have_text("6 of 7 groups")
    page.get_by_label("Search").fill("nobody has this")
    expect(page.get_by_text("No groups or users match.")).to_be_visible()


def test_searching_for_an_attribute_finds_its_group_closed(page: Page) -> None:
    page.get_by_label("Search").fill("loyalty_p")
    assert names(page) == ["loyalty_points"]
    expect(page.locator(USERS)).to_have_count(0)


def test_groups_are_sorted_by_a_column_and_back(page: Page) -> None:
    page.get_by_role("button", name="Attribute").click()
    assert names(page) == sorted(names(page), key=str.lower)
    expect(page.get_by_role("columnheader", name="Attribute")).to_have_attribute("aria-sort", "ascending")
    page.get_by_role("button", name="Attribute").click()
    assert names(page) == sorted(names(page), key=str.lower, reverse=True)
    page.get_by_role("button", name="Users").click()
    assert names(page)[-1] == "Order delay"


def test_only_one_kind_of_change_can_be_shown(page: Page) -> None:
    page.get_by_label("Show").select_option("remove")
    assert names(page) == ["legacy_vip"]
    page.get_by_label("Show").select_option("all kinds")
    expect(page.locator(ROWS)).to_have_count(7)


def test_users_of_a_group_come_a_hundred_at_a_time_and_can_be_sorted(page: Page) -> None:
    page.get_by_role("button", name="tier").click()
    expect(page.locator(USERS)).to_have_count(100)
    page.locator(".members").get_by_role("button", name="User", exact=True).click()
    page.locator(".members").get_by_role("button", name="User", exact=True).click()
    last = page.locator(f"{USERS} td").first.inner_text()
    assert last > "user-0000900"
    page.get_by_role("button", name="Show more users").click()
    expect(page.locator(USERS)).to_have_count(600)
    expect(page.locator(USERS).nth(100)).to_be_focused()


def test_everything_works_by_keyboard(page: Page) -> None:
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()
    page.keyboard.type("tier")
    assert names(page) == ["tier"]
    page.keyboard.press("Escape")
    expect(page.locator(ROWS)).to_have_count(7)
    page.keyboard.press("Tab")
    expect(page.get_by_label("Show")).to_be_focused()
    for name in ("Change", "Attribute", "Users", "Order delay"):
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name=name, exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Order delay")).to_have_attribute("aria-expanded", "true")
    expect(page.locator(USERS).first).to_be_visible()
    page.keyboard.press("Space")
    expect(page.locator(USERS)).to_have_count(0)


@pytest.mark.parametrize(
    ("name", "dark", "width"),
    [
        ("none", False, 380),
        ("some", False, 380),
        ("some", True, 1440),
        ("hostile", False, 1440),
        ("many", False, 380),
        ("many", True, 380),
        ("many", False, 1440),
        ("many", True, 1440),
    ],
)
def test_axe_finds_nothing_serious(folder: Path, opened: Opened, name: str, dark: bool, width: int) -> None:
    page = opened(folder / f"{name}.html", dark=dark, width=width)
    if name != "none":
        page.locator(".opener").first.click()
    found = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


def test_hostile_values_are_text_and_run_nothing(folder: Path, opened: Opened) -> None:
    page = opened(folder / "hostile.html")
    for opener in page.locator(".opener").all()[:6]:
        opener.click()
    assert page.title() == "Plan for production"
    assert page.locator("script").count() == 2
    assert page.locator("img, a, iframe").count() == 0
    assert "<script>document.title" in page.locator("main").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440


def test_the_policy_of_the_page_keeps_a_script_that_got_in_from_running(
    folder: Path, browser: Browser, tmp_path: Path
) -> None:
    intruder = "</main><script>document.title = 'taken over'</script>"
    (tmp_path / "broken.html").write_text((folder / "one.html").read_text().replace("</main>", intruder))
    with browser.new_context() as context:
        page = context.new_page()
        with page.expect_console_message(lambda message: "Content Security Policy" in message.text):
            page.goto((tmp_path / "broken.html").as_uri())
        assert page.title() == "Plan for production"


def test_sensitive_values_are_nowhere_in_the_page(folder: Path) -> None:
    text = (folder / "many.html").read_text()
    assert "example.com" not in text
    assert "(sensitive" in text


def test_it_prints_without_controls(page: Page) -> None:
    page.emulate_media(media="print")
    expect(page.get_by_label("Search")).to_be_hidden()
    expect(page.get_by_text("would change")).to_be_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")


@pytest.mark.parametrize("name", ["none", "one", "some", "many"])
def test_a_plan_of_few_groups_is_printed_on_one_page(folder: Path, opened: Opened, name: str) -> None:
    printed = opened(folder / f"{name}.html").pdf(format="A4")
    assert printed.count(b"/Type /Page\n") == 1
