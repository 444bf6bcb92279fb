"""Addresses for fake participants, and what a process used."""

import itertools
import os
import time

from bench.subject import addresses, cpu_s, free_port


def test_everybody_has_an_address_and_all_one_port() -> None:
    found = list(itertools.islice(addresses(4000), 600))
    assert found[:2] == [("127.1.0.1", 4000), ("127.1.0.2", 4000)]
    assert (found[254], found[255]) == (("127.1.0.255", 4000), ("127.1.1.0", 4000))
    assert len(set(found)) == 600


def test_what_a_process_used_grows() -> None:
    before, until = cpu_s(os.getpid()), time.thread_time() + 0.02
    while time.thread_time() < until:
        pass
    assert 0.015 < cpu_s(os.getpid()) - before < 10


def test_a_free_port_is_one() -> None:
    assert 0 < free_port() < 65536
