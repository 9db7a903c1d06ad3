from threading import Thread

import pytest

from anpr_stream.pipeline.queues import Channel, Closed, Newest


def test_a_channel_keeps_order_and_ends_when_closed() -> None:
    channel: Channel[int] = Channel(10)
    for number in range(3):
        channel.put(number)
    channel.close()
    assert list(channel) == [0, 1, 2]


def test_a_full_channel_makes_the_sender_wait_and_loses_nothing() -> None:
    channel: Channel[int] = Channel(2)

    def send() -> None:
        for number in range(100):
            channel.put(number)
        channel.close()

    sender = Thread(target=send)
    sender.start()
    assert list(channel) == list(range(100))
    sender.join()


def test_a_sender_that_waits_is_told_that_the_receiver_has_gone() -> None:
    channel: Channel[int] = Channel(1)
    channel.put(0)
    told = []

    def send() -> None:
        try:
            channel.put(1)
        except Closed:
            told.append(True)

    sender = Thread(target=send)
    sender.start()
    channel.abandon()
    sender.join()
    assert told == [True]
    assert list(channel) == []


def test_a_receiver_that_waits_is_told_that_the_sender_has_gone() -> None:
    channel: Channel[int] = Channel(1)
    taken: list[int] = []
    receiver = Thread(target=lambda: taken.extend(channel))
    receiver.start()
    channel.close()
    receiver.join()
    assert taken == []


def test_the_newest_item_takes_the_place_of_an_older_one() -> None:
    slot: Newest[str] = Newest()
    assert slot.put("old")
    assert not slot.put("new")
    assert slot.take(0) == "new"
    assert slot.take(0) is None


def test_a_closed_slot_gives_its_item_and_then_ends() -> None:
    slot: Newest[str] = Newest()
    slot.put("last")
    slot.close()
    assert slot.take(1) == "last"
    with pytest.raises(Closed):
        slot.take(1)
    with pytest.raises(Closed):
        slot.put("late")


def test_closing_wakes_who_waits_at_a_slot() -> None:
    slot: Newest[str] = Newest()
    ended = []

    def take() -> None:
        try:
            slot.take(60)
        except Closed:
            ended.append(True)

    taker = Thread(target=take)
    taker.start()
    slot.close()
    taker.join(30)
    assert ended == [True]
