"""What bodies say of people and clinics: names, addresses, languages, zones. The domain looks closer."""

from typing import Annotated, Literal

from msgspec import Meta

from medinova_rt.grants import StaffRole
from medinova_rt.names import MAX_NAME
from medinova_rt.users import MAX_EMAIL

Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_NAME,
        pattern=r"^(?! )[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+(?<! )$",
        description="One line, no space at either end.",
    ),
]
Email = Annotated[str, Meta(min_length=3, max_length=MAX_EMAIL, extra_json_schema={"format": "email"})]
Language = Annotated[Literal["en", "es"], Meta(description="In which somebody is written to.")]
Zone = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z][A-Za-z0-9+_-]*(/[A-Za-z0-9+_-]+){0,2}$",
        description="IANA name.",
        examples=["Europe/Madrid", "America/New_York"],
    ),
]
Roles = Annotated[list[StaffRole], Meta(min_length=1, max_length=len(StaffRole))]
