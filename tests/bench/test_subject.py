"""Addresses for fake participants, and what a process used."""

import itertools
import os
import time

from bench.subject import Sample, addresses, free_port, sample


def test_everybody_has_an_address_and_all_one_port() -> None:
    found = list(itertools.islice(addresses(4000), 600))
    assert found[:2] == [("127.1.0.1", 4000), ("127.1.0.2", 4000)]
    assert (found[254], found[255]) == (("127.1.0.255", 4000), ("127.1.1.0", 4000))
    assert len(set(found)) == 600


def test_what_a_process_used_grows() -> None:
    before, until = sample(os.getpid()), time.thread_time() + 0.02
    while time.thread_time() < until:
        pass
    after = sample(os.getpid())
    assert 0.015 < after.cpu_s - before.cpu_s < 10
    assert set(after.threads) >= {os.getpid()}
    assert 0 <= after.waited_s(before) < 10


def test_the_wait_that_counts_is_that_of_the_busiest_thread() -> None:
    before = Sample(0, threads={1: (5.0, 1.0), 2: (1.0, 0.0)})
    assert Sample(0, threads={1: (5.1, 4.0), 2: (2.0, 0.5)}).waited_s(before) == 0.5
    assert Sample(0, threads={3: (0.5, 0.25), 1: (5.1, 4.0)}).waited_s(before) == 0.25  # it began meanwhile
    assert Sample(0).waited_s(before) == 0


def test_a_free_port_is_one() -> None:
    assert 0 < free_port() < 65536
