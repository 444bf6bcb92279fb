import asyncio

import pytest
from msgspec.structs import replace

from medinova_rt.adapters.local import MemoryStore
from medinova_rt.clinics import DEMO, Clinics
from medinova_rt.errors import NotFound
from medinova_rt.ids import ClinicId


async def test_a_clinic_is_made_once_and_stays() -> None:
    clinics = Clinics(MemoryStore())
    renamed = replace(DEMO, name="Another name")
    assert await clinics.ensure(DEMO) == DEMO
    assert await clinics.ensure(renamed) == DEMO
    assert await clinics.get(DEMO.id) == DEMO


async def test_servers_that_start_together_agree() -> None:
    clinics = Clinics(MemoryStore())
    made = await asyncio.gather(*(clinics.ensure(replace(DEMO, name=f"n{n}")) for n in range(5)))
    assert len({clinic.name for clinic in made}) == 1


async def test_an_unknown_clinic_is_not_found() -> None:
    with pytest.raises(NotFound):
        await Clinics(MemoryStore()).get(ClinicId("cli-none"))
