"""A walk through the whole server with a canary in every private field, and one in whatever is wrong.

The server is a process of its own, as it ships, with its log at its loudest, on a folder where somebody of every kind
has been signed in (`tests/api/town.py`).
"""

import asyncio
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from api.route import Route
from api.routes import ROUTES
from tests.canary.tokens import ADDRESS, AGENT, PASSWORD, PLANTED, STRAY
from tests.e2e.polling import until
from tests.medinova_rt.adapters.smtp import MailServer

STAFF = ("front-desk", "administrator", "treating", "clinician", "billing", "self", "parent", "operator")


@dataclass
class Walk:
    url: str
    people: Mapping[str, dict[str, str]]
    ids: Mapping[str, str]
    post: MailServer
    client: aiohttp.ClientSession
    given: list[bytes] = field(default_factory=list)  # what was answered to who may see it
    refused: list[bytes] = field(default_factory=list)  # problems, with their headers
    headers: list[bytes] = field(default_factory=list)  # of every answer
    count: int = 0

    async def ask(self, who: str, method: str, path: str, body: object = None, **headers: str) -> Any:
        self.count += 1
        said = {
            "X-Forwarded-For": ADDRESS,
            "User-Agent": f"{AGENT} Mozilla/5.0 ({AGENT}; Linux) Firefox/140.0 {AGENT}",
            "Idempotency-Key": f"walk-{self.count:012}",
            "If-Match": "*",
            **self.people.get(who, {}),
            **headers,
        }
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        data = None if body is None else json.dumps(body).encode()
        said |= {"Content-Type": kind} if data is not None and "Content-Type" not in headers else {}
        url = URL(self.url + path, encoded=True)
        async with self.client.request(method, url, data=data, headers=said, allow_redirects=False) as answer:
            content = await answer.read()
            self.headers.append(b"\n".join(b": ".join(pair) for pair in answer.raw_headers))
            (self.given if answer.status < 400 else self.refused).append(content)
            self.cookies = {name: morsel.value for name, morsel in answer.cookies.items()}
            self.status = answer.status
            try:
                return json.loads(content)
            except ValueError:
                return content

    async def did(self, who: str, method: str, path: str, body: object = None) -> Any:
        answer = await self.ask(who, method, path, body)
        assert self.status < 300, (method, path, self.status, answer)
        return answer

    async def letter(self, holds: str) -> str:
        """The text of the letter that came to somebody."""

        async def came() -> str | None:
            texts = [
                letter.get_content()
                for letter, to in zip(self.post.letters, self.post.recipients, strict=True)
                if holds in to
            ]
            return texts[-1] if texts else None

        return await until(came, f"a letter to {holds}", 20)


async def walk(step: Walk) -> None:
    patient = await _patients(step)
    await _relations_and_emergency(step, patient)
    await _people(step)
    await _visit(step)
    await _wrong_requests(step)
    await _wrong_everything(step)


async def _patients(step: Walk) -> str:
    here = step.ids["clinic"]
    made = await step.did(
        "front-desk",
        "POST",
        f"/v1/clinics/{here}/patients",
        {
            **{
                name: PLANTED[f"Patient.{name}"] for name in ("given", "family", "birth_date", "email", "phone", "zone")
            },
            "number": PLANTED["Patient.number"],
            "language": "es",
            "identifiers": [{"system": "urn:national", "value": PLANTED["Identifier.value"]}],
        },
    )
    patient = str(made["id"])
    for name in ("number", "email", "phone", "birth_date"):
        found = await step.did(
            "front-desk", "POST", f"/v1/clinics/{here}/patients/search", {name: PLANTED[f"Patient.{name}"]}
        )
        assert [each["id"] for each in found["items"]] == [patient], name
    name = f"{PLANTED['Patient.given']} {PLANTED['Patient.family']}"
    await step.did("front-desk", "POST", f"/v1/clinics/{here}/patients/search", {"name": name})
    same = {"name": name, "birth_date": PLANTED["Patient.birth_date"]}
    await step.did("front-desk", "POST", f"/v1/clinics/{here}/patients/duplicates", same)
    member = step.ids["treating"]
    await step.did("front-desk", "PUT", f"/v1/patients/{patient}/treating/{member}")
    await step.did("treating", "PATCH", f"/v1/patients/{patient}", {"family": PLANTED["Patient.family"]})
    await step.did("treating", "GET", f"/v1/patients/{patient}")
    await step.did("front-desk", "POST", f"/v1/patients/{patient}/merge", {"other": step.ids["patient"]})
    return patient


