import pytest

from tests.api.conftest import Door

MORE = {"role": "carer", "name": "Cleo"}


async def test_what_is_read_has_a_strong_tag_by_its_version(door: Door) -> None:
    visit = await door.visit()
    path = f"/v1/visits/{visit['id']}"
    first = await door.ask("GET", path)
    assert first.headers["ETag"].startswith('"1-')
    await door.ask("POST", f"{path}/seats", json=MORE)
    assert (await door.ask("GET", path)).headers["ETag"].startswith('"2-')


async def test_what_was_made_has_the_tag_that_it_is_read_with(door: Door) -> None:
    made = await door.ask("POST", "/v1/visits", json={"seats": [MORE]})
    assert (await door.ask("GET", made.headers["Location"])).headers["ETag"] == made.headers["ETag"]


@pytest.mark.parametrize("other", ["{tag}", "W/{tag}", '"x", {tag}', "*", '"a,b", {tag}'])
async def test_what_the_caller_has_is_not_sent_again(door: Door, other: str) -> None:
    path = f"/v1/visits/{(await door.visit())['id']}"
    tag = (await door.ask("GET", path)).headers["ETag"]
    for method in ("GET", "HEAD"):
        again = await door.ask(method, path, headers={"If-None-Match": other.format(tag=tag)})
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
        assert again.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("other", ['"x"', "{tag}x", '"1"', "", "x"])
async def test_what_the_caller_has_not_is_sent(door: Door, other: str) -> None:
    path = f"/v1/visits/{(await door.visit())['id']}"
    tag = (await door.ask("GET", path)).headers["ETag"]
    assert (await door.ask("GET", path, headers={"If-None-Match": other.format(tag=tag)})).status == 200


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("{tag}", 200),
        ("*", 200),
        ('"9-0123456789abcdef", {tag}', 200),
        (None, 428),
        ("", 428),
        ("W/{tag}", 412),  # compared strongly
        ('"9-0123456789abcdef"', 412),
        ('"0123456789abcdef"', 412),
        ('"1"', 412),
        ("1", 412),
        ("{tag} and more", 412),
        ("{tag}, *", 412),
        ('"' + "9" * 4000 + '-0123456789abcdef"', 412),
    ],
)
async def test_a_change_names_the_version_seen(door: Door, said: str | None, status: int) -> None:
    path = f"/v1/visits/{(await door.visit())['id']}"
    tag = (await door.ask("GET", path)).headers["ETag"]
    match = said if said is None else said.format(tag=tag)
    assert (await door.ask("POST", f"{path}/end", headers={"If-Match": match})).status == status


async def test_nobody_overwrites_what_they_have_not_seen(door: Door) -> None:
    visit = await door.visit()
    path = f"/v1/visits/{visit['id']}"
    seen = {"If-Match": (await door.ask("GET", path)).headers["ETag"]}
    await door.ask("POST", f"{path}/seats", json=MORE)
    link = visit["seats"][0]["links"][0]["id"]
    for method, at in (("POST", f"{path}/end"), ("DELETE", f"{path}/links/{link}")):
        assert (await door.ask(method, at, headers=seen)).problem == (412, "changed")
    assert (await door.ask("GET", path)).json["state"] == "waiting"


async def test_the_version_is_compared_again_where_it_is_changed(door: Door) -> None:
    """Somebody is faster between the look at the version and the act."""
    import asyncio

    path = f"/v1/visits/{(await door.visit())['id']}"
    seen = {"If-Match": (await door.ask("GET", path)).headers["ETag"]}
    answers = await asyncio.gather(*(door.ask("POST", f"{path}/end", headers=seen) for _ in range(8)))
    assert sorted(answer.status for answer in answers)[0] == 200
    assert {answer.status for answer in answers[1:]} <= {200, 412}
    assert [answer.status for answer in answers].count(200) == 1
