"""A person who has no mouse: goes to what is called so by Tab, presses, types, chooses."""

from typing import Any

from playwright.async_api import Error as PlaywrightError

from tests.e2e.bidi import BidiError
from tests.e2e.browsers import Page
from tests.e2e.polling import until

MOST_TABS = 90
# What a screen reader calls the element that has the focus.
FOCUSED = """() => {
    const at = document.activeElement;
    if (!at || at === document.body) return '';
    const label = at.labels?.[0]?.innerText ?? '';
    const legend = ['checkbox', 'radio'].includes(at.type) ? label.split('\\n')[0] : label;
    return (at.getAttribute('aria-label') ?? (legend || at.innerText.split('\\n')[0])).trim();
}"""
SELECTED = "() => document.activeElement.selectedOptions?.[0]?.text"
SHOWN = "() => document.body.innerText"


class Keyboard:
    def __init__(self, page: Page) -> None:
        self.page = page

    async def ask(self, function: str) -> Any:
        """Call a function in the page; None while the page gives way to another."""
        try:
            return await self.page.evaluate(function)
        except (PlaywrightError, BidiError):
            return None

    async def sees(self, *texts: str, within_s: float = 15) -> None:
        for text in texts:
            shown = ""

            async def is_shown(text: str = text) -> bool:
                nonlocal shown
                shown = await self.ask(SHOWN) or ""
                return text in shown

            try:
                await until(is_shown, f"“{text}” is shown", within_s)
            except AssertionError as error:
                error.add_note(f"The page reads: {shown[:500]} … {shown[-500:]}")  # zones in between
                raise

    async def sees_no(self, text: str) -> None:
        async def is_gone() -> bool:
            return text not in (await self.ask(SHOWN) or text)

        await until(is_gone, f"“{text}” is not shown")

    async def reach(self, name: str) -> None:
        """Move the focus on until it is on the one called `name`; what is not there yet is waited for."""
        passed: list[str] = []

        async def reached() -> bool:
            passed.clear()
            for _ in range(MOST_TABS):
                passed.append(await self.ask(FOCUSED) or "")
                if passed[-1] == name:
                    return True
                if len(passed) > 3 and passed[-3:] == passed[:3]:
                    return False  # once around
                await self.page.press("Tab")
            return False

        try:
            await until(reached, f"“{name}” is reached by Tab", 10)
        except AssertionError as error:
            error.add_note(f"Tab went over {passed}")
            raise

    async def press(self, name: str) -> None:
        await self.reach(name)
        await self.page.press("Enter")

    async def tick(self, name: str) -> None:
        await self.reach(name)
        await self.page.press("Space")

    async def type(self, name: str, text: str) -> None:
        """Write into the field called `name`, over what is in it."""
        await self.reach(name)
        await self.page.press("Control+a")
        await self.page.press("Delete")
        await self.write(text)

    async def write(self, text: str) -> None:
        for key in text:
            await self.page.press("Space" if key == " " else key)

    async def type_date(self, name: str, iso: str) -> None:
        """Into the parts of a date, in the order of an American browser."""
        await self.reach(name)
        year, month, day = iso.split("-")
        await self.write(month + day + year)

    async def choose(self, name: str, option: str) -> None:
        """Choose from a list by its first letters, as one does."""
        await self.reach(name)
        await self.write(option)

        async def chosen() -> bool:
            return str(await self.ask(SELECTED)).startswith(option)

        await until(chosen, f"“{option}” is chosen")