async def _relations_and_emergency(step: Walk, patient: str) -> None:
    guardian = {"kind": "guardian", "scope": ["record"], "email": PLANTED["User.email"], "name": PLANTED["User.name"]}
    await step.did("front-desk", "POST", f"/v1/patients/{patient}/relations", guardian)
    await step.did("clinician", "POST", f"/v1/patients/{patient}/emergency", {"reason": PLANTED["Emergency.reason"]})
    await step.did("clinician", "GET", f"/v1/patients/{patient}")
    await step.did("administrator", "GET", f"/v1/clinics/{step.ids['clinic']}/emergencies")
    await step.did("administrator", "GET", f"/v1/patients/{patient}/accesses")
    await step.did("administrator", "GET", f"/v1/patients/{patient}/relations")


async def _people(step: Walk) -> None:
    here = step.ids["clinic"]
    invited = {"email": PLANTED["Invitation.email"], "name": PLANTED["Invitation.name"], "roles": ["billing"]}
    await step.did("administrator", "POST", f"/v1/clinics/{here}/invitations", invited)
    await step.did("administrator", "GET", f"/v1/clinics/{here}/invitations")
    text = await step.letter(PLANTED["User.email"])
    token = text.partition("#")[2].split()[0]
    await step.did("stranger", "POST", "/v1/invitations/look", {"token": token})
    password = f"{PASSWORD}-1"
    accepted = {"token": token, "name": PLANTED["User.name"], "password": password}
    await step.did("stranger", "POST", "/v1/invitations/accept", accepted)
    email = PLANTED["User.email"]
    await step.did("stranger", "POST", "/v1/sign-in/password", {"email": email, "password": password})
    signed_in = {"Cookie": "; ".join(f"{name}={value}" for name, value in step.cookies.items())}
    await step.ask("stranger", "POST", "/v1/sign-in/password", {"email": email, "password": f"{PASSWORD}-2"})
    assert step.status == 401
    await step.ask("stranger", "POST", "/v1/sign-in/code", {"email": email})
    await step.ask("stranger", "GET", "/v1/me", **signed_in)
    await step.ask("stranger", "GET", "/v1/me/sessions", **signed_in)
    assert step.status == 200
    await step.did("billing", "PATCH", "/v1/me", {"name": PLANTED["Profile.name"]})
    await step.did("billing", "GET", "/v1/me")
    await step.did("billing", "PUT", "/v1/me/email", {"email": PLANTED["NewAddress.email"]})
    text = await step.letter(PLANTED["NewAddress.email"])
    await step.did("billing", "POST", "/v1/me/email/confirm", {"token": text.partition("#email-")[2].split()[0]})
    await step.did("billing", "GET", "/v1/me")
    await step.did("administrator", "GET", f"/v1/clinics/{here}/people")


