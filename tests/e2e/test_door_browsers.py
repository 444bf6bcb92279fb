"""What browsers must keep to, and that nothing is cut off or shut to a screen reader.

Each test stands on the demo clinic and on nothing that another did; whoever is changed is somebody invited for it.
"""

import pytest

from tests.e2e.browsers import Browsers, Kind
from tests.e2e.door import ADMINISTRATOR, FRONT_DESK, Door, Meet, elsewhere
from tests.e2e.door_tour import door_tour
from tests.e2e.faults import OVERFLOW_PX, faults
from tests.e2e.people import People
from tests.e2e.polling import until
from tests.e2e.tour import DESKTOP, PHONE


@pytest.mark.parametrize("kind", ["chromium", "firefox"])
async def test_the_session_survives_the_way_in_from_elsewhere_and_serves_no_other_site(meet: Meet, kind: Kind) -> None:
    visitor = await meet(kind)
    await visitor.sign_in(FRONT_DESK)
    assert await visitor.page.evaluate("() => document.cookie") == "", "a script reads the session"
    url = visitor.server.url
    content = f"""<a href="{url}/profile">Back to the clinic</a>
        <form method="post" action="{url}/v1/sign-out"><button>Sign them out</button></form>"""
    async with elsewhere(content) as address:
        await visitor.page.goto(address)
        await visitor.page.click("link", "Back to the clinic")
        await visitor.sees("My profile", FRONT_DESK.email)
        await visitor.page.goto(address)
        await visitor.page.click("button", "Sign them out")
        await visitor.sees("cross-origin")
    # Firefox shows the refusal in a viewer of its own, and at times never says that what comes after it is complete
    await visitor.page.evaluate("url => { location.href = url; }", f"{url}/profile")
    await visitor.sees("My profile", FRONT_DESK.email)
    visitor.page.errors.clear()  # Firefox misses an icon for the refusal


@pytest.mark.parametrize("kind", ["chromium", "firefox"])
async def test_a_form_of_ours_sends_nothing_elsewhere_and_nothing_inline_runs(
    meet: Meet, browsers: Browsers, kind: Kind
) -> None:
    visitor = await meet(kind)
    await visitor.open("/sign-in")
    await visitor.sees("Sign in")
    assert await visitor.violations() == []
    async with elsewhere("caught") as address:
        await visitor.page.evaluate(
            """address => {
                const form = Object.assign(document.createElement('form'), {action: address, method: 'post'});
                document.body.append(form);
                try { form.submit(); } catch { /* so Firefox says it */ }
                const script = document.createElement('script');
                script.textContent = 'window.ran = true';
                document.body.append(script);
            }""",
            address,
        )

        async def refused() -> bool:
            found = " ".join(await visitor.violations())
            return "form-action" in found and "script-src" in found

        await until(refused, "the form and the script are refused")
    assert await visitor.path() == "/sign-in"
    assert await visitor.page.evaluate("() => window.ran ?? false") is False
    await visitor.page.evaluate("() => { window.violations = []; }")
    visitor.page.errors.clear()  # where Firefox tells of them, too


@pytest.mark.parametrize("kind", ["chromium", "firefox"])
async def test_the_cookie_and_the_headers(meet: Meet, kind: Kind) -> None:
    visitor = await meet(kind)
    await visitor.sign_in(FRONT_DESK)
    headers = await visitor.page.evaluate(
        "async () => Object.fromEntries((await fetch('/v1/me')).headers)",
    )
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    if kind == "chromium":
        [cookie] = [each for each in await visitor.chromium.context.cookies() if "session" in each["name"]]
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/")
        assert cookie["expires"] == -1, "the session outlives the browser"


async def test_a_small_phone_or_two_hundred_percent_cuts_nothing_off(meet: Meet) -> None:
    visitor = await meet(width=320, height=640)
    await visitor.sign_in(ADMINISTRATOR)
    pages = {"/": "Hello, ", "/profile": "My profile", "/people": "Invite somebody", "/patients": "Search"}
    for path, text in pages.items():
        await visitor.open(path)
        await visitor.sees(text)
        assert await visitor.page.evaluate(OVERFLOW_PX) <= 0, path


@pytest.mark.timeout(300)  # all the states, each looked at by axe-core
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_axe_finds_nothing_serious_and_nothing_is_cut_off(
    door: Door, people: People, size: tuple[int, int]
) -> None:
    findings: dict[str, list[str]] = {}
    async for name, visitor in door_tour(door, people, size, "Osgood" if size == PHONE else "Whitlock"):
        findings[name] = await faults(visitor.page) + await visitor.violations()
    assert {name: found for name, found in findings.items() if found} == {}
