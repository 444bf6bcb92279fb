"""What a page must not have: a serious finding of axe-core, or something that is cut off at its side."""

from importlib.resources import files

from tests.e2e.browsers import Page

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
SERIOUS = """async () => {
    const {violations} = await axe.run(document, {resultTypes: ['violations']});
    return violations.filter(found => ['serious', 'critical'].includes(found.impact))
        .map(found => `${found.id}: ${found.help}: ${found.nodes.map(node => node.target.join(' ')).join(', ')}`);
}"""
OVERFLOW_PX = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


async def faults(page: Page) -> list[str]:
    found: list[str] = await page.evaluate(f"async () => {{ {AXE}; return await ({SERIOUS})(); }}")
    if (over := await page.evaluate(OVERFLOW_PX)) > 0:
        found.append(f"{over} px wider than the page")
    return found