async def _visit(step: Walk) -> None:
    seats = [{"role": "clinician", "name": PLANTED["Seat.name"]}, {"role": "patient", "name": PLANTED["Seat.name"]}]
    visit = await step.did("service", "POST", "/v1/visits", {"seats": seats})
    seat = visit["seats"][0]
    token = seat["links"][0]["url"].partition("#")[2]
    await step.did("stranger", "POST", "/v1/links/exchange", {"token": token})
    cookie = "; ".join(f"{name}={value}" for name, value in step.cookies.items())
    address = f"{step.url}/v1/visits/{visit['id']}/signal?seat={seat['id']}"
    headers = {"Origin": step.url, "Cookie": cookie, "X-Forwarded-For": ADDRESS, "User-Agent": AGENT}
    async with step.client.ws_connect(address, headers=headers) as page:
        await page.send_json({"type": "hello", "protocol": 1})
        await page.send_json({"type": "chat", "key": "k1", "text": PLANTED["ChatLine.text"]})
        async with asyncio.timeout(10):
            while PLANTED["ChatLine.text"] not in (said := await page.receive_str()):
                step.given.append(said.encode())
        step.given.append(said.encode())
        await page.send_json({"type": "offer", "number": 1, "sdp": f"v=0\r\no={STRAY}\r\nm={STRAY} {STRAY}\r\n"})
        await page.send_json({"type": STRAY, STRAY: STRAY})
        async with asyncio.timeout(10):
            async for frame in page:
                step.refused.append(str(frame.data).encode())
        step.refused.append(f"{page.close_code}".encode())
    for query in (f"seat={STRAY}", STRAY):
        await step.ask("stranger", "GET", f"/v1/visits/{STRAY}/signal?{query}", Upgrade=STRAY)


async def _wrong_requests(step: Walk) -> None:
    """Every route, with a stray word in every place of the request in turn."""
    for number, route in enumerate(ROUTES):
        who = _who(route, number)
        there = route.template.format(**{"name": STRAY, **step.ids})
        astray = route.template.format(**dict.fromkeys(route.parameters, STRAY))
        body = dict.fromkeys(route.request.__struct_fields__ if route.request else (), STRAY)
        strange: Any = {**body, STRAY: {STRAY: [STRAY]}}
        marked = {
            "X-Request-Id": STRAY,
            "traceparent": f"00-{STRAY}-{STRAY}-01",
            "tracestate": f"{STRAY}={STRAY}",
            "Referer": f"https://{STRAY}.example/{STRAY}",
        }
        await step.ask(who, route.method, f"{astray}?{STRAY}={STRAY}", strange or None, **marked)
        await step.ask(who, route.method, f"{there}?{STRAY}={STRAY}", body or None, **marked)
        await step.ask(who, route.method, there, body or None, **{"Content-Type": f"text/{STRAY}", "Accept": STRAY})
        if not route.is_safe:
            await step.ask(who, route.method, there, strange, **{"If-Match": f'"{STRAY}"'})
            await step.ask(who, route.method, there, body, **{"Idempotency-Key": STRAY + " " + STRAY})
            await step.ask(who, route.method, there, body, Origin=f"https://{STRAY}.example")
    for headers in ({"Authorization": f"Bearer {STRAY}"}, {"Cookie": f"__Host-session={STRAY}; {STRAY}={STRAY}"}):
        await step.ask("stranger", "GET", "/v1/me", **headers)
    await step.ask("stranger", "GET", f"/{STRAY}?{STRAY}")
    await step.ask("stranger", "GET", f"/web/{STRAY}.js")
    await step.ask("stranger", "POST", "/oauth/token", **{"Content-Type": "application/x-www-form-urlencoded"})


def _who(route: Route, number: int) -> str:
    if route.is_public:
        return "stranger"
    return "service" if route.admits("service") else STAFF[number % len(STAFF)]


async def _wrong_everything(step: Walk) -> None:
    """What is no HTTP, and datagrams that are no media."""
    port = URL(step.url).port
    ready = await step.did("stranger", "GET", "/readyz")
    for data in (f"{STRAY}\r\n\r\n", f"GET /{STRAY} HTTP/9.9\r\n\r\n", f"GET / HTTP/1.1\r\n{STRAY}\r\n\r\n"):
        reader, writer = await asyncio.open_connection("localhost", port)
        writer.write(data.encode())
        step.refused.append(await reader.read())
        writer.close()
        await writer.wait_closed()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for first in (0, 22, 128, 200):
            udp.sendto(bytes([first]) + STRAY.encode() * 4, ("127.0.0.1", ready["media_port"]))
