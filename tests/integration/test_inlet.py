"""The short way in from the broker, held to what the client's own way does."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client

from mesh.bus import Bus
from mesh.bus.inlet import Inlet, parse_headers
from mesh.bus.outlet import Outlet


@pytest.fixture
async def bus(nats_url):
    bus = await Bus.connect(nats_url, name="test")
    yield bus
    await bus.close()


class Taken:
    """Messages taken, and an event for a number of them."""

    def __init__(self):
        self.messages = asyncio.Queue()

    def take(self, message):
        self.messages.put_nowait(message)

    async def next(self):
        return await self.messages.get()


async def test_message_is_the_same_as_the_clients_own(bus):
    """Subject, reply, body and headers, in the same form."""
    taken = Taken()
    await Inlet.subscribe(bus, "inlet.same.*", taken.take)
    await bus.subscribe("inlet.same.*", (own := asyncio.Queue()).put)
    headers = {"A": "1", "Status": "x", "Utf": "é"}

    await bus.publish("inlet.same.a", b"body\r\n", reply="back", headers=headers)
    await bus.publish("inlet.same.b")

    for _ in range(2):
        ours, theirs = await taken.next(), await own.get()
        assert (ours.subject, ours.reply) == (theirs.subject, theirs.reply)
        assert (ours.data, ours.headers) == (theirs.data, theirs.headers)


@pytest.mark.parametrize("size", [0, 10, 32_700, 100_000, 900_000])
async def test_message_of_any_size_arrives(bus, size):
    """Messages cut in pieces by the socket arrive whole, and so do those after them."""
    taken = Taken()
    await Inlet.subscribe(bus, f"inlet.size.{size}", taken.take)

    for number in range(5):
        await bus.publish(f"inlet.size.{size}", b"%d" % number * size, headers={"N": str(number)})

    messages = [await taken.next() for _ in range(5)]
    assert sorted(message.headers["N"] for message in messages) == list("01234")
    assert {len(message.data) for message in messages} == {size}


async def test_other_subscriptions_are_left_alone(bus):
    """Messages for both kinds of subscription may come in one packet."""
    taken = Taken()
    await Inlet.subscribe(bus, "inlet.mine", taken.take)
    await bus.subscribe("inlet.theirs", (own := asyncio.Queue()).put)

    for number in range(20):
        await bus.publish(("inlet.mine", "inlet.theirs")[number % 2], b"%d" % number)

    assert [(await taken.next()).data for _ in range(10)] == [b"%d" % n for n in range(0, 20, 2)]
    assert [(await own.get()).data for _ in range(10)] == [b"%d" % n for n in range(1, 20, 2)]


async def test_failing_callback_harms_no_other_message(bus, caplog):
    """An error in the callback is logged; the connection and later messages live on."""
    taken = Taken()

    def take(message):
        if message.data == b"bad":
            raise ValueError(message.data)
        taken.take(message)

    await Inlet.subscribe(bus, "inlet.fail", take)
    await bus.publish("inlet.fail", b"bad")
    await bus.publish("inlet.fail", b"good")

    assert (await taken.next()).data == b"good"
    assert "bus.callback_failed" in caplog.text


async def test_subscription_survives_a_restart_of_the_broker(nats_server):
    """After a reconnect messages come as before."""
    server = nats_server()
    bus = await Bus.connect(server.url, name="test")
    taken, back = Taken(), asyncio.Event()
    await Inlet.subscribe(bus, "inlet.again", taken.take)

    async def note():
        back.set()

    bus.on_reconnect(note)
    server.restart()
    await back.wait()
    await bus.publish("inlet.again", b"x")

    assert (await taken.next()).data == b"x"
    await bus.close()


async def test_nobody_there_is_told_as_the_client_does(bus):
    """The broker's own answer, without a body or headers of anybody, has its status."""
    taken = Taken()
    await Inlet.subscribe(bus, "inlet.reply", taken.take)

    Outlet(bus).post("inlet.nobody.listens", b"x", "inlet.reply")

    assert (await taken.next()).headers["Status"] == "503"


async def test_unsubscribed_callback_hears_no_more(bus):
    """After `unsubscribe` nothing is handed over."""
    taken = Taken()
    subscription = await Inlet.subscribe(bus, "inlet.end", taken.take)
    await bus.publish("inlet.end", b"1")
    await taken.next()

    await subscription.unsubscribe()
    await bus.publish("inlet.end", b"2")
    await bus.flush()

    assert taken.messages.empty()
    assert subscription.delivered == 1


names = st.text("ABCdef-", min_size=1, max_size=8)
values = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["C"]), max_size=12)


@given(st.dictionaries(names, values, max_size=6))
def test_header_blocks_are_read_as_the_client_reads_them(headers):
    """Names, values and their white space come out the same."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    ours = parse_headers(f"NATS/1.0\r\n{lines}\r\n".encode())

    theirs = Client()._parse_header_lines(lines.encode())
    assert {name: value.strip() for name, value in theirs.items()} == ours


async def test_ended_subscriptions_are_forgotten(bus):
    """However often one subscribes anew, as after each reconnect, nothing piles up."""
    taken = Taken()
    for _ in range(5):
        subscription = await Inlet.subscribe(bus, "inlet.again", taken.take)
        await bus.leave(subscription)
    await Inlet.subscribe(bus, "inlet.again", taken.take)

    assert len(bus.client._ps._takers) == 1
    await bus.publish("inlet.again", b"heard")
    assert (await taken.next()).data == b"heard"
